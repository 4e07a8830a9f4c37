//! From a series of observations to the time at which a network is full, with bounds.

use std::time::Duration;

/// What was seen of a network at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Observation {
    /// The time, counted from any moment that all observations share.
    pub at: Duration,
    /// Addresses that were leaked.
    pub leaked: u64,
    /// Addresses that had an owner.
    pub owned: u64,
}

/// When a network will be full.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Forecast {
    /// Too few observations.
    Unknown {
        /// The intervals between observations that there are.
        intervals: usize,
        /// The intervals that it takes.
        needed: usize,
    },
    /// Nothing was leaked while it was observed.
    Never {
        /// With 97.5 % confidence not before this time, if leaks come one by one: a rate of 3.69 in the observed time
        /// would have shown itself so often.
        not_before: Duration,
    },
    /// It will be full.
    Full(Exhaustion),
}

impl Forecast {
    /// True iff a network that was full at this time kept the 95 % bounds; `None` where there are none to keep.
    pub fn covers(&self, full_at: Duration) -> Option<bool> {
        match self {
            Self::Unknown { .. } => None,
            Self::Never { not_before } => Some(*not_before <= full_at),
            Self::Full(full) => {
                Some(full.earliest <= full_at && full.latest.is_none_or(|latest| full_at <= latest))
            }
        }
    }
}

/// The time at which a network is full. Times are on the clock of the observations.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Exhaustion {
    /// Leaked addresses a day.
    pub per_day: f64,
    /// Variance of the leaks in a time by their mean: 1 if they come one by one, more if they come in batches.
    pub dispersion: f64,
    /// At the estimated rate.
    pub expected: Duration,
    /// With 97.5 % confidence not before this time.
    pub earliest: Duration,
    /// With 97.5 % confidence not after this time; `None` if what was seen does not exclude a rate of 0.
    pub latest: Option<Duration>,
}

/// Intervals between observations that a forecast takes.
const NEEDED: usize = 3;
const DAY: f64 = 86_400.0;

/// When a network with `usable` addresses will be full if it goes on as observed; the 95 % bounds are
/// [`Exhaustion::earliest`] and [`Exhaustion::latest`].
///
/// The model: leaks in intervals that do not overlap are independent, with mean μt and variance φμt in a time t, as in
/// a compound Poisson process, where each removal loses a batch of addresses. μ is estimated by the leaks in the observed time
/// τ, φ by Pearson's statistic over the intervals, and at least 1, since a leak is a whole address. Leaks never go away by
/// themselves, so the network is full at time t or before iff more than its room F has leaked by then. The leaks of the
/// next t less their estimate have variance φμ(t + t²/τ), the second part of which is the doubt about μ; so the bounds are the two times at
/// which |F − μt| is that deviation times the 97.5 % quantile of Student's t. A rate that changes with the season or with
/// somebody's plans is outside of this model.
///
/// The room is what is usable, less what is leaked now, less the most that was owned at any of the observations: a network
/// is full when the next peak finds no address. Where the number of leaked addresses falls, a new leader has reclaimed
/// them, and only what was seen since counts. The order of the observations does not matter.
pub fn forecast(usable: u64, seen: &[Observation]) -> Forecast {
    let mut seen = seen.to_vec();
    seen.sort_by_key(|one| (one.at, one.leaked));
    let peak = seen.iter().map(|one| one.owned).max().unwrap_or(0);
    let since = seen.windows(2).rposition(|pair| pair[1].leaked < pair[0].leaked).map_or(0, |at| at + 1);
    let (Some(first), Some(last)) = (seen.get(since), seen.last()) else {
        return Forecast::Unknown { intervals: 0, needed: NEEDED };
    };
    // Of several observations at the same time the pair has no length; it says nothing about a rate.
    let steps = seen[since..].windows(2).filter(|pair| pair[0].at < pair[1].at);
    let steps: Vec<Step> = steps.map(|pair| Step::of(pair[0], pair[1])).collect();
    if steps.len() < NEEDED {
        return Forecast::Unknown { intervals: steps.len(), needed: NEEDED };
    }
    let room = usable.saturating_sub(last.leaked).saturating_sub(peak) as f64;
    let observed = last.at.saturating_sub(first.at).as_secs_f64();
    let leaked = (last.leaked - first.leaked) as f64;
    if leaked <= 0.0 {
        // P(0 leaks) is 2.5 % at this mean.
        let most = -f64::ln(0.025);
        return Forecast::Never { not_before: after(last.at, room / most * observed) };
    }
    let rate = leaked / observed;
    let dispersion = dispersion(&steps, rate);
    let bounds = Passage { room, rate, dispersion, observed }.bounds(student(steps.len() - 1));
    Forecast::Full(Exhaustion {
        per_day: rate * DAY,
        dispersion,
        expected: after(last.at, room / rate),
        earliest: after(last.at, bounds.0),
        latest: bounds.1.map(|seconds| after(last.at, seconds)),
    })
}

/// What was leaked between two observations.
#[derive(Clone, Copy, Debug)]
struct Step {
    leaked: f64,
    seconds: f64,
}

impl Step {
    fn of(from: Observation, to: Observation) -> Self {
        Self {
            leaked: (to.leaked - from.leaked) as f64,
            seconds: to.at.saturating_sub(from.at).as_secs_f64(),
        }
    }
}

/// Pearson's statistic by its degrees of freedom, at least 1.
fn dispersion(steps: &[Step], rate: f64) -> f64 {
    let pearson = steps.iter().map(|step| {
        let mean = rate * step.seconds;
        (step.leaked - mean).powi(2) / mean
    });
    (pearson.sum::<f64>() / (steps.len() - 1) as f64).max(1.0)
}

/// A process that passes `room`.
#[derive(Clone, Copy, Debug)]
struct Passage {
    room: f64,
    rate: f64,
    dispersion: f64,
    observed: f64,
}

impl Passage {
    /// The two solutions t of (F − μt)² = q²φμ(t + t²/τ), in seconds. There is no second one if the rate may be 0.
    fn bounds(self, quantile: f64) -> (f64, Option<f64>) {
        let Self { room, rate, .. } = self;
        if room <= 0.0 {
            return (0.0, Some(0.0));
        }
        let noise = quantile.powi(2) * self.dispersion * rate;
        let square = rate.powi(2) - noise / self.observed;
        let linear = 2.0f64.mul_add(room * rate, noise);
        // Never below 0 but by rounding: linear² − 4·square·room² is noise·(4·room·rate + noise + 4·room²/observed).
        let root = (linear.powi(2) - 4.0 * square * room.powi(2)).max(0.0).sqrt();
        // In this form no two large numbers are subtracted.
        let first = 2.0 * room.powi(2) / (linear + root);
        (first, (0.0 < square).then(|| (linear + root) / (2.0 * square)))
    }
}

/// A time that is so many seconds later; the end of time where that cannot be told.
fn after(at: Duration, seconds: f64) -> Duration {
    at.saturating_add(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
}

/// The 97.5 % quantile of Student's t, by bisection. From 200 degrees of freedom on it is that of 200, which is less than
/// 1 % too wide.
fn student(freedom: usize) -> f64 {
    let freedom = freedom.clamp(1, 200);
    let (mut low, mut high) = (0.0, 20.0);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if student_within(middle, freedom) < 0.95 {
            low = middle;
        } else {
            high = middle;
        }
    }
    f64::midpoint(low, high)
}

/// P(|T| ≤ t) for a whole number of degrees of freedom: the finite sums of Abramowitz and Stegun, 26.7.3 and 26.7.4.
fn student_within(t: f64, freedom: usize) -> f64 {
    let angle = (t / (freedom as f64).sqrt()).atan();
    let (sine, cosine) = angle.sin_cos();
    let odd = freedom % 2 == 1;
    // The first term, and from each to the next the factor cos²·n/(n + 1), with n even for odd degrees of freedom.
    let (mut term, mut n) = if odd { (cosine, 2.0) } else { (1.0, 1.0) };
    let mut sum = 0.0;
    for _ in 0..freedom / 2 {
        sum += term;
        term *= cosine * cosine * n / (n + 1.0);
        n += 2.0;
    }
    if odd { (angle + sine * sum) * std::f64::consts::FRAC_2_PI } else { sine * sum }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    /// An observation every hour, with so many leaks in each.
    fn hourly(leaks: &[u64]) -> Vec<Observation> {
        let mut leaked = 0;
        let mut seen = vec![Observation { at: Duration::ZERO, leaked, owned: 10 }];
        for (hour, more) in (1..).zip(leaks) {
            leaked += more;
            seen.push(Observation { at: HOUR * hour, leaked, owned: 10 });
        }
        seen
    }

    fn full(usable: u64, leaks: &[u64]) -> Exhaustion {
        match forecast(usable, &hourly(leaks)) {
            Forecast::Full(full) => full,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_quantiles_of_the_printed_table() {
        for (freedom, expected) in
            [(1, 12.706), (2, 4.303), (3, 3.182), (4, 2.776), (10, 2.228), (30, 2.042), (120, 1.980)]
        {
            assert!((student(freedom) - expected).abs() < 6e-4, "{freedom}: {}", student(freedom));
        }
        assert!(student(10_000) < 1.973);
    }

    #[test]
    fn too_few_observations_are_unknown() {
        let unknown = |intervals| Forecast::Unknown { intervals, needed: 3 };
        assert_eq!(forecast(253, &[]), unknown(0));
        for hours in 0..3 {
            assert_eq!(forecast(253, &hourly(&vec![1; hours])), unknown(hours));
        }
        let same_time = vec![hourly(&[1])[1]; 9];
        assert_eq!(forecast(253, &same_time), unknown(0), "nine looks at one time are no interval");
    }

    #[test]
    fn without_a_leak_it_is_never_full_but_the_bound_stays() {
        let Forecast::Never { not_before } = forecast(253, &hourly(&[0; 24])) else { panic!() };
        // 243 free addresses, at most 3.69 leaks in 24 hours.
        let hours = not_before.saturating_sub(HOUR * 24).as_secs_f64() / 3600.0;
        assert!((hours - 243.0 / 3.688_88 * 24.0).abs() < 0.1, "{hours}");
    }

    /// By hand: one leak in each of 72 hours and 171 left are 171 more hours; φ is 1 for want of any spread.
    #[test]
    fn the_bounds_are_where_the_deviation_reaches_the_room() {
        let seen = full(253, &[1; 72]);
        assert!((seen.per_day - 24.0).abs() < 1e-9 && (seen.dispersion - 1.0).abs() < 1e-9);
        assert_eq!(seen.expected, HOUR * (72 + 171));
        let quantile = student(71);
        for time in [seen.earliest, seen.latest.unwrap()] {
            let hours = time.saturating_sub(HOUR * 72).as_secs_f64() / 3600.0;
            let deviation = (hours + hours * hours / 72.0).sqrt();
            assert!(((171.0 - hours).abs() - quantile * deviation).abs() < 1e-6, "{hours}");
        }
    }

    #[test]
    fn a_time_within_the_bounds_is_covered() {
        let unknown = Forecast::Unknown { intervals: 0, needed: NEEDED };
        assert_eq!(unknown.covers(HOUR), None);
        let never = Forecast::Never { not_before: HOUR * 2 };
        assert_eq!([HOUR, HOUR * 2].map(|at| never.covers(at)), [Some(false), Some(true)]);
        let of = |latest| {
            let (earliest, expected) = (HOUR * 2, HOUR * 3);
            Forecast::Full(Exhaustion { per_day: 1.0, dispersion: 1.0, expected, earliest, latest })
        };
        let within = |latest, hours: u32| of(latest).covers(HOUR * hours).expect("it has bounds");
        let closed = Some(HOUR * 4);
        assert_eq!([1, 2, 4, 5].map(|hours| within(closed, hours)), [false, true, true, false]);
        assert_eq!([1, 2, 900].map(|hours| within(None, hours)), [false, true, true]);
    }

    #[test]
    fn batches_widen_the_bounds() {
        let singles = full(253, &[1; 72]);
        let batches = full(253, &[3, 0, 0].repeat(24));
        assert_eq!(batches.expected, singles.expected);
        assert!(1.9 < batches.dispersion && batches.dispersion < 2.1);
        assert!(batches.earliest < singles.earliest && singles.latest < batches.latest);
    }

    #[test]
    fn few_leaks_leave_the_end_open() {
        let few = full(253, &[0, 0, 1, 0, 0, 0, 1, 0]);
        assert_eq!(few.latest, None);
        assert!(few.earliest < few.expected);
    }

    #[test]
    fn what_was_leaked_before_a_new_leader_does_not_count() {
        let mut seen = hourly(&[9; 20]);
        let start = HOUR * 21;
        seen.extend(hourly(&[1; 30]).into_iter().map(|one| Observation { at: start + one.at, ..one }));
        let Forecast::Full(both) = forecast(253, &seen) else { panic!() };
        assert_eq!(both.expected.saturating_sub(start), full(253, &[1; 30]).expected);
        seen.push(Observation { at: HOUR * 90, leaked: 0, owned: 10 });
        assert_eq!(forecast(253, &seen), Forecast::Unknown { intervals: 0, needed: 3 });
    }

    #[test]
    fn a_full_network_is_full_now() {
        let now = full(34, &[1; 24]);
        assert_eq!((now.earliest, now.expected, now.latest), (HOUR * 24, HOUR * 24, Some(HOUR * 24)));
    }

    proptest! {
        #[test]
        fn the_bounds_enclose_the_estimate_and_lie_ahead(leaks in prop::collection::vec(0..40_u64, 3..60), usable in 0..70_000_u64) {
            let seen = hourly(&leaks);
            let end = seen.last().unwrap().at;
            match forecast(usable, &seen) {
                Forecast::Full(full) => {
                    prop_assert!(end <= full.earliest && full.earliest <= full.expected);
                    prop_assert!(full.latest.is_none_or(|latest| full.expected <= latest));
                    prop_assert!(0.0 < full.per_day && 1.0 <= full.dispersion);
                }
                Forecast::Never { not_before } => prop_assert!(leaks.iter().sum::<u64>() == 0 && end <= not_before),
                Forecast::Unknown { .. } => prop_assert!(false, "there are enough observations"),
            }
        }

        #[test]
        fn a_larger_network_lasts_longer(leaks in prop::collection::vec(0..9_u64, 3..40), usable in 400..9_000_u64, more in 1..9_000_u64) {
            let at = |usable| forecast(usable, &hourly(&leaks));
            if let (Forecast::Full(small), Forecast::Full(large)) = (at(usable), at(usable + more)) {
                prop_assert!(small.expected < large.expected && small.earliest < large.earliest);
                prop_assert_eq!(small.latest.is_some(), large.latest.is_some());
                prop_assert!(small.latest <= large.latest);
            }
        }

        /// Any numbers at all, in any order: no panic, and the order does not matter.
        #[test]
        fn odd_numbers_do_no_harm(usable: u64, seen in prop::collection::vec((0..u64::MAX / 4, any::<u64>(), any::<u64>()), 0..12)) {
            let seen = seen.into_iter().map(|(at, leaked, owned)| Observation { at: Duration::from_secs(at), leaked, owned });
            let mut seen: Vec<_> = seen.collect();
            let first = forecast(usable, &seen);
            seen.reverse();
            prop_assert_eq!(forecast(usable, &seen), first);
        }
    }
}
