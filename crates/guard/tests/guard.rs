//! The guard on the embedded engine: what it decides, that it acts once, and what it leaves when it is killed.

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use pvcheck_gates::{Config, GuardConfig, Rung};
use pvcheck_guard::{
    Ahead, Answer, Brake, Guard, GuardError, GuardOptions, GuardPoint, Logged, Look, Now, Outcome, Standing,
    StateError, act, unreached, watch,
};
use pvcheck_sim::{Fault, FaultRule, Model, NetworkDraft, ServiceDraft, Sim, SimOptions, Timings, world};
use pvcheck_swarm::{ConnectError, Engine, Host, Moment, Operation, Permit, RunId, Step, silent};

const SETTLE: Duration = Duration::from_secs(10);
/// The addresses that are lost in [`exhausted`].
const LEAKED: u64 = 9;
const STARTED: &str = "time=\"2026-06-13T05:30:00.000000000Z\" level=info msg=\"Starting up\"\n\
    time=\"2026-06-13T05:30:01.000000000Z\" level=info msg=\"Daemon has completed initialization\"\n\
    time=\"2026-06-13T05:30:01.100000000Z\" level=info msg=\"API listen on /var/run/docker.sock\"\n";

/// The CI host in small, with a network of 13 addresses.
fn host() -> Model {
    let mut model = world::cc_ci().expect("the model takes its own drafts");
    model.settings_mut().timings = Timings {
        schedule: Duration::from_millis(2),
        start: Duration::from_millis(10),
        stop: Duration::from_millis(20),
        reap: Duration::from_millis(10),
        ..Timings::default()
    };
    overlay(&mut model, "shared", "10.92.0.0/28");
    model
}

fn overlay(model: &mut Model, name: &str, subnet: &str) {
    model.create_network(&NetworkDraft::overlay(name).subnet(subnet).json()).expect("a fresh name");
    model.advance(SETTLE);
}

fn service(model: &mut Model, draft: ServiceDraft) {
    model.create_service(draft.json()).expect("a fresh name");
    model.advance(SETTLE);
}

/// Loses so many addresses of `shared`, in the way that `docker stack rm` does.
fn leak(model: &mut Model, so_many: u64) {
    for n in 0..so_many {
        let name = format!("gone-{n}");
        model.create_network(&NetworkDraft::overlay(&name).json()).expect("a fresh name");
        service(model, ServiceDraft::new(&name).on(&name).on("shared"));
        model.remove_service(&name).expect("there");
        model.remove_network(&name).expect("no wanted task is on it");
        model.advance(SETTLE);
    }
}

/// `shared` is full of leaks, and a service waits for an address there: 13 are 3 of one that runs (virtual address, task, load
/// balancer), 9 that are lost, and the virtual address of the one that waits.
fn exhausted() -> Model {
    let mut model = host();
    service(&mut model, ServiceDraft::new("keep").on("shared"));
    leak(&mut model, LEAKED);
    service(&mut model, ServiceDraft::new("late").on("shared"));
    model
}

/// A host with a guard.
struct Rig {
    sim: Arc<Sim>,
    folder: tempfile::TempDir,
    config: Config,
    restarts: Arc<AtomicUsize>,
}

impl Rig {
    fn new(model: Model, guard: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let log = folder.path().join("engine.log");
        std::fs::write(&log, STARTED).expect("a fresh file");
        let text = format!(
            "[overlay]\nname = \"shared\"\nsubnet = \"10.92.0.0/28\"\n[journal]\nfile = \"{}\"\n[guard]\n{guard}\n",
            log.display()
        );
        let config = Config::parse("pvcheck.toml", &text).expect("sound");
        let options = SimOptions { log_file: Some(log), ..SimOptions::default() };
        let sim = Arc::new(Sim::start(model, options).expect("a temporary socket"));
        Self { sim, folder, config, restarts: Arc::default() }
    }

    fn state(&self) -> PathBuf {
        self.folder.path().join("guard.json")
    }

    fn own(&self) -> &GuardConfig {
        self.config.guard.as_ref().expect("it has one")
    }

    /// Where the operator's command would restart the engine, the model is restarted, and counted.
    fn restarter(&self) -> impl Fn(&GuardPoint) + Send + Sync + use<> {
        let (sim, restarts) = (Arc::clone(&self.sim), Arc::clone(&self.restarts));
        move |point| {
            if let GuardPoint::Reclaim(at) = point
                && at.step == Step::Restart
                && at.moment == Moment::Begun
            {
                restarts.fetch_add(1, Ordering::SeqCst);
                sim.with_model(Model::restart_engine);
            }
        }
    }

    async fn guard(
        &self,
        apply: bool,
        hook: &(dyn Fn(GuardPoint) + Send + Sync),
    ) -> Result<Guard, GuardError> {
        let host: Host = self.sim.host().parse().expect("a socket");
        let engine = Engine::connect(&host).await.expect("it answers");
        let run = RunId::unique();
        let op = Operation::new(&engine, Permit::granted_by_operator(), &run, &silent);
        let look = Look {
            op,
            others: &[],
            unanswered: &[],
            config: Some(&self.config),
            probe: true,
            patience: Duration::from_millis(100),
            reclaim_state: self.folder.path(),
        };
        let state = self.state();
        let options = GuardOptions { config: self.own(), state: &state, holder: "a test", hook };
        if apply { act(look, options).await } else { watch(look, options).await }
    }

    async fn look(&self) -> Guard {
        self.guard(false, &|_| ()).await.expect("it looks")
    }

    async fn apply(&self) -> Guard {
        let restart = self.restarter();
        self.guard(true, &|point| restart(&point)).await.expect("it acts")
    }

    fn restarts(&self) -> usize {
        self.restarts.load(Ordering::SeqCst)
    }

    fn leaked(&self) -> u64 {
        let truth = self.sim.with_model(|model| model.truth());
        truth.network("shared").map_or(0, |network| network.leaked.len() as u64)
    }

    fn writes(&self) -> usize {
        self.sim.requests().iter().filter(|request| request.method != "GET").count()
    }
}

const RESTART: &str = "may = [\"restart\"]\nrestart_command = \"true\"";

#[tokio::test]
async fn a_network_full_of_leaks_is_cured_once_and_the_second_run_does_nothing() {
    let rig = Rig::new(exhausted(), RESTART);
    let told = rig.look().await;
    assert_eq!((told.answer, told.row), (Answer::Restart, "full-restart"), "{told:?}");
    assert_eq!((told.signs.now, told.signs.logged), (Now::FullOfLeaks, Logged::RanOut));
    assert_eq!(told.full.networks[0].waits, ["late"]);
    assert_eq!(
        (rig.writes(), rig.state().exists(), told.standing()),
        (0, false, Standing::Open),
        "a dry run"
    );

    let cured = rig.apply().await;
    assert_eq!(cured.done.len(), 1, "{cured:?}");
    assert_eq!(cured.done[0].end.outcome, Outcome::Helped, "{cured:?}");
    assert_eq!((cured.done[0].leaked[0].before, cured.done[0].leaked[0].after), (Some(LEAKED), Some(0)));
    assert_eq!((cured.standing(), cured.after.expect("a last look").sign), (Standing::Well, Now::NotFull));
    assert_eq!((rig.restarts(), rig.leaked()), (1, 0));

    let again = rig.apply().await;
    assert_eq!((again.done.len(), rig.restarts()), (0, 1), "{again:?}");
    assert_eq!((again.signs.now, again.signs.brake), (Now::NotFull, Brake::Cooling));
    assert_eq!(again.signs.logged, Logged::Clean, "lines of before the cure are over: {:?}", again.ran_out);
}

/// The shape of the incident: what waits is on a network of its own too, which is young.
#[tokio::test]
async fn a_stack_that_waits_on_two_networks_is_served() {
    let mut model = host();
    service(&mut model, ServiceDraft::new("keep").on("shared"));
    leak(&mut model, LEAKED);
    model.create_network(&NetworkDraft::overlay("late_internal").json()).expect("a fresh name");
    service(&mut model, ServiceDraft::new("late").on("late_internal").on("shared").replicas(3));
    let rig = Rig::new(model, RESTART);
    let cured = rig.apply().await;
    assert_eq!(
        (cured.row, cured.done.len(), cured.standing()),
        ("full-restart", 1, Standing::Well),
        "{cured:?}"
    );
    assert!(cured.full.networks[0].because.is_some(), "{cured:?}");
    assert_eq!((rig.restarts(), rig.leaked()), (1, 0));
}

#[tokio::test]
async fn a_leak_without_exhaustion_restarts_nothing() {
    let mut model = host();
    leak(&mut model, 4);
    let rig = Rig::new(model, RESTART);
    for run in 0..4 {
        // Nothing leaked in six days says something of the next seven.
        rig.sim.with_model(|model| model.advance(Duration::from_hours(48)));
        let guard = rig.apply().await;
        assert_eq!(guard.signs.now, Now::NotFull, "{guard:?}");
        let expected =
            if run < 3 { (Answer::Undecided, Standing::Unknown) } else { (Answer::Nothing, Standing::Well) };
        assert_eq!((guard.answer, guard.standing()), expected, "run {run}: {guard:?}");
        assert_eq!(guard.outlooks[0].leaked, Some(4));
    }
    assert_eq!((rig.restarts(), rig.leaked()), (0, 4));
}

#[tokio::test]
async fn a_guarded_network_that_cannot_be_counted_is_not_left_out() {
    let mut rig = Rig::new(host(), RESTART);
    let mut gone = rig.config.overlays[0].clone();
    gone.name = "gone".into();
    rig.config.overlays.push(gone);
    let mut last = rig.apply().await;
    for _ in 0..3 {
        rig.sim.with_model(|model| model.advance(Duration::from_hours(48)));
        last = rig.apply().await;
    }
    let of = |name: &str| last.outlooks.iter().find(|one| one.network == name).expect("guarded");
    assert_eq!((of("shared").sign, of("gone").sign), (Ahead::Far, Ahead::Unknown), "{last:?}");
    assert_eq!(of("gone").unknown.as_deref(), Some("it is not in the Swarm"));
    assert_eq!((last.answer, last.standing()), (Answer::Undecided, Standing::Unknown));
}

#[tokio::test]
async fn the_catalogue_of_the_configuration_counts_and_one_that_is_damaged_is_no_clean_log() {
    let mut rig = Rig::new(host(), RESTART);
    // The engine begins its log at the first call.
    assert_ne!(rig.look().await.signs.logged, Logged::RanOut);
    let now = jiff::Timestamp::now();
    let line = format!("time=\"{now}\" level=error msg=\"driver call failed: acme pool is used up\"");
    let entry = format!(
        "[[signature]]\nid = 'acme-full'\nclass = 'exhaustion'\nplace = 'leader'\nmeaning = 'm'\nremedy = 'r'\nsource = 's'\n\
         matches = ['{line}']\n[[signature.pattern]]\nmessage = ['acme pool is used up']\n"
    );
    let own = rig.folder.path().join("own.toml");
    std::fs::write(&own, entry).expect("a fresh file");
    let log = std::fs::OpenOptions::new().append(true).open(rig.folder.path().join("engine.log"));
    writeln!(log.expect("it is there"), "{line}").expect("a file of the test");
    assert_ne!(rig.look().await.signs.logged, Logged::RanOut);
    rig.config.journal.catalogue = Some(own.clone());
    let told = rig.look().await;
    assert_eq!((told.signs.logged, told.ran_out.signatures), (Logged::RanOut, vec!["acme-full".to_owned()]));
    std::fs::write(own, "nonsense").expect("it is there");
    let blind = rig.look().await;
    assert_eq!(blind.signs.logged, Logged::Unknown);
    assert!(blind.ran_out.unknown.is_some_and(|why| why.contains("[journal] catalogue")));
}

#[tokio::test]
async fn a_cure_whose_count_fails_afterwards_was_begun() {
    let rig = Rig::new(exhausted(), RESTART);
    let (restart, sim) = (rig.restarter(), Arc::clone(&rig.sim));
    let hook = |point: GuardPoint| {
        restart(&point);
        if let GuardPoint::Reclaim(at) = &point
            && at.step == Step::Unlock
            && at.moment == Moment::Done
        {
            sim.inject(FaultRule::new(Fault::Fail { status: 500 }).method("POST").path("/services/create"));
        }
    };
    let guard = rig.guard(true, &hook).await.expect("it acts");
    let end = &guard.done[0].end;
    assert_eq!((rig.restarts(), end.outcome), (1, Outcome::Unknown), "{guard:?}");
    assert!(end.why.as_ref().is_some_and(|why| why.contains("could not be counted again")), "{end:?}");
    rig.sim.clear_faults();
    assert_eq!(rig.look().await.signs.brake, Brake::Unfinished, "it is counted again by the next run");
}

#[tokio::test]
async fn a_network_that_is_getting_full_is_told_with_a_date_and_nothing_is_restarted() {
    let rig = Rig::new(host(), RESTART);
    let mut last = rig.apply().await;
    for _ in 0..3 {
        rig.sim.with_model(|model| leak(model, 1));
        last = rig.apply().await;
    }
    assert_eq!((last.answer, last.row), (Answer::Call, "near-no-way"), "{last:?}");
    assert!(last.outlooks[0].full_at.is_some_and(|at| last.at <= at), "{last:?}");
    assert_eq!((rig.restarts(), rig.leaked()), (0, 3));
}

#[tokio::test]
async fn a_network_full_of_owners_is_for_a_person() {
    let mut model = host();
    service(
        &mut model,
        ServiceDraft::new("filler").on("shared").constraint("node.labels.no==1").replicas(12),
    );
    service(&mut model, ServiceDraft::new("late").on("shared"));
    let rig = Rig::new(model, RESTART);
    let guard = rig.apply().await;
    assert_eq!((guard.answer, guard.row), (Answer::Call, "full-of-owners"), "{guard:?}");
    assert_eq!((rig.restarts(), guard.standing()), (0, Standing::Open));
}

#[tokio::test]
async fn what_is_not_named_is_not_done() {
    let rig = Rig::new(exhausted(), "may = [\"drain\", \"hand-over\"]");
    let guard = rig.apply().await;
    assert_eq!((guard.answer, guard.row), (Answer::Call, "full-no-way"), "{guard:?}");
    assert_eq!((rig.restarts(), rig.leaked(), rig.writes()), (0, LEAKED, 0));
}

#[tokio::test]
async fn a_busy_window_keeps_it_from_a_restart() {
    let rig = Rig::new(exhausted(), RESTART);
    let busy = rig.folder.path().join("busy");
    std::fs::write(&busy, "").expect("a file");
    let mut rig = rig;
    rig.config.window.lock_files = vec![busy.clone()];
    let guard = rig.apply().await;
    assert_eq!((guard.answer, guard.row, rig.restarts()), (Answer::Call, "full-no-way", 0), "{guard:?}");
    std::fs::remove_file(busy).expect("it was there");
    assert_eq!((rig.apply().await.standing(), rig.restarts()), (Standing::Well, 1));
}

#[tokio::test]
async fn a_cure_that_fails_calls_a_person_and_is_not_repeated() {
    let folder = tempfile::tempdir().expect("a folder");
    let heard = folder.path().join("heard");
    let page = format!("sh\", \"-c\", \"echo \\\"$1\\\" >> {}\", \"sh", heard.display());
    let guard =
        format!("may = [\"restart\"]\nrestart_command = \"exit 7\"\npage = {{ command = [\"{page}\"] }}");
    let rig = Rig::new(exhausted(), &guard);
    // Nothing is restarted where the operator's command would.
    let failed = rig.guard(true, &|_| ()).await.expect("it acts");
    assert_eq!(failed.done[0].end.outcome, Outcome::DidNotHelp, "{failed:?}");
    assert_eq!(failed.standing(), Standing::Open);
    let said = std::fs::read_to_string(&heard).expect("a person was called");
    assert!(said.contains("restart did not help") && said.contains("shared"), "{said}");
    let again = rig.guard(true, &|_| ()).await.expect("it looks");
    assert_eq!(
        (again.done.len(), again.signs.brake, again.row),
        (0, Brake::Failed, "full-again"),
        "{again:?}"
    );
    let third = rig.guard(true, &|_| ()).await.expect("it looks");
    assert!(third.page.is_none(), "called for that row already: {third:?}");
    assert_eq!(std::fs::read_to_string(&heard).expect("there").lines().count(), 2);
}

#[tokio::test]
async fn what_earlier_runs_left_is_drained_before_anything_harder() {
    let mut model = host();
    let left = ServiceDraft::new("pvcheck-left").on("shared").label("org.pvcheck.run", "r0");
    service(&mut model, left.constraint("node.labels.no==1").replicas(12));
    service(&mut model, ServiceDraft::new("late").on("shared"));
    model.advance(Duration::from_hours(2));
    let rig = Rig::new(model, "may = [\"drain\", \"restart\"]\nrestart_command = \"true\"");
    let guard = rig.apply().await;
    assert_eq!(guard.done.len(), 1, "{guard:?}");
    assert_eq!(
        (guard.done[0].rung.map(Rung::as_str), guard.done[0].end.outcome),
        (Some("drain"), Outcome::Helped)
    );
    assert_eq!((rig.restarts(), guard.after.expect("a last look").sign), (0, Now::NotFull));
}

#[tokio::test]
async fn without_a_log_nothing_is_called_well() {
    let rig = Rig::new(host(), RESTART);
    std::fs::remove_file(rig.folder.path().join("engine.log")).expect("it was there");
    for _ in 0..4 {
        let guard = rig.apply().await;
        assert_eq!((guard.answer, guard.standing()), (Answer::Undecided, Standing::Unknown), "{guard:?}");
    }
}

/// An interrupted cure that no engine answers for is no reason to be quiet, and nothing is forgotten of it.
#[tokio::test]
async fn where_no_manager_answers_a_person_is_called_and_what_is_unfinished_stays() {
    let page = "page = { command = [\"true\"] }";
    let rig = Rig::new(exhausted(), &format!("{RESTART}\n{page}"));
    let state = rig.state();
    let why = ConnectError::NoSocket { path: "/nowhere".into(), reason: "no process listens".into() };
    let options = GuardOptions { config: rig.own(), state: &state, holder: "a test", hook: &|_| () };
    let told = unreached(&why, false, rig.folder.path(), options).await.expect("it tells");
    assert_eq!((told.row, told.standing(), told.page), ("unseen", Standing::Unknown, None));
    assert!(!state.exists(), "a dry run");
    let called = unreached(&why, true, rig.folder.path(), options).await.expect("it calls");
    assert!(called.page.is_some_and(|page| page.arrived() && page.text.contains("/nowhere")));

    let restart = rig.restarter();
    let hook = |point: GuardPoint| {
        restart(&point);
        if let GuardPoint::Reclaim(at) = &point
            && at.step == Step::Unlock
        {
            rig.sim.inject(FaultRule::new(Fault::Fail { status: 500 }).method("DELETE"));
        }
    };
    rig.guard(true, &hook).await.expect("it acts");
    let blind = unreached(&why, true, rig.folder.path(), options).await.expect("it calls");
    assert_eq!((blind.row, blind.done.len(), blind.standing()), ("unfinished", 0, Standing::Open));
    assert!(blind.page.is_some_and(|page| page.text.contains("a cure was interrupted")));
    // As long as it cannot be finished each run tries it, and a person has been called for it.
    let in_vain = rig.guard(true, &|_| ()).await.expect("it tries");
    let tried = in_vain.done.first().map(|done| (done.rung, done.end.outcome));
    assert_eq!(tried, Some((None, Outcome::Unknown)), "{in_vain:?}");
    assert!(in_vain.page.is_none(), "{in_vain:?}");
    rig.sim.clear_faults();
    let finished = rig.apply().await;
    assert_eq!(
        (finished.done.first().map(|done| done.rung), rig.restarts()),
        (Some(None), 1),
        "{finished:?}"
    );
}

#[tokio::test]
async fn what_it_did_before_must_be_known() {
    let rig = Rig::new(exhausted(), RESTART);
    std::fs::write(rig.state(), "{\"schema\": \"pvch").expect("a file");
    for apply in [false, true] {
        let error = rig.guard(apply, &|_| ()).await.expect_err("damaged");
        assert!(matches!(error, GuardError::State(StateError::NotMemory { .. })), "{error}");
    }
    assert_eq!((rig.restarts(), rig.writes()), (0, 0));
}

/// Killed at each point between two actions, the guard cures at most once, and every run after it comes to rest.
#[tokio::test(flavor = "multi_thread")]
async fn killed_at_each_step_it_never_cures_twice() {
    let points = points().await;
    assert!(10 < points, "{points}");
    let runs: Vec<_> = (0..points).map(|point| tokio::spawn(killed_at(point))).collect();
    for run in runs {
        run.await.expect("it comes to rest");
    }
}

async fn killed_at(point: usize) {
    let rig = Arc::new(Rig::new(exhausted(), RESTART));
    let (killed, restart) = (Arc::clone(&rig), rig.restarter());
    let run = tokio::spawn(async move {
        let seen = AtomicUsize::new(0);
        let hook = |at: GuardPoint| {
            assert!(seen.fetch_add(1, Ordering::SeqCst) != point, "killed at {at:?}");
            restart(&at);
        };
        killed.guard(true, &hook).await
    });
    assert!(run.await.is_err(), "point {point} is one of the run");
    let mut last = rig.apply().await;
    for _ in 0..2 {
        last = rig.apply().await;
    }
    assert!(rig.restarts() <= 1, "point {point}: {} restarts", rig.restarts());
    assert!(last.done.is_empty(), "point {point}: it does not come to rest: {last:?}");
    match rig.restarts() {
        0 => assert_eq!((last.row, rig.leaked()), ("full-again", LEAKED), "point {point}: {last:?}"),
        _ => assert_eq!((last.signs.now, rig.leaked()), (Now::NotFull, 0), "point {point}: {last:?}"),
    }
}

/// How many points a cure has that nothing disturbs.
async fn points() -> usize {
    let rig = Rig::new(exhausted(), RESTART);
    let (seen, restart) = (AtomicUsize::new(0), rig.restarter());
    let hook = |at: GuardPoint| {
        seen.fetch_add(1, Ordering::SeqCst);
        restart(&at);
    };
    let done = rig.guard(true, &hook).await.expect("it acts");
    assert_eq!(done.standing(), Standing::Well, "{done:?}");
    seen.load(Ordering::SeqCst)
}
