//! Leaked addresses come back without a container being stopped, and whatever is killed on the way, the Swarm is whole
//! again afterwards.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use pvcheck_lab::{Lab, LabSpec, Suite};
use pvcheck_swarm::{CensusOptions, Engine, Permit, RunId, census, silent};
use pvcheck_tests::{Outcome, docker, docker_json, host, lab_of, pvcheck, text};
use serde_json::Value;

const NETWORK: &str = "proxy";
/// Stops slowly enough that the network is gone before the task.
const STOPS_IN_2_S: &str = "trap 'sleep 2; exit 0' TERM; while :; do sleep 0.1; done";
const STOPS_AT_ONCE: &str = "trap 'exit 0' TERM; while :; do sleep 0.1; done";

/// One world: a Swarm with something that must go on running.
struct World {
    lab: Lab,
    engine: Engine,
    state: tempfile::TempDir,
    program: PathBuf,
}

type Fallible<T> = Result<T, Box<dyn std::error::Error>>;

impl World {
    async fn up(test: &str, spec: LabSpec) -> Fallible<Option<Self>> {
        let Some(lab) = lab_of(test, spec) else { return Ok(None) };
        let engine = Engine::connect(&host(&lab)).await?;
        let world = Self { lab, engine, state: tempfile::tempdir()?, program: pvcheck()? };
        let words =
            ["network", "create", "-d", "overlay", "--attachable", "--subnet", "10.10.0.0/24", NETWORK];
        docker(&world.lab, &words)?;
        text(world.lab.command("sh").args([
            "-c",
            "echo word | docker secret create word - && echo text | docker config create text -",
        ]))?;
        let service =
            ["service", "create", "-q", "-d", "--no-resolve-image", "--name", "keep", "--replicas", "4"];
        let rest = [
            "--secret",
            "word",
            "--config",
            "text",
            "--network",
            NETWORK,
            "pvcheck-lab/busybox:1",
            "sh",
            "-c",
            STOPS_AT_ONCE,
        ];
        docker(&world.lab, &service.iter().chain(&rest).copied().collect::<Vec<_>>())?;
        world.until_running(4).await?;
        Ok(Some(world))
    }

    /// Leaks as many addresses, by the docker client's own removal.
    async fn leak(&self, stacks: usize) -> Outcome {
        let running = self.running().await?;
        let folder = tempfile::tempdir()?;
        let command = serde_json::to_string(&["sh", "-c", STOPS_IN_2_S])?;
        let mut compose =
            String::from("version: '3.8'\nservices:\n  app:\n    image: pvcheck-lab/busybox:1\n");
        writeln!(compose, "    command: {command}\n    networks: [internal, {NETWORK}]")?;
        writeln!(compose, "networks:\n  internal: {{}}\n  {NETWORK}: {{external: true}}")?;
        let file = folder.path().join("compose.yml");
        std::fs::write(&file, compose)?;
        let names: Vec<String> = (0..stacks).map(|n| format!("gone-{n}")).collect();
        for name in &names {
            let words = ["stack", "deploy", "--resolve-image", "never", "-c"];
            text(self.lab.command("docker").args(words).arg(&file).arg(name))?;
        }
        self.until_running(running + stacks).await?;
        for name in &names {
            let mut tries = 0;
            while let Err(error) = docker(&self.lab, &["stack", "rm", name]) {
                tries += 1;
                if 50 < tries || !error.to_string().contains("in use by task") {
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    async fn running(&self) -> Fallible<usize> {
        let snapshot = self.engine.snapshot().await?;
        Ok(snapshot.services.iter().map(|s| snapshot.running_tasks(&s.id).count()).sum())
    }

    async fn until_running(&self, wanted: usize) -> Outcome {
        let since = Instant::now();
        while self.running().await.unwrap_or(0) < wanted {
            assert!(since.elapsed() < Duration::from_mins(1), "{wanted} tasks do not run");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    async fn leaked(&self) -> Fallible<u64> {
        let permit = Permit::granted_by_operator();
        let options = CensusOptions::default();
        let found = census(&self.engine, permit, NETWORK, &options, &RunId::unique(), &silent).await?;
        found.leaked.ok_or_else(|| format!("{found:?}").into())
    }

    /// `pvcheck reclaim` with these words, on the first manager.
    fn reclaim(&self, words: &[&str]) -> Fallible<Output> {
        let mut command: Command = self.lab.command(&self.program);
        command.args(["reclaim", "-o", "json", "--state"]).arg(self.state.path()).args(words);
        for other in self.lab.info().hosts.iter().skip(1) {
            command.args(["--helper", other]);
        }
        Ok(command.output()?)
    }

    /// As [`World::reclaim`], expecting an exit code; what was printed as JSON.
    fn reclaimed(&self, words: &[&str], code: i32) -> Fallible<Value> {
        let done = self.reclaim(words)?;
        let errors = String::from_utf8_lossy(&done.stderr);
        let printed = String::from_utf8_lossy(&done.stdout);
        assert_eq!(done.status.code(), Some(code), "{words:?}: {printed}{errors}");
        Ok(serde_json::from_slice(&done.stdout).unwrap_or_default())
    }

    /// What must not change, as the docker client and the kernel tell it.
    fn standing(&self) -> Fallible<Vec<String>> {
        let mut all = Vec::new();
        for manager in 0..self.lab.info().hosts.len() {
            let ids = text(self.lab.command_on(manager, "docker").args(["ps", "-q", "--no-trunc"]))?;
            for id in ids.lines() {
                let format = "{{.Id}} {{.State.Pid}} {{.State.StartedAt}}";
                all.push(text(self.lab.command_on(manager, "docker").args(["inspect", "-f", format, id]))?);
            }
        }
        all.push(docker(
            &self.lab,
            &["service", "ps", "--no-trunc", "--format", "{{.ID}} {{.Node}} {{.DesiredState}}", "keep"],
        )?);
        all.push(docker(
            &self.lab,
            &["node", "ls", "--format", "{{.ID}} {{.Hostname}} {{.Availability}} {{.ManagerStatus}}"],
        )?);
        let spec = docker_json(&self.lab, &["service", "inspect", "keep"])?[0][0]["Spec"].to_string();
        all.push(spec);
        for kind in ["secret", "config"] {
            all.push(docker(&self.lab, &[kind, "ls", "--format", "{{.ID}} {{.Name}}"])?);
        }
        all.sort();
        Ok(all)
    }

    fn tokens(&self) -> Fallible<Vec<String>> {
        let token = |role| docker(&self.lab, &["swarm", "join-token", "-q", role]);
        Ok(vec![token("worker")?, token("manager")?])
    }

    /// Nothing of pvcheck is left: processes, namespaces, links, folders, configs.
    fn assert_clean(&self) -> Outcome {
        let left: Vec<_> = std::fs::read_dir(self.state.path())?.flatten().map(|e| e.path()).collect();
        assert!(left.is_empty(), "left in the state folder: {left:?}");
        let state = self.state.path().to_string_lossy().into_owned();
        let processes: Vec<_> = processes_with(&state);
        assert!(processes.is_empty(), "left: {processes:?}");
        let namespaces = text(Command::new("ip").args(["netns", "list"]))?;
        assert!(!namespaces.contains("pvb"), "{namespaces}");
        let links = text(self.lab.command("ip").args(["-o", "link"]))?;
        assert!(!links.contains("pvb"), "{links}");
        let configs = docker(&self.lab, &["config", "ls", "--format", "{{.Name}}"])?;
        assert_eq!(configs, "text", "the lock is left");
        Ok(())
    }
}

/// Command lines that name a folder.
fn processes_with(folder: &str) -> Vec<String> {
    let all = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let lines = all.filter_map(|e| std::fs::read(e.path().join("cmdline")).ok());
    lines.map(|l| String::from_utf8_lossy(&l).replace('\0', " ")).filter(|l| l.contains(folder)).collect()
}

fn three(suite: Option<Suite>) -> LabSpec {
    LabSpec { managers: 3, suite, ..LabSpec::default() }
}

/// A manager that advertises an address of a bridge, as a host does.
fn one(suite: Option<Suite>) -> LabSpec {
    LabSpec { managers: 1, spares: 1, suite, ..LabSpec::default() }
}

#[tokio::test]
async fn three_managers_hand_over() -> Outcome {
    handover("reclaim::three_managers_hand_over", Some(Suite::Bookworm)).await
}

#[tokio::test]
async fn one_manager_borrows() -> Outcome {
    borrow("reclaim::one_manager_borrows", Some(Suite::Bookworm)).await
}

async fn handover(test: &str, suite: Option<Suite>) -> Outcome {
    let Some(world) = World::up(test, three(suite)).await? else { return Ok(()) };
    world.leak(8).await?;
    let before = world.standing()?;
    let planned = world.reclaimed(&[], 0)?;
    assert_eq!(planned["strategy"], "handover", "{planned}");
    let done = world.reclaimed(&["--apply"], 0)?;
    println!("{test}: {}", summary(&done));
    assert_eq!((&done["before"][0]["leaked"], &done["after"][0]["leaked"]), (&8.into(), &0.into()), "{done}");
    assert_eq!(done["leader_before"], done["leader_after"], "{done}");
    assert_eq!(world.standing()?, before);
    assert_eq!(world.leaked().await?, 0);
    world.assert_clean()?;

    // Nothing is leaked: nothing is done.
    let idle = world.reclaimed(&["--apply"], 0)?;
    assert_eq!(idle["strategy"], Value::Null, "{idle}");
    world.lab.down()?;
    Ok(())
}

async fn borrow(test: &str, suite: Option<Suite>) -> Outcome {
    let Some(world) = World::up(test, one(suite)).await? else { return Ok(()) };
    world.leak(8).await?;
    let (before, tokens) = (world.standing()?, world.tokens()?);
    let planned = world.reclaimed(&[], 0)?;
    assert_eq!(planned["strategy"], "borrow", "{planned}");
    assert_eq!(planned["refused"][0]["strategy"], "handover", "{planned}");
    let done = world.reclaimed(&["--apply"], 0)?;
    println!("{test}: {}", summary(&done));
    assert_eq!((&done["before"][0]["leaked"], &done["after"][0]["leaked"]), (&8.into(), &0.into()), "{done}");
    assert_eq!(world.standing()?, before);
    assert!(
        world.tokens()?.iter().zip(&tokens).all(|(now, then)| now != then),
        "tokens were shown and not rotated"
    );
    assert_eq!(world.leaked().await?, 0);
    world.assert_clean()?;
    world.lab.down()?;
    Ok(())
}

fn summary(done: &Value) -> String {
    let steps = done["steps"].as_array().into_iter().flatten();
    let steps: Vec<_> =
        steps.map(|s| format!("{} {}", s["step"].as_str().unwrap_or("?"), s["elapsed_ms"])).collect();
    format!(
        "{} ms ({}), changed {}, notes {}",
        done["elapsed_ms"],
        steps.join(", "),
        done["changed"],
        done["notes"]
    )
}
