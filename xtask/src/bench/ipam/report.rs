//! The tables of `bench ipam` and its verdict, from what was measured.

use super::side::{Round, Side};
use crate::bench::table::{Table, thousands, time, whole};

#[cfg(test)]
mod tests;

/// At this many reservations the index must be at least this many times as fast as `netaddr`.
const DEMAND: (u64, f64) = (100_000, 100.0);

/// The name of a measure, and how to read it from a side in nanoseconds.
type Measure = (&'static str, fn(&Side) -> Option<u64>);

const MEASURES: [Measure; 5] = [
    ("read the file", |side| side.read_ns),
    ("build", |side| side.index_ns),
    ("all conflicts of a candidate", |side| side.conflicts_ns),
    ("a free /16", |side| side.free_ns),
    ("all of it once", |side| Some(side.read_ns? + side.index_ns? + side.conflicts_ns? + side.free_ns?)),
];

/// The text of all tables, and true iff every demand is met.
pub(super) fn report(rounds: &[Round], limit: u32) -> (String, bool) {
    let mut text = rounds.iter().map(|round| times(round, limit).to_string() + "\n").collect::<String>();
    text += &growth(rounds).to_string();
    text += "\n";
    let mut met = true;
    for (line, held) in demands(rounds) {
        text += &format!("{}: {line}\n", if held { "held" } else { "NOT HELD" });
        met &= held;
    }
    (text, met)
}

/// One row for each measure: our time, then each side's and how many times ours it is.
fn times(round: &Round, limit: u32) -> Table {
    let counts = round.sides.first().map_or(&[][..], |ours| &ours.counts);
    let conflicts = counts.iter().sum::<u64>() as f64 / counts.len().max(1) as f64;
    let title = format!(
        "{} reservations; a candidate has {conflicts:.1} conflicts on average",
        whole(round.size.into())
    );
    let mut head = vec![String::new()];
    for (at, side) in round.sides.iter().enumerate() {
        let version = side.version.as_ref().map(|version| format!(" {version}")).unwrap_or_default();
        head.push(format!("{}{version}", side.name));
        // Ours has no ratio to itself.
        head.extend((at > 0).then(|| "ratio".to_owned()));
    }
    let mut table = Table::new(title, head);
    for (name, of) in MEASURES {
        let ours = round.sides.first().and_then(of);
        let cells = round.sides.iter().enumerate().flat_map(|(at, side)| {
            let (took, times) = match of(side) {
                // A side without an index has nothing to build.
                Some(0) => ("-".to_owned(), String::new()),
                Some(ns) => (time(ns), ratio(ours, Some(ns)).map(number).unwrap_or_default()),
                None => (format!("> {limit} s"), String::new()),
            };
            std::iter::once(took).chain((at > 0).then_some(times))
        });
        table.row(std::iter::once(name.to_owned()).chain(cells));
    }
    table
}

/// How many times ours fits into theirs; `None` unless both were measured.
fn ratio(ours: Option<u64>, theirs: Option<u64>) -> Option<f64> {
    Some(theirs? as f64 / ours?.max(1) as f64)
}

/// A ratio with two significant digits, or more where it is whole.
fn number(value: f64) -> String {
    match value {
        ..9.95 => format!("{value:.1}x"),
        _ => format!("{}x", thousands(&format!("{value:.0}"))),
    }
}

/// Measures of our side alone, for the table of its growth.
const OURS: [Measure; 5] = [
    ("build", |side| side.index_ns),
    ("is it free", |side| side.is_free_ns),
    ("all conflicts", |side| side.conflicts_ns),
    ("free /16", |side| side.free_ns),
    ("plan /16", |side| side.plan_ns),
];

/// Our times at each size, and their growth from one size to the next, compared with n log n.
fn growth(rounds: &[Round]) -> Table {
    let names = OURS.map(|(name, _)| name);
    let head = ["reservations"].into_iter().chain(names).chain(["n log n", "allocations of all questions"]);
    let mut table = Table::new("pvcheck-ipam alone, and its growth", head);
    for (at, round) in rounds.iter().enumerate() {
        let Some(ours) = round.sides.first() else { continue };
        let before = at.checked_sub(1).and_then(|at| rounds.get(at));
        if let Some((before, theirs)) = before.and_then(|before| Some((before, before.sides.first()?))) {
            let factors = OURS.map(|(_, of)| ratio(of(theirs), of(ours)).map(number).unwrap_or_default());
            let expected = number(n_log_n(round.size) / n_log_n(before.size));
            table.row(["  growth".to_owned()].into_iter().chain(factors).chain([expected]));
        }
        let times = OURS.map(|(_, of)| of(ours).map(time).unwrap_or_default());
        let allocations = ours.allocations.map(whole).unwrap_or_default();
        table.row([whole(round.size.into())].into_iter().chain(times).chain([String::new(), allocations]));
    }
    table
}

fn n_log_n(size: u32) -> f64 {
    f64::from(size) * f64::from(size).log2().max(1.0)
}

/// Each demand that could be judged, with true iff it held. A size or a side that was not measured is not judged.
fn demands(rounds: &[Round]) -> Vec<(String, bool)> {
    let mut lines = vec![];
    let (size, times) = DEMAND;
    let at = rounds.iter().find(|round| u64::from(round.size) == size);
    let netaddr = at.and_then(|round| round.sides.iter().find(|side| side.name == "netaddr"));
    if let (Some(ours), Some(netaddr)) = (at.and_then(|round| round.sides.first()), netaddr) {
        for (name, of) in &MEASURES[2..4] {
            // The other side gave up at its limit: slower than any time that it could have had.
            let ratio = ratio(of(ours), of(netaddr)).unwrap_or(f64::INFINITY);
            let line = format!("{name} among {} at least {times} times as fast as netaddr", whole(size));
            lines.push((line, ratio >= times));
        }
    }
    let allocations: u64 = rounds.iter().filter_map(|round| round.sides.first()?.allocations).sum();
    lines.push(("no question allocates".to_owned(), allocations == 0));
    lines
}
