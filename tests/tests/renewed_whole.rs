//! A network that has it all is renewed on a real engine and comes back as it was: aliases, driver options, labels,
//! encryption, containers that were attached by hand with addresses of their own, services of every mode, a job. Then a
//! service that does not run anywhere else is put back, and a network with an IPv6 subnet keeps it.

use std::io::Write as _;
use std::path::Path;

use pvcheck_lab::{Lab, LabSpec, Suite};
use pvcheck_tests::renewals::{resize, specs};
use pvcheck_tests::stacks::{IMAGE, STOPS_AT_ONCE};
use pvcheck_tests::{Outcome, docker, docker_json, lab_of, long, pvcheck};
use serde_json::{Value, json};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

#[test]
fn on_bookworm() -> Outcome {
    whole("renewed_whole::on_bookworm", Suite::Bookworm)
}

#[test]
fn on_sid() -> Outcome {
    if long() { whole("renewed_whole::on_sid", Suite::Sid) } else { Ok(()) }
}

fn whole(test: &str, suite: Suite) -> Outcome {
    let spec = LabSpec { suite: Some(suite), ..LabSpec::default() };
    let Some(lab) = lab_of(test, spec) else { return Ok(()) };
    let state = tempfile::tempdir()?;
    make(&lab)?;
    for (strategy, to) in [("bridge", "10.10.0.0/16"), ("recreate", "10.10.0.0/24")] {
        there_and_back(&lab, test, state.path(), strategy, to)?;
    }
    docker(&lab, &["service", "rm", "job"])?;
    // By `continue` the whole time-out is waited for, and `bridge` takes a minute.
    let failing = [("pause", "recreate"), ("rollback", "bridge"), ("continue", "recreate")];
    for (action, strategy) in failing.into_iter().take(if long() { 3 } else { 1 }) {
        fails(&lab, test, state.path(), action, strategy)?;
    }
    keeps_ipv6(&lab, test, state.path())?;
    lab.down()?;
    Ok(())
}

/// The network, its services and its containers. `b-hand` has the first address of the network, which the node's load
/// balancer gets on a new one where `a-hand` is connected first.
fn make(lab: &Lab) -> Outcome {
    let create = ["network", "create", "-d", "overlay", "--attachable"];
    let proxy = [
        &create[..],
        &["--subnet", "10.10.0.0/24", "--label", "owner=ops", "--opt", "encrypted"],
        &["--opt", "com.docker.network.driver.mtu=1400", "proxy"],
    ];
    docker(lab, &proxy.concat())?;
    docker(lab, &[&create[..], &["--subnet", "10.20.0.0/24", "private"]].concat())?;
    let run = ["run", "-d", "--network", "proxy"];
    let idles = [IMAGE, "sh", "-c", STOPS_AT_ONCE];
    for words in [
        &["--name", "b-hand", "--ip", "10.10.0.2", "--network-alias", "byhand", "--network-alias", "hand"][..],
        &["--name", "a-hand", "--ip", "10.10.0.77"],
    ] {
        docker(lab, &[&run[..], words, &idles].concat())?;
    }
    // One that is on another network as well, and has driver options.
    docker(lab, &[&["run", "-d", "--name", "c-hand"][..], &idles].concat())?;
    docker(lab, &["network", "connect", "--alias", "third", "--driver-opt", "owner=ops", "proxy", "c-hand"])?;
    let service = ["service", "create", "-q", "--no-resolve-image", "--update-monitor", "100ms"];
    let on = "name=proxy,alias=web,driver-opt=owner=ops";
    for words in [
        &["--name", "app", "--network", "private", "--network", on, "--label", "owner=ops"][..],
        &["--name", "dns", "--network", "proxy", "--endpoint-mode", "dnsrr", "--replicas", "2"],
        &["--name", "all", "--network", "proxy", "--mode", "global"],
        &["--name", "idle", "--network", "proxy", "--replicas", "0"],
    ] {
        docker(lab, &[&service[..], words, &idles].concat())?;
    }
    let job = ["service", "create", "-q", "-d", "--no-resolve-image", "--mode", "replicated-job"];
    docker(lab, &[&job[..], &["--name", "job", "--network", "proxy", IMAGE, "true"]].concat())?;
    until(
        lab,
        "the job has run",
        &["service", "ls", "--format", "{{.Replicas}}", "--filter", "name=job"],
        |s| s.contains("1/1 completed"),
    )
}

fn there_and_back(lab: &Lab, test: &str, state: &Path, strategy: &str, to: &str) -> Outcome {
    let before = (network(lab, "proxy")?, specs(lab, "proxy")?, places(lab)?);
    let done = resize(lab, "proxy", state, &["--to", to, "--strategy", strategy, "--rerun-jobs", "--apply"])?;
    say(&format!("{test}: {strategy} to {to}: {} ms ({})", done["elapsed_ms"], steps(&done)));
    assert_eq!(
        (&done["changed"], &done["containers"], &done["services"]),
        (&json!([]), &json!(3), &json!(5))
    );
    let mut after = network(lab, "proxy")?;
    assert_eq!(after["IPAM"]["Config"][0]["Subnet"], to);
    after["IPAM"]["Config"] = before.0["IPAM"]["Config"].clone();
    assert_eq!(after, before.0, "{strategy}");
    assert_eq!(specs(lab, "proxy")?, before.1, "{strategy}");
    assert_eq!(places(lab)?, before.2, "{strategy}");
    let said = |error| format!("{strategy}: {error}");
    for name in ["byhand", "hand", "third", "tasks.app"] {
        docker(lab, &["exec", "a-hand", "ping", "-c", "1", "-w", "10", name]).map_err(said)?;
    }
    // A VIP has its name; that it is balanced takes IPVS, which not every kernel has.
    docker(lab, &["exec", "a-hand", "nslookup", "web"]).map_err(said)?;
    Ok(())
}

/// A service that runs only with an address of the present subnet: its first new task fails, and everything is as before.
fn fails(lab: &Lab, test: &str, state: &Path, action: &str, strategy: &str) -> Outcome {
    let script = format!("ip -4 addr | grep -q 'inet 10.10.0' || exit 1; {STOPS_AT_ONCE}");
    let create = ["service", "create", "-q", "--no-resolve-image", "--name", "fragile", "--network", "proxy"];
    let how = ["--update-monitor", "1s", "--restart-delay", "500ms", "--update-failure-action", action];
    docker(lab, &[&create[..], &how, &[IMAGE, "sh", "-c", &script]].concat())?;
    let before = (network(lab, "proxy")?, specs(lab, "proxy")?, places(lab)?);
    let since = std::time::Instant::now();
    let words =
        ["--to", "10.60.0.0/16", "--readdress", "--strategy", strategy, "--timeout", "20s", "--apply"];
    let said = match resize(lab, "proxy", state, &words) {
        Ok(done) => return Err(format!("{action}: it was renewed: {done:#}").into()),
        Err(error) => error.to_string(),
    };
    let why = said.split("pvcheck: ").last().unwrap_or_default();
    say(&format!("{test}: {action} by {strategy}: {} ms: {why}", since.elapsed().as_millis()));
    assert!(said.contains("fragile") && said.contains("everything was put back as it was"), "{said}");
    assert!(!said.contains("put back as it was, but"), "{said}");
    assert_eq!(network(lab, "proxy")?, before.0, "{action}");
    assert_eq!(specs(lab, "proxy")?, before.1, "{action}");
    assert_eq!(places(lab)?, before.2, "{action}");
    let runs = docker(lab, &["service", "ls", "--format", "{{.Name}} {{.Replicas}}"])?;
    let runs: std::collections::BTreeSet<&str> = runs.lines().collect();
    assert_eq!(runs, ["all 1/1", "app 1/1", "dns 2/2", "fragile 1/1", "idle 0/0"].into(), "{action}");
    docker(lab, &["service", "rm", "fragile"])?;
    Ok(())
}

/// The gateway and the range of an IPv6 subnet are not asked for, and stay.
fn keeps_ipv6(lab: &Lab, test: &str, state: &Path) -> Outcome {
    let create = ["network", "create", "-d", "overlay", "--ipv6", "--subnet", "10.40.0.0/24"];
    docker(lab, &[&create[..], &["--subnet", "fd00:7::/64", "--gateway", "fd00:7::9", "six"]].concat())?;
    let before = network(lab, "six")?;
    if before["IPAM"]["Config"].is_null() {
        // Swarm of 28.5.2 gives a network with an IPv6 subnet nothing at all: "cannot find address pool for poolID".
        let mut command = lab.command(pvcheck()?);
        let refused =
            command.args(["resize", "six", "--to", "10.40.0.0/20", "--apply", "--quiet"]).output()?;
        let told = String::from_utf8_lossy(&refused.stdout).into_owned();
        assert_eq!(refused.status.code(), Some(4), "{told}");
        assert!(told.contains("no IPv4 subnet"), "{told}");
        say(&format!("{test}: IPv6: the engine allocates no such network, and that is said"));
        return Ok(());
    }
    let done = resize(lab, "six", state, &["--to", "10.40.0.0/20", "--apply"])?;
    say(&format!("{test}: IPv6: {} ms", done["elapsed_ms"]));
    assert_eq!(done["changed"], json!([]), "{done:#}");
    let mut after = network(lab, "six")?;
    let of = |network: &Value, version: char| {
        let all = network["IPAM"]["Config"].as_array().into_iter().flatten();
        all.filter(|c| c["Subnet"].as_str().is_some_and(|text| text.contains(version)))
            .cloned()
            .collect::<Vec<_>>()
    };
    assert_eq!(of(&after, ':'), [json!({"Subnet": "fd00:7::/64", "Gateway": "fd00:7::9"})]);
    assert_eq!(of(&after, '.')[0]["Subnet"], "10.40.0.0/20");
    after["IPAM"]["Config"] = before["IPAM"]["Config"].clone();
    assert_eq!(after, before);
    Ok(())
}

/// What a network is, but for its id, its age, the VXLAN id and what is on it.
fn network(lab: &Lab, name: &str) -> Result<Value> {
    let mut shown = docker_json(lab, &["network", "inspect", name])?.remove(0)[0].take();
    for key in ["Id", "Created", "Containers", "Peers", "Status"] {
        shown[key] = Value::Null;
    }
    shown["Options"]["com.docker.network.driver.overlay.vxlanid_list"] = Value::Null;
    Ok(shown)
}

/// What the containers have on their networks, but for ids and the length of the subnet.
fn places(lab: &Lab) -> Result<Value> {
    let words = ["inspect", "-f", "{{json .NetworkSettings.Networks}}", "a-hand", "b-hand", "c-hand"];
    let mut shown = docker_json(lab, &words)?;
    for place in shown.iter_mut().filter_map(Value::as_object_mut).flat_map(|places| places.values_mut()) {
        for key in ["NetworkID", "EndpointID", "IPPrefixLen"] {
            place[key] = Value::Null;
        }
    }
    Ok(Value::Array(shown))
}

fn steps(done: &Value) -> String {
    let steps = done["steps"].as_array().into_iter().flatten();
    let steps: Vec<String> =
        steps.map(|s| format!("{} {}", s["step"].as_str().unwrap_or("?"), s["elapsed_ms"])).collect();
    steps.join(", ")
}

/// Waits until the docker client prints what is wanted.
fn until(lab: &Lab, what: &str, words: &[&str], is_so: impl Fn(&str) -> bool) -> Outcome {
    let since = std::time::Instant::now();
    while !is_so(&docker(lab, words)?) {
        if 60 < since.elapsed().as_secs() {
            return Err(format!("never: {what}").into());
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    Ok(())
}

fn say(line: &str) {
    // A closed stdout loses this line only.
    let _ = writeln!(std::io::stdout(), "{line}");
}
