//! From a number of observed leaks to the leak rate, with bounds.

use serde::{Deserialize, Serialize};

/// Leaks per cycle of deploy and remove, with exact one-sided 95 % Poisson bounds.
///
/// The bounds are the exact ones (Biometrika 28, 1936, page 437): the rates at which an observation as extreme as the
/// one made has a probability of exactly 5 %. Each holds with 95 % by itself, both together with 90 %. With
/// 0 leaks in n cycles the upper bound is 2.9957/n ("rule of three"), the lower one 0.
///
/// Leaks are taken as independent. Where they come in batches, such as one for each task of a stack, count
/// batches, or read the bounds as too narrow.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LeakRate {
    /// Leaks that were seen.
    pub leaks: u64,
    /// Cycles that were run.
    pub cycles: u64,
    /// Leaks per cycle.
    pub estimate: f64,
    /// With 95 % confidence the rate is at least this.
    pub lower95: f64,
    /// With 95 % confidence the rate is at most this.
    pub upper95: f64,
}

/// Why there is no rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RateError {
    /// Without a cycle nothing is known.
    #[error("no cycle was run, so nothing is known about the rate: run at least one")]
    NoCycles,
    /// More leaks than there are IPv4 addresses.
    #[error("{leaks} leaks are more than IPv4 has addresses: check the count")]
    TooMany {
        /// The count given.
        leaks: u64,
    },
}

/// How many cycles the free addresses last. Whole cycles that fit, rounded down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CyclesLeft {
    /// At the estimated rate; `None` if no leak was seen, which does not mean that the addresses last without end.
    pub estimate: Option<u64>,
    /// With 95 % confidence at least this many, that is at the upper bound of the rate.
    pub lower95: u64,
    /// With 95 % confidence at most this many; `None` if the rate may be 0.
    pub upper95: Option<u64>,
}

/// Probability that is left outside each bound.
const TAIL: f64 = 0.05;

impl LeakRate {
    /// The rate behind `leaks` leaks in `cycles` cycles.
    ///
    /// # Errors
    /// If there were no cycles, or more than 2^32 leaks.
    pub fn new(leaks: u64, cycles: u64) -> Result<Self, RateError> {
        if cycles == 0 {
            return Err(RateError::NoCycles);
        }
        if leaks > 1 << 32 {
            return Err(RateError::TooMany { leaks });
        }
        let per_cycle = |mean: f64| mean / cycles as f64;
        Ok(Self {
            leaks,
            cycles,
            estimate: per_cycle(leaks as f64),
            lower95: per_cycle(if leaks == 0 { 0.0 } else { gamma_quantile(leaks as f64, TAIL) }),
            upper95: per_cycle(gamma_quantile(leaks as f64 + 1.0, 1.0 - TAIL)),
        })
    }

    /// How many more cycles fit into `free` addresses.
    pub fn cycles_left(&self, free: u64) -> CyclesLeft {
        CyclesLeft {
            estimate: cycles_at(free, self.estimate),
            lower95: cycles_at(free, self.upper95).unwrap_or(u64::MAX),
            upper95: cycles_at(free, self.lower95),
        }
    }
}

/// Whole cycles until `free` addresses have leaked; `None` at a rate of 0.
fn cycles_at(free: u64, per_cycle: f64) -> Option<u64> {
    (per_cycle > 0.0).then(|| to_count((free as f64 / per_cycle).floor()))
}

/// A float that is a count; too large ones saturate.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates, as is wanted")]
fn to_count(value: f64) -> u64 {
    value as u64
}

/// The x with P(shape, x) = `probability`, by bisection. For a Poisson count k the upper bound is the quantile
/// of shape k + 1, the lower one that of shape k.
fn gamma_quantile(shape: f64, probability: f64) -> f64 {
    // A gamma distribution of this shape has mean `shape` and deviation √shape, so ten deviations and a constant for
    // small shapes enclose every 5 % and 95 % quantile.
    let (mut low, mut high) = (0.0, shape + 10.0 * shape.sqrt() + 10.0);
    for _ in 0..200 {
        let middle = f64::midpoint(low, high);
        // Neighbouring floats: no further halving is possible.
        if middle <= low || middle >= high {
            break;
        }
        if gamma_p(shape, middle) < probability {
            low = middle;
        } else {
            high = middle;
        }
    }
    f64::midpoint(low, high)
}

/// Regularised lower incomplete gamma function P(shape, x), for shape >= 1 and x > 0. Series below the mean,
/// continued fraction above (https://dlmf.nist.gov, 8.11.4 and 8.9.2).
fn gamma_p(shape: f64, x: f64) -> f64 {
    let scale = (shape * x.ln() - x - ln_gamma(shape)).exp();
    if x < shape + 1.0 { (scale * series(shape, x)).min(1.0) } else { 1.0 - scale * fraction(shape, x) }
}

/// Steps after which both expansions have long converged: they need a few times the root of the shape.
fn steps(shape: f64) -> u64 {
    to_count(20.0 * shape.sqrt()) + 500
}

fn series(shape: f64, x: f64) -> f64 {
    let mut term = 1.0 / shape;
    let mut sum = term;
    for step in 1..=steps(shape) {
        term *= x / (shape + step as f64);
        sum += term;
        if term < sum * f64::EPSILON {
            break;
        }
    }
    sum
}

fn fraction(shape: f64, x: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let nonzero = |value: f64| if value.abs() < TINY { TINY } else { value };
    let mut partial = x + 1.0 - shape;
    let mut ratio = 1.0 / TINY;
    let mut inverse = 1.0 / nonzero(partial);
    let mut value = inverse;
    for step in 1..=steps(shape) {
        let step = step as f64;
        let numerator = -step * (step - shape);
        partial += 2.0;
        inverse = 1.0 / nonzero(numerator * inverse + partial);
        ratio = nonzero(partial + numerator / ratio);
        value *= ratio * inverse;
        if (ratio * inverse - 1.0).abs() < f64::EPSILON {
            break;
        }
    }
    value
}

/// Logarithm of the gamma function for arguments from 1 on: shifted up to where the asymptotic series
/// (https://dlmf.nist.gov, 5.11.1) is exact to the last digits.
fn ln_gamma(x: f64) -> f64 {
    let mut shifted = x;
    let mut product = 1.0;
    while shifted < 15.0 {
        product *= shifted;
        shifted += 1.0;
    }
    let inverse = 1.0 / shifted;
    let square = inverse * inverse;
    let tail = inverse * (1.0 / 12.0 - square * (1.0 / 360.0 - square * (1.0 / 1260.0 - square / 1680.0)));
    let half_ln_two_pi = 0.5 * std::f64::consts::TAU.ln();
    (shifted - 0.5) * shifted.ln() - shifted + half_ln_two_pi + tail - product.ln()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn close(actual: f64, expected: f64) {
        assert!((actual - expected).abs() <= expected.abs() * 1e-4, "{actual} is not {expected}");
    }

    /// The table that textbooks print (90 % two-sided, so 95 % each).
    #[test]
    fn bounds_of_the_printed_table() {
        for (leaks, lower, upper) in [
            (0, 0.0, 2.995_73),
            (1, 0.051_293, 4.743_86),
            (2, 0.355_36, 6.295_79),
            (5, 1.970_15, 10.513_03),
            (10, 5.425_41, 16.962_22),
            (20, 13.254_65, 29.062_02),
            (100, 84.139_1, 118.078_9),
        ] {
            let rate = LeakRate::new(leaks, 1).unwrap();
            close(rate.lower95, lower);
            close(rate.upper95, upper);
        }
    }

    #[test]
    fn zero_leaks_still_bound_the_rate() {
        let rate = LeakRate::new(0, 40).unwrap();
        assert!(rate.estimate.abs() < f64::EPSILON && rate.lower95.abs() < f64::EPSILON);
        close(rate.upper95, 2.995_732_274 / 40.0);
        let left = rate.cycles_left(65_000);
        assert_eq!((left.estimate, left.upper95), (None, None));
        assert_eq!(left.lower95, 867_901);
    }

    /// The host of the incident: 253 addresses in 11 days are 23 a day, and a /16 lasts about 7.8 years.
    #[test]
    fn the_rate_of_the_incident() {
        let rate = LeakRate::new(253, 11).unwrap();
        close(rate.estimate, 23.0);
        let days = rate.cycles_left(65_533);
        assert_eq!(days.estimate, Some(2_849));
        assert!(days.lower95 < 2_849 && days.upper95.unwrap() > 2_849);
        assert!(days.lower95 > 2_500 && days.upper95.unwrap() < 3_250);
    }

    #[test]
    fn nothing_observed_is_no_rate() {
        assert_eq!(LeakRate::new(0, 0), Err(RateError::NoCycles));
        assert!(LeakRate::new(u64::MAX, 1).is_err());
        let extreme = LeakRate::new(1 << 32, u64::MAX).unwrap();
        assert!(extreme.lower95 < extreme.estimate && extreme.estimate < extreme.upper95);
    }

    proptest! {
        /// At the bounds the plain Poisson sum leaves exactly 5 % outside.
        #[test]
        fn bounds_leave_five_per_cent(leaks in 0_u64..60, cycles in 1_u64..1_000) {
            let rate = LeakRate::new(leaks, cycles).unwrap();
            let at_most = |mean: f64, k: u64| {
                (0..=k).scan((-mean).exp(), |term, i| {
                    let this = *term;
                    *term *= mean / (i as f64 + 1.0);
                    Some(this)
                }).sum::<f64>()
            };
            prop_assert!((at_most(rate.upper95 * cycles as f64, leaks) - 0.05).abs() < 1e-9);
            if let Some(below) = leaks.checked_sub(1) {
                prop_assert!((1.0 - at_most(rate.lower95 * cycles as f64, below) - 0.05).abs() < 1e-9);
            }
        }

        #[test]
        fn bounds_enclose_the_estimate(leaks in 0_u64..=1 << 14, cycles in 1_u64.., free in 0_u64..=1 << 32) {
            let rate = LeakRate::new(leaks, cycles).unwrap();
            prop_assert!(rate.lower95 <= rate.estimate && rate.estimate < rate.upper95);
            let left = rate.cycles_left(free);
            prop_assert!(left.estimate.is_none_or(|estimate| left.lower95 <= estimate));
            prop_assert!(left.upper95.is_none_or(|upper| left.lower95 <= upper));
        }
    }
}
