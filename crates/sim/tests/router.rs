//! The router of a served world, asked by a client that trusts its authority and nothing else.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pvcheck_sim::{ServedWorld, ServiceDraft, WorldOptions, world};
use rustls::crypto::ring;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};

const DOMAIN: &str = "ci.commoninternet.test";

fn served() -> ServedWorld {
    let model = world::cc_ci().expect("the model takes its own drafts");
    ServedWorld::start(model, &WorldOptions::default()).expect("a port of loopback")
}

/// The head and the body of one GET. The certificate is verified for `sni`.
fn get(world: &ServedWorld, ca: &str, sni: &str, host: &str) -> io::Result<String> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca.as_bytes()).expect("PEM")).expect("an authority");
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(sni.to_owned()).expect("a name");
    let tcp = TcpStream::connect(world.router())?;
    tcp.set_read_timeout(Some(Duration::from_secs(20)))?;
    let tls = ClientConnection::new(Arc::new(config), name).expect("a client");
    let mut stream = StreamOwned::new(tls, tcp);
    stream.write_all(format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").as_bytes())?;
    let mut text = String::new();
    match stream.read_to_string(&mut text) {
        // hyper ends a connection without TLS's close_notify.
        Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => Err(error),
        _ => Ok(text),
    }
}

fn status(world: &ServedWorld, host: &str) -> io::Result<u16> {
    let ca = std::fs::read_to_string(world.ca())?;
    let text = get(world, &ca, host, host)?;
    let word = text.split(' ').nth(1).and_then(|word| word.parse().ok());
    word.ok_or_else(|| io::Error::other(format!("no status: {text:?}")))
}

/// Waits until the router answers so; the model needs some ms for what it was asked.
fn until(world: &ServedWorld, host: &str, wanted: u16) {
    let since = Instant::now();
    loop {
        match status(world, host) {
            Ok(status) if status == wanted => return,
            other => assert!(since.elapsed() < Duration::from_secs(20), "{host}: {other:?}, not {wanted}"),
        }
        std::thread::yield_now();
    }
}

#[test]
fn every_service_of_the_world_answers_under_a_verified_name() {
    let world = served();
    for (prefix, expected) in
        [("", 200), ("drone.", 303), ("report.", 200), ("bridge.", 404), ("keycloak.", 200)]
    {
        assert_eq!(status(&world, &format!("{prefix}{DOMAIN}")).expect("an answer"), expected, "{prefix}");
    }
}

#[test]
fn an_unknown_host_is_not_found_and_says_that_the_router_said_so() {
    let world = served();
    let ca = std::fs::read_to_string(world.ca()).expect("a file");
    let text = get(&world, &ca, DOMAIN, "nobody.test").expect("an answer");
    assert!(text.starts_with("HTTP/1.1 404 ") && text.ends_with("404 page not found\n"), "{text}");
}

#[test]
fn the_name_and_the_authority_are_what_a_client_verifies() {
    let (world, other) = (served(), served());
    let ca = std::fs::read_to_string(world.ca()).expect("a file");
    let error = get(&world, &ca, "elsewhere.test", DOMAIN).expect_err("another name");
    assert!(error.to_string().contains("certificate"), "{error}");
    let error = get(&other, &ca, DOMAIN, DOMAIN).expect_err("another authority");
    assert!(error.to_string().contains("certificate"), "{error}");
}

#[test]
fn a_route_follows_its_service_down_and_up() {
    let world = served();
    for (replicas, expected) in [(0, 503), (2, 200)] {
        world.sim().with_model(|model| model.scale_service("ccci-dashboard_app", replicas)).expect("there");
        until(&world, DOMAIN, expected);
    }
}

#[test]
fn a_service_that_is_deployed_with_labels_gets_a_route_and_loses_it_when_it_goes() {
    let world = served();
    let host = format!("new.canary.{DOMAIN}");
    assert_eq!(status(&world, &host).expect("an answer"), 404);
    let draft = ServiceDraft::new("new_app").on("proxy").routed("new", &host);
    world.sim().with_model(|model| model.create_service(draft.json())).expect("a fresh name");
    until(&world, &host, 200);
    world.sim().with_model(|model| model.remove_service("new_app")).expect("there");
    until(&world, &host, 404);
}

#[test]
fn without_a_task_of_the_router_connections_end() {
    let world = served();
    world.sim().with_model(|model| {
        model.scale_service("traefik_ci_commoninternet_net_app", 0).expect("there");
        model.advance(Duration::from_secs(2));
    });
    let error = status(&world, DOMAIN).expect_err("nobody answers");
    assert!(!error.to_string().contains("certificate"), "{error}");
}

#[test]
fn a_dropped_world_leaves_neither_port_nor_folder() {
    let world = served();
    let (address, folder) = (world.router(), world.ca().parent().expect("a folder").to_owned());
    assert!(folder.join("dockerd.log").is_file());
    drop(world);
    assert!(TcpStream::connect(address).is_err());
    assert!(!folder.exists());
}

#[test]
fn a_folder_that_is_given_stays() {
    let dir = tempfile::tempdir().expect("a directory");
    let options = WorldOptions { folder: Some(dir.path().to_owned()), ..WorldOptions::default() };
    drop(ServedWorld::start(world::cc_ci().expect("a world"), &options).expect("a port"));
    assert!(dir.path().join("pvcheck.toml").is_file() && !dir.path().join("docker.sock").exists());
}
