//! The guard as systemd runs it: the service of `dist/systemd`, behind its walls, on a booted host whose network leaks have
//! filled. It takes each rung that one manager has once, and proves that this helped; a leak that has filled nothing restarts
//! nothing; after a boot in the middle, and killed at any step, it cures no second time.
//!
//! `hand-over` takes three managers: `guarded` has it.

#[path = "host_guard/at_a_point.rs"]
mod at_a_point;
#[path = "host_guard/rig.rs"]
mod rig;

use std::time::Duration;

use pvcheck_lab::SystemState;
use pvcheck_tests::{Outcome, docker, long, text};
use serde_json::Value;

use at_a_point::{killed_at, points};
use rig::{ORPHAN, RESTART, Rig, UNIT, file_of, shipped};

/// What the guard does where it was to restart the engine, so that it is still at it.
const NEVER: &str = "exec sleep 100";
/// Time for a boot.
const BOOT: Duration = Duration::from_mins(2);

#[tokio::test]
async fn each_rung_is_taken_once_and_a_boot_in_the_middle_is_no_second_cure() -> Outcome {
    let test = "host_guard::each_rung_is_taken_once_and_a_boot_in_the_middle_is_no_second_cure";
    let Some(mut rig) = Rig::up(test, None).await? else { return Ok(()) };
    rig.configure(RESTART)?;
    a_leak_restarts_nothing(&rig).await?;
    rig.say("a leak that has filled nothing")?;
    what_a_run_left_is_drained_first(&rig).await?;
    rig.say("a drain")?;
    it_restarts_once(&rig)?;
    rig.say("a restart")?;
    a_boot_in_the_middle_is_no_second_cure(&mut rig).await?;
    rig.say("a boot in the middle")?;
    rig.down()
}

async fn a_leak_restarts_nothing(rig: &Rig) -> Outcome {
    rig.lose_eight().await?;
    // Of 13 addresses two are free, and four counts are needed to foretell anything.
    assert_eq!(rig.start()?, "exit-code", "{}", rig.said()?);
    assert_eq!((rig.acts()?, rig.restarts()?), (Vec::new(), 0), "{}", rig.said()?);
    assert_eq!(rig.leaked()?, Some(8));
    Ok(())
}

/// Two addresses are held by what a run left; what waits for one has it after the drain, and nothing harder is done.
async fn what_a_run_left_is_drained_first(rig: &Rig) -> Outcome {
    rig.leave_behind()?;
    rig.late(1)?;
    let young = rig.until("restart")?;
    assert_eq!(
        (&young["row"], &young["signs"]["orphans"]),
        (&"full-restart".into(), &"none".into()),
        "{young:#}"
    );
    rig.hours_later().await?;
    let aged = rig.until("drain")?;
    assert_eq!((&aged["row"], &aged["left"]["runs"][0]), (&"full-drain".into(), &ORPHAN.into()), "{aged:#}");
    rig.start()?;
    assert_eq!(rig.ended()?, [("drain".to_owned(), "helped".to_owned())], "{}", rig.said()?);
    assert_eq!((rig.left_behind()?.as_str(), rig.restarts()?), ("", 0));
    rig.now_again()?;
    let after = rig.look()?;
    assert_eq!(after["signs"]["now"], "not-full", "{after:#}");
    Ok(())
}

/// Killed just before the engine is restarted: the next run puts in order what was begun, and cures no more. A person is called
/// once for what was done in vain, and once for the network that is still full.
fn killed_where_it_would_restart(rig: &Rig) -> Outcome {
    rig.configure(&format!("systemctl kill --kill-whom=main --signal=KILL {UNIT}; {NEVER}"))?;
    rig.until("restart")?;
    // On cgroups of version 1 a container's systemd may miss the end of a unit's last process, and would wait for five minutes.
    rig.drop_in("kill.conf", file_of("[Service]\nTimeoutStopSec=5s\n")?)?;
    assert_eq!(rig.start()?, "signal", "{}", rig.said()?);
    rig.no_drop_in("kill.conf")?;
    let begun = rig.acts()?;
    assert_eq!((begun.len(), &begun[0]["end"], rig.restarts()?), (1, &Value::Null, 1), "{begun:?}");
    for run in ["first", "second"] {
        rig.start()?;
        let after = rig.acts()?;
        assert_eq!((after.len(), &after[0]["begun"]), (1, &begun[0]["begun"]), "{run}: {after:?}");
        assert_ne!(after[0]["end"], Value::Null, "{run}: {}", rig.said()?);
        assert_eq!(rig.restarts()?, 1, "{run}: {}", rig.said()?);
    }
    let paged = rig.paged()?;
    assert_eq!(paged.len(), 2, "{paged:?}");
    assert!(paged[0].contains("finish did not help: 8 leaked addresses are left"), "{paged:?}");
    assert!(paged[1].contains("what was done before keeps the guard from doing more"), "{paged:?}");
    Ok(())
}

fn it_restarts_once(rig: &Rig) -> Outcome {
    rig.forget()?;
    rig.late(2)?;
    let told = rig.until("restart")?;
    assert_eq!(told["row"], "full-restart", "{told:#}");
    assert!(closed(&told, "hand-over").contains("it takes three"), "{told:#}");
    assert!(closed(&told, "borrow").contains("no other"), "{told:#}");
    assert_eq!(rig.start()?, "success", "{}", rig.said()?);
    assert_eq!(rig.ended()?, [("restart".to_owned(), "helped".to_owned())], "{}", rig.said()?);
    assert_eq!((rig.leaked()?, rig.restarts()?), (Some(0), 1));
    let cured = rig.acts()?;
    rig.start()?;
    assert_eq!((rig.acts()?, rig.restarts()?), (cured, 1), "{}", rig.said()?);
    Ok(())
}

/// The host goes down while the guard has its engine restarted.
async fn a_boot_in_the_middle_is_no_second_cure(rig: &mut Rig) -> Outcome {
    rig.forget()?;
    docker(&rig.lab, &["service", "rm", "late"])?;
    rig.lose_eight().await?;
    rig.late(2)?;
    rig.configure(NEVER)?;
    rig.until("restart")?;
    rig.start_alone()?;
    let begun = rig.acts()?;
    assert_eq!((begun.len(), &begun[0]["end"]), (1, &Value::Null), "{begun:?}");
    rig.lab.reboot()?;
    // The guard is started by its timer alone, which is not installed: no unit has failed since.
    assert_eq!(rig.lab.booted(BOOT)?, SystemState::Running);
    for run in ["first", "second"] {
        rig.start()?;
        let after = rig.acts()?;
        assert_eq!((after.len(), &after[0]["begun"]), (1, &begun[0]["begun"]), "{run}: {after:?}");
        assert_eq!(rig.restarts()?, 1, "{run}: {}", rig.said()?);
    }
    assert_eq!(rig.leaked()?, Some(0));
    Ok(())
}

/// Two interfaces that are linked, and a Swarm that advertises the address of one of them.
const ADVERTISED: &str = "ip link add outer type veth peer name inner && ip address add 10.93.0.1/24 dev outer && \
    ip link set outer up && ip link set inner up && \
    docker swarm leave --force >/dev/null && docker swarm init --advertise-addr 10.93.0.1 >/dev/null";

/// No container is replaced.
#[tokio::test]
async fn the_service_borrows_a_manager_where_an_address_is_advertised() -> Outcome {
    if !long() {
        return Ok(());
    }
    let test = "host_guard::the_service_borrows_a_manager_where_an_address_is_advertised";
    let Some(rig) = Rig::up(test, Some(ADVERTISED)).await? else { return Ok(()) };
    rig.drop_in("borrow.conf", shipped("pvcheck-guard-borrow.conf")?)?;
    rig.configure("exit 9")?;
    rig.lose_eight().await?;
    rig.late(2)?;
    let told = rig.until("borrow")?;
    assert_eq!(told["row"], "full-borrow", "{told:#}");
    let before = rig.containers()?;
    assert_eq!(rig.start()?, "success", "{}", rig.said()?);
    assert_eq!(rig.ended()?, [("borrow".to_owned(), "helped".to_owned())], "{}", rig.said()?);
    let cured = rig.acts()?;
    assert_eq!((rig.leaked()?, rig.restarts()?), (Some(0), 0));
    let after = rig.containers()?;
    assert!(before.iter().all(|id| after.contains(id)), "a container was replaced: {before:?}, {after:?}");
    rig.start()?;
    assert_eq!(rig.acts()?, cured, "{}", rig.said()?);
    rig.say("a borrow")?;
    without_an_engine_a_person_is_called(&rig)?;
    rig.say("no engine")?;
    rig.down()
}

fn without_an_engine_a_person_is_called(rig: &Rig) -> Outcome {
    let (before, acts) = (rig.paged()?.len(), rig.acts()?);
    text(rig.lab.command("systemctl").args(["stop", "docker.socket", "docker.service"]))?;
    assert_eq!(rig.start()?, "exit-code", "{}", rig.said()?);
    let paged = rig.paged()?;
    assert_eq!((paged.len(), rig.acts()?), (before + 1, acts), "{paged:?}");
    assert!(paged[before].contains("no engine at unix:///var/run/docker.sock"), "{paged:?}");
    Ok(())
}

/// A guard whose service is killed, or that is killed between any two of its actions, and then run by its service until it rests.
#[tokio::test]
async fn killed_at_each_step_it_cures_at_most_once() -> Outcome {
    if !long() {
        return Ok(());
    }
    let test = "host_guard::killed_at_each_step_it_cures_at_most_once";
    let Some(rig) = Rig::up(test, None).await? else { return Ok(()) };
    rig.lose_eight().await?;
    rig.late(2)?;
    killed_where_it_would_restart(&rig)?;
    rig.say("its service killed")?;
    rig.forget()?;
    rig.configure(RESTART)?;
    rig.until("restart")?;
    let points = points(&rig)?;
    rig.say(&format!("the points {points:?}"))?;
    assert!(10 < points.len(), "{points:?}");
    for (number, point) in points.iter().enumerate() {
        // A cure leaves a network with room; what was killed before it, leaves it full.
        if rig.leaked()? == Some(0) {
            docker(&rig.lab, &["service", "rm", "late"])?;
            rig.lose_eight().await?;
            rig.late(2)?;
        }
        rig.forget()?;
        rig.until("restart")?;
        killed_at(&rig, number)?;
        comes_to_rest(&rig).map_err(|error| format!("{point}: {error}"))?;
        rig.say(point)?;
    }
    rig.down()
}

/// The service, three times: what was begun is finished, a person is called, and nothing is done any more.
fn comes_to_rest(rig: &Rig) -> Outcome {
    let mut acts = Vec::new();
    for run in 0..3 {
        rig.start()?;
        let now = rig.acts()?;
        assert!(now.len() <= 1 && rig.restarts()? <= 1, "run {run}: {now:?}: {}", rig.said()?);
        assert!(run < 2 || now == acts, "run {run}: {acts:?}, then {now:?}");
        acts = now;
    }
    let told = rig.look()?;
    let expected = if rig.restarts()? == 0 { ("full-of-leaks", 8) } else { ("not-full", 0) };
    assert_eq!(told["signs"]["now"], expected.0, "{told:#}");
    assert_eq!(rig.leaked()?, Some(expected.1));
    let unfinished = docker(&rig.lab, &["config", "ls", "--quiet"])?;
    assert_eq!((unfinished.as_str(), rig.is_unfinished()?), ("", false));
    Ok(())
}

/// Why a rung is not open; empty if it is.
fn closed(told: &Value, rung: &str) -> String {
    let ways = told["ways"].as_array().into_iter().flatten();
    let reason = ways.filter(|way| way["rung"] == rung).find_map(|way| way["reason"].as_str());
    reason.unwrap_or_default().to_owned()
}
