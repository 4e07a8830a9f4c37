//! The mission's host in small, on a real engine: both gates, the audit against the docker client, a broken service.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;

use pvcheck_lab::{Lab, ReadOnlyProxy, World};
use pvcheck_tests::gates::{run, until, verdict, verdicts};
use pvcheck_tests::{Outcome, addresses_by_docker, docker, lab, pvcheck, text, xtask};

#[test]
fn the_world_passes_and_what_breaks_is_named() -> Outcome {
    let Some(lab) = lab("world", None, World::CcCi) else { return Ok(()) };
    let config = lab.info().config.clone().ok_or("the world has no configuration")?;
    let config = config.to_str().ok_or("a path that is no text")?;
    // The engine of the lab may be too old to publish its count.
    let m1 = ["gate", "run", "pvcheck.m1", "--probe", "--config", config, "-o", "json"];

    let (code, report) = run(&lab, &m1)?;
    assert_eq!((code, verdict(&report)), (0, "PASS"), "{report:#}");
    let healthy = verdicts(&report);
    assert!(healthy.values().all(|v| v == "PASS"), "{healthy:?}");

    audit_agrees_with_docker(&lab)?;
    census_adds_up(&lab)?;
    reading_only_reads(&lab, config)?;

    docker(&lab, &["service", "scale", "--detach", "ccci-dashboard_app=0"])?;
    let broken =
        until(&lab, &m1, |v| v["service.ccci-dashboard_app"] == "FAIL" && v["route.dashboard"] == "FAIL")?;
    let changed: BTreeSet<&str> =
        broken.iter().filter(|(id, v)| healthy[*id] != **v).map(|(id, _)| id.as_str()).collect();
    assert_eq!(changed, BTreeSet::from(["service.ccci-dashboard_app", "route.dashboard"]), "{broken:?}");

    // The hard stop: with a core route down nothing is deployed, and the exit code says that a guardrail refused.
    let (code, report) =
        run(&lab, &["gate", "run", "pvcheck.m2", "--apply", "--config", config, "-o", "json"])?;
    assert_eq!(code, 4, "{report:#}");
    assert_eq!(verdicts(&report)["routes.before"], "FAIL");
    assert_eq!(verdicts(&report)["churn.leaks"], "UNKNOWN");

    docker(&lab, &["service", "scale", "--detach", "ccci-dashboard_app=1"])?;
    until(&lab, &m1, |v| v.values().all(|v| v == "PASS"))?;

    // The same two gates on a Swarm that is there already, by the same command.
    let out = tempfile::tempdir()?;
    let host = lab.info().hosts.first().ok_or("no engine")?;
    let words = ["pvcheck", "--host", host, "--config", config, "--out"];
    let table = text(lab.command(xtask()?).args(words).arg(out.path()))?;
    assert!(table.contains("pvcheck.m2 (13 pass, 0 fail, 0 unknown)"), "{table}");
    lab.down()?;
    Ok(())
}

/// The owned addresses are, one by one, those that the docker client names.
fn audit_agrees_with_docker(lab: &Lab) -> Outcome {
    let (code, audit) = run(lab, &["audit", "-o", "json"])?;
    assert_eq!((code, audit["kind"].as_str()), (0, Some("audit")));
    assert_eq!(audit["networks"][0]["name"], "ingress", "ingress comes first");
    let proxy = audit["networks"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|n| n["name"] == "proxy")
        .ok_or("no proxy")?;
    assert_eq!(proxy["usable"], 253);
    for unmeasured in ["in_use", "leaked", "free"] {
        assert!(proxy[unmeasured].is_null(), "{unmeasured} was not measured");
    }
    let owned = &proxy["owned"];
    let kinds = ["vips", "tasks", "load_balancers", "attachments"].map(|k| owned[k].as_u64().unwrap_or(999));
    assert_eq!(kinds, [5, 6, 1, 0], "as on the mission's host: the router has no VIP of its own");
    let ours: BTreeSet<Ipv4Addr> = proxy["owners"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|o| o["address"].as_str()?.parse().ok())
        .collect();
    let theirs = addresses_by_docker(lab, "proxy")?;
    // In addition to the manager's addresses, the client lists this node's own load balancer.
    assert_eq!(theirs.difference(&ours).count(), 1, "theirs {theirs:?} ours {ours:?}");
    assert_eq!(ours.difference(&theirs).count(), 0, "theirs {theirs:?} ours {ours:?}");
    Ok(())
}

fn census_adds_up(lab: &Lab) -> Outcome {
    let (code, census) = run(lab, &["census", "proxy", "-o", "json"])?;
    let number = |field: &str| census[field].as_u64().unwrap_or_else(|| panic!("{field} in {census:#}"));
    assert_eq!((code, census["kind"].as_str()), (0, Some("census")));
    assert_eq!(census["method"], "cursor");
    assert_eq!(census["complete"], true);
    assert_eq!(number("usable"), 253);
    assert_eq!(number("leaked"), 0);
    assert_eq!(number("handed_out") + number("owned") + number("load_balancers"), 253, "{census:#}");
    Ok(())
}

/// Behind a proxy that lets nothing but GET through, every command that only reads does as it does without one.
fn reading_only_reads(lab: &Lab, config: &str) -> Outcome {
    let folder = tempfile::tempdir()?;
    let engine = lab.info().hosts.first().and_then(|h| h.strip_prefix("unix://")).ok_or("no engine")?;
    let proxy = ReadOnlyProxy::start(&folder.path().join("read-only.sock"), Path::new(engine))?;
    let log = lab.info().log.first().and_then(|l| l.to_str()).ok_or("no log")?;
    let kept = folder.path().join("snapshot.json").to_string_lossy().into_owned();
    let commands: &[&[&str]] = &[
        &["audit"],
        &["audit", "proxy", "ingress"],
        &["audit", "--save", &kept],
        &["why", "ccci-dashboard_app"],
        // Refused if the engine reports no count; else the one census that only reads.
        &["census", "proxy", "--method", "status"],
        &["plan-subnet", "--prefix", "24"],
        &["routes", "--config", config],
        &["journal", "scan", "--since-engine-start", "--file", log],
        &["gate", "run", "pvcheck.m1", "--config", config],
        &["gate", "list"],
        &["stack", "rm", "backups"],
        &["sweep"],
        &["churn", "proxy", "--image", "pvcheck-lab/busybox:1"],
    ];
    for words in commands {
        let (expected, _) = ended(lab.command(pvcheck()?).args(*words).arg("--quiet"))?;
        let (code, errors) =
            ended(lab.command(pvcheck()?).args(*words).args(["--quiet", "--host", &proxy.host()]))?;
        assert_eq!(code, expected, "{words:?}: {errors}");
        let calls = proxy.take_calls();
        assert!(calls.iter().all(|call| call.starts_with("GET ")), "{words:?} asked for {calls:?}");
        // Some commands make no call.
        let needs_none = ["routes", "journal"].contains(&words[0]) || words.ends_with(&["list"]);
        assert_eq!(calls.is_empty(), needs_none, "{words:?} asked for {calls:?}");
    }
    // The proxy would have noticed: a census needs more than it lets through.
    let (code, errors) =
        ended(lab.command(pvcheck()?).args(["census", "proxy", "--quiet", "--host", &proxy.host()]))?;
    assert!(code != 0 && errors.contains("read only"), "{code}: {errors}");
    assert!(proxy.take_calls().iter().any(|call| call.starts_with("POST ")));
    Ok(())
}

/// The exit code, and what was printed on stderr.
fn ended(command: &mut Command) -> Result<(i32, String), Box<dyn std::error::Error>> {
    let output = command.output()?;
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    Ok((output.status.code().ok_or("ended by a signal")?, errors))
}
