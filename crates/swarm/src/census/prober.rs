//! Turns of the ring, one after the other, until they agree.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use pvcheck_audit::{Network, NetworkId, Service, Snapshot, Task, counts_refused};
use pvcheck_ipam::Capacity;

use super::actors::{self, Names, Waiter};
use super::balancers::balancers_doubt;
use super::doubt::Doubt;
use super::evidence::{Evidence, Settled, parts};
use super::report::{Census, CensusError, CensusMethod, CensusOptions, is_large};
use super::ring::{Steps, Turn};
use super::witness::allocator_has_tried;
use crate::engine::{CallError, Events, SwarmChange, poll, wait_until};
use crate::operation::Operation;
use crate::progress::Progress;
use crate::read::read_services;
use crate::run::RunId;
use crate::write::Writer;

/// A census under way.
pub(super) struct Prober<'a> {
    pub(super) op: Operation<'a>,
    pub(super) writer: Writer<'a>,
    pub(super) network: &'a Network,
    pub(super) capacity: Capacity,
    pub(super) method: CensusMethod,
    pub(super) options: &'a CensusOptions,
    pub(super) started: Instant,
    pub(super) names: Names,
    /// Services made so far.
    pub(super) made: AtomicU64,
}

/// How long an event, or the allocator's next attempt, may take: both come within milliseconds on an idle leader.
pub(super) const CAUGHT_UP: Duration = Duration::from_secs(5);

/// How long a service or a task may be without an address before that counts as waiting: one that is just being made has
/// none for some milliseconds.
pub(super) const JUST_MADE: Duration = Duration::from_secs(1);

impl Prober<'_> {
    /// Turn after turn until one shows that nothing is leaked, or two agree, or the time is up.
    ///
    /// Only a turn during which no other client moved the ring says anything about what it did not hand out: the allocator
    /// goes round serially, so an address between two that it gave us is taken, or was given to another client. A turn that
    /// may have been disturbed is made again, and only what it shows to be free is kept.
    pub(super) async fn count(&self, first_look: Snapshot) -> Result<Census, CensusError> {
        self.refuse_while_waiting(&first_look).await?;
        let mut events = self.follow().await?;
        self.refuse_rival(&first_look, &events).await?;
        let mut before = self.wait_calm(first_look).await?;
        let (mut known, mut earlier) = (Evidence::default(), None::<Settled>);
        let (mut n, mut several_each) = (0, is_large(self.capacity.usable()));
        loop {
            // What happened between two turns moved no ring that is being followed. Whether the stream still runs is
            // asked at the end of the turn.
            drop(events.take_others());
            let steps = Steps::of_turn(n, several_each);
            let turn = self.turn(&before, steps, earlier.is_some(), &events).await?;
            let (settled, after) = self.settle(&before, &turn).await?;
            match self.doubt(&turn, &before, &after, &settled, &events)? {
                Some(doubt) if doubt.is_final() || self.time_is_up() => {
                    return Ok(self.conclude(settled.report, Some(doubt)));
                }
                Some(doubt) => {
                    if doubt == Doubt::EventsLate {
                        // A stream that stands still says nothing in the next turn either.
                        events = self.follow().await?;
                    }
                    several_each &= doubt != Doubt::PartlyServed;
                    known.add(&settled);
                    (before, earlier) = (self.wait_calm(after).await?, None);
                }
                None if settled.is_final(earlier.as_ref()) => {
                    let doubt = known.contradicts(&settled.report).or_else(|| parts(&settled.report));
                    return Ok(self.conclude(settled.report, doubt));
                }
                None if self.time_is_up() => {
                    return Ok(self.conclude(settled.report, Some(Doubt::Unconfirmed)));
                }
                None => {
                    known.add(&settled);
                    (before, earlier) = (after, Some(settled));
                }
            }
            n += 1;
        }
    }

    async fn follow(&self) -> Result<Events, CallError> {
        Events::follow(self.op.engine.connection(), self.names.prefix().to_owned()).await
    }

    /// Reads snapshots until no task of the network is stopping any more, or the time is up.
    async fn wait_calm(&self, mut look: Snapshot) -> Result<Snapshot, CallError> {
        let mut said = 0;
        // No `wait_until`: it begins with a snapshot that is at hand, and returns the last one also when the time is up.
        loop {
            let stopping = self.stopping(&look);
            if stopping == 0 || self.time_is_up() {
                return Ok(look);
            }
            if stopping != said {
                said = stopping;
                let name = &self.network.name;
                self.op.say(format!("census of {name}: waiting for {stopping} task(s) to stop"));
            }
            poll().await;
            look = self.op.engine.snapshot().await?;
        }
    }

    /// Each address that a census gives back lets the allocator try a waiting service again, and lose more. A waiting task
    /// takes and gives back an address of each of its other networks at every attempt, in no list and no event, and so moves
    /// the ring unseen. So there is no census, or no more of it, while one waits for longer than it takes to be made.
    async fn refuse_while_waiting(&self, look: &Snapshot) -> Result<(), CensusError> {
        let mut waiting = actors::waiters(look, self.network);
        if waiting.is_empty() {
            return Ok(());
        }
        wait_until!(JUST_MADE, async {
            let now = match self.op.engine.snapshot().await {
                Ok(look) => actors::waiters(&look, self.network),
                Err(error) => return Some(Err(error)),
            };
            waiting.retain(|wait| now.contains(wait));
            waiting.is_empty().then_some(Ok(()))
        })
        .transpose()?;
        let of_one = |service: &str| {
            waiting.iter().filter(|w| matches!(w, Waiter::Task { service: s, .. } if s == service)).count()
        };
        let status_offered = counts_refused(look).is_none();
        match waiting.first().cloned() {
            None => Ok(()),
            Some(Waiter::Service { service, network }) => {
                Err(CensusError::ServiceWaits { service, network, status_offered })
            }
            Some(Waiter::Task { service, task }) => {
                let (tasks, network) = (of_one(&service) as u64, self.network.name.clone());
                Err(CensusError::TasksWait { service, task, tasks, network, status_offered })
            }
        }
    }

    /// Refuses a census of a network of which another one is at work. Services that a killed census left change nothing
    /// any more: they are owners like others.
    async fn refuse_rival(&self, look: &Snapshot, events: &Events) -> Result<(), CensusError> {
        let rivals = actors::rivals(look, &self.names);
        if rivals.is_empty() {
            return Ok(());
        }
        wait_until!(JUST_MADE, async {
            let others = events.take_others().ok()?;
            let rival = others.iter().find_map(|change| self.names.rival(&change.name))?;
            Some(Err(self.another_census(rival)))
        })
        .unwrap_or(Ok(()))
    }

    fn another_census(&self, run: RunId) -> CensusError {
        CensusError::AnotherCensus { run, network: self.network.name.clone() }
    }

    /// A name for the next service.
    pub(super) fn next_name(&self) -> String {
        self.names.nth(self.made.fetch_add(1, Ordering::Relaxed))
    }

    /// How many tasks hold an address of the network and are to stop.
    fn stopping(&self, look: &Snapshot) -> usize {
        look.tasks.iter().filter(|t| t.is_stopping_on(&self.network.id)).count()
    }

    /// Why this turn does not settle the matter; `None` if it does.
    ///
    /// # Errors
    /// If another census of the network goes on.
    fn doubt(
        &self,
        turn: &Turn,
        before: &Snapshot,
        after: &Snapshot,
        settled: &Settled,
        events: &Events,
    ) -> Result<Option<Doubt>, CensusError> {
        let looks = [before, after].map(|look| look.services.as_slice());
        let left = actors::left_over(after, &self.names);
        if !left.is_empty() {
            return Ok(Some(Doubt::NotRemoved { services: left }));
        }
        let moved = self.moved(events, &looks)?;
        let ended = || (!turn.is_complete()).then_some(Doubt::TimeUp);
        let restless = turn.is_restless() || 0 < self.stopping(after);
        let network = self.network.name.clone();
        Ok(turn
            .disturbance()
            .cloned()
            .or(moved)
            .or_else(ended)
            .or_else(|| actors::change(before, after, self.network, &self.names))
            .or_else(|| restless.then_some(Doubt::TasksMoved))
            .or_else(|| {
                actors::came_and_went(turn.busy(), before, self.network)
                    .then_some(Doubt::TasksChanged { network })
            })
            .or_else(|| balancers_doubt(after, self.network, settled)))
    }

    /// Why the ring may have been moved since the last call, by the engine's events; `None` if it was not.
    ///
    /// # Errors
    /// If a census of another run goes on and that run comes first: of two that began at once one has to yield, and both
    /// see the same order of their ids.
    fn moved(&self, events: &Events, looks: &[&[Service]]) -> Result<Option<Doubt>, CensusError> {
        let changes: BTreeSet<SwarmChange> = match events.take_others() {
            Ok(changes) => changes,
            Err(lost) => return Ok(Some(Doubt::EventsLost { why: lost.0 })),
        };
        let rival = changes.iter().find_map(|change| self.names.rival(&change.name));
        if let Some(rival) = rival.filter(|rival| rival.as_str() < self.op.run.as_str()) {
            return Err(self.another_census(rival));
        }
        let mover = actors::first_mover(&changes, self.network, &self.names, looks);
        Ok(mover.map(|change| Doubt::SwarmChanged { change: change.clone() }))
    }

    /// True iff there is no time for another turn.
    fn time_is_up(&self) -> bool {
        self.options.deadline <= self.started.elapsed()
    }

    /// How much time is left.
    pub(super) fn time_left(&self) -> Duration {
        self.options.deadline.saturating_sub(self.started.elapsed())
    }

    /// Batch after batch until the ring has gone round, the turn is spoilt, or the time is up.
    async fn turn(
        &self,
        before: &Snapshot,
        steps: Steps,
        again: bool,
        events: &Events,
    ) -> Result<Turn, CensusError> {
        let what = if again { "looking again at the suspects" } else { "looking" };
        let mut turn = Turn::new(self.network.subnets(), steps);
        while !turn.is_over() && !self.time_is_up() {
            match self.method {
                CensusMethod::Bulk => self.batch(&mut turn).await?,
                // By status, or while something waits, no turn is made at all.
                CensusMethod::Cursor | CensusMethod::Status | CensusMethod::Waiting => {
                    self.stretch(&mut turn).await?;
                }
            }
            let services = read_services(self.op.engine).await?;
            if actors::some_service_waits(&services, before) {
                self.refuse_while_waiting(&self.op.engine.snapshot().await?).await?;
            }
            if let Some(doubt) = self.moved(events, &[&before.services, &services])? {
                turn.disturb(doubt);
            }
            (self.op.watch)(Progress::Count {
                what: format!("census of {}: {what}", self.network.name),
                done: turn.seen().len() as u64,
                total: self.capacity.usable(),
            });
        }
        // The barrier: with the event of our own last removal all before it have come.
        if !events.caught_up(turn.last_removed(), CAUGHT_UP).await {
            turn.disturb(Doubt::EventsLate);
        }
        Ok(turn)
    }

    /// Notes what other tasks hold meanwhile, and whether some of them stop.
    pub(super) fn note(&self, turn: &mut Turn, others: &[Task]) {
        note(turn, &self.network.id, others);
    }

    /// True iff the allocator has tried to serve everything that was asked for before this call.
    pub(super) async fn allocator_has_tried(&self) -> Result<bool, CallError> {
        allocator_has_tried(self.op, &self.next_name(), CAUGHT_UP.min(self.time_left())).await
    }
}

fn note(turn: &mut Turn, network: &NetworkId, others: &[Task]) {
    // A task that has ended still lists its address, and a leaked one is just such an address.
    let holding = others.iter().filter(|t| t.state.holds_addresses());
    turn.saw_busy(holding.flat_map(|t| t.addresses_on(network)));
    turn.saw_stopping(others.iter().any(|t| t.is_stopping_on(network)));
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use pvcheck_audit::TaskState::{Failed, Running, Shutdown};

    use super::super::testing::{NETWORK, network, task};
    use super::*;

    #[test]
    fn what_others_hold_or_give_up_in_the_middle_of_a_turn_is_noted() {
        let network = network(NETWORK);
        let noted = |others: &[Task]| {
            let mut turn = Turn::new(network.subnets(), Steps::of_turn(0, false));
            note(&mut turn, &network.id, others);
            (turn.busy().iter().copied().collect::<Vec<_>>(), turn.is_restless())
        };
        let on = |state, desired, address| task("t1", "s1", state, desired, &[(NETWORK, address)]);
        let address = |last| vec![Ipv4Addr::new(10, 9, 0, last)];
        assert_eq!(noted(&[on(Running, Running, "10.9.0.3")]), (address(3), false));
        assert_eq!(noted(&[on(Running, Shutdown, "10.9.0.4")]), (address(4), true), "it stops");
        assert_eq!(noted(&[on(Failed, Shutdown, "10.9.0.5")]), (Vec::new(), false), "it has ended");
        let elsewhere = task("t1", "s1", Running, Shutdown, &[("other", "10.8.0.3")]);
        assert_eq!(noted(&[elsewhere]), (Vec::new(), false));
    }
}
