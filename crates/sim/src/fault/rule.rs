//! Which calls have a fault: by method and path, by count, by chance.

use std::time::Instant;

use super::kind::{Fault, is_stream};

/// Parts of a whole in which a chance is counted.
pub(super) const WHOLE: u32 = 1_000_000;

/// A fault and the calls that it applies to.
///
/// ```
/// use pvcheck_sim::{Fault, FaultRule};
///
/// // The next two lists of tasks fail.
/// let rule = FaultRule::new(Fault::Fail { status: 500 }).method("GET").path("/tasks").times(2);
/// assert_eq!("GET /tasks: status 500, times 2".parse(), Ok(rule));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultRule {
    pub(super) fault: Fault,
    pub(super) method: Option<String>,
    pub(super) path: Option<String>,
    /// The first call that fits and has the fault, counted from 1.
    pub(super) from: u64,
    pub(super) times: Option<u32>,
    /// In millionths.
    pub(super) chance: u32,
    pub(super) seed: u64,
    /// Calls that fitted so far, and how many of them had the fault.
    seen: u64,
    used: u32,
}

impl FaultRule {
    /// A fault for all calls, until it is removed.
    pub fn new(fault: Fault) -> Self {
        Self {
            fault,
            method: None,
            path: None,
            from: 1,
            times: None,
            chance: WHOLE,
            seed: 0,
            seen: 0,
            used: 0,
        }
    }

    /// Only for calls with this method.
    #[must_use]
    pub fn method(mut self, method: &str) -> Self {
        self.method = Some(method.to_owned());
        self
    }

    /// Only for calls whose path and query contain this.
    #[must_use]
    pub fn path(mut self, part: &str) -> Self {
        self.path = Some(part.to_owned());
        self
    }

    /// Not before the `first` call that fits, counted from 1.
    #[must_use]
    pub fn from(mut self, first: u64) -> Self {
        self.from = first;
        self
    }

    /// Only for the call that fits as the `nth`, counted from 1.
    #[must_use]
    pub fn nth(self, nth: u64) -> Self {
        self.from(nth).times(1)
    }

    /// Only for so many calls.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    /// Only with this chance, in millionths; the same seed and the same calls have the same faults.
    #[must_use]
    pub fn chance(mut self, millionths: u32, seed: u64) -> Self {
        (self.chance, self.seed) = (millionths.min(WHOLE), seed);
        self
    }

    /// The fault for this call if the rule applies to it; each use counts.
    pub fn take(&mut self, method: &str, target: &str) -> Option<Fault> {
        let fits = self.method.as_ref().is_none_or(|wanted| wanted == method)
            && self.path.as_ref().is_none_or(|part| target.contains(part.as_str()))
            && (self.fault != Fault::LoseEvents || is_stream(method, target));
        if !fits {
            return None;
        }
        self.seen += 1;
        let is_due = self.from <= self.seen && self.times.is_none_or(|times| self.used < times);
        if !is_due || self.chance <= roll(self.seed, self.seen) {
            return None;
        }
        self.used += 1;
        Some(self.fault)
    }
}

/// A number below [`WHOLE`], the same for the same seed and call (SplitMix64).
fn roll(seed: u64, call: u64) -> u32 {
    let mut word = seed.wrapping_add(call.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^= word >> 31;
    u32::try_from(word % u64::from(WHOLE)).unwrap_or(0)
}

/// The faults of an engine, and whether it is down because of one.
#[derive(Debug, Default)]
pub struct Faults {
    rules: Vec<FaultRule>,
    down_until: Option<Instant>,
}

impl Faults {
    /// These rules, tried in this order for each call.
    pub fn new(rules: Vec<FaultRule>) -> Self {
        Self { rules, down_until: None }
    }

    /// Adds a rule behind the others.
    pub fn add(&mut self, rule: FaultRule) {
        self.rules.push(rule);
    }

    /// Removes all rules. An engine that is down stays so until its time is over.
    pub fn clear(&mut self) {
        self.rules.clear();
    }

    /// True iff no call is to be answered at `now`, because the engine restarts.
    pub fn is_down(&self, now: Instant) -> bool {
        self.down_until.is_some_and(|until| now < until)
    }

    /// The fault of a call: that of the first rule that applies to it.
    pub fn take(&mut self, method: &str, target: &str, now: Instant) -> Option<Fault> {
        let fault = self.rules.iter_mut().find_map(|rule| rule.take(method, target))?;
        if let Fault::Restart { down } = fault {
            self.down_until = now.checked_add(down);
        }
        Some(fault)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const CUT: Fault = Fault::Cut;

    #[test]
    fn a_bare_rule_is_for_every_call_without_end() {
        let mut rule = FaultRule::new(CUT);
        for target in ["/", "/tasks", ""] {
            for method in ["GET", "POST"] {
                assert_eq!(rule.take(method, target), Some(CUT));
            }
        }
    }

    #[test]
    fn method_and_path_have_to_fit_together() {
        let mut rule = FaultRule::new(CUT).method("GET").path("/tasks");
        for (method, target, fits) in [
            ("GET", "/v1.41/tasks?filters=x", true),
            ("GET", "/tasks", true),
            ("POST", "/tasks", false),
            ("get", "/tasks", false),
            ("GET", "/task", false),
        ] {
            assert_eq!(rule.take(method, target).is_some(), fits, "{method} {target}");
        }
    }

    /// Which of six calls have the fault.
    fn hits(mut rule: FaultRule) -> Vec<u64> {
        (1..=6).filter(|_| rule.take("GET", "/").is_some()).collect()
    }

    #[test]
    fn calls_are_counted_from_the_first_that_fits() {
        assert_eq!(hits(FaultRule::new(CUT).nth(3)), [3]);
        assert_eq!(hits(FaultRule::new(CUT).from(3)), [3, 4, 5, 6]);
        assert_eq!(hits(FaultRule::new(CUT).from(3).times(2)), [3, 4]);
        assert_eq!(hits(FaultRule::new(CUT).times(2)), [1, 2]);
        assert_eq!(hits(FaultRule::new(CUT).times(0)), [0; 0]);
        let mut rule = FaultRule::new(CUT).path("/tasks").nth(2);
        let taken = ["/tasks", "/nodes", "/nodes", "/tasks", "/tasks"].map(|t| rule.take("GET", t).is_some());
        assert_eq!(taken, [false, false, false, true, false]);
    }

    #[test]
    fn a_chance_is_the_same_for_the_same_seed_and_about_what_it_says() {
        let of = |millionths, seed| {
            let mut rule = FaultRule::new(CUT).chance(millionths, seed);
            (0..1000).map(|_| rule.take("GET", "/").is_some()).collect::<Vec<_>>()
        };
        assert_eq!(of(100_000, 7), of(100_000, 7));
        assert_ne!(of(100_000, 7), of(100_000, 8));
        let hits = of(100_000, 7).into_iter().filter(|hit| *hit).count();
        assert!((60..140).contains(&hits), "{hits} of 1000 by a chance of a tenth");
        assert!(of(0, 7).iter().all(|hit| !hit) && of(WHOLE, 7).iter().all(|hit| *hit));
    }

    #[test]
    fn only_a_call_for_events_can_lose_them() {
        let mut rule = FaultRule::new(Fault::LoseEvents).times(1);
        let calls = [("GET", "/tasks"), ("POST", "/events"), ("GET", "/v1.41/events?since=1")];
        assert_eq!(calls.map(|(m, t)| rule.take(m, t).is_some()), [false, false, true]);
    }

    #[test]
    fn an_engine_that_restarts_is_down_for_its_time() {
        let (now, down) = (Instant::now(), Duration::from_secs(2));
        let mut faults = Faults::new(vec![FaultRule::new(Fault::Restart { down }).times(1)]);
        assert!(!faults.is_down(now));
        assert_eq!(faults.take("GET", "/", now), Some(Fault::Restart { down }));
        assert!(faults.is_down(now) && faults.is_down(now + down / 2) && !faults.is_down(now + down));
        assert_eq!(faults.take("GET", "/", now + down), None);
    }
}
