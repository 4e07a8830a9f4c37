//! One act of the guard: written down before it is done, done under the lock, and proved.

use std::time::Duration;

use pvcheck_gates::Rung;
use pvcheck_swarm::{
    Lock, LockError, LockRequest, Operation, Reclaim, ReclaimError, ReclaimOptions, StepPoint, Strategy,
    reclaim, resume_reclaim, sweep_run,
};

use crate::file::{StateError, StateFile};
use crate::memory::{End, Memory, Outcome};
use crate::options::{GuardOptions, GuardPoint, Look};
use crate::report::{Done, GuardFacts, LeakedThen};
use crate::ways::{strategy, wish};

/// How long the removal of what one run left may take.
const DRAIN: Duration = Duration::from_mins(2);
/// How long the lock lasts that is held for a drain.
const LOCKED: Duration = Duration::from_mins(20);

/// A guard that acts.
pub(crate) struct Acting<'a> {
    pub(crate) look: Look<'a>,
    pub(crate) options: GuardOptions<'a>,
    pub(crate) file: &'a StateFile,
    pub(crate) memory: &'a mut Memory,
    pub(crate) facts: &'a GuardFacts,
}

/// How an act ended, before the time is taken.
struct Ended {
    outcome: Outcome,
    why: Option<String>,
    leaked: Vec<LeakedThen>,
}

impl Ended {
    fn new(outcome: Outcome, why: impl Into<Option<String>>) -> Self {
        Self { outcome, why: why.into(), leaked: Vec::new() }
    }
}

impl Acting<'_> {
    /// Does this, once. That it begins is on the disk before anything is done.
    pub(crate) async fn one(&mut self, rung: Rung, row: &str) -> Result<Done, StateError> {
        self.memory.begin(rung, row, self.look.op.run, self.facts.now());
        self.file.write(self.memory)?;
        (self.options.hook)(GuardPoint::Begun(rung));
        let ended = match strategy(rung) {
            None => self.drain().await,
            Some(strategy) => self.cure(strategy).await,
        };
        (self.options.hook)(GuardPoint::Acted(rung));
        let done = self.write_down(Some(rung), ended)?;
        (self.options.hook)(GuardPoint::Ended(rung));
        Ok(done)
    }

    /// Finishes the guard's own cure that was interrupted: managers get their roles back, and nothing is begun anew.
    pub(crate) async fn finish(&mut self) -> Result<Done, StateError> {
        self.look.op.say("finishing the cure that was interrupted");
        let hook = |point| (self.options.hook)(GuardPoint::Reclaim(point));
        let options = self.reclaim_options(Strategy::Handover, &hook);
        let ended = match Box::pin(resume_reclaim(self.look.op, self.look.others, &options)).await {
            Ok(done) => proved(&done),
            Err(error) => Ended::new(Outcome::Unknown, error.to_string()),
        };
        self.write_down(None, ended)
    }

    fn write_down(&mut self, rung: Option<Rung>, ended: Ended) -> Result<Done, StateError> {
        let end = End { at: self.facts.now(), outcome: ended.outcome, why: ended.why };
        self.memory.end(end.clone());
        self.file.write(self.memory)?;
        Ok(Done { rung, end, leaked: ended.leaked })
    }

    async fn cure(&self, strategy: Strategy) -> Ended {
        self.look.op.say(format!("reclaiming by {}", strategy.as_str()));
        let hook = |point| (self.options.hook)(GuardPoint::Reclaim(point));
        let options = self.reclaim_options(strategy, &hook);
        match Box::pin(reclaim(self.look.op, self.look.others, &options)).await {
            Ok(done) => proved(&done),
            Err(error) => failed(&error),
        }
    }

    fn reclaim_options<'a>(
        &self,
        strategy: Strategy,
        hook: &'a (dyn Fn(StepPoint) + Send + Sync),
    ) -> ReclaimOptions<'a> {
        // Counted is what is full, else what is getting full: a census of every network may take minutes.
        let full = self.facts.full.networks.iter().map(|network| network.name.clone());
        let mut networks: Vec<String> = full.collect();
        if networks.is_empty() {
            let counted = self.facts.guarded.iter().filter(|network| network.counted.is_ok());
            networks = counted.map(|network| network.name.clone()).collect();
        }
        ReclaimOptions {
            networks,
            wish: wish(strategy),
            state: self.look.reclaim_state.to_owned(),
            holder: self.options.holder.to_owned(),
            break_lock: None,
            restart_command: self.options.config.restart_command.clone(),
            force_new_cluster: false,
            hook,
        }
    }

    /// Removes what earlier runs of pvcheck left, services first, so that no address is lost by it.
    async fn drain(&self) -> Ended {
        let Look { op, .. } = self.look;
        let request = LockRequest {
            run: op.run.clone(),
            holder: self.options.holder.to_owned(),
            purpose: "guard".to_owned(),
            lasts: LOCKED,
            break_held: None,
            resumable: false,
        };
        let lock = match Lock::take(op.engine, op.permit, &request).await {
            Ok(lock) => lock,
            Err(error @ LockError::Held { .. }) => return Ended::new(Outcome::NotBegun, error.to_string()),
            Err(error) => return Ended::new(Outcome::Unknown, error.to_string()),
        };
        let mut left = Vec::new();
        for (run, _) in self.facts.orphans.iter().flatten() {
            op.say(format!("removing what run {run} left"));
            match sweep_run(Operation::new(op.engine, op.permit, run, op.watch), DRAIN).await {
                Ok(removed) => left.extend(removed.left.iter().map(ToString::to_string)),
                Err(error) => left.push(error.to_string()),
            }
        }
        // A lock that stays expires by itself, and everyone who meets it is told whose it is.
        if let Err(error) = lock.release(op.engine, op.permit).await {
            left.push(format!("the lock: {error}"));
        }
        if left.is_empty() {
            Ended::new(Outcome::Helped, None)
        } else {
            Ended::new(Outcome::DidNotHelp, left.join("; "))
        }
    }
}

/// Whether a reclaim helped, by the counts after it.
fn proved(done: &Reclaim) -> Ended {
    if done.strategy.is_none() {
        let why = "a count before it found nothing leaked, so nothing was done";
        return Ended::new(Outcome::NotBegun, why.to_owned());
    }
    let after = |network: &str| done.after.iter().find(|count| count.network == network);
    let leaked = done.before.iter().map(|count| LeakedThen {
        network: count.network.clone(),
        before: count.leaked,
        after: after(&count.network).and_then(|count| count.leaked),
    });
    let (outcome, why) = match done.left() {
        Some(0) if done.after.is_empty() => {
            (Outcome::Unknown, Some("nothing was counted after it".to_owned()))
        }
        Some(0) => {
            let changed: Vec<String> = done.changed.iter().map(ToString::to_string).collect();
            (Outcome::Helped, (!changed.is_empty()).then(|| changed.join("; ")))
        }
        Some(left) => (Outcome::DidNotHelp, Some(format!("{left} leaked addresses are left"))),
        None => {
            let doubts = done.after.iter().filter_map(|count| count.reason.as_ref().map(ToString::to_string));
            (Outcome::Unknown, Some(doubts.collect::<Vec<_>>().join("; ")))
        }
    };
    Ended { outcome, why, leaked: leaked.collect() }
}

/// What an error of a reclaim says of the Swarm.
fn failed(error: &ReclaimError) -> Ended {
    let outcome = match error {
        // Refused before the first step; a census that fails after the last one is `NotCounted`.
        ReclaimError::Refused { .. }
        | ReclaimError::Unfinished { .. }
        | ReclaimError::Census(_)
        | ReclaimError::Lock(LockError::Held { .. }) => Outcome::NotBegun,
        ReclaimError::NotDone(_) => Outcome::DidNotHelp,
        _ => Outcome::Unknown,
    };
    Ended::new(outcome, error.to_string())
}
