//! The examples of `pvcheck-swarm`, each run against a lab: a tool that embeds the library does what it says.

use std::path::PathBuf;
use std::process::Command;

use pvcheck_lab::{Lab, Suite, World};
use pvcheck_tests::stacks::{IMAGE, STOPS_AT_ONCE, STOPS_IN_2_S, Shape, deploy};
use pvcheck_tests::{Outcome, cargo, docker, lab, text};
use serde_json::Value;

const NETWORK: &str = "proxy";

/// Cargo names the examples of a test's own package only, so this reads where it put these.
fn examples() -> Result<Vec<PathBuf>, Box<dyn std::error::Error>> {
    let words = ["build", "--quiet", "--package", "pvcheck-swarm", "--examples", "--message-format", "json"];
    let messages = text(&mut cargo(&words))?;
    let built = messages.lines().filter_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        let is_example = message["target"]["kind"][0] == "example";
        is_example.then(|| message["executable"].as_str().map(PathBuf::from)).flatten()
    });
    Ok(built.collect())
}

#[test]
fn the_examples_do_what_they_say() -> Outcome {
    let Some(lab) = lab("embedding::the_examples_do_what_they_say", Some(Suite::Bookworm), World::Empty)
    else {
        return Ok(());
    };
    let create = ["network", "create", "-d", "overlay", "--attachable", "--subnet", "10.10.0.0/28", NETWORK];
    docker(&lab, &create)?;
    let examples = examples()?;
    let example = |name: &str| {
        let path = examples.iter().find(|path| path.ends_with(name)).expect("cargo built it");
        let mut command = Command::new(path);
        command.arg(&lab.info().hosts[0]);
        command
    };

    // A stack is deployed, checked, and gone, and nothing was lost.
    let output = text(example("drained_removal").args([NETWORK, IMAGE]))?;
    assert!(output.starts_with("checked 10.10.0.") && output.ends_with("removed the stack"), "{output}");
    assert_eq!(docker(&lab, &["service", "ls", "-q"])?, "");
    assert!(!docker(&lab, &["network", "ls", "--format", "{{.Name}}"])?.contains("harness-"));

    census_sees_what_is_lost(&lab, &example)?;

    // 1 VIP, 4 tasks and a load balancer of 13, and what was lost; the rest taken.
    assert_eq!(text(&mut example("audit_as_value"))?, "", "nothing is more than half owned");
    deploy(&lab, &["full".into()], Shape { shared: NETWORK, replicas: 6, script: STOPS_AT_ONCE })?;
    let output = text(&mut example("audit_as_value"))?;
    let listed: Vec<Value> = output.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    assert_eq!(listed.len(), 1, "{output}");
    assert_eq!((&listed[0]["name"], &listed[0]["owned"]["tasks"]), (&NETWORK.into(), &6.into()), "{output}");
    lab.down()?;
    Ok(())
}

fn census_sees_what_is_lost(lab: &Lab, example: &dyn Fn(&str) -> Command) -> Outcome {
    let clean = text(example("census_around_a_test").args([NETWORK, "true"]))?;
    assert_eq!(clean, "leaked before 0, after 0; lost:");
    deploy(lab, &["lossy".into()], Shape { shared: NETWORK, replicas: 2, script: STOPS_IN_2_S })?;
    // What the docker client loses: one address for each task that still stops.
    let script = "until docker stack rm lossy; do :; done >/dev/null 2>&1";
    let docker_host = &lab.info().hosts[0];
    let lossy = example("census_around_a_test")
        .args([NETWORK, "sh", "-c", script])
        .env("DOCKER_HOST", docker_host)
        .output()?;
    let output = String::from_utf8(lossy.stdout)?;
    assert_eq!(lossy.status.code(), Some(1), "{output}");
    let (head, lost) = output.trim().split_once("; lost: ").ok_or("no list")?;
    assert_eq!((head, lost.split(' ').count()), ("leaked before 0, after 2", 2), "{output}");
    Ok(())
}
