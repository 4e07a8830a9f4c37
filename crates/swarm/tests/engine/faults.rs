//! An engine that stalls, breaks off, lies and fails: one error each, in time, and nothing left that a sweep cannot
//! take away.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use pvcheck_sim::{Fault, FaultRule, ServiceDraft};
use pvcheck_swarm::{
    CallError, CallErrorKind, CensusError, CensusOptions, ChurnError, ChurnPlan, ConnectError, DeployError,
    Engine, Operation, Order, RunId, census, churn, silent, sweep_run,
};

use crate::support::*;

const DEADLINE: Duration = Duration::from_secs(1);
/// What scheduling on a busy machine may add.
const SLACK: Duration = Duration::from_secs(3);

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
        sim.inject(FaultRule::new(fault).method(method));
        let (run, options) = (RunId::unique(), CensusOptions::default());
        let since = Instant::now();
        let error = census(Operation::new(&engine, permit(), &run, &silent), "shared", &options).await;
        let shown = format!("{fault:?} on {method}");
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
