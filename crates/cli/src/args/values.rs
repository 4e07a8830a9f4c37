//! How the values of options are parsed, and the types of those that only the command line has.

use clap::ValueEnum;
use pvcheck_ipam::{Strategy, Threshold};
use pvcheck_swarm::{CensusMethod, ChurnShape, Order};

/// Which removal orders a churn runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChurnOrder {
    /// One order.
    One(Order),
    /// Drained, then the docker client's order as a control.
    Both,
}

/// How throwaway tasks stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Stop {
    /// At once
    Quick,
    /// After 2 s
    Slow,
}

impl Stop {
    /// The command that makes tasks stop in this way.
    pub(crate) fn command(self) -> Vec<String> {
        let on_term = match self {
            Self::Quick => "exit 0",
            Self::Slow => "sleep 2; exit 0",
        };
        let script = format!("trap '{on_term}' TERM; while :; do sleep 0.1; done");
        vec!["sh".into(), "-c".into(), script]
    }
}

/// A strategy of a reclaim; `None` leaves the choice to pvcheck.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReclaimStrategy(pub(crate) Option<pvcheck_swarm::Strategy>);

pub(super) fn order(text: &str) -> Result<Order, String> {
    match text {
        "drained" => Ok(Order::Drained),
        "stack-rm" => Ok(Order::StackRm),
        _ => Err("give `drained` or `stack-rm`".into()),
    }
}

pub(super) fn reclaim_strategy(text: &str) -> Result<ReclaimStrategy, String> {
    let named = pvcheck_swarm::Strategy::ALL.into_iter().find(|s| s.as_str() == text);
    match (text, named) {
        ("auto", _) => Ok(ReclaimStrategy(None)),
        (_, Some(strategy)) => Ok(ReclaimStrategy(Some(strategy))),
        _ => Err("give `auto`, `handover`, `borrow` or `restart`".into()),
    }
}

pub(super) fn window(text: &str) -> Result<(jiff::civil::Time, jiff::civil::Time), String> {
    let parts = text.split_once('-');
    let times = parts.and_then(|(from, to)| {
        let time = |t: &str| jiff::civil::Time::strptime("%H:%M", t).ok();
        Some((time(from)?, time(to)?))
    });
    times.ok_or_else(|| "give two times of the day in UTC, such as 02:00-04:30".into())
}

/// Parses a threshold: `80%` is the share used, `20` the number of free addresses.
pub(super) fn threshold(text: &str) -> Result<Threshold, String> {
    let wrong = || "give a used share from 1% to 100%, or a number of free addresses such as 20".to_owned();
    if let Some(percent) = text.strip_suffix('%') {
        return match percent.parse() {
            Ok(used_percent @ 1..=100) => Ok(Threshold { used_percent, free_addrs: 0 }),
            _ => Err(wrong()),
        };
    }
    let free_addrs = text.parse().map_err(|_| wrong())?;
    Ok(Threshold { used_percent: 100, free_addrs })
}

pub(super) fn census_method(text: &str) -> Result<CensusMethod, String> {
    match text {
        "bulk" => Ok(CensusMethod::Bulk),
        "cursor" => Ok(CensusMethod::Cursor),
        "status" => Ok(CensusMethod::Status),
        _ => Err("give `bulk`, `cursor` or `status`".into()),
    }
}

pub(super) fn churn_order(text: &str) -> Result<ChurnOrder, String> {
    match text {
        "both" => Ok(ChurnOrder::Both),
        _ => order(text).map(ChurnOrder::One).map_err(|e| format!("{e}, or `both`")),
    }
}

pub(super) fn shape(text: &str) -> Result<ChurnShape, String> {
    let shapes =
        [ChurnShape::SharedAndPrivate, ChurnShape::Shared, ChurnShape::HostPort, ChurnShape::IngressPort];
    let found = shapes.into_iter().find(|shape| shape.as_str() == text);
    found.ok_or_else(|| "give `shared+private`, `shared`, `host-port` or `ingress-port`".into())
}

/// A boolean as the docker client reads one (Go's `strconv.ParseBool`).
pub(super) fn go_bool(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err("give `true` or `false`".into()),
    }
}

pub(super) fn strategy(text: &str) -> Result<Strategy, String> {
    match text {
        "first-fit" => Ok(Strategy::FirstFit),
        "best-fit" => Ok(Strategy::BestFit),
        "room-to-grow" => Ok(Strategy::RoomToGrow),
        _ => Err("give `first-fit`, `best-fit` or `room-to-grow`".into()),
    }
}
