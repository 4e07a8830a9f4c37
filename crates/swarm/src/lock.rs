//! One lock per Swarm, kept as a config object: creating one is atomic, it is in the raft store, and every manager lists it.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use pvcheck_audit::{ConfigId, without_values};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::engine::{CallError, Engine, ObjectKind, poll, wire};
use crate::labels::RUN_LABEL;
use crate::run::RunId;
use crate::write::{Permit, Writer};

/// The lock's name among the configs.
pub(crate) const NAME: &str = "pvcheck-lock";
const HOLDER: &str = "org.pvcheck.lock.holder";
const PURPOSE: &str = "org.pvcheck.lock.purpose";
const TAKEN: &str = "org.pvcheck.lock.taken";
const EXPIRES: &str = "org.pvcheck.lock.expires";
const BROKEN: &str = "org.pvcheck.lock.broken";
const RESUMABLE: &str = "org.pvcheck.lock.resumable";

/// Attempts that lose a race with another process before the lock counts as held. Two contenders need two; the rest is
/// margin, and a bound is needed because each round ends at once.
const ROUNDS: u32 = 5;

/// What a process writes into the lock when it takes it.
#[derive(Clone, Debug)]
pub struct LockRequest {
    /// The run that will hold it.
    pub run: RunId,
    /// How this process identifies itself to operators, such as `root@host, process 4711`.
    pub holder: String,
    /// The operation, for operators, such as `reclaim`.
    pub purpose: String,
    /// After this time other processes may take the lock over. Must be longer than the operation can take.
    pub lasts: Duration,
    /// The operator's reason to take over a lock that is held; `None` leaves a held lock alone.
    pub break_held: Option<String>,
    /// True iff another process can finish what was begun under the lock, so that a sweep must not remove it before it
    /// expires.
    pub resumable: bool,
}

/// The identity under which an operation takes the lock; purpose and duration are the operation's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockAs {
    /// As in [`LockRequest::holder`].
    pub holder: String,
    /// As in [`LockRequest::break_held`].
    pub break_held: Option<String>,
}

impl LockAs {
    pub(crate) fn request(&self, run: &RunId, purpose: &str, lasts: Duration) -> LockRequest {
        LockRequest {
            run: run.clone(),
            holder: self.holder.clone(),
            purpose: purpose.to_owned(),
            lasts,
            break_held: self.break_held.clone(),
            resumable: false,
        }
    }
}

/// What a lock says about itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LockFacts {
    /// The holder, as it identified itself.
    pub holder: String,
    /// Its purpose.
    pub purpose: String,
    /// The run that holds it.
    pub run: RunId,
    /// When it was taken, by the engine's clock; `None` if its label cannot be read.
    pub taken: Option<Timestamp>,
    /// When it expires, by the engine's clock; `None` if its label cannot be read, and then it never expires.
    pub expires: Option<Timestamp>,
}

/// A lock of another run that was taken over, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TakenOver {
    /// The lock as it was.
    pub lock: LockFacts,
    /// The operator's reason; `None` if the lock had expired.
    pub reason: Option<String>,
}

/// The Swarm's lock, held by this run until [`Lock::release`] or until it expires. Dropping it does not release it:
/// another process may have to finish what was begun under it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lock {
    id: ConfigId,
    taken_over: Option<TakenOver>,
}

/// Why the lock was not taken.
#[derive(Debug, Error)]
pub enum LockError {
    /// Another run holds it.
    #[error(
        "the Swarm is locked by {} for {}, {}; wait for it, or take the lock over with --break-lock REASON", lock.holder, lock.purpose, age(lock, *now)
    )]
    Held {
        /// The lock as it is.
        lock: Box<LockFacts>,
        /// The engine's clock at that moment.
        now: Timestamp,
    },
    /// A call failed.
    #[error(transparent)]
    Call(#[from] CallError),
}

fn age(lock: &LockFacts, now: Timestamp) -> String {
    match lock.taken {
        Some(taken) => format!("since {} s", now.duration_since(taken).as_secs().max(0)),
        None => "since an unknown time".to_owned(),
    }
}

impl Lock {
    /// Takes the Swarm's lock. A lock that has expired, or that the request breaks, is taken over. A run that holds the
    /// lock already gets the same lock again.
    ///
    /// # Errors
    /// If another run holds it, or a call fails.
    pub async fn take(engine: &Engine, permit: Permit, request: &LockRequest) -> Result<Self, LockError> {
        let writer = Writer::new(engine.connection(), permit);
        let mut taken_over = None;
        let mut round = 0;
        // Counted, not timed: each round ends with the lock taken, held by another run, or gone between two calls.
        loop {
            let now = clock(engine).await?;
            let (labels, data) = contents(request, now, taken_over.as_ref());
            match writer.create_config(NAME, &request.run, &labels, &data).await {
                Ok(id) => return Ok(Self { id, taken_over }),
                Err(error) if error.status() == Some(409) => {}
                Err(error) if error.is_refusal() => return Err(error.into()),
                // Its answer may be what failed, and not the creation: whose lock there is decides.
                Err(error) => return adopt(engine, &request.run, taken_over).await?.ok_or(error.into()),
            }
            round += 1;
            let Some((id, lock)) = current(engine).await? else {
                if ROUNDS < round {
                    return Err(LockError::Held { lock: Box::new(facts(None)), now });
                }
                poll().await;
                continue;
            };
            if lock.run == request.run {
                return Ok(Self { id, taken_over });
            }
            let expired = lock.expires.is_some_and(|at| at <= now);
            if (!expired && request.break_held.is_none()) || ROUNDS < round {
                return Err(LockError::Held { lock: Box::new(lock), now });
            }
            // By id, not by name: if a third process has taken the lock over since, its new config must stay.
            writer.remove_config(&id).await?;
            taken_over = Some(TakenOver { lock, reason: request.break_held.clone().filter(|_| !expired) });
        }
    }

    /// The lock that was taken over to get this one; `None` if the Swarm was not locked.
    pub fn taken_over(&self) -> Option<&TakenOver> {
        self.taken_over.as_ref()
    }

    /// Removes the lock. One that is gone already is not an error.
    ///
    /// # Errors
    /// If the call fails; the lock then stays until it expires.
    pub async fn release(self, engine: &Engine, permit: Permit) -> Result<(), CallError> {
        Writer::new(engine.connection(), permit).remove_config(&self.id).await
    }

    /// Puts the lock's expiry off, to `lasts` from now. Returns false if it is no longer this run's: it had expired, and
    /// another run took it over, or an operator removed it. The holder must then change nothing more.
    ///
    /// # Errors
    /// If a call fails; the lock is still held until it expires.
    pub async fn renew(
        &self,
        engine: &Engine,
        permit: Permit,
        run: &RunId,
        lasts: Duration,
    ) -> Result<bool, CallError> {
        let writer = Writer::new(engine.connection(), permit);
        for _ in 0..ROUNDS {
            let found: Result<wire::Versioned, CallError> =
                engine.connection().get(&format!("/configs/{}", self.id)).await;
            let found = match found {
                Err(error) if error.is_not_found() => return Ok(false),
                found => found?,
            };
            if found.spec["Labels"][RUN_LABEL] != run.as_str() {
                return Ok(false);
            }
            let expires = expiry(clock(engine).await?, lasts).to_string();
            let version = found.version.index.unwrap_or_default();
            if writer.relabel_config(&self.id, version, &[(EXPIRES, expires)]).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Checks that the lock could be taken now, without taking it.
    ///
    /// # Errors
    /// If any run holds it, the caller's included, or a call fails.
    pub async fn expect_free(engine: &Engine) -> Result<(), LockError> {
        let now = clock(engine).await?;
        match current(engine).await? {
            Some((_, lock)) if lock.expires.is_none_or(|at| now < at) => {
                Err(LockError::Held { lock: Box::new(lock), now })
            }
            _ => Ok(()),
        }
    }

    /// Reads the lock; `None` if the Swarm is not locked. An expired lock is returned as any other.
    ///
    /// # Errors
    /// If the call fails.
    pub async fn read(engine: &Engine) -> Result<Option<LockFacts>, CallError> {
        Ok(current(engine).await?.map(|(_, facts)| facts))
    }
}

/// The engine's own time. Processes on several hosts compare expiry with it, since their own clocks may differ by more
/// than a lock lasts. An engine without a readable time gets this host's.
async fn clock(engine: &Engine) -> Result<Timestamp, CallError> {
    let info: wire::Info = engine.connection().get("/info").await?;
    Ok(info.system_time.parse().unwrap_or_else(|_| Timestamp::now()))
}

/// The lock of this run, if it is there.
async fn adopt(
    engine: &Engine,
    run: &RunId,
    taken_over: Option<TakenOver>,
) -> Result<Option<Lock>, CallError> {
    let Some((id, lock)) = current(engine).await? else { return Ok(None) };
    if lock.run != *run {
        return Ok(None);
    }
    engine.connection().ledger().made(ObjectKind::Config, NAME, id.as_str());
    Ok(Some(Lock { id, taken_over }))
}

async fn current(engine: &Engine) -> Result<Option<(ConfigId, LockFacts)>, CallError> {
    let configs: Vec<wire::Stored> = engine.connection().get("/configs").await?;
    let found = configs.into_iter().find(|c| c.spec.name == NAME);
    Ok(found.map(|c| (ConfigId::new(c.id), facts(c.spec.labels.as_ref()))))
}

fn expiry(now: Timestamp, lasts: Duration) -> Timestamp {
    let lasts = SignedDuration::try_from(lasts).unwrap_or(SignedDuration::from_hours(1));
    now.saturating_add(lasts).unwrap_or(now)
}

fn contents(
    request: &LockRequest,
    now: Timestamp,
    over: Option<&TakenOver>,
) -> (Vec<(&'static str, String)>, Vec<u8>) {
    let expires = expiry(now, request.lasts);
    let broken = over.map(|o| {
        let why = o.reason.as_deref().unwrap_or("it had expired");
        format!("that of {} for {}: {why}", o.lock.holder, o.lock.purpose)
    });
    let mut labels = vec![
        (RUN_LABEL, request.run.to_string()),
        (HOLDER, request.holder.clone()),
        (PURPOSE, request.purpose.clone()),
        (TAKEN, now.to_string()),
        (EXPIRES, expires.to_string()),
    ];
    labels.extend(broken.map(|text| (BROKEN, text)));
    labels.extend(request.resumable.then(|| (RESUMABLE, "true".to_owned())));
    let facts = facts_of(request, now, expires);
    // Only the labels are read back; the data is for operators with `docker config inspect`.
    let data = serde_json::to_vec(&facts).unwrap_or_default();
    (labels, data)
}

fn facts_of(request: &LockRequest, now: Timestamp, expires: Timestamp) -> LockFacts {
    LockFacts {
        holder: request.holder.clone(),
        purpose: request.purpose.clone(),
        run: request.run.clone(),
        taken: Some(now),
        expires: Some(expires),
    }
}

fn facts(labels: Option<&std::collections::HashMap<String, String>>) -> LockFacts {
    let label = |key: &str| labels.and_then(|l| l.get(key)).map(String::as_str);
    // A config that another tool created under this name has none of these labels.
    let words = |key: &str, missing: &str| without_values(label(key).unwrap_or(missing));
    LockFacts {
        holder: words(HOLDER, "an unnamed holder"),
        purpose: words(PURPOSE, "an unnamed purpose"),
        run: RunId::from_label(label(RUN_LABEL).unwrap_or_default()),
        taken: label(TAKEN).and_then(|t| t.parse().ok()),
        expires: label(EXPIRES).and_then(|t| t.parse().ok()),
    }
}

/// True iff these are the labels of a resumable lock that has not expired at `now`. A sweep leaves such a lock, because
/// the process that resumes the operation needs it.
pub(crate) fn outlives_sweep(labels: LabelsRef<'_>, now: Timestamp) -> bool {
    labels.is_some_and(|l| l.contains_key(RESUMABLE)) && facts(labels).expires.is_none_or(|at| now < at)
}

/// The labels of a listed object; `None` if the engine sent none.
pub(crate) type LabelsRef<'a> = Option<&'a std::collections::HashMap<String, String>>;

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> LockRequest {
        LockRequest {
            run: RunId::from_label("r1"),
            holder: "root@here, process 7".into(),
            purpose: "reclaim".into(),
            lasts: Duration::from_mins(10),
            break_held: None,
            resumable: true,
        }
    }

    #[test]
    fn what_is_written_is_what_is_read_and_it_expires() {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let (labels, data) = contents(&request(), now, None);
        let labels = labels.into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
        let read = facts(Some(&labels));
        assert_eq!(read, serde_json::from_slice(&data).unwrap());
        let later = |secs| now.saturating_add(SignedDuration::from_secs(secs)).unwrap();
        assert!(outlives_sweep(Some(&labels), later(599)));
        assert!(!outlives_sweep(Some(&labels), later(600)));
        assert!(!outlives_sweep(None, now), "a config without the lock's labels is not a lock");
        let text = LockError::Held { lock: Box::new(read), now: later(42) }.to_string();
        assert!(text.contains("root@here, process 7 for reclaim, since 42 s"), "{text}");
    }

    #[test]
    fn a_lock_that_does_not_say_until_when_never_expires() {
        let labels =
            [(EXPIRES.to_owned(), "soon".to_owned()), (RESUMABLE.to_owned(), "true".to_owned())].into();
        assert!(outlives_sweep(Some(&labels), Timestamp::MAX));
    }

    #[test]
    fn a_sweep_takes_the_lock_of_what_no_process_can_resume() {
        let (labels, _) =
            contents(&LockRequest { resumable: false, ..request() }, Timestamp::UNIX_EPOCH, None);
        let labels = labels.into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
        assert!(!outlives_sweep(Some(&labels), Timestamp::UNIX_EPOCH));
    }

    #[test]
    fn who_breaks_a_lock_is_on_record() {
        let over = TakenOver { lock: facts(None), reason: Some("its host is gone".into()) };
        let (labels, _) = contents(&request(), Timestamp::UNIX_EPOCH, Some(&over));
        assert!(labels.iter().any(|(k, v)| *k == BROKEN && v.contains("its host is gone")));
    }
}
