//! The worlds of `cargo xtask bench scale`: builds one, serves it, prints a line of JSON, and ends when stdin does.
//!
//! `bench_scale world SERVICES REPLICAS NODES` is a Swarm of that many services; `bench_scale years SHARE` is a host that leaks
//! 23 addresses a day on a /16 until that share of it (in percent) is used.

use std::io::{Read as _, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use pvcheck_ipam::Subnet;
use pvcheck_sim::{Model, NetworkDraft, Replay, ServiceDraft, Sim, SimOptions};
use serde_json::{Value, json};

type Failure = Box<dyn std::error::Error>;

/// Networks of a world; each is a /16 that all services share evenly.
const NETWORKS: u64 = 4;
/// Addresses of a /16.
const USABLE: u64 = 65_533;

fn main() -> Result<(), Failure> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let numbers: Vec<u64> = words.iter().skip(1).map(|word| word.parse()).collect::<Result<_, _>>()?;
    match (words.first().map(String::as_str), numbers.as_slice()) {
        (Some("world"), &[services, replicas, nodes]) => {
            let since = Instant::now();
            let model = world(services, replicas, nodes)?;
            serve(model, json!({"build_ms": millis(since)}), None)
        }
        (Some("years"), &[share]) => {
            let since = Instant::now();
            let (model, days) = years(share)?;
            serve(model, json!({"build_ms": millis(since), "days": days}), Some("proxy"))
        }
        _ => Err("world SERVICES REPLICAS NODES, or years SHARE".into()),
    }
}

/// Services `svc-1`, `svc-2`, … on [`NETWORKS`] networks in turn; their tasks all run.
fn world(services: u64, replicas: u64, nodes: u64) -> Result<Model, Failure> {
    let mut model = Model::new();
    for _ in 1..nodes {
        model.add_node(false);
    }
    for number in 0..NETWORKS {
        // Outside of 10.0.0.0/8, which ingress comes from.
        let subnet = format!("11.{number}.0.0/16");
        model.create_network(&NetworkDraft::overlay(&format!("net-{number}")).subnet(&subnet).json())?;
    }
    for number in 1..=services {
        let network = format!("net-{}", number % NETWORKS);
        let draft = ServiceDraft::new(&format!("svc-{number}")).on(&network).replicas(replicas);
        model.create_service(draft.stack(&format!("stack-{}", number / 10)).json())?;
    }
    model.advance(Duration::from_secs(2));
    Ok(model)
}

/// Days of deployments until so many percent of the /16 are used.
fn years(share: u64) -> Result<(Model, u64), Failure> {
    let mut replay = Replay::new(Subnet::parse("10.10.0.0/16")?, 1)?;
    let mut days = 0;
    while let Some(day) = replay.next_day() {
        days += 1;
        if USABLE * share <= (day.leaked + day.owned) * 100 {
            break;
        }
    }
    Ok((replay.into_model(), days))
}

/// Serves until stdin ends, then says the most addresses of `watched` that were taken in the meantime.
fn serve(model: Model, mut facts: Value, watched: Option<&str>) -> Result<(), Failure> {
    let sim = Sim::start(model, SimOptions::default())?;
    let free = || sim.with_model(|model| Some(model.tally(watched?)?.free));
    let before = free();
    facts["host"] = json!(sim.host());
    facts["free"] = json!(before);
    say(&facts)?;
    let stop = AtomicBool::new(false);
    let least = std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut least = before;
            // A probe's addresses are held until its tasks are out of the store, a quarter of a second after its removal: a
            // look every 20 ms misses none.
            while least.is_some() && !stop.load(Ordering::Relaxed) {
                least = least.min(free());
                std::thread::sleep(Duration::from_millis(20));
            }
            least
        });
        let ended = std::io::stdin().read_to_end(&mut Vec::new());
        stop.store(true, Ordering::Relaxed);
        ended.map(|_| watcher.join().unwrap_or_default())
    })?;
    say(&json!({"held": before.zip(least).map(|(before, least)| before - least)}))
}

fn say(facts: &Value) -> Result<(), Failure> {
    let mut out = std::io::stdout();
    writeln!(out, "{facts}")?;
    Ok(out.flush()?)
}

fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}
