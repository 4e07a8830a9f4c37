//! Gates in front of a router, as people write them: none that waits for what comes after it may pass for free.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use pvcheck_boot::{BootReport, NotJudged, UnitSet, analyse, read_units};
use tempfile::TempDir;

const ENABLED: &str = "[Install]\nWantedBy=multi-user.target\n";
const LABEL: &str = "      labels: [\"traefik.http.routers.d.rule=Host(`ci.example.org`)\"]\n";

/// Compiled programs that the host has.
const PROGRAMS: [&str; 10] =
    ["bash", "chroot", "curl", "docker", "flock", "pg_isready", "runuser", "setsid", "su", "systemd-run"];

struct Host(TempDir);

impl Host {
    /// The gate runs `/opt/gate.sh`; the dashboard behind it serves `ci.example.org`.
    fn new(gate: &str) -> Self {
        let host = Self(TempDir::new().unwrap());
        host.unit("docker", "Type=notify\nExecStart=/usr/bin/dockerd", "");
        host.unit("proxy", "Type=oneshot\nExecStart=/bin/bash /opt/gate.sh", "After=docker.service");
        host.unit(
            "dash",
            "Type=oneshot\nExecStart=/usr/bin/docker stack deploy -c /opt/dash.yml dash",
            "After=proxy.service",
        );
        // A wait that is free, so that nothing is unknown for the want of waits.
        host.unit(
            "setup",
            "Type=oneshot\nExecStart=/bin/sh -c 'until docker info; do sleep 1; done'",
            "After=docker.service",
        );
        for name in PROGRAMS.iter().chain(&["dockerd", "sh"]) {
            host.file(&format!("usr/bin/{name}"), "\u{7f}ELF");
        }
        host.file("bin/bash", "\u{7f}ELF");
        host.file("opt/inner.sh", "#!/bin/sh\nuntil curl -fsS https://ci.example.org/; do sleep 1; done\n");
        host.file("opt/gate.py", "#!/usr/bin/python3\nimport gate\n");
        host.file("opt/gate.sh", &format!("#!/bin/bash\n{gate}\n"));
        host.file("opt/dash.yml", &format!("services:\n  d:\n    image: nginx\n    deploy:\n{LABEL}"));
        host
    }

    fn unit(&self, name: &str, service: &str, unit: &str) {
        let text = format!("[Unit]\n{unit}\n[Service]\n{service}\n{ENABLED}");
        self.file(&format!("etc/systemd/system/{name}.service"), &text);
    }

    fn file(&self, path: &str, text: &str) {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    }

    fn remove(&self, path: &str) {
        fs::remove_file(self.0.path().join(path)).unwrap();
    }

    fn units(&self) -> UnitSet {
        read_units(&[self.0.path().join("etc/systemd/system")], None, &[]).unwrap()
    }

    fn report(&self) -> BootReport {
        analyse(&self.units(), &[], &[])
    }
}

fn of(gate: &str) -> BootReport {
    Host::new(gate).report()
}

#[test]
fn the_plain_gate_is_a_deadlock_and_none_is_free() {
    let gate = of("until curl -fsS https://ci.example.org/; do sleep 1; done");
    assert_eq!((gate.deadlocks.len(), gate.deadlock_free()), (1, Some(false)), "{gate:#?}");
    for harmless in [
        "mkdir -p /run/x\ncurl -fsS https://ci.example.org/",
        "set -e\nIFS=$'\\n'\nA=(\n \"b c\"\n)\nfor a in 1 2; do echo \"${A[@]}\"; done",
        "while read -r line; do echo \"$line\"; done < /etc/hosts",
        "while [ $# -gt 0 ]; do\n case \"$1\" in\n -a) shift ;;\n esac\n shift\ndone",
        "cat <<EOF > /run/x\nuntil $(date)\nEOF",
        "f() {\n local i x=1\n export -f f\n declare -r Y=2\n}\nf",
        "((i++))\ntimeout 5 curl https://ci.example.org/",
        "trap 'rm -f /run/x' EXIT\ncommand -v jq",
    ] {
        let report = of(harmless);
        assert_eq!(report.deadlock_free(), Some(true), "{harmless}: {report:#?}");
    }
}

#[test]
fn a_loop_that_polls_is_seen_however_it_is_written() {
    for gate in [
        "while [ \"$code\" != 200 ]; do code=$(curl -s -o /dev/null -w '%{http_code}' https://ci.example.org/); sleep 5; done",
        "ok=0\nwhile [ $ok -eq 0 ]; do curl -fsS https://ci.example.org/ && ok=1; sleep 1; done",
        "while [ \"$(curl -s -w '%{http_code}' https://ci.example.org/)\" = 000 ]; do sleep 1; done",
        "while (( $(curl -s -w '%{http_code}' https://ci.example.org/) != 200 )); do sleep 1; done",
        "check() {\n  until curl -fsS https://ci.example.org/; do sleep 1; done &\n}\ncheck\nwait",
        "timeout \"$WAIT\" bash -c 'until curl -fsS https://ci.example.org/; do sleep 1; done'",
        "timeout --signal KILL 600 bash -c 'until curl -fsS https://ci.example.org/; do sleep 1; done'",
        "flock /run/x.lock bash -c 'until curl -fsS https://ci.example.org/; do sleep 1; done'",
        "setsid -w bash -c 'until curl -fsS https://ci.example.org/; do sleep 1; done'",
        "busybox sh -c 'until curl -fsS https://ci.example.org/; do sleep 1; done'",
        "retry() {\n  for i in 1 2 3; do eval \"$1\" && return 0; sleep 5; done\n}\nretry \"curl -fsS https://ci.example.org/\"",
        "IFS=$'\\''\nuntil curl -fsS https://ci.example.org/; do sleep 1; done",
        "bash -c 'until curl -fsS \"$1\"; do sleep 1; done' _ https://ci.example.org/",
        "while true; do curl -fsS https://ci.example.org/ && break; done",
        "pause() { sleep 5; }\nwhile true; do curl -fsS https://ci.example.org/ && break; pause; done",
        "until [ \"$ok\" = 1 ]; do ok=1; for u in https://ci.example.org/ http://b/; do curl -fsS https://ci.example.org/ || { ok=0; sleep 1; }; done; done",
        "until [ \"$ok\" = 1 ]; do curl -fsS https://ci.example.org/ && ok=1; done",
        "cat <<EOF\n$(until curl -fsS https://ci.example.org/; do sleep 1; done)\nEOF",
    ] {
        assert_eq!(of(gate).deadlock_free(), Some(false), "{gate}: {:#?}", of(gate));
    }
}

/// A gate of Python that asks for the address again and again until it answers.
const PYTHON: &str = "import time\nimport urllib.request\n\nwhile True:\n    try:\n        \
    urllib.request.urlopen(\"https://ci.example.org/\", timeout=5)\n        break\n    except OSError:\n        \
    time.sleep(1)\n";

#[test]
fn a_gate_in_python_is_seen_however_it_is_run() {
    let once = "import urllib.request; urllib.request.urlopen(\"https://ci.example.org/\")";
    for gate in [
        format!("python3 - <<'EOF'\n{PYTHON}EOF"),
        format!("timeout 600 python3 <<EOF\n{PYTHON}EOF"),
        format!("/usr/bin/python3 -u -c '{PYTHON}'"),
        format!("until python3 -c '{once}'; do sleep 1; done"),
        format!("for i in 1 2 3; do python3 - <<'EOF' && break\n{once}\nEOF\nsleep 1; done"),
    ] {
        assert_eq!(of(&gate).deadlock_free(), Some(false), "{gate}: {:#?}", of(&gate));
    }
    // It waits until the address is gone, asks once, or waits for nothing.
    for gate in [
        format!("while python3 -c '{once}'; do sleep 1; done"),
        format!("python3 -c '{once}'"),
        "python3 -c 'print(1)'".to_owned(),
    ] {
        assert_eq!(of(&gate).deadlock_free(), Some(true), "{gate}: {:#?}", of(&gate));
    }
    // It fails where the address is there.
    let inverted = "import socket,sys; sys.exit(socket.socket().connect_ex((\"ci.example.org\", 443)) == 0)";
    let inverted = format!("while python3 -c '{inverted}'; do sleep 1; done");
    // No port of that name is published by a unit.
    assert_eq!(of(&inverted).deadlock_free(), None, "{:#?}", of(&inverted));
    for gate in [
        format!("python3 - <<EOF\nURL = \"$(cat /etc/url)\"\n{PYTHON}EOF"),
        format!("python3 -c '{}'", PYTHON.replace("\"https://ci.example.org/\"", "url")),
        "cat /opt/gate.py | python3".to_owned(),
        "python3 -m gate".to_owned(),
        "python3 -c \"$(cat /opt/gate.py)\"".to_owned(),
        "python3 /opt/gate.py".to_owned(),
    ] {
        let report = of(&gate);
        assert_eq!((report.deadlock_free(), report.deadlocks.len()), (None, 0), "{gate}: {report:#?}");
    }
}

#[test]
fn a_script_of_python_is_read_as_one_of_a_shell_is() {
    for start in ["/opt/gate.py", "/usr/bin/python3 -u /opt/gate.py a"] {
        let host = Host::new("");
        host.file("opt/gate.py", &format!("#!/usr/bin/env python3\n{PYTHON}"));
        host.unit("proxy", &format!("Type=oneshot\nExecStart={start}"), "After=docker.service");
        let report = host.report();
        let waits: Vec<String> = report.deadlocks[0].chain.iter().map(|link| link.evidence.clone()).collect();
        let expected = format!("urlopen ({}/opt/gate.py:7) waits for", host.0.path().display());
        assert!(waits[0].starts_with(&expected), "{waits:?}");
        host.file("opt/gate.py", &format!("#!/usr/bin/env python3\nimport gate\n{PYTHON}"));
        // What is seen is a deadlock, whatever else it may wait for.
        let report = host.report();
        assert_eq!((report.deadlocks.len(), report.opaque.len()), (1, 1), "{report:#?}");
    }
}

#[test]
fn a_script_that_is_run_until_it_succeeds_waits_for_what_it_asks() {
    let check = |loops: &str, text: &str| {
        let host = Host::new("");
        host.file("opt/check.sh", text);
        let start = format!("Type=oneshot\nExecStart=/bin/sh -c '{loops} /opt/check.sh; do sleep 1; done'");
        host.unit("proxy", &start, "After=docker.service");
        host.report().deadlock_free()
    };
    let shell = "#!/bin/sh\ncurl -fsS https://ci.example.org/\n";
    let python =
        "#!/usr/bin/python3\nimport urllib.request\nurllib.request.urlopen('https://ci.example.org/')\n";
    for text in [shell, python] {
        assert_eq!((check("until", text), check("while", text)), (Some(false), Some(true)), "{text}");
    }
    assert_eq!(check("while", "#!/bin/sh\n! curl -fsS https://ci.example.org/\n"), Some(false));
}

#[test]
fn a_gate_that_waits_until_something_is_gone_is_no_wait_for_it() {
    for gate in [
        "while curl -fsS https://ci.example.org/; do sleep 1; done",
        "until ! curl -fsS https://ci.example.org/; do sleep 1; done",
        "while [ \"$(curl -s -o /dev/null -w '%{http_code}' https://ci.example.org/)\" = 200 ]; do sleep 1; done",
        "while true; do curl -fsS https://ci.example.org/ || break; sleep 1; done",
        "while true; do if ! curl -fsS https://ci.example.org/; then break; fi; sleep 1; done",
        "while systemctl is-active dash.service; do sleep 1; done",
    ] {
        assert_eq!(of(gate).deadlock_free(), Some(true), "{gate}: {:#?}", of(gate));
    }
    for gate in [
        "while true; do curl -fsS https://ci.example.org/ && break; sleep 1; done",
        "while true; do if curl -fsS https://ci.example.org/; then break; fi; sleep 1; done",
        "while true; do [ \"$(curl -s -o /dev/null -w '%{http_code}' https://ci.example.org/)\" = 200 ] && break; sleep 1; done",
        "down() { ! curl -fsS https://ci.example.org/; }\nwhile down; do sleep 1; done",
        "while ! { curl -fsS https://ci.example.org/ && true; } >/dev/null; do sleep 1; done",
        "until [ -z \"$(curl -sS https://ci.example.org/ 2>&1)\" ]; do sleep 1; done",
        "until [ \"$(curl -s https://ci.example.org/pending)\" = 0 ]; do sleep 1; done",
        // A router answers so for as long as nothing is behind it.
        "while [ \"$(curl -s -o /dev/null -w '%{http_code}' https://ci.example.org/)\" = 502 ]; do sleep 1; done",
    ] {
        assert_eq!(of(gate).deadlock_free(), Some(false), "{gate}: {:#?}", of(gate));
    }
}

#[test]
fn what_is_not_understood_is_unknown() {
    for gate in [
        "bash <<'EOF'\nuntil curl -fsS https://ci.example.org/; do sleep 1; done\nEOF",
        "cd /opt && bash inner.sh",
        ". /opt/inner.sh",
        "source inner.sh",
        "/opt/gate.py",
        "eval \"$CHECK\"",
        "curl -fsS https://get.example.org/ | sh",
        "sh -c \"$(cat /opt/inner.sh)\"",
        "$(cat /opt/inner.sh)",
        "retry() { for i in 1 2; do eval \"$1\" && return 0; sleep 5; done; }; retry \"curl -fsS https://ci.example.org/\"",
        "su - deploy -c 'until curl -fsS https://ci.example.org/; do sleep 1; done'",
        "runuser -u deploy -- bash -c 'until curl -fsS https://ci.example.org/; do sleep 1; done'",
        "systemd-run --wait /opt/inner.sh",
        "chroot /srv /opt/inner.sh",
        "docker run --rm alpine sh -c 'until wget https://ci.example.org/; do sleep 1; done'",
        "let m=1<<8\nuntil curl -fsS https://ci.example.org/; do sleep 1; done",
        "echo 'it\nuntil curl -fsS https://ci.example.org/; do sleep 1; done",
        "until [ \"$(docker inspect -f '{{.State.Health.Status}}' x)\" = healthy ]; do sleep 1; done",
        "for i in $(seq 60); do pg_isready -h db && break; sleep 2; done",
        "until grep -q ready /run/dash/state; do sleep 1; done",
        "until [ -e \"$READY\" ]; do sleep 1; done",
        "until (exec 3<>/dev/tcp/$H/$P); do sleep 1; done",
        "systemctl start \"$UNIT\"",
        "for s in dash; do systemctl start \"$s\"; done",
        "wait-for-it \"$DB:5432\"",
        "wait-for-it tcp://u:p@db:5432",
        "curl --retry 60 --retry-connrefused -fsS \"$URL\"",
        "until [ -z \"$(systemctl list-jobs --no-legend)\" ]; do sleep 1; done",
        "until [ \"$(docker inspect -f '{{.State.ExitCode}}' m)\" = 0 ]; do sleep 1; done",
        "while [ -e /run/migrate.lock ]; do sleep 1; done",
        "while true; do [ -e /run/migrate.lock ] || break; sleep 1; done",
        "while pgrep -x apt >/dev/null; do sleep 1; done",
        "while fuser /var/lib/dpkg/lock; do sleep 1; done",
    ] {
        let report = of(gate);
        assert_eq!((report.deadlock_free(), report.deadlocks.len()), (None, 0), "{gate}: {report:#?}");
    }
}

#[test]
fn a_gate_that_was_not_read_counts_whatever_comes_after_it() {
    let host = Host::new("");
    host.file("opt/deploy.py", "#!/usr/bin/python3\nimport subprocess\n");
    host.unit("proxy", "Type=oneshot\nExecStart=/opt/gate.py", "");
    host.unit("dash", "Type=oneshot\nExecStart=/opt/deploy.py", "After=proxy.service");
    assert_eq!(host.report().deadlock_free(), None, "{:#?}", host.report());
    host.unit("dash", "Type=oneshot\nExecStart=/opt/deploy.py", "");
    assert_eq!(host.report().deadlock_free(), Some(true), "{:#?}", host.report());
}

#[test]
fn a_stack_file_that_is_not_known_may_hold_the_better_server() {
    let host = Host::new("until curl -fsS https://ci.example.org/api/health; do sleep 1; done");
    let early = "Type=oneshot\nExecStart=/usr/bin/docker run -d --label 'traefik.http.routers.e.rule=Host(`ci.example.org`)' nginx";
    host.unit("early", early, "After=docker.service");
    let stack = |label: &str| {
        format!(
            "services:\n  d:\n    image: nginx:$TAG\n    deploy:\n      labels: [\"traefik.http.routers.d.rule={label}\"]\n"
        )
    };
    host.file("opt/dash.yml", &stack("Host(`ci.example.org`) && PathPrefix(`/api`)"));
    assert_eq!(host.report().deadlock_free(), Some(false), "{:#?}", host.report());
    host.file("opt/dash.yml", &stack("Host(`other.example.org`)"));
    assert_eq!(host.report().deadlock_free(), Some(true), "{:#?}", host.report());
    for text in [Some(stack("Host(`${DOMAIN}`)")), Some("services: [".to_owned()), None] {
        match &text {
            Some(text) => host.file("opt/dash.yml", text),
            None => host.remove("opt/dash.yml"),
        }
        let report = host.report();
        let reason = report.waits.iter().find_map(|row| row.reason.clone());
        let Some(NotJudged::DeployNotRead(deploy)) = reason else { panic!("{text:?}: {report:#?}") };
        assert_eq!((deploy.unit.as_str(), deploy.file.as_deref()), ("dash.service", Some("/opt/dash.yml")));
        assert_eq!(report.deadlock_free(), None, "{text:?}");
    }
    host.file("opt/dash.yml", "services: [s3cret");
    let warnings: Vec<String> = host.units().warnings.iter().map(ToString::to_string).collect();
    assert!(warnings.iter().any(|text| text.contains("dash.yml, which is no Compose file")), "{warnings:?}");
    assert!(!warnings.concat().contains("s3cret"), "{warnings:?}");
}

#[test]
fn a_declared_wait_speaks_for_its_own_unit_alone() {
    let host = Host::new("/opt/gate.py");
    let declare = |unit: &str| {
        let wait = serde_json::json!({ "unit": unit, "for": "docker.service" });
        analyse(&host.units(), &[serde_json::from_value(wait).unwrap()], &[])
    };
    assert_eq!(declare("setup.service").deadlock_free(), None);
    assert_eq!(declare("proxy.service").deadlock_free(), Some(true), "{:#?}", declare("proxy.service"));
}

#[test]
fn what_a_variable_or_an_array_holds_is_not_printed() {
    let host = Host::new(
        "ARGS=(\n\"Authorization: Bearer s3cret\"\n's3cret-too'\n)\n\"$X\" a\nuntil \"$X\"; do sleep 1; done\nsh -c \"$X b\"\neval \"$X c\"",
    );
    let service = "Type=oneshot\nEnvironment=X=s3cret\nExecStart=/bin/bash /opt/gate.sh\nExecStartPost=/bin/sh -c '$X a'";
    host.unit("proxy", service, "");
    let set = host.units();
    let report = analyse(&set, &[], &[]);
    let warnings: Vec<String> = set.warnings.iter().map(ToString::to_string).collect();
    let shown = serde_json::to_string(&report).unwrap() + &warnings.concat();
    assert!(!report.opaque.is_empty() && !shown.contains("s3cret"), "{shown}");
}

#[test]
fn a_service_with_a_routers_labels_is_no_router() {
    let host = Host::new("until curl -fsS https://ci.example.org/; do sleep 1; done");
    let probe = "Type=oneshot\nExecStart=/usr/bin/docker run -d --label traefik.enable=true --name traefik-probe nginx";
    host.unit("probe", probe, "After=docker.service");
    let report = host.report();
    let evidence: Vec<&str> = report.deadlocks[0].chain.iter().map(|link| link.evidence.as_str()).collect();
    assert!(!evidence.concat().contains("through"), "{evidence:?}");
}
