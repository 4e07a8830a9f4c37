//! One operation after the other, each with one fault at one of its calls.

use std::fmt::{Debug, Write as _};
use std::io::Write as _;
use std::time::{Duration, Instant};

use futures_util::stream::{self, StreamExt};
use pvcheck_sim::{Fault, FaultRule, RequestRecord, Sim};
use pvcheck_swarm::{ConnectError, Engine, Host};

use crate::support::PATIENCE;

/// Of each call: short, because a call that stalls uses it up; long, because the machine may be busy.
pub(crate) const CALL: Duration = Duration::from_millis(500);
/// Of waits and sweeps.
pub(crate) const WAIT: Duration = Duration::from_secs(2);
/// Of a whole operation. Whatever is broken, it has ended long before.
pub(crate) const ENDS: Duration = Duration::from_mins(1);
/// Worlds at a time: each is asleep most of the time. Long rounds are for optimised builds.
const AT_ONCE: usize = 12;
const AT_ONCE_IN_LONG: usize = 24;

/// An operation that faults are put into.
pub(crate) trait Faulted: Debug {
    /// Short rounds have every so-manieth kind at each call.
    fn rotation(&self) -> usize;

    /// True iff short rounds have this fault at this call, whatever the rotation says.
    fn must_meet(&self, _fault: Fault, _call: &RequestRecord) -> bool {
        false
    }

    /// The calls of a faultless run, which does what it should.
    async fn calls(&self) -> Vec<RequestRecord>;

    /// Runs it in a world of its own with this fault at this call, counted from 1; the error says what is wrong then.
    async fn check(&self, call: u64, fault: Fault) -> Result<(), String>;
}

/// A connection whose calls are counted, with a fault at one of them.
pub(crate) async fn hit(sim: &Sim, call: u64, fault: Fault) -> Result<Engine, ConnectError> {
    sim.inject(FaultRule::new(fault).nth(call));
    Engine::connect_within(&host(sim), CALL).await
}

/// A connection to an engine that has no faults any more; it may be restarting.
pub(crate) async fn healthy(sim: &Sim) -> Result<Engine, String> {
    let since = Instant::now();
    loop {
        match Engine::connect_within(&host(sim), PATIENCE).await {
            Ok(engine) => return Ok(engine),
            Err(_) if since.elapsed() < WAIT => tokio::time::sleep(Duration::from_millis(5)).await,
            Err(error) => return Err(format!("it does not recover: {error}")),
        }
    }
}

fn host(sim: &Sim) -> Host {
    sim.host().parse().expect("an absolute path")
}

/// Every call of the operation with faults at it, each case in a world of its own.
pub(crate) async fn every_case(work: &impl Faulted) {
    let since = Instant::now();
    let calls = work.calls().await;
    let long = std::env::var_os("PVCHECK_LONG").is_some();
    let cases = calls.iter().enumerate().flat_map(|(at, call)| {
        let kinds = Fault::EACH.iter().enumerate().filter(move |(kind, fault)| {
            (long || (at + kind) % work.rotation() == 0 || work.must_meet(**fault, call))
                && fault.matters_at(&call.method, &call.target)
        });
        kinds.map(move |(_, fault)| (at, *fault))
    });
    let cases: Vec<(usize, Fault)> = cases.collect();
    let ran = stream::iter(cases.iter().map(|(at, fault)| async move {
        let since = Instant::now();
        let nth = u64::try_from(*at).unwrap_or(u64::MAX).saturating_add(1);
        (*at, *fault, work.check(nth, *fault).await, since.elapsed())
    }));
    let ran: Vec<_> = ran.buffer_unordered(if long { AT_ONCE_IN_LONG } else { AT_ONCE }).collect().await;
    let longest = ran.iter().max_by_key(|(.., took)| *took);
    let mut said = format!(
        "{work:?}: {} calls, {} cases in {:.1} s; the longest {longest:?}\n",
        calls.len(),
        cases.len(),
        since.elapsed().as_secs_f64()
    );
    let wrong: Vec<_> =
        ran.iter().filter_map(|(at, fault, outcome, _)| Some((at, fault, outcome.as_ref().err()?))).collect();
    for (at, fault, why) in &wrong {
        let call = &calls[**at];
        let _ = writeln!(said, "call {} ({} {}), {fault}: {why}", *at + 1, call.method, call.target);
    }
    // Past the capture of the test's own output, as the number of cases is a result.
    let _ = write!(std::io::stdout(), "{said}");
    assert!(wrong.is_empty(), "{} of {} cases are wrong:\n{said}", wrong.len(), cases.len());
}
