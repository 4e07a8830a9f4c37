//! Who is no manager says so, and what to do.

use std::time::Duration;

use pvcheck_sim::{Membership, Model, Settings, Sim};
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
