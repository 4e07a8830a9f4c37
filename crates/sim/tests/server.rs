//! The model behind its socket, asked by a plain HTTP/1.1 client.

use std::time::{Duration, Instant};

use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use pvcheck_sim::{
    Fault, FaultRule, Membership, Model, NetworkDraft, RequestRecord, ServiceDraft, Settings, Sim, SimOptions,
};
use serde_json::Value;
use tokio::net::UnixStream;
use tokio::time::timeout;

/// Far more than any answer takes; what is still open then stalls.
const PATIENCE: Duration = Duration::from_secs(10);
/// Enough to tell a stalled call from a slow one.
const GLANCE: Duration = Duration::from_millis(150);

struct Answer {
    status: u16,
    api: String,
    body: Vec<u8>,
}

impl Answer {
    fn value(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }
}

/// One call on a connection of its own; an error is what the client sees of a broken connection.
async fn call(sim: &Sim, method: &str, target: &str, body: &Value) -> Result<Answer, hyper::Error> {
    let stream = UnixStream::connect(sim.socket()).await.expect("the socket listens");
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let driver = tokio::spawn(connection);
    let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    let request = Request::builder().method(method).uri(target).header("Host", "docker");
    let request = request.body(Full::new(Bytes::from(body))).expect("a valid request");
    let answer = sender.send_request(request).await?;
    let status = answer.status().as_u16();
    let api = answer
        .headers()
        .get("Api-Version")
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .to_owned();
    let body = answer.into_body().collect().await;
    driver.abort();
    Ok(Answer { status, api, body: body?.to_bytes().to_vec() })
}

async fn get(sim: &Sim, target: &str) -> Answer {
    let answer = timeout(PATIENCE, call(sim, "GET", target, &Value::Null)).await;
    answer.expect("in time").expect("a whole answer")
}

fn start() -> Sim {
    Sim::start(Model::new(), SimOptions::default()).expect("a socket in a temporary directory")
}

#[tokio::test]
async fn it_answers_and_time_passes_by_itself() {
    let sim = start();
    let ping = get(&sim, "/_ping").await;
    assert_eq!((ping.status, ping.api.as_str(), ping.body.as_slice()), (200, "1.41", b"OK".as_slice()));
    let network = NetworkDraft::overlay("net").json();
    assert_eq!(call(&sim, "POST", "/v1.40/networks/create", &network).await.expect("an answer").status, 201);
    let service = ServiceDraft::new("app").on("net").json();
    assert_eq!(call(&sim, "POST", "/services/create", &service).await.expect("an answer").status, 201);
    let begun = Instant::now();
    loop {
        let tasks = get(&sim, "/tasks").await.value();
        if tasks[0]["Status"]["State"] == "running" {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "never ran: {tasks}");
        tokio::task::yield_now().await;
    }
    assert_eq!(get(&sim, "/networks/nope").await.status, 404);
    let whole = String::from_utf8(get(&sim, "/tasks").await.body).expect("text");
    assert!(!whole.contains("1970-"), "copies of networks have the wall clock's times as well");
}

#[test]
fn time_passes_between_requests() {
    let dir = tempfile::tempdir().expect("a directory");
    let log_file = dir.path().join("engine.log");
    let mut settings = Settings::default();
    settings.timings.allocation = Duration::from_millis(30);
    let options = SimOptions { log_file: Some(log_file.clone()), ..SimOptions::default() };
    let sim = Sim::start(Model::with_settings(settings), options).expect("a temporary socket");
    sim.with_model(|model| {
        for name in ["a", "b"] {
            let network = NetworkDraft::overlay(name).subnet("10.90.0.0/24").json();
            model.create_network(&network).map(drop).expect("fresh");
        }
    });
    // Only the ticker can bring the allocator to the second network now.
    let begun = Instant::now();
    while !std::fs::read_to_string(&log_file).expect("there").contains("Failed allocation for network") {
        assert!(begun.elapsed() < PATIENCE);
        std::thread::yield_now();
    }
}

#[tokio::test]
async fn requests_are_recorded_and_read_only_ones_can_be_told() {
    let sim = start();
    for target in ["/version", "/networks?filters=%7B%7D"] {
        get(&sim, target).await;
    }
    let _ = call(&sim, "DELETE", "/services/x", &Value::Null).await.expect("an answer");
    let record = |method: &str, target: &str| RequestRecord { method: method.into(), target: target.into() };
    let expected = [
        record("GET", "/version"),
        record("GET", "/networks?filters=%7B%7D"),
        record("DELETE", "/services/x"),
    ];
    assert_eq!(sim.requests(), expected);
    sim.clear_requests();
    assert_eq!(sim.requests(), []);
}

#[tokio::test]
async fn faults_do_what_they_say() {
    let sim = start();
    let whole = get(&sim, "/version").await.body.len();
    let broken = |fault| {
        sim.clear_faults();
        sim.inject(FaultRule::new(fault).path("/version"));
        call(&sim, "GET", "/version", &Value::Null)
    };
    assert!(timeout(GLANCE, broken(Fault::StallHeaders)).await.is_err(), "nothing comes");
    assert!(timeout(GLANCE, broken(Fault::StallBody { after_bytes: 20 })).await.is_err(), "not all comes");
    assert!(timeout(PATIENCE, broken(Fault::Cut)).await.expect("at once").is_err());
    assert!(timeout(PATIENCE, broken(Fault::CutBody { after_bytes: 20 })).await.expect("at once").is_err());
    let lie = timeout(PATIENCE, broken(Fault::Lie)).await.expect("at once").expect("whole for HTTP");
    assert_eq!((lie.status, lie.body.len(), lie.value()), (200, whole / 2, Value::Null));
    let failed =
        timeout(PATIENCE, broken(Fault::Fail { status: 500 })).await.expect("at once").expect("an answer");
    assert_eq!((failed.status, failed.value()["message"].is_string()), (500, true));
    let begun = Instant::now();
    let late = timeout(PATIENCE, broken(Fault::Delay(GLANCE))).await.expect("later").expect("an answer");
    assert!(late.status == 200 && GLANCE <= begun.elapsed());
    sim.clear_faults();
    assert_eq!(get(&sim, "/version").await.status, 200);
}

#[tokio::test]
async fn rules_are_for_some_calls_and_some_times() {
    let sim = start();
    sim.inject(FaultRule::new(Fault::Fail { status: 502 }).method("GET").path("/tasks").times(2));
    let mut statuses = Vec::new();
    for target in ["/tasks", "/nodes", "/tasks", "/tasks"] {
        statuses.push(get(&sim, target).await.status);
    }
    assert_eq!(statuses, [502, 200, 502, 200]);
}

#[tokio::test]
async fn a_failed_call_is_not_carried_out_and_a_cut_one_is() {
    let sim = start();
    let body = NetworkDraft::overlay("net").json();
    let exists = |sim: &Sim| sim.with_model(|model| model.network_id("net").is_ok());
    sim.inject(FaultRule::new(Fault::Fail { status: 500 }).method("POST").times(1));
    assert_eq!(call(&sim, "POST", "/networks/create", &body).await.expect("an answer").status, 500);
    assert!(!exists(&sim));
    sim.inject(FaultRule::new(Fault::Cut).method("POST").times(1));
    assert!(call(&sim, "POST", "/networks/create", &body).await.is_err());
    assert!(exists(&sim), "the client cannot know");
}

#[tokio::test]
async fn an_engine_starts_with_faults_and_one_that_restarts_answers_later() {
    let rules = ["/tasks: no-leader", "/nodes: restart 100ms, nth 1"];
    let faults = rules.iter().map(|rule| rule.parse().expect("a rule")).collect();
    let sim = Sim::start(Model::new(), SimOptions { faults, ..SimOptions::default() }).expect("a socket");
    let refused = get(&sim, "/tasks").await;
    assert!(
        refused.status == 503 && refused.value()["message"].as_str().is_some_and(|m| m.contains("leader"))
    );
    assert!(call(&sim, "GET", "/nodes", &Value::Null).await.is_err(), "it restarts");
    let begun = Instant::now();
    while call(&sim, "GET", "/nodes", &Value::Null).await.is_err() {
        assert!(begun.elapsed() < PATIENCE, "it is never up again");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn events_are_lost_without_a_word() {
    let sim = start();
    sim.inject(FaultRule::new(Fault::LoseEvents));
    assert!(timeout(GLANCE, call(&sim, "GET", "/events", &Value::Null)).await.is_err(), "the stream is open");
    sim.clear_faults();
    sim.inject(FaultRule::new(Fault::Cut).path("/events"));
    assert!(timeout(PATIENCE, call(&sim, "GET", "/events", &Value::Null)).await.expect("at once").is_err());
}

#[tokio::test]
async fn a_length_that_is_too_short_cuts_the_answer_and_one_that_is_too_long_breaks_it() {
    let sim = start();
    let length = |announced| FaultRule::new(Fault::WrongLength { announced }).path("/version").times(1);
    sim.inject(length(3));
    assert_eq!(get(&sim, "/version").await.body.len(), 3);
    sim.inject(length(1 << 20));
    assert!(timeout(PATIENCE, call(&sim, "GET", "/version", &Value::Null)).await.expect("at once").is_err());
}

#[tokio::test]
async fn membership_changes_while_it_runs() {
    let sim = start();
    assert_eq!(get(&sim, "/tasks").await.status, 200);
    sim.with_model(|model| model.set_membership(Membership::Worker));
    assert_eq!(get(&sim, "/tasks").await.status, 503);
}

#[test]
fn it_works_without_async_and_cleans_up() {
    let dir = tempfile::tempdir().expect("a directory");
    let (socket, log_file) = (dir.path().join("e.sock"), dir.path().join("engine.log"));
    let options =
        SimOptions { socket: Some(socket.clone()), log_file: Some(log_file.clone()), faults: Vec::new() };
    let sim = Sim::start(Model::new(), options.clone()).expect("a free path");
    assert_eq!(sim.host(), format!("unix://{}", socket.display()));
    let second = Sim::start(Model::new(), options).expect_err("the path is taken");
    assert!(second.to_string().starts_with("cannot listen on"), "{second}");
    assert!(socket.exists(), "the second start left the first one's socket alone");
    sim.with_model(|model| {
        for name in ["a", "b"] {
            let network = NetworkDraft::overlay(name).subnet("10.90.0.0/24").json();
            model.create_network(&network).map(drop).expect("fresh");
        }
    });
    let text = std::fs::read_to_string(&log_file).expect("written");
    assert_eq!(text.matches("msg=\"Failed allocation for network").count(), 1);
    let mut lines = text.lines();
    assert!(lines.next().is_some_and(|line| line.ends_with("msg=\"Starting up\"")), "{text}");
    assert!(lines.next().is_some_and(|line| line.contains("became leader at term 2")), "{text}");
    assert!(!text.contains("1970-"), "times are the wall clock's, also before the start");
    let temporary = Sim::start(Model::new(), SimOptions::default()).expect("a temporary path");
    let path = temporary.socket().to_owned();
    drop((sim, temporary));
    assert!(!socket.exists() && !path.exists() && !path.parent().is_some_and(std::path::Path::exists));
}
