//! Outages, from facts over time.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::fact::RouteFact;
use crate::judge::{RouteVerdict, Verdict, judge};

/// The most outages that are kept per route; later ones are only counted.
const OUTAGES_LIMIT: usize = 1000;

/// Sums up facts as they come, in bounded memory. Pure: time is taken from the facts.
///
/// Facts of one route must come in the order of their times; different routes may be mixed.
#[derive(Clone, Debug, Default)]
pub struct Recorder {
    routes: Vec<Track>,
}

impl Recorder {
    /// A recorder that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a fact and returns what it was judged to be.
    pub fn record(&mut self, fact: &RouteFact) -> RouteVerdict {
        let verdict = judge(fact);
        let known = self.routes.iter().position(|track| track.record.name == fact.name);
        let index = known.unwrap_or_else(|| {
            self.routes.push(Track::new(&fact.name));
            self.routes.len() - 1
        });
        self.routes[index].add(fact, &verdict);
        verdict
    }

    /// What was seen so far, routes in the order of their first fact.
    pub fn summary(&self) -> WatchSummary {
        WatchSummary { routes: self.routes.iter().map(|track| track.record.clone()).collect() }
    }
}

#[derive(Clone, Debug)]
struct Track {
    record: RouteRecord,
    last_pass: Option<Timestamp>,
    down: bool,
}

impl Track {
    fn new(name: &str) -> Self {
        let record = RouteRecord { name: name.to_owned(), ..RouteRecord::default() };
        Self { record, last_pass: None, down: false }
    }

    fn add(&mut self, fact: &RouteFact, verdict: &RouteVerdict) {
        self.record.probes += 1;
        self.record.slowest_ms = self.record.slowest_ms.max(Some(fact.timing_ms.total));
        match verdict.verdict {
            Verdict::Pass => {
                self.record.elsewhere += u64::from(!fact.refused.is_empty());
                self.pass(fact.at);
            }
            // An unknown is evidence neither way, so an open outage stays open.
            Verdict::Unknown => self.record.unknown += 1,
            Verdict::Fail => self.fail(fact.at, &verdict.reason.to_string()),
        }
    }

    fn pass(&mut self, at: Timestamp) {
        self.record.passed += 1;
        if self.down
            && let Some(outage) = self.current()
        {
            outage.to = Some(at);
        }
        self.down = false;
        self.last_pass = Some(at);
    }

    fn fail(&mut self, at: Timestamp, reason: &str) {
        self.record.failed += 1;
        if !self.down {
            self.down = true;
            self.open(at, reason);
        }
        if let Some(outage) = self.current() {
            outage.failed += 1;
            outage.last_fail = at;
        }
    }

    fn open(&mut self, at: Timestamp, reason: &str) {
        self.record.outages_seen += 1;
        if self.record.outages.len() < OUTAGES_LIMIT {
            let last_pass = self.last_pass;
            let reason = reason.to_owned();
            self.record.outages.push(Outage {
                last_pass,
                from: at,
                last_fail: at,
                to: None,
                failed: 0,
                reason,
            });
        }
    }

    /// The outage under way, unless it is past the limit and only counted.
    fn current(&mut self) -> Option<&mut Outage> {
        let kept = self.record.outages_seen == self.record.outages.len() as u64;
        if kept { self.record.outages.last_mut() } else { None }
    }
}

/// What was seen of every route over time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct WatchSummary {
    /// One record per route.
    pub routes: Vec<RouteRecord>,
}

impl WatchSummary {
    /// The worst verdict of all routes: one failed probe fails it, and without a probe it is unknown.
    pub fn verdict(&self) -> Verdict {
        let worst = self.routes.iter().map(RouteRecord::verdict).max();
        worst.unwrap_or(Verdict::Unknown)
    }
}

/// What was seen of one route over time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RouteRecord {
    /// The route.
    pub name: String,
    /// Probes made.
    pub probes: u64,
    /// Those that passed.
    pub passed: u64,
    /// Those of them that an earlier address did not answer and a later one did.
    #[serde(default)]
    pub elsewhere: u64,
    /// Those that failed.
    pub failed: u64,
    /// Those whose verdict is unknown.
    pub unknown: u64,
    /// The longest that a probe took, in milliseconds.
    pub slowest_ms: Option<u64>,
    /// How often the route went down.
    pub outages_seen: u64,
    /// When, and why: the first 1000 of them.
    pub outages: Vec<Outage>,
}

impl RouteRecord {
    /// Fails with one failed probe; passes only when every probe passed and there was one.
    pub fn verdict(&self) -> Verdict {
        match (self.failed, self.passed) {
            (1.., _) => Verdict::Fail,
            (0, 1..) if self.unknown == 0 => Verdict::Pass,
            _ => Verdict::Unknown,
        }
    }

    /// The longest outage by [`Outage::observed_ms`]; `None` when there was none.
    pub fn longest_outage_ms(&self) -> Option<u64> {
        self.outages.iter().map(Outage::observed_ms).max()
    }
}

/// A time in which a route failed. It began between `last_pass` and `from` and ended between `last_fail` and `to`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Outage {
    /// The last probe before it that passed.
    pub last_pass: Option<Timestamp>,
    /// The first probe that failed.
    pub from: Timestamp,
    /// The last probe that failed.
    pub last_fail: Timestamp,
    /// The first probe that passed again; `None` while none has.
    pub to: Option<Timestamp>,
    /// How many probes failed.
    pub failed: u64,
    /// Why the first of them did.
    pub reason: String,
}

impl Outage {
    /// Milliseconds from the first failed probe to the first that passed again, or to the last failed one of an
    /// outage that has not ended.
    pub fn observed_ms(&self) -> u64 {
        let end = self.to.unwrap_or(self.last_fail);
        u64::try_from(end.as_millisecond() - self.from.as_millisecond()).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conditions::Conditions;
    use crate::fact::{BodyFact, Failure, TimingMs};
    use crate::phase::Phase;
    use crate::request::Method;

    fn fact(name: &str, second: i64, outcome: char) -> RouteFact {
        let failure = match outcome {
            'f' => Some(Failure::recorded(Phase::Connect, &format!("refused at {second}"))),
            'u' => Some(Failure::recorded(Phase::Local, "no resolver")),
            _ => None,
        };
        RouteFact {
            name: name.to_owned(),
            method: Method::Get,
            url: "http://h/".to_owned(),
            at: Timestamp::from_second(second).unwrap(),
            address: None,
            pinned: false,
            refused: Vec::new(),
            http: None,
            status: failure.is_none().then_some(200),
            expected: vec![200.into()],
            conditions: Conditions::default(),
            headers_seen: Vec::new(),
            body_seen: Vec::new(),
            tls: None,
            timing_ms: TimingMs { total: u64::try_from(second).unwrap(), ..TimingMs::default() },
            body: Some(BodyFact { bytes: 2, complete: true, ..BodyFact::default() }),
            location: None,
            retry_after: None,
            server: None,
            www_authenticate: Vec::new(),
            origin: None,
            allow_empty: false,
            headers_suffice: false,
            allow_default: false,
            client_certificate: false,
            failure,
            curl: None,
            of_attempts: 1,
            earlier: Vec::new(),
        }
    }

    fn record(outcomes: &str) -> RouteRecord {
        let mut recorder = Recorder::new();
        for (second, outcome) in (1..).zip(outcomes.chars()) {
            recorder.record(&fact("r", second, outcome));
        }
        recorder.summary().routes.remove(0)
    }

    #[test]
    fn outages_have_bounds_on_both_sides() {
        let seen = record("ppffuffppfp");
        assert_eq!((seen.probes, seen.passed, seen.failed, seen.unknown), (11, 5, 5, 1));
        let at = |second| Timestamp::from_second(second).unwrap();
        let long = &seen.outages[0];
        assert_eq!(
            (long.last_pass, long.from, long.last_fail, long.to),
            (Some(at(2)), at(3), at(7), Some(at(8)))
        );
        assert_eq!((long.failed, long.observed_ms()), (4, 5000));
        assert!(long.reason.ends_with("refused at 3"), "{}", long.reason);
        assert_eq!((seen.outages.len(), seen.outages[1].observed_ms()), (2, 1000));
        assert_eq!((seen.longest_outage_ms(), seen.slowest_ms), (Some(5000), Some(11)));
    }

    #[test]
    fn an_outage_that_has_not_ended_has_no_end() {
        let seen = record("fff");
        assert_eq!(seen.outages[0].last_pass, None);
        assert_eq!((seen.outages[0].to, seen.outages[0].observed_ms()), (None, 2000));
        assert_eq!(record("p").longest_outage_ms(), None);
    }

    #[test]
    fn a_request_that_another_address_took_has_passed_and_is_counted_apart() {
        let mut recorder = Recorder::new();
        let refused = vec!["192.0.2.10:443".parse().unwrap()];
        for (second, outcome) in [(1, 'p'), (2, 'p'), (3, 'f')] {
            recorder.record(&RouteFact { refused: refused.clone(), ..fact("r", second, outcome) });
        }
        recorder.record(&fact("r", 4, 'p'));
        let seen = recorder.summary().routes.remove(0);
        assert_eq!((seen.passed, seen.elsewhere, seen.failed), (3, 2, 1));
    }

    #[test]
    fn only_passes_pass() {
        for (outcomes, verdict) in [
            ("ppp", Verdict::Pass),
            ("pup", Verdict::Unknown),
            ("u", Verdict::Unknown),
            ("puf", Verdict::Fail),
        ] {
            assert_eq!(record(outcomes).verdict(), verdict, "{outcomes}");
        }
        assert_eq!(Recorder::new().summary().verdict(), Verdict::Unknown);
    }

    #[test]
    fn routes_do_not_mix_and_the_worst_counts() {
        let mut recorder = Recorder::new();
        for (name, outcome) in [("a", 'p'), ("b", 'f'), ("a", 'p'), ("b", 'p')] {
            recorder.record(&fact(name, 1, outcome));
        }
        let summary = recorder.summary();
        let counts: Vec<_> = summary.routes.iter().map(|r| (r.name.as_str(), r.passed, r.failed)).collect();
        assert_eq!(counts, [("a", 2, 0), ("b", 1, 1)]);
        assert_eq!(summary.verdict(), Verdict::Fail);
    }

    #[test]
    fn a_flapping_route_takes_bounded_memory() {
        let seen = record(&"pf".repeat(OUTAGES_LIMIT + 5));
        assert_eq!(seen.outages.len(), OUTAGES_LIMIT);
        assert_eq!(seen.outages_seen, OUTAGES_LIMIT as u64 + 5);
        let last = seen.outages.last().unwrap();
        assert_eq!(
            (last.failed, last.observed_ms()),
            (1, 1000),
            "outages past the limit must not leak into it"
        );
    }
}
