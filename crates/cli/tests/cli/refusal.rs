//! Bad inputs: the exit code, one line that names the thing and the mend, and nothing touched.

use pvcheck_sim::Membership;

use crate::support::*;

const CHURN: [&str; 4] = ["churn", "proxy", "--image", "sim/busybox:1"];

#[test]
fn a_socket_that_is_not_there() {
    let dir = tempfile::tempdir().unwrap();
    for args in [&["audit"] as &[&str], &["census", "proxy"], &["sweep"], &["stack", "rm", "x"], &CHURN] {
        let mut command = bare(dir.path(), args);
        command.args(["--host", "unix:///nonexistent/docker.sock"]);
        Done::of(command).assert_refused(3, &["unix:///nonexistent/docker.sock", "no such socket", "--host"]);
    }
}

#[test]
fn a_host_that_is_not_served() {
    let dir = tempfile::tempdir().unwrap();
    for host in ["tcp://127.0.0.1:2375", "ssh://host", "/var/run/docker.sock", "unix://docker.sock"] {
        Done::of(bare(dir.path(), &["audit", "--host", host])).assert_refused(2, &[host, "unix:///"]);
        let mut command = bare(dir.path(), &["audit"]);
        command.env("DOCKER_HOST", host);
        Done::of(command).assert_refused(2, &[host, "unix:///"]);
    }
}

/// What is in the environment for docker must not stop what needs no engine.
#[test]
fn docker_host_is_for_commands_that_need_an_engine() {
    let dir = tempfile::tempdir().unwrap();
    for args in [&["gate", "list"] as &[&str], &["--engine", "embedded", "audit"]] {
        let mut command = bare(dir.path(), args);
        command.env("DOCKER_HOST", "ssh://host");
        let done = Done::of(command);
        assert_eq!(done.code, Some(0), "{done:?}");
    }
}

#[test]
fn an_engine_that_is_no_manager() {
    let commands: [&[&str]; 5] = [
        &["audit"],
        &["census", "proxy"],
        &["sweep", "--apply"],
        &["stack", "rm", "drone", "--apply"],
        &CHURN,
    ];
    let worker = Rig::with(Membership::Worker);
    let outside = Rig::with(Membership::Inactive);
    for args in commands {
        worker.run(args).assert_refused(3, &[&worker.sim.host(), "is a worker", "192.0.2.1:2377", "--host"]);
        outside.run(args).assert_refused(3, &[&outside.sim.host(), "no active Swarm", "docker swarm init"]);
    }
    assert_eq!((worker.writes().len(), outside.writes().len()), (0, 0));
}

#[test]
fn a_network_that_is_not_there() {
    let rig = Rig::new(cc_ci());
    let apply = [&CHURN[..1], &["nope"], &CHURN[2..], &["--apply"]].concat();
    let plan = [&CHURN[..1], &["nope"], &CHURN[2..]].concat();
    for args in [&["census", "nope"] as &[&str], &["audit", "nope"], &apply, &plan] {
        rig.run(args).assert_refused(2, &["`nope`", "ingress"]);
        assert_eq!(rig.writes(), [] as [&str; 0], "{args:?}");
    }
}

#[test]
fn a_network_without_a_subnet() {
    let mut model = cc_ci();
    overlay(&mut model, "clash", "10.10.0.0/16");
    let rig = Rig::new(model);
    let apply = [&CHURN[..1], &["clash"], &CHURN[2..], &["--apply"]].concat();
    for args in [&["census", "clash"] as &[&str], &apply] {
        rig.run(args).assert_refused(3, &["`clash`", "--subnet"]);
        assert_eq!(rig.writes(), [] as [&str; 0], "{args:?}");
    }
}

#[test]
fn a_service_that_waits_refuses_what_would_cost_addresses() {
    let rig = Rig::new(waiting());
    let apply = [&CHURN[..], &["--apply"]].concat();
    for args in [&["census", "proxy"] as &[&str], &apply] {
        rig.run(args).assert_refused(4, &["`late`", "full", "remove or fix"]);
        assert_eq!(rig.writes(), [] as [&str; 0], "{args:?}");
    }
}

#[test]
fn a_configuration_that_is_no_toml_or_not_this_one() {
    let rig = Rig::new(cc_ci()).configured();
    for (text, place) in [
        ("[overlay]\nname = \"proxy\nsubnet = \"10.10.0.0/24\"\n", "pvcheck.toml:2:"),
        ("[overlay]\nname = \"proxy\"\nsubnet = \"10.10.0.7/24\"\n", "pvcheck.toml:3:10:"),
        ("[overlay]\nname = \"proxy\"\nsubnet = \"10.10.0.0/24\"\nmin_fre = 3\n", "pvcheck.toml:4:1:"),
        ("[[route]]\nname = \"a\"\n", "pvcheck.toml:"),
    ] {
        rig.file("pvcheck.toml", text);
        for args in [&["gate", "run", "pvcheck.m1"] as &[&str], &["routes"], &["churn", "proxy"]] {
            rig.run(args).assert_refused(2, &[place]);
        }
    }
    assert_eq!(rig.sim.requests(), [], "no engine was asked");
}

#[test]
fn a_configuration_that_is_not_there() {
    let rig = Rig::new(cc_ci());
    for args in [&["gate", "run", "pvcheck.m1"] as &[&str], &["routes"], &["churn", "proxy"]] {
        rig.run(args).assert_refused(2, &["pvcheck.toml", "--config"]);
        let named = [args, &["--config", "other.toml"]].concat();
        rig.run(&named).assert_refused(2, &["other.toml", "--config"]);
    }
    assert_eq!(rig.sim.requests(), []);
}

#[test]
fn certificates_that_are_not_there() {
    let rig = Rig::new(cc_ci()).configured();
    rig.edit("ca.pem", "nope.pem");
    for args in
        [&["gate", "run", "pvcheck.m1"] as &[&str], &["gate", "run", "pvcheck.m2", "--apply"], &["routes"]]
    {
        rig.run(args).assert_refused(2, &["nope.pem"]);
    }
    assert_eq!(rig.writes(), [] as [&str; 0]);
}

#[test]
fn a_log_that_cannot_be_read() {
    let rig = Rig::new(cc_ci()).configured();
    rig.edit("engine.log", "nope.log");
    rig.run(&["gate", "run", "pvcheck.m2", "--apply"]).assert_refused(3, &["nope.log", "[journal] file"]);
    assert_eq!(rig.writes(), [] as [&str; 0]);
    rig.run(&["journal", "scan", "--file", "nope.log"]).assert_refused(3, &["nope.log"]);
}

#[test]
fn m2_without_leave_to_deploy() {
    let rig = Rig::new(cc_ci()).configured();
    for gates in [&["pvcheck.m2"] as &[&str], &["pvcheck.m1", "pvcheck.m2"]] {
        let args = [&["gate", "run"], gates].concat();
        rig.run(&args).assert_refused(2, &["pvcheck.m2", "--apply"]);
    }
    assert_eq!(rig.sim.requests(), [], "no engine was asked");
}

#[test]
fn m2_without_something_to_deploy() {
    for part in ["[canary]", "[churn]"] {
        let rig = Rig::new(cc_ci()).configured();
        let text = std::fs::read_to_string(rig.path("pvcheck.toml")).unwrap();
        let (head, rest) = text.split_once(part).unwrap();
        let tail = rest.split_once("\n[").map_or(String::new(), |(_, tail)| format!("[{tail}"));
        rig.file("pvcheck.toml", &(head.to_owned() + &tail));
        rig.run(&["gate", "run", "pvcheck.m2", "--apply"]).assert_refused(2, &[part]);
        assert_eq!(rig.writes(), [] as [&str; 0]);
    }
}

#[test]
fn a_gate_that_there_is_not() {
    let rig = Rig::new(cc_ci()).configured();
    rig.run(&["gate", "run", "pvcheck.m9"]).assert_refused(2, &["pvcheck.m9", "pvcheck.m1", "pvcheck.m2"]);
}

#[test]
fn a_stack_that_there_is_not() {
    let rig = Rig::new(cc_ci());
    for apply in [&[] as &[&str], &["--apply"]] {
        let args = [&["stack", "rm", "drone", "dorne"], apply].concat();
        rig.run(&args).assert_refused(2, &["`dorne`", "traefik"]);
        assert_eq!(rig.writes(), [] as [&str; 0]);
    }
}

#[test]
fn words_that_are_no_command_or_option() {
    let dir = tempfile::tempdir().unwrap();
    for (args, word) in [
        (&["audti"] as &[&str], "audti"),
        (&["audit", "--aply"], "--aply"),
        (&["churn", "proxy", "--order", "fast"], "fast"),
        (&["churn", "proxy", "--stacks", "0"], "0"),
        (&["census", "proxy", "--deadline", "soon"], "soon"),
        (&["audit", "-o", "xml"], "xml"),
        (&["census"], "NETWORK"),
    ] {
        let done = Done::of(bare(dir.path(), args));
        assert_eq!((done.code, done.stdout.as_str()), (Some(2), ""), "{done:?}");
        assert!(done.stderr.contains(word), "{done:?}");
    }
}

/// Every command but the one that has it, before any call.
#[test]
fn markdown_where_there_is_none() {
    let rig = Rig::new(cc_ci()).configured();
    for args in [
        &["audit"] as &[&str],
        &["boot", "--units", ".", "--waits", "waits.json"],
        &["census", "proxy"],
        &CHURN,
        &["docker", "stack", "rm", "drone"],
        &["gate", "list"],
        &["journal", "scan", "--file", "engine.log"],
        &["plan-subnet"],
        &["reclaim"],
        &["routes"],
        &["stack", "rm", "drone"],
        &["sweep"],
        &["why", "drone"],
    ] {
        let asked = [args, &["-o", "markdown"]].concat();
        rig.run(&asked).assert_refused(2, &["-o markdown", "pvcheck gate run", "-o json"]);
    }
    assert_eq!(rig.sim.requests(), []);
}
