//! The host of `docs/examples/host`, of which nothing is declared: who waits for what, and who serves it, is found in its
//! units, scripts and stack files.

use std::fs;
use std::path::Path;

use pvcheck_boot::{BootReport, LinkKind, NotJudged, Unit, UnitSet, WaitOutcome, analyse, read_units};
use tempfile::TempDir;

const HOST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/examples/host");
const PROXY: &str = "usr/local/sbin/deploy-proxy";
const DASHBOARD: &str = "etc/systemd/system/deploy-dashboard.service";

/// A copy of the host that can be changed.
struct Host(TempDir);

impl Host {
    fn new() -> Self {
        let host = Self(TempDir::new().unwrap());
        copy(Path::new(HOST), host.0.path());
        host
    }

    /// The host with a text replaced in one of its files.
    fn with(self, file: &str, old: &str, new: &str) -> Self {
        let path = self.0.path().join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(old), "{file} has no {old}");
        fs::write(path, text.replace(old, new)).unwrap();
        self
    }

    fn without(self, file: &str) -> Self {
        fs::remove_file(self.0.path().join(file)).unwrap();
        self
    }

    fn units(&self) -> UnitSet {
        let folders = ["etc", "lib"].map(|folder| self.0.path().join(folder).join("systemd/system"));
        read_units(&folders, None, &[]).unwrap()
    }

    fn report(&self) -> BootReport {
        analyse(&self.units(), &[], &[])
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let place = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &place);
        } else {
            fs::copy(entry.path(), place).unwrap();
        }
    }
}

/// The host with the dashboard ordered after the Swarm alone.
fn dashboard_before_proxy() -> Host {
    Host::new().with(DASHBOARD, " deploy-bridge.service deploy-proxy.service", "")
}

fn chain(report: &BootReport) -> Vec<(&str, &str, LinkKind)> {
    assert_eq!(report.deadlocks.len(), 1, "{report:#?}");
    report.deadlocks[0].chain.iter().map(|link| (link.from.as_str(), link.to.as_str(), link.kind)).collect()
}

#[test]
fn the_gate_on_the_dashboard_is_a_deadlock_without_a_list_of_waits() {
    let host = Host::new();
    let report = host.report();
    let expected = [
        ("deploy-proxy.service", "https://ci.example.org/", LinkKind::WaitsFor),
        ("https://ci.example.org/", "deploy-dashboard.service", LinkKind::Serves),
        ("deploy-dashboard.service", "deploy-proxy.service", LinkKind::After),
    ];
    assert_eq!(chain(&report), expected);
    let root = host.0.path().display();
    let evidence: Vec<&str> = report.deadlocks[0].chain.iter().map(|link| link.evidence.as_str()).collect();
    let expected = [
        format!("curl ({root}/usr/local/sbin/deploy-proxy:6) waits for https://ci.example.org/"),
        format!(
            "ci.example.org is served by deploy-dashboard.service through deploy-proxy.service: label \
             traefik.http.routers.dashboard.rule ({root}/etc/stacks/dashboard.yml:8), deployed by docker \
             ({root}/usr/local/sbin/deploy-stack:3)"
        ),
        format!("After=deploy-proxy.service ({root}/etc/systemd/system/deploy-dashboard.service:4)"),
    ];
    assert_eq!(evidence, expected);
    assert_eq!(report.deadlocks[0].bound_ms, Some(900_000));
    let way_out = "let deploy-proxy.service wait for https://traefik.example.org/api instead of";
    let best = &report.deadlocks[0].remedies[0];
    assert!(best.change.to_string().starts_with(way_out), "{best:?}");
    assert_eq!(
        (best.breaks_cycle, best.keeps_proof, report.deadlock_free()),
        (true, Some(true), Some(false))
    );
}

#[test]
fn each_remedy_of_the_documents_frees_the_boot() {
    let own = Host::new().with(PROXY, "HEALTH_DOMAIN=ci.example.org", "HEALTH_DOMAIN=traefik.example.org");
    let own = own.with(PROXY, "$HEALTH_DOMAIN/\"", "$HEALTH_DOMAIN/api/version\"");
    let reversed = dashboard_before_proxy().with(
        "etc/systemd/system/deploy-proxy.service",
        "swarm-init.service\n",
        "swarm-init.service deploy-dashboard.service\nWants=deploy-dashboard.service\n",
    );
    for (remedy, host) in
        [("own endpoint", own), ("no order", dashboard_before_proxy()), ("reversed", reversed)]
    {
        let report = host.report();
        assert_eq!(report.deadlock_free(), Some(true), "{remedy}: {report:#?}");
        // That of swarm-init for the engine, and the gate.
        assert_eq!(report.waits.len(), 2, "{remedy}: {:#?}", report.waits);
    }
}

#[test]
fn another_host_behind_the_proxy_or_another_way_back_is_a_deadlock_still() {
    let drone = Host::new().with(PROXY, "=ci.example.org", "=drone.example.org").report();
    assert_eq!(chain(&drone)[1].1, "deploy-drone.service");
    let bridge = Host::new().with(DASHBOARD, " deploy-proxy.service", "").report();
    let way_back: Vec<_> = chain(&bridge).iter().skip(2).map(|link| link.1).collect();
    assert_eq!(way_back, ["deploy-bridge.service", "deploy-proxy.service"]);
}

#[test]
fn a_gate_that_cannot_be_told_is_unknown_and_never_free() {
    let kind = |report: &BootReport| {
        let gate = report.waits.iter().find(|row| row.unit.as_str() == "deploy-proxy.service").cloned();
        gate.map(|row| (row.outcome, row.reason))
    };
    let nobody = Host::new().with(PROXY, "=ci.example.org", "=elsewhere.example.org").report();
    let (outcome, reason) = kind(&nobody).unwrap();
    assert!(matches!((outcome, reason), (WaitOutcome::Unknown, Some(NotJudged::NoServer(_)))), "{nobody:#?}");
    let from_outside = Host::new().with(PROXY, "=ci.example.org", "=$(cat /etc/health)").report();
    assert_eq!(from_outside.deadlock_free(), None, "{from_outside:#?}");
    // A host that only the environment of the deployment would tell.
    let variable = Host::new().with("etc/stacks/dashboard.yml", "`ci.example.org`", "`${DOMAIN}`").report();
    assert_eq!((variable.deadlock_free(), variable.deadlocks.len()), (None, 0));
    let unread = Host::new().without("etc/stacks/dashboard.yml");
    assert_eq!(unread.report().deadlock_free(), None);
    let warnings: Vec<String> = unread.units().warnings.iter().map(ToString::to_string).collect();
    assert!(
        warnings.iter().any(|text| text.contains("deploys /etc/stacks/dashboard.yml, which was not")),
        "{warnings:?}"
    );
    for what in ["python3", "/usr/local/lib/gate"] {
        let line = format!("{what} --until-healthy\ndocker stack");
        let report = dashboard_before_proxy().with(PROXY, "docker stack", &line).report();
        let opaque: Vec<&str> = report.opaque.iter().map(|opaque| opaque.runs.as_str()).collect();
        assert_eq!((opaque, report.deadlock_free()), (vec![what], None), "{report:#?}");
    }
    // Neither the gate nor who serves it is known, and another wait is free.
    let both = dashboard_before_proxy().with(PROXY, "#!/bin/bash", "#!/usr/bin/python3\nimport gate");
    let both =
        both.with("usr/local/sbin/deploy-stack", "#!/bin/sh", "#!/usr/bin/python3\nimport deploy").report();
    assert_eq!(both.deadlock_free(), None, "{both:#?}");
    let python = Host::new().with(PROXY, "#!/bin/bash", "#!/usr/bin/python3\nimport gate").report();
    assert_eq!((python.opaque.len(), python.deadlock_free()), (1, None), "{python:#?}");
}

#[test]
fn variables_of_the_unit_and_of_the_script_reach_the_stack_file() {
    let unit = "etc/systemd/system/deploy-dashboard.service";
    for (file, old, new) in [
        (unit, "Type=oneshot", "Type=oneshot\nEnvironment=\"DOMAIN=ci.example.org\""),
        ("usr/local/sbin/deploy-stack", "set -eu", "export DOMAIN=ci.example.org"),
    ] {
        let host = Host::new().with("etc/stacks/dashboard.yml", "`ci.example.org`", "`${DOMAIN:-x}`");
        assert_eq!(host.with(file, old, new).report().deadlocks.len(), 1, "{file}");
    }
}

#[test]
fn caddy_and_compose_serve_as_traefik_and_stacks_do() {
    let labels = "labels:\n        - \"traefik.enable=true\"\n        - \"traefik.http.routers.dashboard.rule=Host(`ci.example.org`)\"";
    let caddy =
        Host::new().with("etc/stacks/dashboard.yml", labels, "labels:\n        caddy: ci.example.org").with(
            "etc/stacks/dashboard.yml",
            "        - \"traefik.http.routers.dashboard.entrypoints=web-secure\"\n",
            "",
        );
    assert!(chain(&caddy.report())[1].2 == LinkKind::Serves);
    // Of a stack the labels of containers are not seen by a router in front of a Swarm.
    let containers =
        Host::new().with("etc/stacks/dashboard.yml", "    deploy:\n      labels:", "    labels:");
    let containers = containers.with("etc/stacks/dashboard.yml", "        - \"", "      - \"");
    assert_eq!(containers.report().deadlocks, []);
    let deploy = "docker stack deploy --compose-file \"/etc/stacks/$1.yml\" \"$1\"";
    let compose = containers.with(
        "usr/local/sbin/deploy-stack",
        deploy,
        "cd /etc/stacks\ndocker compose -f $1.yml up -d",
    );
    assert_eq!(compose.report().deadlocks.len(), 1);
}

/// Units alone, started by their `[Install]`.
fn alone(files: &[(&str, &str)]) -> BootReport {
    let unit = |(name, text): &(&str, &str)| Unit::parse(name, text).unwrap().0;
    analyse(&UnitSet::whole(files.iter().map(unit).collect()), &[], &[])
}

const GATE: &str = "[Service]\nType=oneshot\n[Install]\nWantedBy=multi-user.target\n[Service]\nExecStart=";

#[test]
fn published_ports_and_sockets_serve() {
    let run = "[Unit]\nAfter=gate.service\n[Service]\nExecStart=/usr/bin/docker run -p 8080:80 nginx\n";
    let socket = "[Unit]\nAfter=gate.service\n[Socket]\nListenStream=8080\nListenStream=/run/app.sock\n";
    let lazy = "[Socket]\nListenStream=8080\nListenStream=/var/run/app.sock\n";
    let service = "[Unit]\nAfter=gate.service\n[Service]\nType=notify\nExecStart=/usr/bin/app\n";
    let curl = "/bin/sh -c 'until curl -fs http://localhost:8080/; do sleep 1; done'";
    let other = "/bin/sh -c 'until curl -fs http://localhost:8081/; do sleep 1; done'";
    let nc = "/bin/sh -c 'until nc -z 127.0.0.1 8080; do sleep 1; done'";
    let ping = "/bin/sh -c 'until curl -fs --unix-socket /run/app.sock http://app/; do sleep 1; done'";
    let there = "/bin/sh -c 'until [ -S /run/app.sock ]; do sleep 1; done'";
    let of = |wait: &str, units: &[(&str, &str)]| {
        let gate = format!("{GATE}{wait}\n");
        let mut files = vec![("gate.service", gate.as_str())];
        files.extend(units);
        alone(&files).deadlock_free()
    };
    for (wait, free) in [(curl, Some(false)), (nc, Some(false)), (other, None)] {
        assert_eq!(of(wait, &[("app.service", run)]), free, "{wait}");
    }
    let (late, early) = (
        [("app.socket", socket), ("app.service", service)],
        [("app.socket", lazy), ("app.service", service)],
    );
    for (wait, of_late, of_early) in [
        (curl, Some(false), Some(false)),
        (ping, Some(false), Some(false)),
        (nc, Some(false), Some(true)),
        (there, Some(false), Some(true)),
        (other, None, None),
    ] {
        assert_eq!((of(wait, &late), of(wait, &early)), (of_late, of_early), "{wait}");
    }
}
