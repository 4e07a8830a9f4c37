//! The Swarm's lock: taken, held by another, expired, broken, foreign.

use std::time::Duration;

use pvcheck_sim::{Model, Sim, SimOptions};
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
async fn one_holds_it_and_the_other_is_told_who() {
    let ((_sim, engine), permit) = (swarm().await, Permit::granted_by_operator());
    assert_eq!(Lock::read(&engine).await.unwrap(), None);
    Lock::expect_free(&engine).await.unwrap();
    let first = request("first", LONG);
    let lock = Lock::take(&engine, permit, &first).await.unwrap();
    assert_eq!(lock.taken_over(), None);
    assert_eq!(Lock::read(&engine).await.unwrap().unwrap().run, first.run);

    let told = Lock::take(&engine, permit, &request("second", LONG)).await.unwrap_err();
    assert!(matches!(&told, LockError::Held { lock, .. } if lock.holder == "first"), "{told}");
    assert!(told.to_string().contains("--break-lock"), "{told}");
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
async fn a_config_of_that_name_that_is_nobodys_lock_holds_for_good() {
    let ((sim, engine), permit) = (swarm().await, Permit::granted_by_operator());
    let body = serde_json::json!({"Name": "pvcheck-lock", "Labels": {}, "Data": ""});
    sim.with_model(|model| model.respond("POST", "/configs/create", body.to_string().as_bytes()));
    let told = Lock::take(&engine, permit, &request("second", LONG)).await.unwrap_err().to_string();
    assert!(
        told.contains("locked by an unnamed holder for an unnamed purpose")
            && told.contains("an unknown time"),
        "{told}"
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
