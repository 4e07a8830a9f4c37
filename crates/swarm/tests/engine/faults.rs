//! An engine that stalls, breaks off, lies and fails: one error each, in time, and nothing left that a sweep cannot
//! take away.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use pvcheck_audit::NetworkId;
use pvcheck_sim::{Fault, FaultRule, NetworkDraft, ServiceDraft};
use pvcheck_swarm::{
    CallError, CallErrorKind, CensusError, CensusMethod, CensusOptions, ChurnError, ChurnPlan, ConnectError,
    DeployError, Engine, Lock, LockRequest, Operation, Order, RemovalOptions, RunId, STACK_LABEL, StackSpec,
    census, churn, deploy, remove_stacks, silent, sweep_run,
};

use crate::support::*;

const DEADLINE: Duration = Duration::from_secs(1);
/// What scheduling on a busy machine may add.
const SLACK: Duration = Duration::from_secs(3);

/// What something that is no engine answers with status 200.
const FORMS: [&str; 6] =
    ["{}", "null", "", "<html><body>502 Bad Gateway</body></html>", "[{}]", r#"[{"ID":null,"Name":null}]"#];

/// The reads of a snapshot, each by a part of its path that no other has.
const READS: [&str; 6] = ["/info", "/nodes", "/networks", "/services", "/tasks", "attachment"];

type IsRight = fn(&CallErrorKind) -> bool;

const FAULTS: [(Fault, IsRight); 7] = [
    (
        Fault::StallBody { after_bytes: 10 },
        |kind| matches!(kind, CallErrorKind::Deadline(d) if *d == DEADLINE),
    ),
    (Fault::StallHeaders, |kind| matches!(kind, CallErrorKind::Deadline(_))),
    (Fault::Delay(Duration::from_mins(1)), |kind| matches!(kind, CallErrorKind::Deadline(_))),
    (Fault::Cut, |kind| matches!(kind, CallErrorKind::Transport(_))),
    (Fault::CutBody { after_bytes: 10 }, |kind| matches!(kind, CallErrorKind::Transport(_))),
    (Fault::Fail { status: 500 }, |kind| matches!(kind, CallErrorKind::Refused { status: 500, .. })),
    (Fault::Lie, |kind| matches!(kind, CallErrorKind::Decode(_))),
];

fn assert_right(error: &CallError, is_right: IsRight, since: Instant, shown: &str) {
    assert!(is_right(&error.kind), "{shown}: {error:?}");
    assert!(since.elapsed() < DEADLINE + SLACK, "{shown}: {:?}", since.elapsed());
    assert_one_line(error);
    assert!(error.to_string().contains(&error.path), "{error}");
}

#[tokio::test]
async fn every_read_ends_in_time_with_one_error() {
    let every = FAULTS.map(|(fault, is_right)| async move {
        let mut model = cc_ci();
        // Without one the list of attachments is too short to be cut.
        model.attach_container("by-hand", "proxy", "self").expect("attachable");
        let sim = start(model);
        let engine = connect_within(&sim, DEADLINE).await;
        for path in READS {
            sim.clear_faults();
            sim.inject(FaultRule::new(fault).path(path));
            let since = Instant::now();
            let error = engine.snapshot().await.expect_err("a part is missing");
            assert_right(&error, is_right, since, &format!("{fault:?} on {path}"));
            assert!(error.path.contains(path), "{error:?}");
        }
        sim.clear_faults();
        engine.snapshot().await.expect("the engine has recovered");
    });
    join_all(every).await;
}

#[tokio::test]
async fn connecting_ends_in_time_with_one_error() {
    let every = FAULTS.map(|(fault, is_right)| async move {
        let sim = start(fresh());
        let host = sim.host().parse().expect("absolute");
        // A pong is not JSON, so half of it cannot be detected.
        let paths: &[&str] = if fault == Fault::Lie { &["/info"] } else { &["/_ping", "/info"] };
        for path in paths {
            sim.clear_faults();
            sim.inject(FaultRule::new(if *path == "/_ping" { shorter(fault) } else { fault }).path(path));
            let since = Instant::now();
            let error = Engine::connect_within(&host, DEADLINE).await.expect_err("no whole answer");
            let ConnectError::Call(error) = error else { panic!("{fault:?} on {path}: {error:?}") };
            assert_right(&error, is_right, since, &format!("{fault:?} on {path}"));
        }
    });
    join_all(every).await;
}

/// Each read of a snapshot, each form: an error that names the call, and never a Swarm with less in it.
#[tokio::test]
async fn no_read_takes_what_is_no_answer_for_one() {
    let every = READS.map(|path| async move {
        let sim = start(cc_ci());
        let engine = connect(&sim).await;
        for body in FORMS {
            sim.clear_faults();
            sim.inject(FaultRule::new(Fault::Answer { body }).method("GET").path(path));
            let error = engine.snapshot().await.expect_err("it is no answer");
            assert!(
                matches!(error.kind, CallErrorKind::Decode(_) | CallErrorKind::Incomplete(_)),
                "{body:?} on {path}: {error:?}"
            );
            assert!(error.path.contains(path), "{error:?}");
            assert_one_line(&error);
        }
    });
    join_all(every).await;
}

/// As above, for every other operation that reads: one call after the other is answered by something else.
#[tokio::test]
async fn an_operation_that_is_answered_by_something_else_is_an_error_or_right() {
    let every = FORMS.into_iter().chain(["[]"]).map(|body| async move {
        for nth in 0.. {
            let mut model = with_shared("10.90.0.0/28");
            leak(&mut model, "shared", 2);
            let sim = start(model);
            let others = objects(&sim);
            let engine = connect_within(&sim, PATIENCE).await;
            // The calls before this one are answered by the engine.
            let before = FaultRule::new(Fault::Delay(Duration::ZERO)).method("GET").times(nth);
            sim.inject(before);
            sim.inject(FaultRule::new(Fault::Answer { body }).method("GET").times(1));
            let run = RunId::unique();
            let op = Operation::new(&engine, permit(), &run, &silent);
            let outcome = census(op, "shared", &CensusOptions::default()).await;
            let shown = format!("{body:?} for the GET {nth}: {outcome:?}");
            if let Ok(found) = &outcome {
                assert!(!found.complete || found.leaked == Some(2), "{shown}");
            }
            sim.clear_faults();
            let swept = sweep_run(op, PATIENCE).await.expect("a healthy engine");
            assert_eq!(swept.left, [], "{shown}");
            assert_eq!(objects(&sim), others, "{shown}");
            // Further on, a turn makes the same calls again and again.
            let made = sim.requests().iter().filter(|r| r.method == "GET").count();
            if made <= nth as usize || 40 < nth {
                break;
            }
        }
    });
    join_all(every).await;
}

#[tokio::test]
async fn a_pong_that_is_none_is_no_engine() {
    let sim = start(fresh());
    let host = sim.host().parse().expect("absolute");
    for body in ["", "{}", "null", "<html></html>", "OKAY"] {
        sim.clear_faults();
        sim.inject(FaultRule::new(Fault::Answer { body }).path("/_ping"));
        let error = Engine::connect_within(&host, DEADLINE).await.expect_err("no pong");
        let ConnectError::Call(error) = error else { panic!("{body:?}: {error:?}") };
        assert!(matches!(error.kind, CallErrorKind::Incomplete(_)), "{body:?}: {error:?}");
        assert_one_line(&error);
    }
}

/// Kinds of removals that do not happen, whatever is answered.
const NOT_DONE: [Fault; 5] = [
    Fault::Fail { status: 404 },
    Fault::Pretend { body: "" },
    Fault::Pretend { body: "null" },
    Fault::Pretend { body: "<html></html>" },
    Fault::Fail { status: 500 },
];

/// A removal that something answers in the engine's place, once: it is done all the same, or said not to be.
#[tokio::test]
async fn a_removal_that_was_not_done_is_not_taken_for_done() {
    let cases = NOT_DONE.into_iter().flat_map(|fault| [(fault, "/services/"), (fault, "/networks/")]);
    let every = cases.map(|(fault, path)| async move {
        let mut model = with_shared("10.90.0.0/28");
        model
            .create_network(&NetworkDraft::overlay("app_net").label(STACK_LABEL, "app").json())
            .expect("a fresh name");
        service(&mut model, ServiceDraft::new("app_web").on("app_net").on("shared").stack("app"));
        let sim = start(model);
        let engine = connect_within(&sim, PATIENCE).await;
        let shown = format!("{fault:?} on {path}");
        sim.inject(FaultRule::new(fault).method("DELETE").path(path));
        let options = RemovalOptions { patience: Duration::from_millis(300), ..RemovalOptions::default() };
        let op_run = RunId::unique();
        let op = Operation::new(&engine, permit(), &op_run, &silent);
        let names = ["app".to_owned()];
        let done = remove_stacks(op, &names, &options).await.expect("the stack is there");
        let left = done.iter().flat_map(|d| &d.left).count();
        assert!(0 < left, "{shown}: {done:?}");
        assert!(!objects(&sim).1.iter().all(|o| !o.contains("app_")), "{shown}: the fault removed something");
        sim.clear_faults();
        // Once only: the look-up shows it, and it is removed again.
        sim.inject(FaultRule::new(fault).method("DELETE").path(path).times(1));
        let done = remove_stacks(op, &names, &RemovalOptions::default()).await.expect("something is left");
        let left = done.iter().flat_map(|d| &d.left).count();
        let gone = objects(&sim).1.iter().all(|o| !o.contains("app_"));
        assert_eq!(left == 0, gone, "{shown}: {done:?}");
        assert!(gone || matches!(fault, Fault::Fail { status: 500 }), "{shown}: {done:?}");
    });
    join_all(every).await;
}

/// A removal whose answer is lost or a failure, and that had its effect, leaves nothing.
#[tokio::test]
async fn a_removal_that_failed_after_its_effect_is_done() {
    let every =
        [Fault::Cut, Fault::Answer { body: "<html></html>" }, Fault::StallHeaders].map(|fault| async move {
            let mut model = with_shared("10.90.0.0/28");
            model
                .create_network(&NetworkDraft::overlay("app_net").label(STACK_LABEL, "app").json())
                .expect("a fresh name");
            service(&mut model, ServiceDraft::new("app_web").on("app_net").stack("app"));
            let sim = start(model);
            let engine = connect_within(&sim, DEADLINE).await;
            sim.inject(FaultRule::new(fault).method("DELETE"));
            let op_run = RunId::unique();
            let op = Operation::new(&engine, permit(), &op_run, &silent);
            let done =
                remove_stacks(op, &["app".to_owned()], &RemovalOptions::default()).await.expect("there");
            assert_eq!(done[0].left, [], "{fault:?}");
            assert_eq!((done[0].services, done[0].networks), (1, 1), "{fault:?}");
        });
    join_all(every).await;
}

/// In bulk, a service that stays must not be waited for until the deadline of the census.
#[tokio::test]
async fn a_census_names_a_service_that_stays_and_does_not_wait_for_it() {
    for method in [CensusMethod::Bulk, CensusMethod::Cursor] {
        let sim = start(with_shared("10.90.0.0/28"));
        let engine = connect_within(&sim, PATIENCE).await;
        sim.inject(FaultRule::new(Fault::Fail { status: 404 }).method("DELETE"));
        let run = RunId::unique();
        let op = Operation::new(&engine, permit(), &run, &silent);
        let options = CensusOptions { method: Some(method), ..CensusOptions::default() };
        let since = Instant::now();
        let error = census(op, "shared", &options).await.expect_err("its service stays");
        assert!(since.elapsed() < PATIENCE, "{:?}", since.elapsed());
        let CensusError::Call(error) = error else { panic!("{error:?}") };
        assert!(matches!(error.kind, CallErrorKind::StillThere), "{error:?}");
        let swept = sweep_run(op, Duration::ZERO).await.expect("it can be looked up");
        assert_eq!(swept.left.len(), 1, "{swept:?}");
        assert!(swept.left[0].name.starts_with("pvcheck-census-"), "{swept:?}");
    }
}

/// What a run created is named although nothing can be looked up any more.
#[tokio::test]
async fn what_is_left_is_named_from_what_was_made() {
    let sim = start(with_shared("10.90.0.0/27"));
    let engine = connect_within(&sim, PATIENCE).await;
    let run = RunId::unique();
    let op = Operation::new(&engine, permit(), &run, &silent);
    let stack = StackSpec {
        name: "left".into(),
        image: "sim/busybox:1".into(),
        command: Vec::new(),
        replicas: 1,
        shared: NetworkId::new(truth(&sim, "shared").id.to_string()),
        private: true,
        publish: None,
        labels: Vec::new(),
    };
    let request = LockRequest {
        run: run.clone(),
        holder: "a test".into(),
        purpose: "test".into(),
        lasts: PATIENCE,
        break_held: None,
        resumable: false,
    };
    Lock::take(&engine, permit(), &request).await.expect("free");
    // The answer to the second creation never comes, and the service is there.
    sim.inject(FaultRule::new(Fault::Cut).method("POST").path("/services/create"));
    deploy(op, &stack).await.expect_err("it was cut");
    sim.clear_faults();
    sim.inject(FaultRule::new(Fault::Cut));
    let swept = sweep_run(op, Duration::ZERO).await.expect("it is named");
    let named: Vec<String> = swept.left.iter().map(ToString::to_string).collect();
    assert_eq!(named, ["config pvcheck-lock", "network left_internal", "service left_app"]);
    sim.clear_faults();
    assert_eq!(sweep_run(op, PATIENCE).await.expect("it recovered").left, []);
    sim.inject(FaultRule::new(Fault::Cut));
    sweep_run(op, Duration::ZERO).await.expect_err("nothing is left that could be named");
}

/// The lock's creation is done and its answer lost: it is ours, and released.
#[tokio::test]
async fn a_lock_whose_answer_is_lost_is_held_all_the_same() {
    for fault in [Fault::Cut, Fault::Answer { body: "{}" }] {
        let sim = start(fresh());
        let engine = connect(&sim).await;
        let request = LockRequest {
            run: RunId::unique(),
            holder: "a test".into(),
            purpose: "test".into(),
            lasts: PATIENCE,
            break_held: None,
            resumable: false,
        };
        sim.inject(FaultRule::new(fault).method("POST").times(1));
        let lock = Lock::take(&engine, permit(), &request).await.expect("it was made");
        lock.release(&engine, permit()).await.expect("ours");
        assert_eq!(Lock::read(&engine).await.expect("it answers"), None, "{fault:?}");
    }
}

/// A body without end costs neither memory nor time without bound, be it an answer, a creation's, or an error's.
#[tokio::test]
async fn an_endless_body_ends() {
    let sim = start(with_shared("10.90.0.0/28"));
    let engine = connect_within(&sim, PATIENCE).await;
    for path in ["/info", "/nodes", "/networks", "/services", "/tasks"] {
        sim.clear_faults();
        sim.inject(FaultRule::new(Fault::Endless { status: 200 }).method("GET").path(path));
        let error = engine.snapshot().await.expect_err("it has no end");
        assert!(matches!(error.kind, CallErrorKind::TooLarge { .. }), "{path}: {error:?}");
        assert_one_line(&error);
    }
    sim.clear_faults();
    sim.inject(FaultRule::new(Fault::Endless { status: 500 }).method("GET").path("/info"));
    let error = engine.snapshot().await.expect_err("an error without end");
    assert!(matches!(&error.kind, CallErrorKind::Refused { status: 500, message } if message.len() < 1000));
    sim.clear_faults();
    sim.inject(FaultRule::new(Fault::Endless { status: 201 }).method("POST"));
    let run = RunId::unique();
    let op = Operation::new(&engine, permit(), &run, &silent);
    let error = census(op, "shared", &CensusOptions::default()).await.expect_err("no whole answer");
    let CensusError::Call(error) = error else { panic!("{error:?}") };
    assert!(matches!(error.kind, CallErrorKind::TooLarge { most_bytes: 0x10_0000 }), "{error:?}");
    sim.clear_faults();
    assert_eq!(sweep_run(op, PATIENCE).await.expect("it recovered").left, []);
}

/// A pong has two bytes.
fn shorter(fault: Fault) -> Fault {
    match fault {
        Fault::StallBody { .. } => Fault::StallBody { after_bytes: 1 },
        Fault::CutBody { .. } => Fault::CutBody { after_bytes: 1 },
        other => other,
    }
}

#[tokio::test]
async fn slow_but_in_time_is_no_fault() {
    let sim = start(cc_ci());
    let engine = connect_within(&sim, PATIENCE).await;
    sim.inject(FaultRule::new(Fault::Delay(Duration::from_millis(30))));
    engine.snapshot().await.unwrap();
}

/// A write that was cut or stalled may have been carried out: the sweep must find what came of it.
#[tokio::test]
async fn a_broken_write_is_one_error_and_can_be_swept() {
    let cases = FAULTS.into_iter().flat_map(|(fault, _)| [(fault, "POST"), (fault, "DELETE")]);
    // Removing a service answers with an empty body: there is nothing to cut, to stall or to lie about.
    let broken = cases.filter(|(fault, method)| {
        *method == "POST" || !matches!(fault, Fault::StallBody { .. } | Fault::CutBody { .. } | Fault::Lie)
    });
    let every = broken.map(|(fault, method)| async move {
        let mut model = with_shared("10.90.0.0/28");
        service(&mut model, ServiceDraft::new("resident").on("shared"));
        let sim = start(model);
        let others = objects(&sim);
        let engine = connect_within(&sim, DEADLINE).await;
        sim.inject(FaultRule::new(fault).method(method).times(1));
        let (run, options) = (RunId::unique(), CensusOptions::default());
        let since = Instant::now();
        let error = census(Operation::new(&engine, permit(), &run, &silent), "shared", &options).await;
        let shown = format!("{fault:?} on {method}");
        if let (Ok(found), "DELETE") = (&error, method) {
            // A removal whose answer was lost is looked up: it was done, and the count is right.
            assert!(!matches!(fault, Fault::Fail { .. }), "{shown}: it was not done");
            assert_eq!((found.complete, found.leaked), (true, Some(0)), "{shown}");
            assert_eq!(objects(&sim), others, "{shown}");
            return;
        }
        let Err(CensusError::Call(error)) = error else { panic!("{shown}: {error:?}") };
        assert_eq!(error.method.as_str(), method, "{shown}");
        assert!(since.elapsed() < DEADLINE * 2 + SLACK, "{shown}: {:?}", since.elapsed());
        assert_one_line(&error);
        sim.clear_faults();
        let swept =
            sweep_run(Operation::new(&engine, permit(), &run, &silent), PATIENCE).await.expect("recovered");
        assert_eq!(swept.left, [], "{shown}");
        assert_eq!(objects(&sim), others, "{shown}");
        assert_eq!(truth(&sim, "shared").leaked, NO_ADDRESS, "{shown}");
    });
    join_all(every).await;
}

#[tokio::test]
async fn a_churn_that_hits_a_fault_is_one_error_and_can_be_swept() {
    let every = ["/networks/create", "/services/create"].map(|path| async move {
        let sim = start(with_shared("10.90.0.0/27"));
        let others = objects(&sim);
        let engine = connect_within(&sim, PATIENCE).await;
        let run = RunId::unique();
        let plan = ChurnPlan {
        lock: None,
            network: "shared".into(),
            shape: pvcheck_swarm::ChurnShape::default(),
            stacks: 3,
            replicas: 1,
            rounds: 1,
            order: Order::Drained,
            image: "sim/busybox:1".into(),
            command: Vec::new(),
            reserve: 1,
            patience: PATIENCE,
            census: CensusOptions::default(),
        };
        // The census goes well, then the second stack cannot be made.
        let watch = |progress| {
            if matches!(&progress, pvcheck_swarm::Progress::Step(s) if s.starts_with("churn round")) {
                sim.inject(FaultRule::new(Fault::Fail { status: 500 }).method("POST").path(path).times(1));
            }
        };
        let error = churn(Operation::new(&engine, permit(), &run, &watch), &plan).await.expect_err("a stack is missing");
        assert!(
            matches!(&error, ChurnError::Deploy(DeployError::Call(e)) | ChurnError::Call(e) if e.status() == Some(500)),
            "{error:?}"
        );
        assert_one_line(&error);
        let swept = sweep_run(Operation::new(&engine, permit(), &run, &silent), PATIENCE).await.expect("a healthy engine");
        assert_eq!(swept.left, []);
        assert_eq!(objects(&sim), others);
        assert_eq!(truth(&sim, "shared").leaked, NO_ADDRESS);
    });
    join_all(every).await;
}
