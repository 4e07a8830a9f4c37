//! What a client sees while a network is renewed: through a router on each of three nodes, through one router on one node,
//! and through a real Traefik, which is told by name on which network it finds its backends.

use std::collections::BTreeSet;
use std::fs::File;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use pvcheck_ipam::Subnet;
use pvcheck_lab::{Lab, LabSpec, Router, Suite, World};
use pvcheck_tests::renewals::{say, specs, summary, table};
use pvcheck_tests::{Outcome, docker, lab_of, long, pvcheck, text};
use serde_json::Value;

type Answer<T> = Result<T, Box<dyn std::error::Error>>;

/// How many requests a client makes at least.
const REQUESTS: u64 = 2000;

fn up(test: &str, managers: usize, world: World, router: Router) -> Option<Lab> {
    let spec = LabSpec { managers, suite: Some(Suite::Bookworm), world, router, ..LabSpec::default() };
    lab_of(test, spec)
}

fn config(lab: &Lab) -> Answer<PathBuf> {
    lab.info().config.clone().ok_or_else(|| "the world has no configuration".into())
}

/// `pvcheck resize proxy`, which has to end with 0 and leave every specification as it was, while the routes of the
/// configuration are asked.
fn resize(lab: &Lab, config: &Path, words: &[&str]) -> Answer<Value> {
    quiet(lab, config)?;
    let state = tempfile::tempdir()?;
    let before = specs(lab, "proxy")?;
    let mut command = lab.command(pvcheck()?);
    command.args(["resize", "proxy", "-o", "json", "--quiet", "--state"]).arg(state.path());
    let done: Value = serde_json::from_str(&text(command.arg("--config").arg(config).args(words))?)?;
    assert_eq!(done["changed"], serde_json::json!([]), "{done:#}");
    assert_eq!(specs(lab, "proxy")?, before);
    Ok(done)
}

/// Waits until nothing keeps a renewal from being begun: the last tasks of an update may still be stopping.
fn quiet(lab: &Lab, config: &Path) -> Outcome {
    let since = Instant::now();
    loop {
        let output = lab.command(pvcheck()?).args(["window", "--quiet", "--config"]).arg(config).output()?;
        if output.status.success() {
            return Ok(());
        }
        let shown = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(since.elapsed() < Duration::from_mins(2), "{shown}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn routes(done: &Value) -> impl Iterator<Item = &Value> {
    done["routes"]["routes"].as_array().into_iter().flatten()
}

fn sum(done: &Value, field: &str) -> u64 {
    routes(done).map(|route| route[field].as_u64().unwrap_or_default()).sum()
}

#[test]
fn with_a_router_on_each_of_three_nodes_no_request_fails() -> Outcome {
    let test = "availability::with_a_router_on_each_of_three_nodes_no_request_fails";
    let Some(lab) = up(test, 3, World::Nodes, Router::Caddy) else { return Ok(()) };
    let config = config(&lab)?;
    let mut asked = 0;
    for to in ["10.10.0.0/20", "10.10.0.0/24", "10.10.0.0/21"] {
        let done = resize(&lab, &config, &["--to", to, "--strategy", "bridge", "--apply"])?;
        say(&format!("{test}: to {to}: {}\n{}", summary(&done), table(&done)));
        assert_eq!((sum(&done, "failed"), sum(&done, "unknown")), (0, 0));
        // Else nothing was shown: no router was away while it was asked.
        assert!(0 < sum(&done, "elsewhere"), "{done:#}");
        asked += sum(&done, "probes");
        if !long() && REQUESTS <= asked {
            break;
        }
    }
    assert!(REQUESTS <= asked, "{asked} requests");
    if long() {
        // The teeth: a router that is not replaced node by node leaves no node to go to, and the plan says so.
        docker(
            &lab,
            &["service", "update", "-q", "--no-resolve-image", "--update-parallelism", "0", "edge_router"],
        )?;
        quiet(&lab, &config)?;
        let mut plan = lab.command(pvcheck()?);
        plan.args(["resize", "proxy", "--quiet", "--strategy", "bridge", "--to", "10.10.0.0/24"]);
        assert!(text(&mut plan)?.contains("3 nodes at once"), "{plan:?}");
        let done = resize(&lab, &config, &["--to", "10.10.0.0/24", "--strategy", "bridge", "--apply"])?;
        say(&format!("{test}: all routers at once: {}\n{}", summary(&done), table(&done)));
        assert!(0 < sum(&done, "failed"), "{done:#}");
    }
    lab.down()?;
    Ok(())
}

/// What the docker client prints of a service's containers: when each was told to stop, and when the next one began.
struct Restarts {
    client: Child,
    file: tempfile::NamedTempFile,
}

impl Restarts {
    fn of(lab: &Lab, service: &str) -> Answer<Self> {
        let file = tempfile::NamedTempFile::new()?;
        let label = format!("label=com.docker.swarm.service.name={service}");
        let mut command = lab.command("docker");
        command.args(["events", "--format", "{{.TimeNano}} {{.Action}}", "--filter", "type=container"]);
        let client =
            command.args(["--filter", &label]).stdout(File::create(file.path())?).stderr(Stdio::null());
        Ok(Self { client: client.spawn()?, file })
    }

    /// From when to when no container of the service ran, in order.
    fn times(mut self) -> Answer<Vec<(Timestamp, Timestamp)>> {
        self.client.kill()?;
        self.client.wait()?;
        let (mut times, mut since) = (Vec::new(), None);
        for line in std::fs::read_to_string(self.file.path())?.lines() {
            let (at, action) = line.split_once(' ').ok_or("no event")?;
            let at = Timestamp::from_nanosecond(at.parse()?)?;
            match action {
                "kill" => since = since.or(Some(at)),
                "start" => times.extend(since.take().map(|since| (since, at))),
                _ => {}
            }
        }
        Ok(times)
    }
}

/// Every outage of every route begins before a container of the router runs again and ends after it was told to stop.
fn only_restarts(done: &Value, restarts: &[(Timestamp, Timestamp)]) -> Outcome {
    for route in routes(done) {
        for outage in route["outages"].as_array().into_iter().flatten() {
            let time = |field: &str| -> Answer<Timestamp> {
                Ok(outage[field].as_str().ok_or_else(|| format!("{route:#}"))?.parse()?)
            };
            let (from, to) = (time("from")?, time("to")?);
            let overlaps = restarts.iter().any(|(stopped, began)| from <= *began && *stopped <= to);
            assert!(overlaps, "{}: {outage:#}, and the router restarted at {restarts:?}", route["name"]);
        }
    }
    Ok(())
}

/// Makes the services behind a router such that a client need not notice when they are replaced: the new task first, and
/// the old one answers on until the router has noticed.
fn patient_services(lab: &Lab, services: &[(&str, &str)]) -> Outcome {
    for (service, status) in services {
        let serve = format!("/bin/serve {status} 3");
        let update = ["service", "update", "-d", "-q", "--no-resolve-image", "--update-order", "start-first"];
        docker(lab, &[&update[..], &["--update-monitor", "1s", "--entrypoint", &serve, service]].concat())?;
    }
    Ok(())
}

const BEHIND: [(&str, &str); 5] = [
    ("ccci-bridge_app", "404"),
    ("ccci-dashboard_app", "200"),
    ("ccci-reports_app", "200"),
    ("drone_ci_commoninternet_net_app", "303"),
    ("warm-keycloak_ci_commoninternet_net_app", "200"),
];
const ROUTER: &str = "traefik_ci_commoninternet_net_app";

/// By each strategy; the requests that failed did so while the router was restarted.
fn one_node(test: &str, lab: &Lab, router: &str, config: &Path, rounds: &[(&str, &str)]) -> Outcome {
    for (strategy, to) in rounds {
        let restarts = Restarts::of(lab, router)?;
        let done = resize(lab, config, &["--to", to, "--strategy", strategy, "--apply"])?;
        let restarts = restarts.times()?;
        say(&format!("{test}: {strategy}: {}\n{}", summary(&done), table(&done)));
        say(&format!("  the router was restarted {} times", restarts.len()));
        assert_eq!(restarts.len(), if *strategy == "bridge" { 4 } else { 2 }, "{restarts:?}");
        assert!(0 < sum(&done, "failed") && 0 < sum(&done, "passed"), "{done:#}");
        only_restarts(&done, &restarts)?;
    }
    Ok(())
}

#[test]
fn on_one_node_requests_fail_only_while_the_router_restarts() -> Outcome {
    let test = "availability::on_one_node_requests_fail_only_while_the_router_restarts";
    if !long() {
        // The short round has it with the other router.
        return Ok(());
    }
    let Some(lab) = up(test, 1, World::Nodes, Router::Caddy) else { return Ok(()) };
    let rounds = [("bridge", "10.10.0.0/20"), ("recreate", "10.10.0.0/24")];
    one_node(test, &lab, "edge_router", &config(&lab)?, &rounds)?;
    lab.down()?;
    Ok(())
}

/// What the containers of a service printed, of those too that have ended. `docker service logs` of 20.10.24 may wait for ever
/// for a task that is gone.
fn logs(lab: &Lab, service: &str) -> Answer<String> {
    let label = format!("label=com.docker.swarm.service.name={service}");
    let mut printed = String::new();
    for container in docker(lab, &["ps", "-aq", "--filter", &label])?.lines() {
        let output = lab.command("docker").args(["logs", container]).output()?;
        printed += &String::from_utf8_lossy(&output.stdout);
        printed += &String::from_utf8_lossy(&output.stderr);
    }
    Ok(printed)
}

/// Which backend answered which request, as Traefik's access log has it.
struct Answered {
    service: String,
    address: Ipv4Addr,
    status: u16,
}

/// Of a line such as `… "GET / HTTP/2.0" 200 12 "-" "-" 7 "shop@swarm" "http://10.10.0.5:80" 3ms`.
fn answered(line: &str) -> Option<Answered> {
    let quoted: Vec<&str> = line.split('"').collect();
    let status = quoted.get(2)?.split_whitespace().next()?.parse().ok()?;
    let service = (*quoted.get(7)?).to_owned();
    let address = quoted.get(9)?.strip_prefix("http://")?.split(':').next()?.parse().ok()?;
    Some(Answered { service, address, status })
}

/// On the holding network alone backends are found by the pin that followed: an option of the router for most, a label for
/// one. `warm-keycloak` is on a network of its own too, which the router is not on, and which an unknown name may give.
#[test]
fn a_real_traefik_follows_its_pin() -> Outcome {
    let test = "availability::a_real_traefik_follows_its_pin";
    let Some(lab) = up(test, 1, World::CcCi, Router::Traefik) else { return Ok(()) };
    let router = lab.info().router.clone().ok_or("no router")?;
    say(&format!("{test}: Traefik {}", router.version.ok_or("no version")?));
    patient_services(&lab, &BEHIND)?;

    let folder = tempfile::tempdir()?;
    let with_keycloak = folder.path().join("pvcheck.toml");
    let keycloak = "\n[[route]]\nname = \"keycloak\"\nurl = \"https://keycloak.ci.commoninternet.test/\"\naddress = \"127.0.0.1:443\"\n";
    std::fs::write(&with_keycloak, std::fs::read_to_string(config(&lab)?)? + keycloak)?;

    quiet(&lab, &with_keycloak)?;
    let mut plan = lab.command(pvcheck()?);
    plan.args(["resize", "proxy", "--quiet", "--strategy", "bridge", "--to", "10.20.0.0/20", "-o", "json"]);
    let plan: Value = serde_json::from_str(&text(&mut plan)?)?;
    let holding = Subnet::parse(plan["holding"]["subnet"].as_str().ok_or("no holding network")?)?;
    one_node(test, &lab, ROUTER, &with_keycloak, &[("bridge", "10.20.0.0/20")])?;

    // Now: the engine keeps the containers of a service's last five tasks.
    let log = logs(&lab, ROUTER)?;
    let all: Vec<Answered> = log.lines().filter_map(answered).collect();
    let nets = [Subnet::parse("10.10.0.0/24")?, holding, Subnet::parse("10.20.0.0/20")?];
    for service in ["ci@swarm", "drone@swarm", "report@swarm", "keycloak@swarm"] {
        let of = |net: &Subnet| {
            let good = |a: &&Answered| a.service == service && a.status < 400 && net.contains(a.address);
            all.iter().filter(good).count()
        };
        let counts = nets.each_ref().map(of);
        say(&format!("{test}: {service} answered on the old, the holding and the new network: {counts:?}"));
        assert!(counts[1..].iter().all(|count| 0 < *count), "{service}: {counts:?}");
    }
    // None was asked at an address of a network that the router is not on.
    let elsewhere: BTreeSet<Ipv4Addr> =
        all.iter().map(|a| a.address).filter(|a| nets.iter().all(|net| !net.contains(*a))).collect();
    assert_eq!(elsewhere, BTreeSet::new());
    if long() {
        one_node(test, &lab, ROUTER, &with_keycloak, &[("recreate", "10.10.0.0/24")])?;
    }
    lab.down()?;
    Ok(())
}

#[test]
fn a_line_of_the_access_log_names_who_answered() {
    let line = "127.0.0.1 - - [27/Nov/2026:09:00:00 +0000] \"GET / HTTP/2.0\" 200 12 \"-\" \"-\" 7 \"ci@swarm\" \"http://10.10.0.5:80\" 3ms";
    let found = answered(line).expect("it is one");
    assert_eq!(
        (found.service.as_str(), found.address.octets(), found.status),
        ("ci@swarm", [10, 10, 0, 5], 200)
    );
    let unmatched = "127.0.0.1 - - [x] \"GET / HTTP/2.0\" 404 19 \"-\" \"-\" 8 \"-\" \"-\" 0ms";
    assert!(answered(unmatched).is_none() && answered("").is_none());
}
