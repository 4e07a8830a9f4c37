//! Who is no manager says so, and what to do.

use std::time::Duration;

use pvcheck_sim::{Fault, FaultRule, Membership, Model, Settings, Sim};
use pvcheck_swarm::{CallErrorKind, ConnectError, Engine, Host};

use crate::support::*;

async fn refused(host: &str) -> ConnectError {
    let host: Host = host.parse().expect("an absolute path");
    let error = Engine::connect_within(&host, Duration::from_secs(2)).await.expect_err("no manager");
    assert_one_line(&error);
    assert!(error.to_string().contains(&host.to_string()), "it names the place: {error}");
    error
}

fn member(membership: Membership) -> Sim {
    let mut model = fresh();
    model.set_membership(membership);
    start(model)
}

#[tokio::test]
async fn a_manager_is_spoken_to_in_the_older_of_both_versions() {
    for (engine, api) in [
        (pvcheck_sim::Engine::V20_10, "1.41"),
        (pvcheck_sim::Engine::V28_5, "1.51"),
        (pvcheck_sim::Engine::V29_7, "1.52"),
    ] {
        let sim = start(Model::with_settings(Settings { engine, ..Settings::default() }));
        let engine = Engine::connect(&sim.host().parse().unwrap()).await.unwrap();
        assert_eq!(engine.api(), api);
        assert_eq!(engine.snapshot().await.unwrap().engine.api, api);
    }
}

#[tokio::test]
async fn a_worker_names_the_managers_it_knows() {
    let sim = member(Membership::Worker);
    let error = refused(&sim.host()).await;
    assert!(
        matches!(&error, ConnectError::Worker { managers, .. } if managers == &["192.0.2.1:2377"]),
        "{error:?}"
    );
    assert!(error.to_string().contains("is a worker") && error.to_string().contains("--host"), "{error}");
    assert_eq!(writes(&sim), NOTHING);
}

#[tokio::test]
async fn an_engine_outside_of_a_swarm_says_how_to_get_in() {
    let error = refused(&member(Membership::Inactive).host()).await;
    assert!(matches!(&error, ConnectError::Inactive { state, .. } if state == "inactive"), "{error:?}");
    assert!(error.to_string().contains("docker swarm init"), "{error}");
}

#[tokio::test]
async fn a_snapshot_along_with_the_connection_takes_the_calls_of_one() {
    let sim = start(fresh());
    let (engine, read) = Engine::connect_and_read(&sim.host().parse().unwrap()).await.unwrap();
    let mut asked: Vec<String> = sim.requests().into_iter().map(|request| request.target).collect();
    asked.sort();
    assert_eq!(asked.len(), 7, "a ping and the six of a snapshot: {asked:?}");
    assert_eq!(asked.iter().filter(|target| target.ends_with("/info")).count(), 1, "{asked:?}");
    let (mut read, now) = (read.unwrap(), engine.snapshot().await.unwrap());
    read.engine.at = now.engine.at;
    assert_eq!(read, now);
    assert_eq!(engine.kind(), now.engine.kind);
}

#[tokio::test]
async fn what_is_no_manager_is_told_before_the_lists_that_it_refuses() {
    for (membership, told) in
        [(Membership::Worker, "is a worker"), (Membership::Inactive, "is in no active Swarm")]
    {
        let sim = member(membership);
        let host = sim.host().parse().unwrap();
        let error = Engine::connect_and_read(&host).await.expect_err("no manager").to_string();
        assert!(error.contains(told), "{error}");
    }
    let sim = start(fresh());
    let host = sim.host().parse().unwrap();
    sim.inject(FaultRule::new(Fault::Fail { status: 500 }).path("/services"));
    let (_, read) = Engine::connect_and_read(&host).await.expect("a manager");
    let error = read.expect_err("a list failed").to_string();
    assert!(error.contains("/services"), "{error}");
    // Of two errors, the one of what the engine says of itself.
    sim.inject(FaultRule::new(Fault::Fail { status: 500 }).path("/info"));
    let error = Engine::connect_and_read(&host).await.expect_err("it says nothing of itself").to_string();
    assert!(error.contains("/info"), "{error}");
}

#[tokio::test]
async fn no_socket_no_listener_and_a_file_that_is_no_socket() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    drop(std::os::unix::net::UnixListener::bind(path("dead.sock")).unwrap());
    std::fs::write(path("file"), "no socket").unwrap();
    for (name, why) in [
        ("missing.sock", "no such socket"),
        ("dead.sock", "no process listens"),
        ("file", "no process listens"),
        ("file/x", ""),
    ] {
        let error = refused(&format!("unix://{}", path(name).display())).await;
        assert!(matches!(&error, ConnectError::NoSocket { path: p, .. } if *p == path(name)), "{error:?}");
        assert!(error.to_string().contains(why) && error.to_string().contains("--host"), "{error}");
    }
}

#[tokio::test]
async fn an_engine_of_long_ago_is_refused_with_what_is_needed() {
    let engine = pvcheck_sim::Engine { version: "18.06.3", api_minor: 38, min_api_minor: 12 };
    let sim = start(Model::with_settings(Settings { engine, ..Settings::default() }));
    let error = refused(&sim.host()).await;
    assert!(matches!(&error, ConnectError::TooOld { api, .. } if api == "1.38"), "{error:?}");
    assert!(error.to_string().contains("18.09"), "{error}");
}

#[tokio::test]
async fn a_server_that_is_no_engine_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("chatty.sock");
    let listener = tokio::net::UnixListener::bind(&socket).unwrap();
    let served = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut stream, b"220 mail.example.net ESMTP\r\n").await.unwrap();
    });
    let error = refused(&format!("unix://{}", socket.display())).await;
    served.await.unwrap();
    assert!(
        matches!(&error, ConnectError::Call(call) if matches!(call.kind, CallErrorKind::Transport(_))),
        "{error:?}"
    );
}
