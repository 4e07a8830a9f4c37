//! The lab on real engines: they start, commands run inside, and nothing is left behind however the lab ends.
//!
//! Leftovers are searched for without the lab's own code, so that the lab does not check itself.

use std::error::Error;
use std::io::BufReader;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Child, ChildStderr, Command};
use std::time::{Duration, Instant};

use pvcheck_lab::{Lab, LabError, LabName, LabSpec, World};
use pvcheck_tests::leftovers::{left_of, send, until_step};
use pvcheck_tests::{Outcome, text, xtask};

/// Returns from the test after recording why it was not run.
macro_rules! needs_a_lab {
    ($test:literal) => {
        if let Err(reason) = Lab::available() {
            pvcheck_tests::not_run(concat!("lab::", $test), &reason.to_string());
            return Ok(());
        }
    };
}

#[test]
fn up_exec_stop_start_down_leaves_nothing() -> Outcome {
    needs_a_lab!("up_exec_stop_start_down_leaves_nothing");
    let name: LabName = "tst-basic".parse()?;
    let lab = Lab::up(LabSpec { name: Some(name.clone()), ..LabSpec::default() }, &|_| {})?;
    assert!(!left_of("tst-basic").is_empty(), "a lab that is up is seen by the search for what is left");

    let info = lab.info().clone();
    assert_eq!(info.hosts.len(), 1);
    assert!(info.engine.version.is_some() && info.engine.api.is_some());
    let state = text(lab.command("docker").args(["info", "--format", "{{.Swarm.LocalNodeState}}"]))?;
    assert_eq!(state, "active");
    let code = lab.command("sh").args(["-c", "test \"$PVCHECK_LAB\" = tst-basic && exit 7"]).status()?;
    assert_eq!(code.code(), Some(7), "the exit code is the command's own");

    let taken = Lab::up(LabSpec { name: Some(name.clone()), ..LabSpec::default() }, &|_| {});
    assert!(matches!(taken, Err(LabError::NameTaken { .. })), "{taken:?}");
    let attached = Lab::attach(&name)?;
    assert_eq!(attached.info(), &info);
    drop(attached);
    let listed = Lab::list()?.into_iter().find(|status| status.name == name).ok_or("not listed")?;
    assert!(listed.ready && !listed.stale && listed.engines_alive == 1, "{listed:?}");

    lab.stop_engine(0)?;
    assert!(!lab.command("docker").arg("version").output()?.status.success(), "it was stopped");
    lab.start_engine(0)?;
    assert!(lab.command("docker").arg("version").output()?.status.success(), "it was started again");

    lab.down()?;
    assert_eq!(left_of("tst-basic"), Vec::<String>::new());
    assert!(matches!(Lab::attach(&name), Err(LabError::NotFound { .. })));
    Ok(())
}

#[test]
fn the_world_answers_and_a_missing_service_shows_at_once() -> Outcome {
    needs_a_lab!("the_world_answers_and_a_missing_service_shows_at_once");
    let spec = LabSpec { name: Some("tst-world".parse()?), world: World::CcCi, ..LabSpec::default() };
    let lab = Lab::up(spec, &|_| {})?;
    let services =
        text(lab.command("docker").args(["service", "ls", "--format", "{{.Name}} {{.Replicas}}"]))?;
    assert_eq!(services.lines().filter(|line| line.ends_with(" 1/1")).count(), 9, "{services}");
    for route in &lab.info().routes {
        assert!(route.expected.contains(&lab.route_status(route)?), "{route:?}");
    }

    let dashboard = lab.info().routes.iter().find(|route| route.name == "dashboard").ok_or("no dashboard")?;
    let others = || lab.info().routes.iter().filter(|route| route.name != "dashboard");
    text(lab.command("docker").args(["service", "scale", "--detach", &format!("{}=0", dashboard.service)]))?;
    let gone = await_status(&lab, dashboard, |status| status != 200)?;
    assert!([404, 502, 503].contains(&gone), "{gone}");
    let asked = Instant::now();
    lab.route_status(dashboard)?;
    assert!(asked.elapsed() < Duration::from_secs(1), "an error is quick: {:?}", asked.elapsed());
    for route in others() {
        assert!(route.expected.contains(&lab.route_status(route)?), "the others are not touched: {route:?}");
    }
    text(lab.command("docker").args(["service", "scale", "--detach", &format!("{}=1", dashboard.service)]))?;
    await_status(&lab, dashboard, |status| status == 200)?;
    lab.down()?;
    assert_eq!(left_of("tst-world"), Vec::<String>::new());
    Ok(())
}

#[test]
fn three_managers_and_a_spare() -> Outcome {
    needs_a_lab!("three_managers_and_a_spare");
    let name: LabName = "tst-three".parse()?;
    let lab = Lab::up(LabSpec { managers: 3, spares: 1, name: Some(name), ..LabSpec::default() }, &|_| {})?;
    let nodes =
        text(lab.command_on(2, "docker").args(["node", "ls", "--format", "{{.Hostname}} {{.Status}}"]))?;
    let mut nodes: Vec<&str> = nodes.lines().collect();
    nodes.sort_unstable();
    assert_eq!(nodes, ["tst-three-m0 Ready", "tst-three-m1 Ready", "tst-three-m2 Ready"]);
    let spare = text(lab.command_on(3, "docker").args(["info", "--format", "{{.Swarm.LocalNodeState}}"]))?;
    assert_eq!(spare, "inactive");
    drop(lab);
    assert_eq!(left_of("tst-three"), Vec::<String>::new());
    Ok(())
}

#[test]
fn a_panic_leaves_nothing() -> Outcome {
    needs_a_lab!("a_panic_leaves_nothing");
    let spec = LabSpec { name: Some("tst-panic".parse()?), ..LabSpec::default() };
    let lab = Lab::up(spec, &|_| {})?;
    let panicked = catch_unwind(AssertUnwindSafe(move || {
        assert!(lab.info().hosts.is_empty(), "on purpose");
    }));
    assert!(panicked.is_err());
    assert_eq!(left_of("tst-panic"), Vec::<String>::new());
    Ok(())
}

#[test]
fn a_panic_on_the_way_up_leaves_nothing() -> Outcome {
    needs_a_lab!("a_panic_on_the_way_up_leaves_nothing");
    let spec = LabSpec { name: Some("tst-midway".parse()?), ..LabSpec::default() };
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        Lab::up(spec, &|progress| assert!(!progress.message.contains(" is up "), "on purpose"))
    }));
    assert!(panicked.is_err());
    assert_eq!(left_of("tst-midway"), Vec::<String>::new());
    Ok(())
}

#[test]
fn an_interrupt_at_any_step_leaves_nothing() -> Outcome {
    needs_a_lab!("an_interrupt_at_any_step_leaves_nothing");
    for (step, signal) in ["starting 1 engine", "engine ", "1 manager", "starting 9", "tasks run"]
        .into_iter()
        .zip(SIGNALS.iter().cycle())
    {
        let (mut child, _stderr) = up_until("tst-int", step)?;
        send(&child, signal)?;
        let status = child.wait()?;
        assert_eq!(status.code(), Some(130), "{signal} at {step:?}");
        assert_eq!(left_of("tst-int"), Vec::<String>::new(), "{signal} at {step:?}");
    }
    Ok(())
}

#[test]
fn what_a_killed_process_left_is_found_and_removed() -> Outcome {
    needs_a_lab!("what_a_killed_process_left_is_found_and_removed");
    for step in ["starting 1 engine", "starting 9"] {
        let (mut child, _stderr) = up_until("tst-kill", step)?;
        send(&child, "KILL")?;
        child.wait()?;
        assert!(!left_of("tst-kill").is_empty(), "nothing could clean up at {step:?}");
        let status = Lab::list()?.into_iter().find(|status| status.name.as_str() == "tst-kill");
        assert!(status.is_some_and(|status| status.stale && !status.ready), "{step:?}");
        let removed = Lab::down_stale()?;
        assert!(removed.iter().any(|name| name.as_str() == "tst-kill"), "{removed:?}");
        assert_eq!(left_of("tst-kill"), Vec::<String>::new(), "{step:?}");
    }
    Ok(())
}

#[test]
fn the_command_line_keeps_a_lab_until_it_is_taken_down() -> Outcome {
    needs_a_lab!("the_command_line_keeps_a_lab_until_it_is_taken_down");
    let xtask = xtask()?;
    let facts = text(Command::new(&xtask).args(["lab", "up", "--quiet", "--name", "tst-cli"]))?;
    let facts: serde_json::Value = serde_json::from_str(&facts)?;
    assert_eq!(facts["name"], "tst-cli");
    assert_eq!(facts["namespaces"][0], "pvl-tst-cli-0");
    let code = Command::new(&xtask).args(["lab", "exec", "tst-cli", "--", "sh", "-c", "exit 9"]).status()?;
    assert_eq!(code.code(), Some(9));
    let listed: serde_json::Value = serde_json::from_str(&text(Command::new(&xtask).args(["lab", "list"]))?)?;
    let own = listed.as_array().and_then(|labs| labs.iter().find(|lab| lab["name"] == "tst-cli"));
    assert_eq!(own.map(|lab| lab["stale"] == false), Some(true), "its owner has ended, but left it to stay");
    text(Command::new(&xtask).args(["lab", "down", "tst-cli"]))?;
    assert_eq!(left_of("tst-cli"), Vec::<String>::new());
    Ok(())
}

const SIGNALS: [&str; 3] = ["INT", "TERM", "HUP"];

/// Starts `lab up` with the world; see [`until_step`].
fn up_until(name: &str, step: &str) -> Result<(Child, BufReader<ChildStderr>), Box<dyn Error>> {
    until_step(&["lab", "up", "--world", "cc-ci", "--name", name], step)
}

fn await_status(
    lab: &Lab,
    route: &pvcheck_lab::RouteInfo,
    good: impl Fn(u16) -> bool,
) -> Result<u16, Box<dyn Error>> {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let status = lab.route_status(route)?;
        if good(status) {
            return Ok(status);
        }
        if deadline < Instant::now() {
            return Err(format!("{} still answers {status}", route.url).into());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}
