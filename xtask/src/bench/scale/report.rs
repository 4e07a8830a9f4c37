//! The tables of `bench scale` and its verdict, from what was measured.

use std::time::Duration;

use crate::bench::peak::Measured;
use crate::bench::table::{Table, time, whole};

/// Longest audit, and the most memory that it takes.
const AUDIT: (Duration, u64) = (Duration::from_secs(2), 512);
/// Longest `why`, of a snapshot that is there.
const WHY: Duration = Duration::from_secs(1);
/// How much more a task of the largest world may cost than one of the next smaller world: more is not linear. Time is noisy,
/// and a square would show as 3.3.
const GROWTH: f64 = 2.0;
/// Usable addresses of a /16.
const USABLE: u64 = 65_533;

/// A world and what was measured on it.
#[derive(Clone, Debug)]
pub(super) struct Size {
    pub(super) services: u64,
    pub(super) tasks: u64,
    pub(super) nodes: u64,
    /// How long the model took to make it.
    pub(super) build: Duration,
    /// Over the socket, with the time that the engine takes to answer.
    pub(super) audit: Measured,
    pub(super) why: Measured,
    /// Of the saved snapshot, with the time to read the file.
    pub(super) saved_audit: Measured,
    pub(super) saved_why: Measured,
}

/// A /16 after years of deployments, and its census.
#[derive(Clone, Debug)]
pub(super) struct CensusOf16 {
    /// Days in virtual time.
    pub(super) days: u64,
    pub(super) built: Duration,
    pub(super) free: u64,
    pub(super) leaked: u64,
    /// The most addresses that the census held at once.
    pub(super) held: u64,
    pub(super) took: Duration,
    pub(super) mib: u64,
}

/// The text of all tables, and true iff every demand is met.
pub(super) fn report(sizes: &[Size], census: &CensusOf16) -> (String, bool) {
    let mut text = format!("{}\n{}\n", worlds(sizes), sentence(census));
    let mut met = true;
    for (line, held) in demands(sizes, census) {
        text += &format!("{}: {line}\n", if held { "held" } else { "NOT HELD" });
        met &= held;
    }
    (text, met)
}

fn worlds(sizes: &[Size]) -> Table {
    let head = [
        "",
        "tasks",
        "nodes",
        "made in",
        "audit",
        "memory",
        "why",
        "saved: audit",
        "a task",
        "memory",
        "why",
    ];
    let mut table = Table::new("embedded engine; medians", head);
    for size in sizes {
        let cells = [
            whole(size.tasks),
            whole(size.nodes),
            time(ns(size.build)),
            time(ns(size.audit.took)),
            format!("{} MiB", size.audit.mib),
            time(ns(size.why.took)),
            time(ns(size.saved_audit.took)),
            beyond(sizes, size).map_or_else(|| "-".to_owned(), time),
            format!("{} MiB", size.saved_audit.mib),
            time(ns(size.saved_why.took)),
        ];
        table.row(std::iter::once(format!("{} services", whole(size.services))).chain(cells));
    }
    table
}

/// What a task costs the audit of a saved snapshot, in nanoseconds, beyond what the smallest world costs: starting a process
/// is no growth. `None` for the smallest.
fn beyond(sizes: &[Size], size: &Size) -> Option<u64> {
    let smallest = sizes.first()?;
    let more = size.tasks.checked_sub(smallest.tasks).filter(|more| 0 < *more)?;
    Some(ns(size.saved_audit.took.saturating_sub(smallest.saved_audit.took)) / more)
}

fn sentence(census: &CensusOf16) -> String {
    format!(
        "{} days of deployments on a /16 in {}: {} leaked, {} free; its census by bulk in {}, {} MiB, at most {} addresses at once\n",
        whole(census.days),
        time(ns(census.built)),
        whole(census.leaked),
        whole(census.free),
        time(ns(census.took)),
        census.mib,
        whole(census.held)
    )
}

fn demands(sizes: &[Size], census: &CensusOf16) -> Vec<(String, bool)> {
    let (longest, most) = AUDIT;
    let mut demands = Vec::new();
    if let Some(largest) = sizes.last() {
        let name = format!("{} services and {} tasks", whole(largest.services), whole(largest.tasks));
        let audit = largest.audit.took < longest && largest.audit.mib < most;
        demands.push((format!("audit of {name} under {} s and {most} MiB", longest.as_secs()), audit));
        let why = largest.saved_why.took < WHY;
        demands.push((format!("why of a snapshot of {name} under {} s", WHY.as_secs()), why));
    }
    if let [.., smaller, largest] = sizes
        && let (Some(before), Some(after)) = (beyond(sizes, smaller), beyond(sizes, largest))
    {
        let growth = after as f64 / before.max(1) as f64;
        demands.push((
            format!("a task of the largest world costs {growth:.2} times as much as one of the next smaller"),
            growth < GROWTH,
        ));
    }
    let bound = (census.free * 3 / 4).min(USABLE / 4).min(4_000);
    let text = format!(
        "the census holds at most {} addresses: three quarters of the free ones, a quarter of the pool, or 4,000",
        whole(bound)
    );
    demands.push((text, census.held <= bound));
    demands
}

fn ns(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn took(ms: u64) -> Measured {
        Measured { printed: String::new(), took: Duration::from_millis(ms), mib: 7, own_mib: 7 }
    }

    fn size(services: u64, audit: u64) -> Size {
        let build = Duration::from_millis(1);
        let [saved_audit, why, saved_why] = [took(audit), took(3), took(4)];
        Size {
            services,
            tasks: 5 * services,
            nodes: 1,
            build,
            audit: took(audit),
            why,
            saved_audit,
            saved_why,
        }
    }

    fn census(free: u64, held: u64) -> CensusOf16 {
        let [built, took] = [Duration::from_secs(5), Duration::from_secs(2)];
        CensusOf16 { days: 2_718, built, free, leaked: 62_000, held, took, mib: 20 }
    }

    fn not_held(sizes: &[Size], census: &CensusOf16) -> Vec<String> {
        demands(sizes, census).into_iter().filter(|(_, held)| !held).map(|(line, _)| line).collect()
    }

    #[test]
    fn linear_growth_is_held_whatever_a_process_costs_to_start() {
        let sizes = [size(20, 50), size(2_000, 248), size(20_000, 2_048 - 100)];
        assert!(
            not_held(&sizes, &census(3_000, 2_000)).is_empty(),
            "{:?}",
            not_held(&sizes, &census(3_000, 2_000))
        );
        assert_eq!(beyond(&sizes, &sizes[0]), None);
        assert_eq!(beyond(&sizes, &sizes[1]), Some(20_000));
    }

    #[test]
    fn each_demand_can_fail() {
        let square = [size(20, 10), size(2_000, 20), size(20_000, 1_900)];
        assert!(not_held(&square, &census(3_000, 2_000))[0].contains("times as much"));
        let slow = [size(2_000, 200), size(20_000, 2_001)];
        assert!(not_held(&slow, &census(3_000, 2_000))[0].starts_with("audit of"));
        let mut slow_why = size(20_000, 100);
        slow_why.saved_why = took(1_000);
        assert!(not_held(&[slow_why], &census(3_000, 2_000))[0].starts_with("why of"));
        let large = Measured { mib: 512, ..took(100) };
        assert_eq!(not_held(&[Size { audit: large, ..size(20_000, 100) }], &census(3_000, 2_000)).len(), 1);
    }

    /// The free ones, the pool and 4,000 each bind somewhere; the pool of a /16 does not, with 16,383.
    #[test]
    fn the_bound_of_a_census_is_the_least_of_three() {
        for (free, held, holds) in
            [(3_000, 2_250, true), (3_000, 2_251, false), (60_000, 4_000, true), (60_000, 4_001, false)]
        {
            assert_eq!(not_held(&[], &census(free, held)).is_empty(), holds, "{free} free, {held} held");
        }
    }

    #[test]
    fn the_verdict_follows_the_tables() {
        let (text, met) = report(&[size(20, 50), size(2_000, 248)], &census(3_000, 2_251));
        assert!(!met && text.contains("NOT HELD: the census holds"), "{text}");
        assert!(text.contains("2,718 days of deployments on a /16 in 5.0 s: 62,000 leaked"), "{text}");
    }
}
