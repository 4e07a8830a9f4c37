//! A whole host, booted with systemd, with the world's units as on the real one: the boot from scratch hangs as finding A1
//! says and boots clean with each remedy, `pvcheck boot` says so of the same units, and however a host ends, nothing is left
//! of it.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::Write as _;
use std::time::{Duration, Instant};

use pvcheck_lab::{BUSYBOX_IMAGE, Gate, HostSpec, Lab, LabName, SystemState};
use pvcheck_tests::leftovers::{left_of, send, until_step};
use pvcheck_tests::{Outcome, booted, docker, pvcheck, text};
use serde_json::{Value, json};

/// A minute in the place of the real host's fifteen.
const GATE_LIMIT: Duration = Duration::from_mins(1);
/// For what must not hang, however busy this machine is.
const LONG_LIMIT: Duration = Duration::from_mins(5);
/// For what has been seen to hang for a minute, and is only looked at for still doing so.
const SHORT_LIMIT: Duration = Duration::from_secs(5);
/// Time for a boot, its gate's own apart.
const BOOT: Duration = Duration::from_mins(2);

#[test]
fn the_boot_hangs_as_finding_a1_says_and_each_remedy_frees_it() -> Outcome {
    let test = "host::the_boot_hangs_as_finding_a1_says_and_each_remedy_frees_it";
    let since = Instant::now();
    let spec = HostSpec { gate_limit: GATE_LIMIT, pvcheck: Some(pvcheck()?), ..HostSpec::default() };
    let Some(mut lab) = booted(test, spec) else { return Ok(()) };
    say(test, "the first boot", since)?;

    // The first remedy, which the real host has now: the gate asks the router for its own page.
    assert_eq!(lab.info().host.as_ref().and_then(|host| host.state), Some(SystemState::Running));
    assert_eq!(deadlocks(&lab)?, Vec::<Vec<String>>::new());
    runs_inside(&lab)?;
    let since = Instant::now();
    the_journal_is_counted_as_by_grep(test, &lab)?;
    say(test, "an exhaustion in the journal", since)?;

    let since = Instant::now();
    lab.install(Gate::Dashboard, GATE_LIMIT)?;
    // Told from the files alone, while the boot has only begun.
    let chain = ["deploy-proxy.service", "https://ci.commoninternet.test/", "deploy-dashboard.service"];
    let told = deadlocks(&lab)?;
    assert!(told.iter().any(|links| links.iter().map(String::as_str).eq(chain)), "{told:?}");
    while_it_hangs(&lab)?;
    assert_eq!(lab.booted(GATE_LIMIT + BOOT)?, SystemState::Degraded);
    it_hung_for(&lab, GATE_LIMIT)?;
    say(test, "finding A1", since)?;

    for remedy in [Gate::DashboardUnordered, Gate::DashboardFirst] {
        let since = Instant::now();
        lab.install(remedy, LONG_LIMIT)?;
        assert_eq!(deadlocks(&lab)?, Vec::<Vec<String>>::new(), "{remedy:?}");
        assert_eq!(lab.booted(LONG_LIMIT)?, SystemState::Running, "{remedy:?}");
        assert_eq!(unit(&lab, "deploy-proxy", "Result")?, "success", "{remedy:?}");
        say(test, remedy.as_str(), since)?;
    }

    // Half of the second remedy, and the way out that the finding itself calls circular.
    for still in [Gate::DashboardBehindBridge, Gate::Drone] {
        let since = Instant::now();
        lab.install(still, SHORT_LIMIT)?;
        assert!(!deadlocks(&lab)?.is_empty(), "{still:?}");
        assert_eq!(lab.booted(SHORT_LIMIT + BOOT)?, SystemState::Degraded, "{still:?}");
        it_hung_for(&lab, SHORT_LIMIT)?;
        say(test, still.as_str(), since)?;
    }

    let name = lab.info().name.to_string();
    lab.down()?;
    assert_eq!(left_of(&name), Vec::<String>::new());
    Ok(())
}

/// The world and `pvcheck` inside of the host are those of a lab of engines.
fn runs_inside(lab: &Lab) -> Outcome {
    assert_eq!(text(lab.command("cat").arg("/proc/1/comm"))?, "systemd");
    assert_eq!(lab.command("sh").args(["-c", "exit 7"]).status()?.code(), Some(7), "the command's own code");
    let replicas = text(lab.command("docker").args(["service", "ls", "--format", "{{.Replicas}}"]))?;
    assert_eq!(replicas.lines().collect::<Vec<_>>(), ["1/1"; 9]);
    for route in &lab.info().routes {
        assert!(route.expected.contains(&lab.route_status(route)?), "{route:?}");
    }
    let config = lab.info().config.clone().ok_or("no configuration")?;
    let output = lab
        .command("pvcheck")
        .args(["gate", "run", "pvcheck.m1", "--probe", "-o", "json", "--config"])
        .arg(config)
        .output()?;
    let report: Value = serde_json::from_slice(&output.stdout)?;
    assert_eq!(report["verdict"], "PASS", "{report:#}");
    Ok(())
}

/// What `grep` finds the lines of a signature by, in the engine's text as it stands.
const BY_GREP: &[(&str, &str)] = &[
    ("vip-exhausted", "Failed allocation for service .*could not find an available IP while allocating VIP"),
    ("task-exhausted", "task allocation failure.*could not find an available IP"),
    ("lb-exhausted", "network resources for node.*could not find an available IP"),
    ("attachments-missing", "node is missing network attachments, ip addresses may be exhausted"),
    ("waits-for-service", "task allocation failure.* has pending allocations"),
    ("engine-start", "Daemon has completed initialization"),
    ("leader-elected", " became leader at term | elected leader .* at term "),
    ("leadership-seen", "leadership changed from |Swarm initialized global default address pool"),
    ("ipvs-missing", r"net\.ipv4\.vs\.|ipvs family|modprobe (ip_vs|xt_ipvs)"),
    ("kernel-parameter", r"error reading the kernel parameter net\.ipv4\.neigh\."),
    ("bridge-vlan", "enabling default vlan on bridge|reexec to set bridge default vlan failed"),
    (
        "image-pull",
        "pulling image failed|(Not continuing with|Attempting next endpoint for) pull after error",
    ),
];

/// A network of five addresses is exhausted, and the scan of the journal counts what `journalctl` and `grep` count.
fn the_journal_is_counted_as_by_grep(test: &str, lab: &Lab) -> Outcome {
    docker(lab, &["network", "create", "--driver", "overlay", "--subnet", "10.77.0.0/29", "tiny"])?;
    for n in 1..=5 {
        let name = format!("tiny-{n}");
        let create = ["service", "create", "--quiet", "--detach", "--no-resolve-image", "--network", "tiny"];
        docker(lab, &[&create[..], &["--name", &name, BUSYBOX_IMAGE, "/bin/serve"]].concat())?;
    }
    let deadline = Instant::now() + BOOT;
    let (counted, scan) = loop {
        let before = by_grep(lab)?;
        let scan = scan(lab)?;
        // The engine goes on writing: only a scan with the same count on both sides of it can be compared.
        if before["vip-exhausted"] != 0 && before["waits-for-service"] != 0 && by_grep(lab)? == before {
            break (before, scan);
        }
        assert!(Instant::now() < deadline, "no exhaustion was logged, or the log never rested: {before:?}");
        std::thread::sleep(Duration::from_millis(500));
    };
    assert_eq!((&scan["complete"], &scan["incomplete"]), (&json!(true), &json!([])), "{scan:#}");
    let matched: BTreeMap<&str, u64> = list(&scan["matched"])
        .filter_map(|row| Some((row["signature"].as_str()?, row["count"].as_u64()?)))
        .collect();
    for (signature, count) in &counted {
        assert_eq!(matched.get(signature).copied().unwrap_or(0), *count, "{signature} in {matched:?}");
    }
    // Other kernels may lack other things; but no finding is left uncounted.
    for row in list(&scan["matched"]).filter(|row| row["class"] != "noise") {
        assert!(row["signature"].as_str().is_some_and(|id| counted.contains_key(id)), "{row}");
    }
    writeln!(std::io::stdout(), "{test}: by grep and by the scan {counted:?}")?;
    // Nothing of it stays for what comes next.
    docker(lab, &["service", "rm", "tiny-1", "tiny-2", "tiny-3", "tiny-4", "tiny-5"])?;
    Ok(())
}

fn by_grep(lab: &Lab) -> Result<BTreeMap<&'static str, u64>, Box<dyn Error>> {
    let count = |pattern: &str| {
        // grep ends with 1 where it counts none.
        let script = "journalctl --unit docker.service --output cat | grep --extended-regexp --count -- \"$1\" || true";
        let printed = text(lab.command("sh").args(["-c", script, "sh", pattern]))?;
        Ok::<u64, Box<dyn Error>>(printed.parse()?)
    };
    BY_GREP.iter().map(|(signature, pattern)| Ok((*signature, count(pattern)?))).collect()
}

fn scan(lab: &Lab) -> Result<Value, Box<dyn Error>> {
    let words = ["journal", "scan", "--since-engine-start", "--quiet", "-o", "json"];
    let output = lab.command("pvcheck").args(words).output()?;
    Ok(serde_json::from_slice(&output.stdout)
        .map_err(|e| format!("{e}: {}", String::from_utf8_lossy(&output.stderr)))?)
}

/// The gate's unit is being started, and what is ordered after it has not begun.
fn while_it_hangs(lab: &Lab) -> Outcome {
    let deadline = Instant::now() + GATE_LIMIT;
    while unit(lab, "deploy-proxy", "ActiveState")? != "activating" {
        assert!(Instant::now() < deadline, "the gate's unit was never started");
        std::thread::sleep(Duration::from_millis(200));
    }
    let jobs = text(lab.command("systemctl").args(["list-jobs", "--no-legend"]))?;
    for (name, state) in [
        ("deploy-proxy", "running"),
        ("deploy-drone", "waiting"),
        ("deploy-bridge", "waiting"),
        ("deploy-dashboard", "waiting"),
    ] {
        let job = jobs.lines().find(|line| line.contains(&format!(" {name}.service ")));
        assert!(job.is_some_and(|job| job.trim_end().ends_with(state)), "{name} in {jobs}");
    }
    assert_eq!(unit(lab, "deploy-drone", "ExecMainStartTimestampMonotonic")?, "0");
    Ok(())
}

/// The gate's unit has failed by time-out after `limit`, and only then was drone deployed.
fn it_hung_for(lab: &Lab, limit: Duration) -> Outcome {
    let at = |name: &str, property: &str| -> Result<Duration, Box<dyn Error>> {
        Ok(Duration::from_micros(unit(lab, name, property)?.parse()?))
    };
    assert_eq!(unit(lab, "deploy-proxy", "Result")?, "timeout");
    let (begun, ended) = (
        at("deploy-proxy", "InactiveExitTimestampMonotonic")?,
        at("deploy-proxy", "InactiveEnterTimestampMonotonic")?,
    );
    // systemd starts the clock of a start just before it notes the time.
    let slack = Duration::from_millis(100);
    assert!(begun + limit <= ended + slack, "{begun:?} to {ended:?}");
    assert!(
        ended <= at("deploy-drone", "ExecMainStartTimestampMonotonic")?,
        "drone came before the gate's end"
    );
    assert_eq!(unit(lab, "deploy-drone", "Result")?, "success");
    Ok(())
}

fn unit(lab: &Lab, name: &str, property: &str) -> Result<String, Box<dyn Error>> {
    text(lab.command("systemctl").args([
        "show",
        "--value",
        "--property",
        property,
        &format!("{name}.service"),
    ]))
}

/// What `pvcheck boot` finds in the host's own units, inside of the host: of each deadlock the places that its chain leads
/// from.
fn deadlocks(lab: &Lab) -> Result<Vec<Vec<String>>, Box<dyn Error>> {
    // No unit of the host is unknown to systemd, so these are all folders that it has.
    let mut command = lab.command("pvcheck");
    // Without a list of waits: what waits and who serves is found in what the units run.
    command.args(["boot", "--quiet", "-o", "json"]);
    for folder in ["/etc/systemd/system", "/run/systemd/system", "/lib/systemd/system"] {
        command.args(["--units", folder]);
    }
    let output = command.output()?;
    let report: Value = serde_json::from_slice(&output.stdout)
        .map_err(|e| format!("{e}: {}", String::from_utf8_lossy(&output.stderr)))?;
    let found: Vec<Vec<String>> = list(&report["deadlocks"])
        .map(|deadlock| {
            list(&deadlock["chain"]).filter_map(|link| link["from"].as_str()).map(str::to_owned).collect()
        })
        .collect();
    assert_eq!(output.status.code(), Some(i32::from(!found.is_empty())), "{report:#}");
    Ok(found)
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn say(test: &str, what: &str, since: Instant) -> std::io::Result<()> {
    writeln!(std::io::stdout(), "{test}: {what}, {:.0} s", since.elapsed().as_secs_f32())
}

#[test]
fn however_it_ends_nothing_is_left_of_a_host() -> Outcome {
    let test = "host::however_it_ends_nothing_is_left_of_a_host";
    let name: LabName = "tst-host".parse()?;
    let spec = HostSpec { name: Some(name.clone()), gate: None, ..HostSpec::default() };
    let Some(lab) = booted(test, spec) else { return Ok(()) };
    assert!(!left_of("tst-host").is_empty(), "a host that is up is seen by the search for what is left");
    let listed = Lab::list()?.into_iter().find(|status| status.name == name).ok_or("not listed")?;
    assert!(listed.ready && !listed.stale && listed.engines_alive == 1, "{listed:?}");
    let state =
        text(Lab::attach(&name)?.command("docker").args(["info", "--format", "{{.Swarm.LocalNodeState}}"]))?;
    assert_eq!(state, "active");
    let refused = lab.stop_engine(0).err().map(|error| error.to_string()).unwrap_or_default();
    assert!(
        refused.starts_with("cannot use as a lab of engines"),
        "what stops an engine would end the host: {refused}"
    );
    drop(lab);
    assert_eq!(left_of("tst-host"), Vec::<String>::new());

    let words = ["lab", "host", "--gate", "dashboard", "--name", "tst-host"];
    for (step, signal) in [("booting", "INT"), ("booting", "TERM")] {
        let (mut child, _stderr) = until_step(&words, step)?;
        send(&child, signal)?;
        assert_eq!(child.wait()?.code(), Some(130), "{signal} at {step:?}");
        assert_eq!(left_of("tst-host"), Vec::<String>::new(), "{signal} at {step:?}");
    }

    let (mut child, _stderr) = until_step(&words, "booting")?;
    send(&child, "KILL")?;
    child.wait()?;
    assert!(!left_of("tst-host").is_empty(), "nothing could clean up");
    let status = Lab::list()?.into_iter().find(|status| status.name == name).ok_or("not listed")?;
    assert!(status.stale && !status.ready, "{status:?}");
    // By its name: `down_stale` would take what other tests have left on purpose.
    Lab::down_named(&name)?;
    assert_eq!(left_of("tst-host"), Vec::<String>::new());
    Ok(())
}
