//! Harnesses: run or read, and what the Swarm shows meanwhile.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::fs::{self, Metadata};
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use pvcheck_audit::{Service, ServiceId, Snapshot, TaskId};
use pvcheck_journal::{Class, Incomplete, Limits, Mark, ReadFrom, Scan, Scanner, Since};
use pvcheck_swarm::{Engine, Operation, SavedRenewal};

use super::preflight::{Preflight, PreflightError};
use super::process::{Output, Run, run};
use super::text::{NoText, Text, read_text};
use super::watch::CoreRoutes;
use crate::cause::Unseen;
use crate::config::{Config, HarnessConfig, Which};
use crate::digest::sha256;
use crate::fault::{Counted, Waiting};
use crate::harness_facts::{
    After, AfterWhat, HarnessFact, HarnessHow, HarnessRun, HarnessWatch, Joined, ResultFile, ResultSaid,
};
use crate::harness_result;
use crate::observed::{Observed, Seen};
use crate::waiting::waiting;

/// The longest result.
const MOST_BYTES: u64 = 8 << 20;
/// Between two looks at the Swarm: a stack that is up for less time was hardly a proof.
const PAUSE: Duration = Duration::from_millis(500);

/// The variables that every harness has: without them few programs are found.
const ALWAYS: [&str; 2] = ["PATH", "HOME"];

/// Refuses a harness whose variables are not set, before anything is touched.
pub(super) fn check_env(harnesses: &[&HarnessConfig]) -> Result<(), PreflightError> {
    let each = harnesses.iter().filter(|harness| !harness.is_offered());
    let all = each.flat_map(|harness| harness.env.iter().map(|name| (&harness.name, name)));
    let mut missing = all.filter(|(_, name)| std::env::var(name).is_err());
    missing.next().map_or(Ok(()), |(harness, name)| {
        Err(PreflightError::HarnessEnv { harness: harness.clone(), name: name.clone() })
    })
}

/// Runs or reads each of these, one after the other. What fails is recorded. Returns the core route that was found dead
/// between two of them, too.
pub(super) async fn collect(
    op: Operation<'_>,
    config: &Config,
    ready: &Preflight,
    core: &CoreRoutes<'_>,
    harnesses: &[&HarnessConfig],
) -> (Observed<Vec<HarnessFact>>, Option<String>) {
    let mut died = None;
    let facts = async {
        let mut facts = Vec::new();
        for harness in harnesses {
            let one = One { engine: op.engine, config, ready, harness };
            op.say(format!("harness {}: {}", harness.name, one.what()));
            let mut fact = one.fact().await;
            // The watcher asks by the clock; this round is certain to be after it.
            died = core.ask().await;
            fact.watch.route_down.clone_from(&died);
            facts.push(fact);
            if died.is_some() {
                break;
            }
        }
        Ok::<_, Infallible>(facts)
    };
    let facts = Observed::of("harness", facts).await;
    (facts, died)
}

/// One harness.
struct One<'a> {
    engine: &'a Engine,
    config: &'a Config,
    ready: &'a Preflight,
    harness: &'a HarnessConfig,
}

impl One<'_> {
    fn what(&self) -> &'static str {
        if self.harness.is_offered() { "reading its result" } else { "running it" }
    }

    async fn fact(&self) -> HarnessFact {
        let path = self.config.file(&self.harness.result);
        if self.harness.is_offered() {
            return self.offered(&path).await;
        }
        let before = fs::metadata(&path).ok();
        let mark = match &self.ready.log {
            Ok(log) => log.source.mark(&Limits::default()).await.ok(),
            Err(_) => None,
        };
        let mut look = self.look(self.engine.snapshot().await.ok().as_ref());
        let (how, started) = self.run_and(&mut look).await;
        look.take_last(self.engine.snapshot().await.map_err(|error| error.to_string()));
        look.watch.signatures = self.signatures(mark).await;
        HarnessFact {
            name: self.harness.name.clone(),
            how,
            after: Some(After { at: started, of: AfterWhat::Run }),
            result: result(&path, before.as_ref()),
            watch: look.watch,
        }
    }

    /// Runs the command, and looks at the Swarm as long as it runs.
    async fn run_and(&self, look: &mut Look<'_>) -> (HarnessHow, Timestamp) {
        let given: Vec<(String, String)> = self.harness.env.iter().filter_map(|name| var(name)).collect();
        let secrets: Vec<String> = given.iter().map(|(_, value)| value.clone()).collect();
        let env: Vec<_> = ALWAYS.into_iter().filter_map(var).chain(given).collect();
        let folder = self.config.file(Path::new(""));
        let limit = Duration::from_secs(self.harness.seconds());
        let what = Run { command: self.harness.words(), env: &env, folder: &folder, limit };
        let started = Timestamp::now();
        let looking = async {
            loop {
                look.take(self.engine.snapshot().await.map_err(|error| error.to_string()));
                tokio::time::sleep(PAUSE).await;
            }
        };
        let (end, output) = tokio::select! {
            ended = Box::pin(run(what, Output::without(secrets))) => ended,
            () = Box::pin(looking) => unreachable!("it looks without end"),
        };
        let (output, output_digest) = output.finish();
        let program = self.harness.words().first().cloned().unwrap_or_default();
        let ended = Timestamp::now();
        (HarnessHow::Ran(HarnessRun { program, started, ended, end, output, output_digest }), started)
    }

    /// A result that something else has made: what was on the overlay in its time, as far as Swarm still lists it.
    async fn offered(&self, path: &Path) -> HarnessFact {
        let result = result(path, None);
        let mut look = self.look(None);
        match self.engine.snapshot().await {
            Ok(snapshot) => {
                look.watch.looks = 1;
                if let Seen::Known(file) = &result {
                    look.in_its_time(&snapshot, file);
                }
            }
            Err(error) => look.watch.missed = Some(error.to_string()),
        }
        let after = self.after();
        HarnessFact {
            name: self.harness.name.clone(),
            how: HarnessHow::Offered,
            after,
            result,
            watch: look.watch,
        }
    }

    /// The later of `since` and the end of the renewal of its overlay.
    fn after(&self) -> Option<After> {
        let since = self.harness.since.map(|at| After { at, of: AfterWhat::Since });
        let record = self.ready.record.as_deref().and_then(|path| SavedRenewal::load(path).ok());
        let own = record
            .filter(|saved| Some(saved.record.network.as_str()) == self.config.network_of(self.harness));
        let renewal =
            own.and_then(|saved| saved.ended).map(|ended| After { at: ended.at, of: AfterWhat::Renewal });
        since.into_iter().chain(renewal).max_by_key(|after| after.at)
    }

    fn look(&self, before: Option<&Snapshot>) -> Look<'_> {
        let network = self.config.network_of(self.harness).unwrap_or_default();
        Look {
            configured: self.config.services.iter().map(|service| &service.which).collect(),
            services: before
                .into_iter()
                .flat_map(|s| &s.services)
                .map(|service| service.id.clone())
                .collect(),
            has_before: before.is_some(),
            waited: Vec::new(),
            watch: HarnessWatch {
                network: network.to_owned(),
                looks: 0,
                missed: None,
                joined: Vec::new(),
                waits: Vec::new(),
                left: Vec::new(),
                seen_at_end: false,
                signatures: Seen::Unknown(Unseen::NotNeeded),
                route_down: None,
            },
        }
    }

    /// What the log says of exhausted networks since the mark.
    async fn signatures(&self, mark: Option<Mark>) -> Seen<Vec<Counted>> {
        let failed = |error: String| Seen::Unknown(Unseen::Failed { error });
        let (Some(mark), Ok(log)) = (mark, &self.ready.log) else {
            return failed("it could not be read before".to_owned());
        };
        let scanner = Scanner::since(self.ready.catalogue, Since::Beginning, None).role(self.ready.role);
        match log.source.scan(&ReadFrom::Mark(mark), &Limits::default(), scanner).await {
            Err(error) => failed(error.to_string()),
            Ok(scan) => grave(scan),
        }
    }
}

/// The signatures of exhausted networks in a scan from a mark on. That there are none it shows only where nothing is missing but
/// lines of the engine, which may have had nothing to say.
fn grave(mut scan: Scan) -> Seen<Vec<Counted>> {
    let grave = scan.findings().filter(|m| matches!(m.class, Class::Exhaustion | Class::PoolsExhausted));
    let grave: Vec<_> = grave.map(|m| Counted { signature: m.signature.clone(), count: m.count }).collect();
    scan.incomplete.retain(|reason| !matches!(reason, Incomplete::NoRecords { .. }));
    match scan.doubt() {
        Some(doubt) if grave.is_empty() => Seen::Unknown(Unseen::Failed { error: doubt.to_string() }),
        _ => Seen::Known(grave),
    }
}

fn var(name: &str) -> Option<(String, String)> {
    std::env::var(name).ok().map(|value| (name.to_owned(), value))
}

/// What the Swarm shows, beside what it had before.
struct Look<'a> {
    /// Services that are expected to be there.
    configured: Vec<&'a Which>,
    /// Services that were there before.
    services: BTreeSet<ServiceId>,
    /// True iff it is known what was there before.
    has_before: bool,
    /// What waited at the last look.
    waited: Vec<Waiting>,
    watch: HarnessWatch,
}

impl Look<'_> {
    /// A look while it runs; `None` where nothing can be told by it.
    fn take(&mut self, seen: Result<Snapshot, String>) -> Option<Snapshot> {
        let snapshot = match seen {
            Ok(snapshot) if self.has_before => snapshot,
            Ok(_) => {
                self.watch.missed = Some("the Swarm could not be read before it started".to_owned());
                return None;
            }
            Err(error) => {
                self.watch.missed = Some(error);
                return None;
            }
        };
        self.watch.looks += 1;
        // A task of a service that was there before is one that was only started again.
        let found = self.addresses(&snapshot, |service| !self.services.contains(&service.id), None);
        for joined in found {
            if !self.watch.joined.contains(&joined) {
                self.watch.joined.push(joined);
            }
        }
        // Swarm needs a moment for every address: only what waits at two looks waits.
        let waits = waiting(&snapshot);
        for wait in waits.iter().filter(|wait| self.waited.contains(wait)) {
            if !self.watch.waits.contains(wait) {
                self.watch.waits.push(wait.clone());
            }
        }
        self.waited = waits;
        Some(snapshot)
    }

    /// The look after its end, which alone tells what it left.
    fn take_last(&mut self, seen: Result<Snapshot, String>) {
        let Some(snapshot) = self.take(seen) else { return };
        self.watch.seen_at_end = true;
        let is_new = |service: &Service| !self.services.contains(&service.id);
        let there = |name: &&String| snapshot.service_named(name).is_some_and(is_new);
        let names: BTreeSet<&String> = self.watch.joined.iter().map(|joined| &joined.service).collect();
        self.watch.left = names.into_iter().filter(there).cloned().collect();
    }

    /// Tasks whose last change is of the time of a run that is over, of services that were made in that time.
    fn in_its_time(&mut self, snapshot: &Snapshot, file: &ResultFile) {
        let ResultSaid::Sound(result) = &file.said else { return };
        let time = result.started_at..=result.finished_at.unwrap_or(file.modified);
        let is_of_then = |at: Option<Timestamp>| at.is_some_and(|at| time.contains(&at));
        let of_then: BTreeSet<&TaskId> =
            snapshot.tasks.iter().filter(|task| is_of_then(task.since)).map(|task| &task.id).collect();
        self.watch.joined = self.addresses(snapshot, |service| is_of_then(service.created), Some(&of_then));
    }

    /// The addresses on the overlay of the services that count, as far as they are neither of the configuration nor of
    /// pvcheck: their own and those of their tasks, or those of `tasks` alone.
    fn addresses(
        &self,
        snapshot: &Snapshot,
        counts: impl Fn(&Service) -> bool,
        tasks: Option<&BTreeSet<&TaskId>>,
    ) -> Vec<Joined> {
        let Some(network) = snapshot.overlay(&self.watch.network) else { return Vec::new() };
        let is_other = |service: &Service| !self.configured.iter().any(|which| which.contains(service));
        let others = snapshot.services.iter().filter(|s| is_other(s) && s.run.is_none() && counts(s));
        let mut found = BTreeSet::new();
        let mut add = |service: &str, address: Ipv4Addr| {
            found.insert(Joined { service: service.to_owned(), address });
        };
        for service in others {
            let vips = service.vips.iter().filter(|vip| vip.network == network.id);
            vips.filter(|_| tasks.is_none())
                .filter_map(|vip| vip.address)
                .for_each(|a| add(&service.name, a));
            let own = snapshot.tasks.iter().filter(|t| t.service.as_ref() == Some(&service.id));
            let own = own.filter(|t| tasks.is_none_or(|tasks| tasks.contains(&t.id)));
            own.flat_map(|task| task.addresses_on(&network.id)).for_each(|a| add(&service.name, a));
        }
        found.into_iter().collect()
    }
}

fn result(path: &Path, before: Option<&Metadata>) -> Seen<ResultFile> {
    let shown = path.display().to_string();
    match read(path, &shown, before) {
        Ok(file) => Seen::Known(file),
        Err(error) => Seen::Unknown(Unseen::Failed { error: format!("{shown}: {error}") }),
    }
}

/// Reads a result's file.
fn read(path: &Path, shown: &str, before: Option<&Metadata>) -> Result<ResultFile, NoText> {
    let Text { content: text, metadata, modified } = read_text(path, MOST_BYTES)?;
    Ok(ResultFile {
        path: shown.to_owned(),
        modified,
        is_new: before.is_none_or(|before| is_another(before, &metadata)),
        bytes: text.len() as u64,
        digest: sha256(&text),
        said: match harness_result::read(&text) {
            Ok(result) => ResultSaid::Sound(result),
            Err(fault) => ResultSaid::Unsound(fault),
        },
    })
}

fn is_another(before: &Metadata, now: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let of = |m: &Metadata| (m.ino(), m.mtime(), m.mtime_nsec(), m.len());
    of(before) != of(now)
}

#[cfg(test)]
mod tests {
    use pvcheck_journal::{Catalogue, Source};

    use super::*;

    #[test]
    fn nothing_found_in_a_log_of_which_a_part_is_missing_is_unknown() {
        let scan = |reason: Option<Incomplete>| {
            let mut scanner = Scanner::since(Catalogue::builtin(), Since::Beginning, None);
            if let Some(reason) = reason {
                scanner.note_incomplete(reason);
            }
            grave(scanner.finish())
        };
        assert_eq!(scan(None), Seen::Known(Vec::new()), "an engine that logged nothing meanwhile");
        for reason in [Incomplete::MarkGone, Incomplete::Burst, Incomplete::NotAllowed] {
            let Seen::Unknown(why) = scan(Some(reason.clone())) else { panic!("{reason}") };
            assert_eq!(why.to_string(), format!("{reason}; so none found means nothing"));
        }
    }

    #[tokio::test]
    async fn what_was_found_is_known_whatever_is_missing() {
        let line = r#"level=error msg="Failed allocation for service a" error="could not find an available IP while allocating VIP""#;
        let log = tempfile::NamedTempFile::new().expect("a file of the test");
        fs::write(log.path(), format!("{line}\n{line}\n")).expect("a file of the test");
        let limits = Limits { max_bytes: 1, ..Limits::default() };
        let scanner = Scanner::since(Catalogue::builtin(), Since::Beginning, None);
        let scan = Source::File(log.path().to_owned()).scan(&ReadFrom::Beginning, &limits, scanner).await;
        let scan = scan.expect("it is there");
        assert!(!scan.complete);
        assert!(matches!(grave(scan), Seen::Known(found) if found.len() == 1));
    }
}
