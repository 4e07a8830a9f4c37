//! Leaked addresses are freed without stopping a container, and the Swarm is restored afterwards, whichever process is
//! killed on the way.

#[path = "reclaim/point.rs"]
mod point;
#[path = "reclaim/world.rs"]
mod world;

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use pvcheck_lab::{LabSpec, ReadOnlyProxy, Suite};
use pvcheck_swarm::{Lock, LockRequest, Permit, RunId};
use pvcheck_tests::{Outcome, docker, long};
use serde_json::Value;

use point::Kill;
use world::{World, one, say, three};

type Part = (&'static str, LabSpec, fn(&World) -> Outcome);

/// Lanes side by side, since most of the time is spent waiting for elections; in a lane one part after the other, each
/// in a lab of its own.
fn side_by_side(test: &str, lanes: Vec<Vec<Part>>) {
    std::thread::scope(|scope| {
        let run = |lane: Vec<Part>| lane.into_iter().for_each(|part| alone(test, part));
        let running: Vec<_> = lanes.into_iter().map(|lane| scope.spawn(move || run(lane))).collect();
        // A part that failed has said why; the others end by themselves and take their labs down.
        let failed = running.into_iter().map(std::thread::ScopedJoinHandle::join).filter(Result::is_err);
        assert_eq!(failed.count(), 0, "lanes that failed");
    });
}

fn alone(test: &str, (name, spec, part): Part) {
    let since = Instant::now();
    let Some(world) = World::up(test, spec).unwrap_or_else(|e| panic!("{name}: {e}")) else { return };
    part(&world).unwrap_or_else(|e| panic!("{name}: {e}"));
    say(&format!("{name}: all in {:.1} s", since.elapsed().as_secs_f64()));
    world.lab.down().unwrap_or_else(|e| panic!("{name}: {e}"));
}

#[test]
fn every_way_takes_them_back() {
    let test = "reclaim::every_way_takes_them_back";
    let suite = Some(Suite::Bookworm);
    side_by_side(
        test,
        vec![
            vec![("handover", three(suite), handover), ("restart", one(suite), restart)],
            vec![("borrow", one(suite), borrow)],
            vec![("borrow, both killed", one(suite), both_killed)],
            vec![("borrow on another suite", one(Some(Suite::Trixie)), borrow)],
        ],
    );
}

/// Killed at every boundary between two actions: pvcheck, the private engine, and both at once.
#[test]
fn killed_at_every_step_the_swarm_is_whole_again() {
    if !long() {
        return;
    }
    let test = "reclaim::killed_at_every_step_the_swarm_is_whole_again";
    let lanes = 3;
    let failed: Vec<String> = std::thread::scope(|scope| {
        let lane = |lane: usize| {
            let kills = point::all().into_iter().skip(lane).step_by(lanes);
            scope.spawn(move || kill_after_kill(test, kills))
        };
        let running: Vec<_> = (0..lanes).map(lane).collect();
        running
            .into_iter()
            .flat_map(|lane| lane.join().unwrap_or_else(|_| vec!["a lane ended".into()]))
            .collect()
    });
    say(&format!("{test}: {} points", point::all().len()));
    assert!(failed.is_empty(), "{failed:#?}");
}

/// kill -9 at random moments, also in the middle of an action.
#[test]
fn killed_at_any_moment_nothing_is_left() {
    let test = "reclaim::killed_at_any_moment_nothing_is_left";
    let suite = Some(Suite::Bookworm);
    side_by_side(
        test,
        vec![
            vec![("handover at random moments", three(suite), at_random)],
            vec![("borrow at random moments", one(suite), at_random)],
        ],
    );
}

fn at_random(world: &World) -> Outcome {
    // As long as one reclaim takes once it has begun, on a machine that is not busy.
    let whole = Duration::from_secs(if world.lab.info().hosts.len() == 1 { 34 } else { 20 });
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    let mut seed = u64::try_from(now.as_nanos() & u128::from(u64::MAX))? | 1;
    say(&format!("seed {seed}"));
    let times: u32 = if long() { 20 } else { 1 };
    for part in 0..times {
        // xorshift64: spread is what is wanted, one moment in each part of the whole.
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        let fraction = f64::from(u32::try_from(seed >> 32)?) / f64::from(u32::MAX);
        let after = whole.mul_f64((f64::from(part) + fraction) / f64::from(times));
        if world.leaked()? == 0 {
            world.leak(1)?;
        }
        let before = world.standing()?;
        let mut command = world.reclaim(&["--apply"]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        // In the long round the first one is killed in its census; how long that takes depends on the machine.
        let since = Instant::now();
        while (0 < part || !long()) && !world.is_unfinished() && child.try_wait()?.is_none() {
            assert!(since.elapsed() < Duration::from_mins(3), "the reclaim has not begun");
            std::thread::sleep(Duration::from_millis(10));
        }
        std::thread::sleep(after);
        let ran = child.try_wait()?.is_none();
        child.kill()?;
        child.wait()?;
        // A request that was sent at the last moment is still carried out, and no answer shows when.
        std::thread::sleep(Duration::from_millis(300));
        world.see_names()?;
        let unfinished = world.is_unfinished();
        if unfinished {
            let out = world.reclaim(&["--resume"]).output()?;
            let said = String::from_utf8_lossy(&out.stderr);
            assert!(matches!(out.status.code(), Some(0 | 1)), "after {after:?}: {}: {said}", out.status);
            let done: Value = serde_json::from_slice(&out.stdout).map_err(|_| said.into_owned())?;
            assert_eq!(done["changed"], serde_json::json!([]), "after {after:?}: {done}");
        }
        let swept = world.pvcheck(&["sweep", "--apply"]).output()?;
        assert!(swept.status.success(), "after {after:?}: {}", String::from_utf8_lossy(&swept.stderr));
        say(&format!(
            "killed after {after:?}: it {}",
            match (ran, unfinished) {
                (_, true) => "was resumed",
                (true, false) => "had begun nothing",
                (false, false) => "had ended",
            }
        ));
        assert_eq!(world.standing()?, before, "after {after:?}");
        world.assert_clean()?;
        let ours = docker(&world.lab, &["service", "ls", "-q", "--filter", "label=org.pvcheck.run"])?;
        assert_eq!(ours, "", "after {after:?}");
    }
    Ok(())
}

/// In one lab as long as it stays whole.
fn kill_after_kill(test: &str, kills: impl Iterator<Item = Kill>) -> Vec<String> {
    let (mut world, mut failed) = (None::<World>, Vec::new());
    for kill in kills {
        let one = std::panic::AssertUnwindSafe(|| -> Result<Option<World>, String> {
            let there = world.take();
            let up = || World::up(test, one(Some(Suite::Bookworm))).map_err(|e| e.to_string());
            let Some(world) = there.map_or_else(up, |world| Ok(Some(world)))? else { return Ok(None) };
            let part = || -> Outcome {
                if world.leaked()? == 0 {
                    world.leak(1)?;
                }
                killed(&world, &kill)
            };
            part().map_err(|e| e.to_string())?;
            Ok(Some(world))
        });
        match std::panic::catch_unwind(one) {
            Ok(Ok(whole)) => world = whole,
            Ok(Err(error)) => failed.push(format!("{kill:?}: {error}")),
            Err(_) => failed.push(format!("{kill:?}: see above")),
        }
    }
    failed
}

#[test]
fn every_suite_does_the_same() {
    if !long() {
        return;
    }
    for suite in [Suite::Trixie, Suite::Sid] {
        let lanes: Vec<Vec<Part>> = vec![
            vec![("handover", three(Some(suite)), handover)],
            vec![("borrow", one(Some(suite)), borrow), ("restart", one(Some(suite)), restart)],
            vec![("borrow, both killed", one(Some(suite)), both_killed)],
        ];
        say(&format!("{suite:?}"));
        side_by_side("reclaim::every_suite_does_the_same", lanes);
    }
}

fn handover(world: &World) -> Outcome {
    world.leak(8)?;
    let before = world.standing()?;
    let (planned, _) = world.reclaimed(&[], 0)?;
    assert_eq!(planned["strategy"], "handover", "{planned}");

    let other = other_holder();
    world.runtime.block_on(Lock::take(&world.engine, Permit::granted_by_operator(), &other))?;
    let (_, said) = world.reclaimed(&["--apply"], 4)?;
    assert!(said.contains("locked by root@elsewhere, process 7 for a test"), "{said}");
    assert_eq!(world.standing()?, before, "refused, but changed");

    let (done, _) = world.reclaimed(&["--apply", "--break-lock", "its host is gone"], 0)?;
    say(&format!("handover: {}", summary(&done)));
    assert_eq!((&done["before"][0]["leaked"], &done["after"][0]["leaked"]), (&8.into(), &0.into()), "{done}");
    assert_eq!(done["leader_before"], done["leader_after"], "{done}");
    assert!(done["notes"].to_string().contains("its host is gone"), "{done}");
    let steps: Vec<_> = done["steps"].as_array().into_iter().flatten().map(|s| s["step"].clone()).collect();
    assert!(steps.contains(&"patience".into()) && steps.contains(&"heartbeat".into()), "{done}");
    assert_eq!(world.standing()?, before);
    assert_eq!(world.leaked()?, 0);
    world.assert_clean()?;

    // Nothing is leaked: nothing is done.
    let (idle, _) = world.reclaimed(&["--apply"], 0)?;
    assert_eq!(idle["strategy"], Value::Null, "{idle}");

    // Of three managers one is down: with the leader demoted there would be no quorum.
    world.lab.stop_engine(2)?;
    let since = Instant::now();
    loop {
        let planned = world
            .pvcheck(&["reclaim", "--strategy", "handover", "--helper", &world.lab.info().hosts[1]])
            .output()?;
        let output = String::from_utf8_lossy(&planned.stdout).into_owned();
        if planned.status.code() == Some(4) {
            assert!(output.contains("without the leader 1 of 2 managers are reachable"), "{output}");
            return Ok(());
        }
        assert!(since.elapsed() < Duration::from_mins(1), "{output}");
        std::thread::sleep(Duration::from_millis(500));
    }
}

fn other_holder() -> LockRequest {
    LockRequest {
        run: RunId::unique(),
        holder: "root@elsewhere, process 7".into(),
        purpose: "a test".into(),
        lasts: Duration::from_mins(10),
        break_held: None,
        resumable: true,
    }
}

fn borrow(world: &World) -> Outcome {
    world.leak(8)?;
    let (before, tokens) = (world.standing()?, world.tokens()?);
    only_reads(world)?;
    for (words, reason) in
        [(["--strategy", "handover"], "it takes three"), (["--strategy", "restart"], "allow it with --now")]
    {
        let (planned, _) = world.reclaimed(&words, 4)?;
        assert!(planned["refused"][0]["reason"].to_string().contains(reason), "{planned}");
        let (_, said) = world.reclaimed(&[&words[..], &["--apply"]].concat(), 4)?;
        assert!(said.contains(reason), "{said}");
    }
    docker(&world.lab, &["swarm", "update", "--autolock=true"])?;
    for strategy in ["borrow", "restart"] {
        let (planned, _) = world.reclaimed(&["--strategy", strategy, "--now"], 4)?;
        assert!(planned["refused"][0]["reason"].to_string().contains("autolock is on"), "{planned}");
    }
    docker(&world.lab, &["swarm", "update", "--autolock=false"])?;
    assert_eq!(world.standing()?, before, "refused, but changed");

    let (done, _) = world.reclaimed(&["--apply"], 0)?;
    say(&format!("borrow: {}", summary(&done)));
    assert_eq!((&done["before"][0]["leaked"], &done["after"][0]["leaked"]), (&8.into(), &0.into()), "{done}");
    assert_eq!(world.standing()?, before);
    assert!(
        world.tokens()?.iter().zip(&tokens).all(|(now, then)| now != then),
        "tokens were shown and not rotated"
    );
    assert_eq!(world.leaked()?, 0);
    world.assert_clean()
}

/// Without --apply it only reads: it runs behind a proxy that passes GET only.
fn only_reads(world: &World) -> Outcome {
    let engine = world.lab.info().hosts[0].clone();
    let folder = tempfile::tempdir()?;
    let engine = engine.strip_prefix("unix://").unwrap_or(&engine);
    let proxy = ReadOnlyProxy::start(&folder.path().join("read-only.sock"), Path::new(engine))?;
    let state = folder.path().join("state");
    let planned = world
        .pvcheck(&["reclaim", "-o", "json", "--state"])
        .arg(&state)
        .env("DOCKER_HOST", proxy.host())
        .output()?;
    let plan: Value = serde_json::from_slice(&planned.stdout)?;
    assert_eq!(
        (plan["strategy"].as_str(), plan["refused"][0]["strategy"].as_str()),
        (Some("borrow"), Some("handover"))
    );
    let calls = proxy.take_calls();
    assert!(!calls.is_empty() && calls.iter().all(|c| c.starts_with("GET ")), "{calls:?}");
    assert!(!state.exists(), "a plan leaves no folder");
    Ok(())
}

fn both_killed(world: &World) -> Outcome {
    world.leak(1)?;
    killed(world, &Kill { at: "freeze:acted".into(), pvcheck: true, engine: true })?;
    assert_eq!(world.leaked()?, 0);
    Ok(())
}

/// One reclaim that is killed, and resumed.
fn killed(world: &World, kill: &Kill) -> Outcome {
    let before = world.standing()?;
    let out = world.reclaim_until(kill)?;
    let output = String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr);
    let point = format!("killed {} at {}", kill.victims(), kill.at);
    assert!(output.contains(&point), "{kill:?}: {output}");
    let since = Instant::now();
    if world.is_unfinished() {
        let (_, said) = world.reclaimed(&["--apply"], 4)?;
        assert!(said.contains("--resume"), "{said}");
        let out = world.reclaim(&["--resume"]).output()?;
        let printed = String::from_utf8_lossy(&out.stdout);
        let errors = String::from_utf8_lossy(&out.stderr);
        // Before an election the addresses are still leaked, which is exit code 1.
        assert!(
            matches!(out.status.code(), Some(0 | 1)),
            "{kill:?}: {}: {printed}{errors}; before: {output}",
            out.status
        );
        let done: Value =
            serde_json::from_slice(&out.stdout).map_err(|_| format!("{errors}; before: {output}"))?;
        assert_eq!(done["changed"], serde_json::json!([]), "{kill:?}: {done}");
    } else {
        assert!(!kill.pvcheck, "{kill:?}: a killed process cannot have ended it: {output}");
    }
    say(&format!("{point}: whole again after {:.1} s", since.elapsed().as_secs_f64()));
    assert_eq!(world.standing()?, before, "{kill:?}: {output}");
    world.assert_clean().map_err(|e| format!("{kill:?}: {e}").into())
}

/// The worst case while the Swarm has two managers: one of them is lost for good.
#[test]
fn what_is_lost_for_good_is_made_anew() {
    if !long() {
        return;
    }
    for suite in [Suite::Bookworm, Suite::Trixie] {
        side_by_side(
            "reclaim::what_is_lost_for_good_is_made_anew",
            vec![
                vec![("the private engine is lost", one(Some(suite)), engine_lost)],
                vec![("the manager's own raft folder is lost", one(Some(suite)), raft_lost)],
            ],
        );
    }
}

/// Services, secrets, configs and the node are the same; tasks may differ.
fn kept(world: &World) -> Result<Vec<String>, Box<dyn std::error::Error>> {
    let ids = |words: &[&str]| docker(&world.lab, words);
    Ok(vec![
        ids(&["node", "ls", "--format", "{{.ID}} {{.Hostname}} {{.ManagerStatus}}"])?,
        ids(&["service", "ls", "--format", "{{.ID}} {{.Name}}"])?,
        ids(&["secret", "ls", "--format", "{{.ID}} {{.Name}}"])?,
        ids(&["config", "ls", "--filter", "name=text", "--format", "{{.ID}} {{.Name}}"])?,
    ])
}

fn engine_lost(world: &World) -> Outcome {
    world.leak(1)?;
    let before = kept(world)?;
    let kill = Kill { at: "freeze:acted".into(), pvcheck: true, engine: true };
    world.reclaim_until(&kill)?;
    let folder = std::fs::read_dir(world.state.path())?.flatten().find(|e| e.path().is_dir());
    std::fs::remove_dir_all(folder.ok_or("no folder")?.path().join("engine"))?;
    let (_, said) = world.reclaimed(&["--resume"], 4)?;
    assert!(said.contains("--force-new-cluster"), "{said}");
    let out = world.reclaim(&["--resume", "--force-new-cluster"]).output()?;
    let (printed, said) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(matches!(out.status.code(), Some(0 | 1)), "{printed}{said}");
    whole_after(world, &before)
}

fn raft_lost(world: &World) -> Outcome {
    world.leak(1)?;
    let before = kept(world)?;
    let kill = Kill { at: "thaw:acted".into(), pvcheck: true, engine: false };
    world.reclaim_until(&kill)?;
    let (_, said) = world.reclaimed(&["--restore-copy"], 4)?;
    assert!(said.contains("stop it first"), "{said}");
    let root = docker(&world.lab, &["info", "--format", "{{.DockerRootDir}}"])?;
    world.lab.stop_engine(0)?;
    std::fs::remove_dir_all(Path::new(&root).join("swarm/raft"))?;
    let (done, _) = world.reclaimed(&["--restore-copy"], 0)?;
    world.lab.start_engine(0)?;
    let out = world.reclaim(&["--resume"]).output()?;
    let (printed, said) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(matches!(out.status.code(), Some(0 | 1)), "{printed}{said}");
    let aside = done["set_aside"].as_str().ok_or("nothing was set aside")?;
    assert!(Path::new(aside).join("certificates").is_dir(), "{done}");
    whole_after(world, &before)
}

fn whole_after(world: &World, before: &[String]) -> Outcome {
    let since = Instant::now();
    while world.running().unwrap_or(0) < 4 {
        assert!(since.elapsed() < Duration::from_mins(1), "its tasks do not run");
        std::thread::sleep(Duration::from_millis(200));
    }
    assert_eq!(kept(world)?, before);
    assert_eq!(world.leaked()?, 0, "a new leader has no leaked address");
    world.assert_clean()
}

fn restart(world: &World) -> Outcome {
    world.leak(2)?;
    let asked = world.state.path().with_extension("asked");
    let done = world.state.path().with_extension("done");
    let command = format!("touch {}; while [ ! -e {} ]; do sleep 0.1; done", asked.display(), done.display());
    let mut reclaim =
        world.reclaim(&["--apply", "--strategy", "restart", "--restart-command", &command, "--now"]);
    let child = reclaim.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let since = Instant::now();
    while !asked.exists() {
        assert!(since.elapsed() < Duration::from_mins(1), "the command was not run");
        std::thread::sleep(Duration::from_millis(50));
    }
    world.lab.stop_engine(0)?;
    world.lab.start_engine(0)?;
    std::fs::write(&done, "")?;
    let out = child.wait_with_output()?;
    for file in [asked, done] {
        std::fs::remove_file(file)?;
    }
    assert_eq!(out.status.code(), Some(0), "{}", String::from_utf8_lossy(&out.stderr));
    let printed: Value = serde_json::from_slice(&out.stdout)?;
    say(&format!("restart: {}", summary(&printed)));
    assert_eq!(world.leaked()?, 0);
    assert_eq!(world.running()?, 4);
    world.assert_clean()
}

fn summary(done: &Value) -> String {
    let steps = done["steps"].as_array().into_iter().flatten();
    let steps: Vec<_> =
        steps.map(|s| format!("{} {}", s["step"].as_str().unwrap_or("?"), s["elapsed_ms"])).collect();
    let (changed, notes) = (&done["changed"], &done["notes"]);
    format!("{} ms ({}), changed {changed}, notes {notes}", done["elapsed_ms"], steps.join(", "))
}
