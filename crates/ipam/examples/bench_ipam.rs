//! The measured side of `cargo xtask bench ipam`, which builds it for release.
//!
//! `bench_ipam generate COUNT DIR` writes the same reservations and candidates every time; `bench_ipam measure DIR
//! LIMIT_MS` reads them, answers every question with the index and with a straight scan, and prints one line of
//! JSON. Times are nanoseconds; what was cut off at the limit is null.

use std::error::Error;
use std::fs;
use std::hint::black_box;
use std::io::Write;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::{Duration, Instant};

use allocation_counter::measure as allocations_of;
use ipnet::IpNet;
use pvcheck_ipam::{Index, PlanRequest, Reservation, Reservations, Subnet, plan_subnet};
use serde::{Deserialize, Serialize};

/// Prefix length of the free block that is looked for.
const WANTED: u8 = 16;
/// Reservations in each such block, about.
const CROWD: u32 = 125;
/// Candidates that are asked about.
const CANDIDATES: u32 = 1_000;
/// A measurement is repeated for at least so long.
const LONG_ENOUGH: Duration = Duration::from_millis(100);

/// What is asked of a set of reservations.
#[derive(Serialize, Deserialize)]
struct Questions {
    /// Where a free block may lie.
    domain: Subnet,
    wanted: u8,
    candidates: Vec<Subnet>,
}

/// One way of answering.
#[derive(Serialize)]
struct Side {
    name: &'static str,
    /// From the file's text to values.
    read_ns: Option<u64>,
    /// From values to what is asked.
    index_ns: Option<u64>,
    /// All conflicts of a candidate, mean.
    conflicts_ns: Option<u64>,
    /// Conflicts of each candidate, as far as the limit allowed.
    counts: Vec<usize>,
    /// Whether a candidate is free, mean.
    is_free_ns: Option<u64>,
    /// The first free block.
    free_ns: Option<u64>,
    free: Option<Subnet>,
    /// A plan: the first free block, and why those before it were rejected.
    plan_ns: Option<u64>,
    /// Allocations of all questions together, the plan aside.
    allocations: Option<u64>,
}

/// A fixed sequence that looks random: multiply and shift, as in Knuth's MMIX generator.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let high = u32::try_from(self.0 >> 32).unwrap_or(0);
        u32::try_from((u64::from(high) * u64::from(end)) >> 32).unwrap_or(0)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["generate", count, dir] => generate(count.parse()?, Path::new(dir)),
        ["measure", dir, limit_ms] => {
            let sides = measure(Path::new(dir), Duration::from_millis(limit_ms.parse()?))?;
            writeln!(std::io::stdout(), "{}", serde_json::to_string(&sides)?)?;
            Ok(())
        }
        _ => Err("give generate COUNT DIR, or measure DIR LIMIT_MS".into()),
    }
}

/// Writes `reservations.json` and `questions.json`.
fn generate(count: u32, dir: &Path) -> Result<(), Box<dyn Error>> {
    // As many blocks as hold the crowd, so that all of them but few can be occupied; at least four.
    let blocks = (count / CROWD).next_power_of_two().max(4);
    let base = if blocks > 256 { 0 } else { u32::from(Ipv4Addr::new(10, 0, 0, 0)) };
    let prefix = u8::try_from(u32::from(WANTED) - blocks.trailing_zeros())?;
    let domain = Subnet::around(Ipv4Addr::from(base), prefix).ok_or("no such domain")?;
    let list = reservations(count, base, blocks);
    fs::write(dir.join("reservations.json"), serde_json::to_string(&list)?)?;
    let questions = Questions { domain, wanted: WANTED, candidates: candidates(base, blocks) };
    fs::write(dir.join("questions.json"), serde_json::to_string(&questions)?)?;
    Ok(())
}

/// Prefixes /24 to /30 all over the blocks, in no order. Free stay the last block and one at seven eighths.
fn reservations(count: u32, base: u32, blocks: u32) -> Vec<Reservation> {
    let mut dice = Dice(1);
    let free = [blocks * 7 / 8 - 1, blocks - 1];
    let occupied: Vec<u32> = (0..blocks).filter(|block| !free.contains(block)).collect();
    let mut list: Vec<_> = (0..count)
        .map(|at| {
            // Each block gets one before any gets its second.
            let round = u32::try_from(occupied.len()).unwrap_or(1);
            let block = occupied[usize::try_from(at % round).unwrap_or(0)];
            let addr = base + (block << 16) + dice.below(1 << 16);
            let prefix = 24 + u8::try_from(dice.below(7)).unwrap_or(0);
            let net = Subnet::around(Ipv4Addr::from(addr), prefix).map(IpNet::from);
            Reservation::new(net.unwrap_or_default(), format!("network-{at}"), "docker network")
        })
        .collect();
    for at in (1..list.len()).rev() {
        let other = dice.below(u32::try_from(at + 1).unwrap_or(1));
        list.swap(at, usize::try_from(other).unwrap_or(0));
    }
    list
}

/// /16, /20, /24 and /28 in turn, all over the blocks.
fn candidates(base: u32, blocks: u32) -> Vec<Subnet> {
    let mut dice = Dice(2);
    let sizes = [16, 20, 24, 28].into_iter().cycle();
    let addr = |dice: &mut Dice| Ipv4Addr::from(base + (dice.below(blocks) << 16) + dice.below(1 << 16));
    (0..CANDIDATES).zip(sizes).filter_map(|(_, prefix)| Subnet::around(addr(&mut dice), prefix)).collect()
}

fn measure(dir: &Path, limit: Duration) -> Result<[Side; 2], Box<dyn Error>> {
    let text = fs::read_to_string(dir.join("reservations.json"))?;
    let questions: Questions = serde_json::from_str(&fs::read_to_string(dir.join("questions.json"))?)?;
    let (read, read_ns) = timed(|| Reservations::from_json(&text));
    let list = read?.list;
    let scan = by_scan(&list, &questions, limit, read_ns);
    Ok([by_index(list, &questions, read_ns)?, scan])
}

fn by_index(list: Vec<Reservation>, questions: &Questions, read_ns: u64) -> Result<Side, Box<dyn Error>> {
    let Questions { domain, wanted, candidates } = questions;
    let (index, index_ns) = timed(|| Index::new(list));
    let conflicts =
        |candidate: Subnet| index.conflicts(candidate).map(|(item, _)| named(item)).sum::<usize>();
    let counts: Vec<_> = candidates.iter().map(|candidate| conflicts(*candidate)).collect();
    let per_candidate = |ns: u64| ns / u64::from(CANDIDATES);
    let allocations = allocations_of(|| {
        for candidate in candidates {
            black_box((conflicts(*candidate), index.is_free(*candidate)));
        }
        black_box(index.first_free(*domain, *wanted));
    });
    let request = PlanRequest { prefix: Some(*wanted), allow: vec![*domain], ..PlanRequest::default() };
    let free = index.first_free(*domain, *wanted);
    let planned = plan_subnet(&request, &index)?.chosen;
    if Some(planned) != free {
        return Err(format!("the plan chose {planned} and the search {free:?}").into());
    }
    Ok(Side {
        name: "pvcheck-ipam",
        read_ns: Some(read_ns),
        index_ns: Some(index_ns),
        conflicts_ns: Some(per_candidate(repeated(|| {
            candidates.iter().map(|c| conflicts(*c)).sum::<usize>()
        }))),
        counts,
        is_free_ns: Some(per_candidate(repeated(|| {
            candidates.iter().filter(|c| index.is_free(**c)).count()
        }))),
        free_ns: Some(repeated(|| index.first_free(*domain, *wanted))),
        free,
        plan_ns: Some(repeated(|| plan_subnet(&request, &index))),
        allocations: Some(allocations.count_total),
    })
}

/// No index: every query goes through every reservation.
fn by_scan(list: &[Reservation], questions: &Questions, limit: Duration, read_ns: u64) -> Side {
    let Questions { domain, wanted, candidates } = questions;
    let overlap = |a: IpNet, b: IpNet| a.contains(&b) || b.contains(&a);
    let since = Instant::now();
    let mut counts = vec![];
    for candidate in candidates {
        let net = IpNet::from(*candidate);
        counts.push(list.iter().filter(|item| overlap(item.net, net)).map(named).sum());
        if since.elapsed() > limit {
            break;
        }
    }
    let conflicts_ns = nanos(since.elapsed()) / u64::try_from(counts.len()).unwrap_or(1);
    let since = Instant::now();
    let mut blocks = domain.net().subnets(*wanted).into_iter().flatten().map(IpNet::V4);
    let mut late = false;
    let free = blocks.find(|block| {
        late = since.elapsed() > limit;
        late || !list.iter().any(|item| overlap(item.net, *block))
    });
    let (free, free_ns) = (free.filter(|_| !late), nanos(since.elapsed()));
    Side {
        name: "straight scan",
        read_ns: Some(read_ns),
        index_ns: Some(0),
        conflicts_ns: Some(conflicts_ns),
        counts,
        is_free_ns: None,
        free_ns: free.map(|_| free_ns),
        free: free.and_then(|net| match net {
            IpNet::V4(net) => Some(Subnet::canonical(net)),
            IpNet::V6(_) => None,
        }),
        plan_ns: None,
        allocations: None,
    }
}

/// Counts a conflict, and keeps the compiler from not looking at it.
fn named(item: &Reservation) -> usize {
    black_box(&item.owner);
    1
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, u64) {
    let since = Instant::now();
    let result = work();
    (result, nanos(since.elapsed()))
}

/// Mean time of what is repeated until it took long enough to be measured.
fn repeated<T>(work: impl Fn() -> T) -> u64 {
    let since = Instant::now();
    let mut rounds = 0;
    while rounds == 0 || since.elapsed() < LONG_ENOUGH {
        black_box(work());
        rounds += 1;
    }
    nanos(since.elapsed()) / rounds
}
