//! Random worlds with random actors at work while a census is taken: a complete count is right, or there is none.
//!
//! Three hundred worlds, or ten thousand with `PVCHECK_LONG=1`. The seed of a world that fails is in its message.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use pvcheck_sim::{Availability, Model, NetworkDraft, ServiceDraft, Sim, TaskId};
use pvcheck_swarm::{
    CallErrorKind, Census, CensusError, CensusMethod, CensusOptions, Operation, RunId, census, silent,
};

use crate::support::*;

/// Worlds at a time: each is asleep most of the time.
const AT_ONCE: usize = 8;

/// What an actor does again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Act {
    Attach,
    Census,
    CrashLoop,
    Drain,
    FailedUpdate,
    Guests,
    Jobs,
    Scale,
    StackRm,
    WaitingTasks,
}

const ACTS: [Act; 10] = [
    Act::Attach,
    Act::Census,
    Act::CrashLoop,
    Act::Drain,
    Act::FailedUpdate,
    Act::Guests,
    Act::Jobs,
    Act::Scale,
    Act::StackRm,
    Act::WaitingTasks,
];

/// `SplitMix64`: the same seed is the same world.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.roll() % end
    }

    /// One of these; `None` if there are none.
    fn pick<T: Copy>(&mut self, of: &[T]) -> Option<T> {
        let index = self.roll().checked_rem(of.len() as u64)?;
        of.get(usize::try_from(index).ok()?).copied()
    }
}

/// The leaked addresses of every moment that was looked at.
#[derive(Default)]
struct Truth(BTreeSet<Vec<Ipv4Addr>>);

impl Truth {
    fn look(&mut self, sim: &Sim) {
        self.0.insert(truth(sim, "shared").leaked);
    }

    /// What is wrong with this count; `None` if it could be right.
    fn fault(&self, found: &Census) -> Option<String> {
        let leaked = found.leaked?;
        let sum = found.handed_out + found.owned + found.load_balancers + leaked;
        if sum != found.usable {
            return Some(format!("its parts are {sum} of {}", found.usable));
        }
        if found.load_balancers == 0 && found.leaked_addresses.len() as u64 != leaked {
            return Some("as many addresses as the number, it is said".to_owned());
        }
        let numbers = self.0.iter().map(|addresses| addresses.len() as u64);
        let range = numbers.clone().min()?..=numbers.max()?;
        (!range.contains(&leaked)).then(|| format!("{leaked} leaked where {range:?} are"))
    }
}

struct Cast<'a> {
    sim: &'a Sim,
    dice: Dice,
    made: u64,
    guests: Vec<String>,
    attached: Vec<TaskId>,
}

impl Cast<'_> {
    /// One deed. What the engine refuses was not to be done at that moment.
    fn act(&mut self, act: Act) {
        let n = self.made;
        self.made += 1;
        let roll = self.dice.below(3);
        let leaving = (2 < self.guests.len()).then(|| self.guests.remove(0));
        let detached = (1 < self.attached.len()).then(|| self.attached.remove(0));
        let (guests, attached) = (&mut self.guests, &mut self.attached);
        self.sim.with_model(|model| {
            if let Some(name) = leaving {
                drop(model.remove_service(&name));
            }
            match act {
                Act::Attach => {
                    if let Some(id) = detached {
                        model.detach_container(&id);
                    }
                    attached.extend(model.attach_container(&format!("by-hand-{n}"), "shared", "self"));
                }
                Act::Guests => {
                    let draft = ServiceDraft::new(&format!("guest-{n}")).on("shared").replicas(roll);
                    let draft = if n.is_multiple_of(2) { draft } else { draft.dnsrr() };
                    come(model, guests, draft);
                }
                Act::Jobs => {
                    let draft = ServiceDraft::new(&format!("job-{n}")).on("shared").replicated_job(1, 2);
                    come(model, guests, draft.finishes_in(Duration::from_millis(5)));
                }
                Act::Scale => drop(model.scale_service("scaled", roll)),
                Act::StackRm => {
                    let name = format!("stack-{n}");
                    drop(model.create_network(&NetworkDraft::overlay(&name).json()));
                    come(model, guests, ServiceDraft::new(&name).on(&name).on("shared"));
                    if let Some(old) = n.checked_sub(3).map(|n| format!("stack-{n}")) {
                        drop(model.remove_network(&old));
                    }
                }
                Act::Drain => {
                    let availability =
                        if n.is_multiple_of(2) { Availability::Drain } else { Availability::Active };
                    drop(model.set_availability("self", availability));
                }
                Act::FailedUpdate => {
                    let full = model.truth().network("full").map(|network| network.id.to_string());
                    let add = |spec: &mut serde_json::Value| {
                        if let Some(networks) = spec["TaskTemplate"]["Networks"].as_array_mut() {
                            networks.push(serde_json::json!({ "Target": full }));
                        }
                    };
                    drop(model.change_service("scaled", add));
                }
                // At work since the beginning, or outside of the model.
                Act::Census | Act::CrashLoop | Act::WaitingTasks => {}
            }
        });
    }
}

fn come(model: &mut Model, guests: &mut Vec<String>, draft: ServiceDraft) {
    let body = draft.json();
    let name = body["Name"].as_str().unwrap_or_default().to_owned();
    if model.create_service(body).is_ok() {
        guests.push(name);
    }
}

fn world(dice: &mut Dice, acts: &[Act]) -> Model {
    let prefix = 26 + dice.below(3);
    let mut model = with_shared(&format!("10.90.0.0/{prefix}"));
    network(&mut model, "full", "10.91.0.0/29");
    service(&mut model, ServiceDraft::new("fills").on("full").replicas(9).constraint("node.labels.no==1"));
    service(&mut model, ServiceDraft::new("scaled").on("shared"));
    for n in 0..dice.below(3) {
        service(&mut model, ServiceDraft::new(&format!("s{n}")).on("shared"));
    }
    leak(&mut model, "shared", dice.below(4));
    if acts.contains(&Act::CrashLoop) {
        let draft = ServiceDraft::new("crashes").on("shared").replicas(2);
        service(&mut model, draft.finishes_in(Duration::from_millis(7)));
    }
    if acts.contains(&Act::WaitingTasks) {
        let draft = ServiceDraft::new("waits").on("shared").on("full").replicas(3).dnsrr();
        service(&mut model, draft.constraint("node.labels.no==1"));
    }
    model
}

/// How a census of one world ended.
async fn play(seed: u64) -> Result<String, String> {
    let mut dice = Dice(seed);
    let acts: Vec<Act> = (0..dice.below(4)).filter_map(|_| dice.pick(&ACTS)).collect();
    let sim = start(world(&mut dice, &acts));
    let engine = connect(&sim).await;
    let method = if dice.below(2) == 0 { CensusMethod::Cursor } else { CensusMethod::Bulk };
    let options = CensusOptions {
        deadline: Duration::from_millis(1500),
        method: Some(method),
        ..CensusOptions::default()
    };
    let mut truth = Truth::default();
    truth.look(&sim);
    let mut cast = Cast { sim: &sim, dice, made: 0, guests: Vec::new(), attached: Vec::new() };
    let id = RunId::from_label(format!("r{seed}a"));
    let taken = census(Operation::new(&engine, permit(), &id, &silent), "shared", &options);
    tokio::pin!(taken);
    let other = RunId::from_label(format!("r{seed}b"));
    let rival = async {
        if acts.contains(&Act::Census) {
            drop(census(Operation::new(&engine, permit(), &other, &silent), "shared", &options).await);
        }
        std::future::pending::<()>().await;
    };
    tokio::pin!(rival);
    // At work without a break for a while, with breaks, or for a while only: a census that never comes to an end proves
    // nothing.
    let (busy, longest) = (cast.dice.below(120), cast.dice.pick(&[3, 20, 300]).unwrap_or(3));
    let mut deeds = 0;
    let found = loop {
        let pause = Duration::from_micros(300 + cast.dice.below(1000 * longest));
        tokio::select! {
            found = &mut taken => break found,
            () = &mut rival => {}
            () = tokio::time::sleep(pause) => {
                if let Some(act) = cast.dice.pick(&acts).filter(|_| deeds < busy) {
                    deeds += 1;
                    cast.act(act);
                }
                truth.look(&sim);
            }
        }
    };
    truth.look(&sim);
    let told = |found: &Census| format!("seed {seed}, {acts:?}, {method:?}: {found:?}");
    match &found {
        Ok(found) => match truth.fault(found) {
            Some(fault) => Err(format!("{fault}; {}", told(found))),
            None if found.complete => Ok("complete".to_owned()),
            None if found.leaked.is_some() || found.reason.is_none() => Err(told(found)),
            None => {
                let json = serde_json::to_value(found).unwrap_or_default();
                Ok(format!("not complete: {}", json["doubt"]["kind"]))
            }
        },
        Err(CensusError::ServiceWaits { .. } | CensusError::TasksWait { .. }) => {
            Ok("refused: waits".to_owned())
        }
        Err(CensusError::AnotherCensus { .. }) => Ok("refused: another census".to_owned()),
        // No count is no wrong count; a machine that is too busy for an answer within 20 s was seen.
        Err(CensusError::Call(error)) if matches!(error.kind, CallErrorKind::Deadline(_)) => {
            Ok("error: no answer in time".to_owned())
        }
        Err(error) => Err(format!("seed {seed}, {acts:?}: {error}")),
    }
}

#[tokio::test]
async fn no_complete_count_is_wrong_whoever_else_is_at_work() {
    let long = std::env::var_os("PVCHECK_LONG").is_some_and(|value| value != "0");
    let (worlds, mut ends, mut wrong) = (if long { 10_000 } else { 300 }, BTreeMap::new(), Vec::new());
    let mut played = stream::iter(0..worlds).map(|seed| Box::pin(play(seed))).buffer_unordered(AT_ONCE);
    while let Some(end) = played.next().await {
        match end {
            Ok(end) => *ends.entry(end).or_insert(0_u32) += 1,
            Err(fault) => wrong.push(fault),
        }
    }
    // Who reads no output misses nothing but this line.
    let _ = writeln!(std::io::stdout(), "{worlds} worlds: {ends:?}, {} wrong", wrong.len());
    assert!(wrong.is_empty(), "{} of {worlds} worlds:\n{}", wrong.len(), wrong.join("\n"));
    let of = |end: &str| {
        ends.iter().filter(|(kind, _)| kind.starts_with(end)).map(|(_, n)| u64::from(*n)).sum::<u64>()
    };
    assert!(worlds < 10 * of("complete"), "a census that never ends proves nothing: {ends:?}");
    assert!(100 * of("error") < worlds, "a call in a hundred worlds may be late: {ends:?}");
    assert!(0 < of("not complete") && 0 < of("refused"), "actors that never disturb prove nothing: {ends:?}");
}
