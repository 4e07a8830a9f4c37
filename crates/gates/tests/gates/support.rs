//! A healthy world, its facts, and a router that knows what runs.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use Verdict::Pass;
use jiff::Timestamp;
use pvcheck_audit::{Snapshot, declared_routes};
use pvcheck_gates::{Config, GateReport, LeakFact, M1Facts, Observed, Seen, Unseen, Verdict};
use pvcheck_journal::{Catalogue, Record, Scan, Scanner, Since};
use pvcheck_routes::{BodyFact, Conditions, HttpVersion, Method, RouteFact, TimingMs, TlsFact};
use pvcheck_sim::{Model, Sim, SimOptions, Timings};
use pvcheck_swarm::{Census, CensusMethod, Engine};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Model time in which everything settles.
pub(crate) const SETTLE: Duration = Duration::from_secs(5);
/// Every service of the world, and whether it is on the overlay under test.
pub(crate) const SERVICES: [(&str, bool); 9] = [
    ("traefik_ci_commoninternet_net_app", true),
    ("drone_ci_commoninternet_net_app", true),
    ("warm-keycloak_ci_commoninternet_net_app", true),
    ("ccci-bridge_app", true),
    ("ccci-dashboard_app", true),
    ("ccci-reports_app", true),
    ("traefik_ci_commoninternet_net_socket-proxy", false),
    ("warm-keycloak_ci_commoninternet_net_db", false),
    ("backups_ci_commoninternet_net_app", false),
];
/// Every route of the configuration, and the status that is fine there.
pub(crate) const ROUTES: [(&str, u16); 3] = [("dashboard", 200), ("drone", 303), ("bridge", 404)];
/// What the engine logs when nothing is wrong.
pub(crate) const QUIET_LOG: [&str; 3] = [
    r#"time="2026-06-13T05:30:00.000000000Z" level=info msg="Starting up""#,
    r#"time="2026-06-13T05:30:01.000000000Z" level=info msg="API listen on /var/run/docker.sock""#,
    r#"time="2026-06-13T05:30:02.000000000Z" level=info msg="Daemon has completed initialization""#,
];
/// What it logs when a network is full.
pub(crate) const EXHAUSTED: &str = r#"time="2026-06-13T05:31:00.000000000Z" level=error msg="Failed allocation for service 7x4qm2v9k1t8r3w6y5z0a1b2c" error="could not find an available IP while allocating VIP" module=node node.id=abc"#;

pub(crate) fn at() -> Timestamp {
    "2026-06-13T05:38:02Z".parse().expect("a time")
}

pub(crate) fn quick() -> Timings {
    Timings {
        schedule: Duration::from_millis(2),
        start: Duration::from_millis(10),
        stop: Duration::from_millis(20),
        reap: Duration::from_millis(10),
        ..Timings::default()
    }
}

/// The CI host in small, with quick times from now on.
pub(crate) fn cc_ci() -> Model {
    let mut model = pvcheck_sim::world::cc_ci().expect("the model takes its own drafts");
    model.settings_mut().timings = quick();
    model
}

/// What is expected of that host.
pub(crate) fn config_text() -> String {
    let mut text = "[overlay]\nname = \"proxy\"\nsubnet = \"10.10.0.0/24\"\nmin_free = 64\n".to_owned();
    for (name, overlay) in SERVICES {
        text += &format!("[[service]]\nname = \"{name}\"\noverlay = {overlay}\n");
    }
    for (name, status) in ROUTES {
        text += &format!(
            "[[route]]\nname = \"{name}\"\nurl = \"https://{name}.example.net/\"\naddress = \"127.0.0.1:443\"\n\
             expect = [{status}]\nservice = \"ccci-{name}_app\"\n"
        );
    }
    text
}

pub(crate) fn config() -> Config {
    Config::parse("cc-ci.toml", &config_text()).expect("a sound configuration")
}

/// The configuration with one text in the place of another.
pub(crate) fn config_with(old: &str, new: &str) -> Config {
    let text = config_text();
    assert!(text.contains(old), "`{old}` is in the configuration");
    Config::parse("cc-ci.toml", &text.replacen(old, new, 1)).expect("a sound configuration")
}

pub(crate) fn known<T>(source: &str, value: T) -> Observed<T> {
    Observed { source: source.into(), at: at(), elapsed_ms: 7, seen: Seen::Known(value) }
}

pub(crate) fn unknown<T>(source: &str, why: &str) -> Observed<T> {
    Observed { source: source.into(), at: at(), elapsed_ms: 7, seen: Seen::Unknown(failed(why)) }
}

/// A source that failed with these words.
pub(crate) fn failed(error: &str) -> Unseen {
    Unseen::Failed { error: error.into() }
}

/// What was seen, to be broken.
pub(crate) fn of<T>(observed: &mut Observed<T>) -> &mut T {
    match &mut observed.seen {
        Seen::Known(value) => value,
        Seen::Unknown(why) => panic!("not seen: {why}"),
    }
}

/// A route that answers as it should.
pub(crate) fn route(name: &str, status: u16) -> RouteFact {
    let host = format!("{name}.example.net");
    RouteFact {
        method: Method::Get,
        name: name.into(),
        url: format!("https://{host}/"),
        at: at(),
        address: Some("127.0.0.1:443".parse().expect("an address")),
        pinned: true,
        refused: Vec::new(),
        http: Some(HttpVersion::Http2),
        status: Some(status),
        expected: vec![status.into()],
        conditions: Conditions::default(),
        headers_seen: Vec::new(),
        body_seen: Vec::new(),
        tls: Some(TlsFact {
            version: Some("1.3".into()),
            alpn: Some("h2".into()),
            subject: Some(format!("CN={host}")),
            sans: vec![host],
            issuer: Some("CN=CA".into()),
            not_after: Some("2026-08-13T00:00:00Z".parse().expect("a time")),
            days_left: Some(60),
            verified: true,
            verify_error: None,
            also_wrong: vec![],
        }),
        timing_ms: TimingMs { total: 12, ..TimingMs::default() },
        body: Some(BodyFact { bytes: 2, complete: true, ..BodyFact::default() }),
        location: None,
        retry_after: None,
        server: None,
        www_authenticate: Vec::new(),
        origin: None,
        allow_empty: false,
        headers_suffice: false,
        allow_default: false,
        client_certificate: false,
        failure: None,
        curl: None,
        of_attempts: 1,
        earlier: Vec::new(),
    }
}

pub(crate) fn routes() -> Vec<RouteFact> {
    ROUTES.map(|(name, status)| route(name, status)).to_vec()
}

/// A scan of these lines, since the engine's start.
pub(crate) fn scan(lines: &[&str]) -> Scan {
    let mut scanner =
        Scanner::since(Catalogue::builtin(), Since::EngineStart, None).source("file engine.log");
    for line in lines {
        scanner.push(&Record::parse_line(line.as_bytes()));
    }
    scanner.finish()
}

pub(crate) fn start(model: Model) -> Sim {
    Sim::start(model, SimOptions::default()).expect("a socket in a temporary directory")
}

pub(crate) fn start_logging(model: Model, log: &Path) -> Sim {
    let options = SimOptions { log_file: Some(log.to_owned()), ..SimOptions::default() };
    Sim::start(model, options).expect("a socket in a temporary directory")
}

pub(crate) async fn connect(sim: &Sim) -> Engine {
    let engine = Engine::connect(&sim.host().parse().expect("absolute")).await.expect("a manager");
    sim.clear_requests();
    engine
}

pub(crate) async fn look(model: Model) -> Snapshot {
    connect(&start(model)).await.snapshot().await.expect("a healthy engine")
}

/// The facts of this world, with healthy routes and a quiet log.
pub(crate) async fn facts(model: Model) -> M1Facts {
    M1Facts {
        snapshot: known("engine API", declaring(look(model).await)),
        routes: known("routes", routes()),
        journal: known("engine log", scan(&QUIET_LOG)),
        log_node: None,
        leaked: known("allocator", vec![counted("proxy", 0)]),
        guard: None,
    }
}

/// The snapshot with the routes of the configuration as those that labels declare.
fn declaring(mut snapshot: Snapshot) -> Snapshot {
    for service in &mut snapshot.services {
        let own = ROUTES.into_iter().filter(|(name, _)| service.name == format!("ccci-{name}_app"));
        let labels: Vec<(String, String)> = own
            .map(|(name, _)| {
                (format!("traefik.http.routers.{name}.rule"), format!("Host(`{name}.example.net`)"))
            })
            .collect();
        let labels = labels.iter().map(|(label, rule)| (label.as_str(), rule.as_str()));
        service.declared = Some(declared_routes(labels));
    }
    snapshot
}

/// A complete census of the world's overlay, by which this many addresses are leaked.
pub(crate) fn counted(overlay: &str, leaked: u8) -> LeakFact {
    let addresses = (0..leaked).map(|n| [10, 10, 0, 200 + n].into());
    let census = Census {
        network: overlay.into(),
        subnet: "10.10.0.0/24".into(),
        usable: 253,
        handed_out: 241 - u64::from(leaked),
        owned: 12,
        load_balancers: 0,
        leaked: Some(leaked.into()),
        leaked_addresses: addresses.collect(),
        leaked_or_load_balancers: Vec::new(),
        local_load_balancer: None,
        free_and_owned: Vec::new(),
        method: CensusMethod::Cursor,
        complete: true,
        reason: None,
        elapsed_ms: 5,
    };
    LeakFact { overlay: overlay.into(), census: Seen::Known(census) }
}

/// The required checks that are not passed, each with its verdict.
pub(crate) fn open(report: &GateReport) -> Vec<(&str, Verdict)> {
    report.open().filter(|check| check.required).map(|check| (check.id.as_str(), check.verdict)).collect()
}

/// The advisory checks that are not passed, each with its verdict.
pub(crate) fn notes(report: &GateReport) -> Vec<(&str, Verdict)> {
    report.open().filter(|check| !check.required).map(|check| (check.id.as_str(), check.verdict)).collect()
}

/// Exactly these are not passed; each says why in one line, and the gate is as bad as the worst.
pub(crate) fn assert_open(report: &GateReport, expected: &[(&str, Verdict)]) {
    assert_eq!(open(report), expected, "{:#?}", report.open().collect::<Vec<_>>());
    let worst = expected.iter().map(|(_, verdict)| *verdict).max().unwrap_or(Pass);
    assert_eq!(report.verdict, worst);
    for check in &report.checks {
        let reason = check.reason.to_string();
        assert!(!reason.is_empty() && !reason.contains('\n'), "{check:?}");
    }
}

/// The reason of one check.
pub(crate) fn verdict(report: &GateReport, id: &str) -> Verdict {
    report
        .checks
        .iter()
        .find(|check| check.id == id)
        .map(|check| check.verdict)
        .expect("there is such a check")
}

pub(crate) fn reason(report: &GateReport, id: &str) -> String {
    let check = report.checks.iter().find(|check| check.id == id);
    check.unwrap_or_else(|| panic!("no check {id}")).reason.to_string()
}

/// A router on loopback: 200 for `dashboard.test` and for hosts that a running service claims by its label
/// `router.host`, else 404. It ends with what is returned.
pub(crate) async fn router(sim: Arc<Sim>) -> (SocketAddr, Router) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let accepting = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream, Arc::clone(&sim)));
        }
    });
    (address, Router(accepting))
}

/// A router that accepts until it is dropped.
pub(crate) struct Router(tokio::task::JoinHandle<()>);

impl Drop for Router {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Reads a request and answers 200 to it.
pub(crate) async fn answer_ok(mut stream: TcpStream) {
    if request(&mut stream).await.is_some() {
        // A client that has gone away needs no answer.
        let _ =
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok").await;
    }
}

async fn answer(mut stream: TcpStream, sim: Arc<Sim>) {
    let Some(text) = request(&mut stream).await else { return };
    let host = text.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or_default().to_owned();
    let claimed = host == "dashboard.test"
        || sim.with_model(|model| {
            let services = model.respond("GET", "/services", b"").value();
            let claims = |s: &serde_json::Value| s["Spec"]["Labels"]["router.host"] == host.as_str();
            services.as_array().is_some_and(|all| all.iter().any(claims))
        });
    let status = if claimed { "200 OK" } else { "404 Not Found" };
    let text = format!("HTTP/1.1 {status}\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
    // A client that has gone away needs no answer.
    let _ = stream.write_all(text.as_bytes()).await;
}

/// The head of a request in lower case; `None` if the client went away.
async fn request(stream: &mut TcpStream) -> Option<String> {
    let mut request = Vec::new();
    while !request.windows(4).any(|w| w == b"\r\n\r\n") {
        match stream.read_buf(&mut request).await {
            Ok(n) if 0 < n => {}
            _ => return None,
        }
    }
    Some(String::from_utf8_lossy(&request).to_lowercase())
}
