//! Is a network getting full? From what was counted at each run.

use std::time::Duration;

use jiff::Timestamp;
use pvcheck_audit::NetworkId;
use pvcheck_ipam::{Exhaustion, Forecast, Observation, forecast};
use serde::{Deserialize, Serialize};

use crate::signs::Ahead;

/// What was counted of a network at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Counted {
    /// When.
    pub at: Timestamp,
    /// Addresses that were leaked.
    pub leaked: u64,
    /// Addresses that had an owner.
    pub owned: u64,
}

/// A network that is guarded, as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guarded {
    /// Its name.
    pub name: String,
    /// Its id.
    pub id: NetworkId,
    /// Addresses that it has.
    pub usable: u64,
    /// Its addresses now, or why they were not counted.
    pub counted: Result<Counted, String>,
}

/// When a network will be full.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Outlook {
    /// The network.
    pub network: String,
    /// Whether it is within the horizon.
    pub sign: Ahead,
    /// Addresses that it has.
    pub usable: u64,
    /// Addresses that are leaked now.
    pub leaked: Option<u64>,
    /// Addresses that have an owner now.
    pub owned: Option<u64>,
    /// Leaked addresses a day.
    pub leaked_a_day: Option<f64>,
    /// When it will be full; `null` if nothing leaks, or that is not known.
    pub full_at: Option<Timestamp>,
    /// Not before, with 97.5 % confidence.
    pub earliest: Option<Timestamp>,
    /// Not after, with 97.5 % confidence.
    pub latest: Option<Timestamp>,
    /// Why there is no forecast.
    pub unknown: Option<String>,
}

impl Outlook {
    /// The forecast for a network by what was counted before and now.
    pub fn of(network: &Guarded, before: &[Counted], now: Timestamp, horizon: Duration) -> Self {
        let counted = network.counted.as_ref();
        let blank = Self {
            network: network.name.clone(),
            sign: Ahead::Unknown,
            usable: network.usable,
            leaked: counted.ok().map(|one| one.leaked),
            owned: counted.ok().map(|one| one.owned),
            leaked_a_day: None,
            full_at: None,
            earliest: None,
            latest: None,
            unknown: counted.err().cloned(),
        };
        let Ok(present) = counted else { return blank };
        let near = since_epoch(now).saturating_add(horizon);
        let seen: Vec<Observation> = before.iter().chain([present]).map(observation).collect();
        match forecast(network.usable, &seen) {
            Forecast::Unknown { intervals, needed } => {
                let why =
                    format!("{intervals} of the {needed} intervals between counts that a forecast takes");
                Self { unknown: Some(why), ..blank }
            }
            Forecast::Never { not_before } => {
                let short = (not_before < near).then(|| too_short(&seen));
                let sign = if short.is_some() { Ahead::Unknown } else { Ahead::Far };
                let earliest = moment(not_before);
                Self { sign, leaked_a_day: Some(0.0), earliest, unknown: short, ..blank }
            }
            Forecast::Full(Exhaustion { per_day, expected, earliest, latest, .. }) => Self {
                sign: if expected <= near { Ahead::Near } else { Ahead::Far },
                leaked_a_day: Some(per_day),
                full_at: moment(expected),
                earliest: moment(earliest),
                latest: latest.and_then(moment),
                ..blank
            },
        }
    }
}

/// Why that nothing leaked while it was counted says too little.
fn too_short(seen: &[Observation]) -> String {
    let from = seen.iter().map(|one| one.at).min().unwrap_or_default();
    let to = seen.iter().map(|one| one.at).max().unwrap_or_default();
    let span = to.saturating_sub(from).as_secs();
    format!("nothing leaked while it was counted, for {span} s, which is too short for the horizon")
}

/// The answer for all of them: the nearest, else the unknown. Where nothing is guarded, nothing is known.
pub fn ahead(outlooks: &[Outlook]) -> Ahead {
    let any = |sign| outlooks.iter().any(|outlook| outlook.sign == sign);
    if any(Ahead::Near) {
        Ahead::Near
    } else if any(Ahead::Unknown) || outlooks.is_empty() {
        Ahead::Unknown
    } else {
        Ahead::Far
    }
}

fn observation(counted: &Counted) -> Observation {
    Observation { at: since_epoch(counted.at), leaked: counted.leaked, owned: counted.owned }
}

fn since_epoch(at: Timestamp) -> Duration {
    Duration::try_from(at.duration_since(Timestamp::UNIX_EPOCH)).unwrap_or_default()
}

/// A time on the clock; `None` where it is beyond the last year that has a date.
fn moment(since_epoch: Duration) -> Option<Timestamp> {
    let seconds = i64::try_from(since_epoch.as_secs()).ok()?;
    Timestamp::from_second(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600;

    fn at(hour: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + hour * HOUR).expect("a time")
    }

    /// A /24 of which so many addresses were leaked at each hour; the last is now.
    fn outlook(leaked: &[u64]) -> Outlook {
        let of = |(hour, leaked): (usize, &u64)| Counted {
            at: at(i64::try_from(hour).expect("small")),
            leaked: *leaked,
            owned: 53,
        };
        let all: Vec<Counted> = leaked.iter().enumerate().map(of).collect();
        let (now, before) = all.split_last().expect("one at least");
        let network =
            Guarded { name: "proxy".into(), id: NetworkId::new("n"), usable: 253, counted: Ok(*now) };
        Outlook::of(&network, before, now.at, Duration::from_hours(24))
    }

    #[test]
    fn counts_of_a_short_while_say_nothing_of_a_long_horizon() {
        let counted = |second: i64| Counted {
            at: Timestamp::from_second(1_700_000_000 + second).expect("a time"),
            leaked: 3,
            owned: 53,
        };
        let outlook = |last: i64| {
            let network = Guarded {
                name: "proxy".into(),
                id: NetworkId::new("n"),
                usable: 253,
                counted: Ok(counted(last)),
            };
            let before = [0, last / 3, last * 2 / 3].map(counted);
            Outlook::of(&network, &before, counted(last).at, Duration::from_hours(7 * 24))
        };
        // 197 are free, and without a leak in t there is none in t * 197 / 3.69 with 97.5 % confidence: 7 days for 11,329 s.
        let short = outlook(10_800);
        assert_eq!((short.sign, short.full_at), (Ahead::Unknown, None));
        let why = short.unknown.expect("why");
        assert!(why.contains("for 10800 s, which is too short for the horizon"), "{why}");
        assert_eq!(outlook(12_000).sign, Ahead::Far);
    }

    #[test]
    fn a_network_that_is_full_within_the_horizon_is_near() {
        // 100 left at one an hour.
        let far = outlook(&[96, 97, 98, 99, 100]);
        assert_eq!((far.sign, far.full_at, far.unknown), (Ahead::Far, Some(at(104)), None));
        let near = outlook(&[0, 40, 80, 120, 160]);
        assert_eq!((near.sign, near.full_at), (Ahead::Near, Some(at(5))));
        assert_eq!(near.leaked_a_day.map(f64::round), Some(960.0));
        assert!(near.earliest <= near.full_at && near.leaked == Some(160), "{near:?}");
    }

    #[test]
    fn without_a_leak_it_is_far_and_without_enough_counts_it_is_not_known() {
        let idle = outlook(&[3, 3, 3, 3]);
        assert_eq!((idle.sign, idle.full_at, idle.leaked_a_day), (Ahead::Far, None, Some(0.0)));
        let young = outlook(&[3, 3, 3]);
        assert_eq!(young.sign, Ahead::Unknown);
        assert!(young.unknown.expect("why").starts_with("2 of the 3 intervals"));
        let network = Guarded {
            name: "proxy".into(),
            id: NetworkId::new("n"),
            usable: 253,
            counted: Err("no count".into()),
        };
        let blind = Outlook::of(&network, &[], at(0), Duration::from_hours(1));
        assert_eq!((blind.sign, blind.unknown.as_deref()), (Ahead::Unknown, Some("no count")));
    }

    #[test]
    fn the_worst_of_them_counts_and_none_at_all_is_not_known() {
        let (far, near, unknown) = (outlook(&[3; 4]), outlook(&[0, 40, 80, 120]), outlook(&[3]));
        assert_eq!(ahead(&[]), Ahead::Unknown);
        assert_eq!(ahead(std::slice::from_ref(&far)), Ahead::Far);
        assert_eq!(ahead(&[far.clone(), unknown.clone()]), Ahead::Unknown);
        assert_eq!(ahead(&[unknown, near, far]), Ahead::Near);
    }
}
