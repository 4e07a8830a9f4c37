//! The Swarm's lock: taken, held by another, expired, broken, foreign.

use std::time::Duration;

use pvcheck_sim::{Fault, FaultRule, Model, Sim, SimOptions};
use pvcheck_swarm::{
    Engine, Lock, LockError, LockRequest, Operation, Permit, RunId, leftover_runs, sweep_run,
};

async fn swarm() -> (Sim, Engine) {
    let sim = Sim::start(Model::new(), SimOptions::default()).expect("a temporary socket");
    let engine = Engine::connect(&sim.host().parse().expect("a socket")).await.expect("it is a manager");
    (sim, engine)
}

fn request(holder: &str, lasts: Duration) -> LockRequest {
    LockRequest {
        run: RunId::unique(),
        holder: holder.into(),
        purpose: "a test".into(),
        lasts,
        break_held: None,
        resumable: true,
    }
}

const LONG: Duration = Duration::from_mins(10);

#[tokio::test]
async fn one_run_holds_it_and_the_error_of_the_other_names_the_holder() {
    let ((_sim, engine), permit) = (swarm().await, Permit::granted_by_operator());
    assert_eq!(Lock::read(&engine).await.unwrap(), None);
    Lock::expect_free(&engine).await.unwrap();
    let first = request("first", LONG);
    let lock = Lock::take(&engine, permit, &first).await.unwrap();
    assert_eq!(lock.taken_over(), None);
    assert_eq!(Lock::read(&engine).await.unwrap().unwrap().run, first.run);

    let held = Lock::take(&engine, permit, &request("second", LONG)).await.unwrap_err();
    assert!(matches!(&held, LockError::Held { lock, .. } if lock.holder == "first"), "{held}");
    assert!(held.to_string().contains("--break-lock"), "{held}");
    assert!(matches!(Lock::expect_free(&engine).await, Err(LockError::Held { .. })));
    // The same run again has it already.
    assert_eq!(Lock::take(&engine, permit, &first).await.unwrap(), lock);

    lock.clone().release(&engine, permit).await.unwrap();
    lock.release(&engine, permit).await.unwrap();
    let second = Lock::take(&engine, permit, &request("second", LONG)).await.unwrap();
    assert_eq!(second.taken_over(), None);
}

#[tokio::test]
async fn one_that_has_expired_is_taken_over() {
    let ((_sim, engine), permit) = (swarm().await, Permit::granted_by_operator());
    Lock::take(&engine, permit, &request("first", Duration::ZERO)).await.unwrap();
    Lock::expect_free(&engine).await.unwrap();
    let second = Lock::take(&engine, permit, &request("second", LONG)).await.unwrap();
    let over = second.taken_over().unwrap();
    assert_eq!((over.lock.holder.as_str(), &over.reason), ("first", &None));
}

#[tokio::test]
async fn one_that_is_broken_says_why_and_its_holder_cannot_release_the_new_one() {
    let ((_sim, engine), permit) = (swarm().await, Permit::granted_by_operator());
    let first = Lock::take(&engine, permit, &request("first", LONG)).await.unwrap();
    let breaks = LockRequest { break_held: Some("its host is gone".into()), ..request("second", LONG) };
    let second = Lock::take(&engine, permit, &breaks).await.unwrap();
    assert_eq!(second.taken_over().unwrap().reason.as_deref(), Some("its host is gone"));
    first.release(&engine, permit).await.unwrap();
    assert_eq!(Lock::read(&engine).await.unwrap().unwrap().holder, "second");
}

#[tokio::test]
async fn a_config_of_that_name_without_the_labels_of_a_lock_never_expires() {
    let ((sim, engine), permit) = (swarm().await, Permit::granted_by_operator());
    let body = serde_json::json!({"Name": "pvcheck-lock", "Labels": {}, "Data": ""});
    sim.with_model(|model| model.respond("POST", "/configs/create", body.to_string().as_bytes()));
    let text = Lock::take(&engine, permit, &request("second", LONG)).await.unwrap_err().to_string();
    assert!(
        text.contains("locked by an unnamed holder for an unnamed purpose")
            && text.contains("an unknown time"),
        "{text}"
    );
}

#[tokio::test]
async fn a_sweep_leaves_a_held_lock_and_takes_an_expired_one() {
    let ((_sim, engine), permit) = (swarm().await, Permit::granted_by_operator());
    let held = request("first", LONG);
    let lock = Lock::take(&engine, permit, &held).await.unwrap();
    assert_eq!(leftover_runs(&engine).await.unwrap(), []);
    lock.release(&engine, permit).await.unwrap();
    let gone = request("first", Duration::ZERO);
    Lock::take(&engine, permit, &gone).await.unwrap();
    assert_eq!(leftover_runs(&engine).await.unwrap().len(), 1);
    sweep_run(Operation::new(&engine, permit, &gone.run, &pvcheck_swarm::silent), Duration::from_secs(5))
        .await
        .unwrap();
    assert_eq!(Lock::read(&engine).await.unwrap(), None);
}

#[tokio::test]
async fn it_expires_by_the_engines_clock_after_the_time_of_the_request() {
    let ((_sim, engine), permit) = (swarm().await, Permit::granted_by_operator());
    Lock::take(&engine, permit, &request("first", LONG)).await.unwrap();
    let now = engine.snapshot().await.unwrap().engine.at;
    let lock = Lock::read(&engine).await.unwrap().unwrap();
    let (taken, expires) = (lock.taken.unwrap(), lock.expires.unwrap());
    assert_eq!(expires.duration_since(taken).as_secs(), 600);
    assert!(taken <= now && now.duration_since(taken).as_secs() < 60, "{taken} against {now}");
}

#[tokio::test]
async fn a_lock_whose_expiry_cannot_be_read_is_held_until_it_is_broken() {
    let ((sim, engine), permit) = (swarm().await, Permit::granted_by_operator());
    let labels = serde_json::json!({"org.pvcheck.lock.holder": "first", "org.pvcheck.lock.expires": "soon"});
    let body = serde_json::json!({"Name": "pvcheck-lock", "Labels": labels, "Data": ""});
    sim.with_model(|model| model.respond("POST", "/configs/create", body.to_string().as_bytes()));
    let second = request("second", LONG);
    assert!(matches!(Lock::expect_free(&engine).await, Err(LockError::Held { .. })));
    assert!(matches!(Lock::take(&engine, permit, &second).await, Err(LockError::Held { .. })));
    let breaks = LockRequest { break_held: Some("a typo".into()), ..second };
    let over = Lock::take(&engine, permit, &breaks).await.unwrap().taken_over().unwrap().clone();
    assert_eq!((over.lock.holder.as_str(), over.reason.as_deref()), ("first", Some("a typo")));
}

#[tokio::test]
async fn a_release_that_fails_leaves_the_lock_for_a_second_release() {
    let ((sim, engine), permit) = (swarm().await, Permit::granted_by_operator());
    let lock = Lock::take(&engine, permit, &request("first", LONG)).await.unwrap();
    sim.inject(FaultRule::new(Fault::Fail { status: 500 }).method("DELETE").path("/configs/").times(1));
    assert_eq!(lock.clone().release(&engine, permit).await.unwrap_err().status(), Some(500));
    assert_eq!(Lock::read(&engine).await.unwrap().unwrap().holder, "first");
    assert!(matches!(Lock::expect_free(&engine).await, Err(LockError::Held { .. })));
    lock.release(&engine, permit).await.unwrap();
    Lock::expect_free(&engine).await.unwrap();
}

/// The engine has created the config, and its answer is lost: the run that asked holds the lock, and finds out by asking
/// again.
#[tokio::test]
async fn a_lock_whose_answer_was_lost_is_the_same_runs() {
    let ((sim, engine), permit) = (swarm().await, Permit::granted_by_operator());
    sim.inject(FaultRule::new(Fault::Cut).path("/configs/create").times(1));
    let first = request("first", LONG);
    // The answer was lost, not the lock: the run finds its own and adopts it.
    let lock = Lock::take(&engine, permit, &first).await.unwrap();
    assert!(matches!(
        Lock::take(&engine, permit, &request("second", LONG)).await,
        Err(LockError::Held { lock, .. }) if lock.run == first.run
    ));
    lock.release(&engine, permit).await.unwrap();
    assert_eq!(Lock::read(&engine).await.unwrap(), None);
}

#[tokio::test]
async fn of_two_that_take_an_expired_lock_over_one_holds_it() {
    let ((_sim, engine), permit) = (swarm().await, Permit::granted_by_operator());
    Lock::take(&engine, permit, &request("expired", Duration::ZERO)).await.unwrap();
    let (second, third) = (request("second", LONG), request("third", LONG));
    let both = tokio::join!(Lock::take(&engine, permit, &second), Lock::take(&engine, permit, &third));
    let holder = Lock::read(&engine).await.unwrap().unwrap().holder;
    match both {
        (Ok(lock), Err(LockError::Held { lock: held, .. }))
        | (Err(LockError::Held { lock: held, .. }), Ok(lock)) => {
            assert_eq!(held.holder, holder);
            lock.release(&engine, permit).await.unwrap();
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(Lock::read(&engine).await.unwrap(), None, "the holder's own lock is the one that is there");
}

#[tokio::test]
async fn without_the_engines_clock_nothing_is_written() {
    let ((sim, engine), permit) = (swarm().await, Permit::granted_by_operator());
    sim.inject(FaultRule::new(Fault::Fail { status: 503 }).path("/info").times(1));
    let error = Lock::take(&engine, permit, &request("first", LONG)).await.unwrap_err();
    assert!(matches!(&error, LockError::Call(call) if call.status() == Some(503)), "{error}");
    assert_eq!(Lock::read(&engine).await.unwrap(), None);
}
