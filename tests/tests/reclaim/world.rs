//! A Swarm with something that must go on running, and everything that is compared before and after.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use pvcheck_lab::{Lab, LabSpec, Suite};
use pvcheck_swarm::{CensusOptions, Engine, Operation, Permit, RunId, census, silent};
use pvcheck_tests::stacks::{STOPS_AT_ONCE, STOPS_IN_2_S};
use pvcheck_tests::{Outcome, docker, docker_json, host, lab_of, pvcheck, text};
use serde_json::Value;

use crate::point::Kill;

pub(crate) const NETWORK: &str = "proxy";

/// One world: a Swarm with something that must go on running.
pub(crate) struct World {
    pub(crate) lab: Lab,
    pub(crate) engine: Engine,
    pub(crate) runtime: tokio::runtime::Runtime,
    pub(crate) state: State,
    pub(crate) program: PathBuf,
}

pub(crate) type Fallible<T> = Result<T, Box<dyn std::error::Error>>;

impl World {
    pub(crate) fn up(test: &str, spec: LabSpec) -> Fallible<Option<Self>> {
        let Some(lab) = lab_of(test, spec) else { return Ok(None) };
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let engine = runtime.block_on(Engine::connect(&host(&lab)))?;
        let world = Self {
            lab,
            engine,
            runtime,
            state: State { dir: tempfile::tempdir()?, names: Mutex::default() },
            program: pvcheck()?,
        };
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
        world.until_running(4);
        Ok(Some(world))
    }

    /// Leaks as many addresses, by the docker client's own removal.
    pub(crate) fn leak(&self, stacks: usize) -> Outcome {
        let running = self.running()?;
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
        self.until_running(running + stacks);
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

    pub(crate) fn running(&self) -> Fallible<usize> {
        let snapshot = self.runtime.block_on(self.engine.snapshot())?;
        Ok(snapshot.services.iter().map(|s| snapshot.running_tasks(&s.id).count()).sum())
    }

    fn until_running(&self, wanted: usize) {
        let since = Instant::now();
        while self.running().unwrap_or(0) < wanted {
            assert!(since.elapsed() < Duration::from_mins(1), "{wanted} tasks do not run");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    pub(crate) fn leaked(&self) -> Fallible<u64> {
        let permit = Permit::granted_by_operator();
        let options = CensusOptions::default();
        let run = RunId::unique();
        let found = self.runtime.block_on(census(
            Operation::new(&self.engine, permit, &run, &silent),
            NETWORK,
            &options,
        ))?;
        found.leaked.ok_or_else(|| format!("{found:?}").into())
    }

    /// `pvcheck` on the first manager.
    pub(crate) fn pvcheck(&self, words: &[&str]) -> Command {
        let mut command = self.lab.command(&self.program);
        command.args(words);
        command
    }

    /// `pvcheck reclaim` with these words, and with --helper for each further manager.
    pub(crate) fn reclaim(&self, words: &[&str]) -> Command {
        let mut command = self.pvcheck(&["reclaim", "-o", "json", "--state"]);
        command.arg(self.state.path()).args(words);
        if !words.contains(&"--restore-copy") {
            for other in self.lab.info().hosts.iter().skip(1) {
                command.args(["--helper", other]);
            }
        }
        command
    }

    /// As [`World::reclaim`], expecting an exit code: what was printed as JSON, and what was said.
    pub(crate) fn reclaimed(&self, words: &[&str], code: i32) -> Fallible<(Value, String)> {
        let mut command = self.reclaim(words);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        while child.try_wait()?.is_none() {
            self.see_names()?;
            std::thread::sleep(Duration::from_millis(20));
        }
        let done = child.wait_with_output()?;
        let errors = String::from_utf8_lossy(&done.stderr).into_owned();
        let printed = String::from_utf8_lossy(&done.stdout);
        assert_eq!(done.status.code(), Some(code), "{words:?}: {printed}{errors}");
        Ok((serde_json::from_slice(&done.stdout).unwrap_or_default(), errors))
    }

    /// Notes the name of the private engine's namespace, if the journal has one: that must be gone at the end.
    pub(crate) fn see_names(&self) -> Outcome {
        let journal = std::fs::read(self.state.path().join("reclaim.json")).unwrap_or_default();
        let journal: Value = serde_json::from_slice(&journal).unwrap_or_default();
        if let Some(name) = journal["private"]["name"].as_str() {
            self.state.names.lock().map_err(|e| e.to_string())?.insert(name.to_owned());
        }
        Ok(())
    }

    /// As [`World::reclaim`], in a process that kills itself, or the private engine, at a point.
    pub(crate) fn reclaim_until(&self, kill: &Kill) -> Fallible<Output> {
        let mut command = self.lab.command(std::env::current_exe()?);
        command.args(["--exact", "point::ends_at_a_point", "--nocapture"]);
        command.env("POINT_STATE", self.state.path());
        command.env("POINT", &kill.at).env("POINT_VICTIMS", kill.victims());
        let out = command.output()?;
        self.see_names()?;
        Ok(out)
    }

    /// True iff a reclaim was begun and not ended.
    pub(crate) fn is_unfinished(&self) -> bool {
        self.state.path().join("reclaim.json").exists()
    }

    /// What must not change, as the docker client and the kernel tell it.
    pub(crate) fn standing(&self) -> Fallible<Vec<String>> {
        let mut all = Vec::new();
        for manager in 0..self.lab.info().hosts.len() {
            let ids = text(self.lab.command_on(manager, "docker").args([
                "ps",
                "-q",
                "--no-trunc",
                "--filter",
                "label=com.docker.swarm.service.name=keep",
            ]))?;
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
            let listed = docker(&self.lab, &[kind, "ls", "--format", "{{.ID}} {{.Name}}"])?;
            all.extend(listed.lines().filter(|l| !l.ends_with(" pvcheck-lock")).map(str::to_owned));
        }
        all.sort();
        Ok(all)
    }

    pub(crate) fn tokens(&self) -> Fallible<Vec<String>> {
        let token = |role| docker(&self.lab, &["swarm", "join-token", "-q", role]);
        Ok(vec![token("worker")?, token("manager")?])
    }

    /// Nothing of pvcheck is left: processes, namespaces, links, folders, configs.
    pub(crate) fn assert_clean(&self) -> Outcome {
        let left: Vec<_> = std::fs::read_dir(self.state.path())?.flatten().map(|e| e.path()).collect();
        assert!(left.is_empty(), "left in the state folder: {left:?}");
        let state = self.state.path().to_string_lossy().into_owned();
        let processes: Vec<_> = processes_with(&state);
        assert!(processes.is_empty(), "left: {processes:?}");
        let namespaces = text(Command::new("ip").args(["netns", "list"]))?;
        let names = self.state.names.lock().map_err(|e| e.to_string())?.clone();
        assert!(names.iter().all(|name| !namespaces.contains(name)), "{names:?} in {namespaces}");
        let links = text(self.lab.command("ip").args(["-o", "link"]))?;
        assert!(!links.contains("pvb"), "{links}");
        let configs = docker(&self.lab, &["config", "ls", "--format", "{{.Name}}"])?;
        assert_eq!(configs, "text", "the lock is left");
        let raft = docker(&self.lab, &["info", "--format", "{{.Swarm.Cluster.Spec.Raft.SnapshotInterval}}"])?;
        assert_eq!(raft, "10000", "the interval of snapshots");
        let period = "{{.Swarm.Cluster.Spec.Dispatcher.HeartbeatPeriod}}";
        assert_eq!(docker(&self.lab, &["info", "--format", period])?, "5s", "the period of heartbeats");
        Ok(())
    }
}

/// The state folder. A test that fails half-way leaves no private engine behind.
pub(crate) struct State {
    dir: tempfile::TempDir,
    /// Namespaces that were seen.
    names: Mutex<BTreeSet<String>>,
}

impl State {
    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }
}

impl Drop for State {
    fn drop(&mut self) {
        let run = |program: &str, words: &[&str]| {
            // The error has no receiver here, and the test has failed already.
            let _ = Command::new(program).args(words).stderr(Stdio::null()).status();
        };
        for (pid, _) in processes_with(&self.path().to_string_lossy()) {
            run("kill", &["-9", &pid]);
        }
        for name in self.names.get_mut().map(std::mem::take).unwrap_or_default() {
            if Path::new("/run/netns").join(&name).exists() {
                run("ip", &["netns", "delete", &name]);
            }
        }
    }
}

/// A line for who reads the test's output.
pub(crate) fn say(line: &str) {
    // Who does not read it misses nothing that decides.
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Processes whose command line names a folder: id and line.
fn processes_with(folder: &str) -> Vec<(String, String)> {
    let all = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let named = all.filter_map(|e| {
        Some((e.file_name().into_string().ok()?, std::fs::read(e.path().join("cmdline")).ok()?))
    });
    let lines = named.map(|(pid, line)| (pid, String::from_utf8_lossy(&line).replace('\0', " ")));
    lines.filter(|(pid, line)| pid.parse::<u32>().is_ok() && line.contains(folder)).collect()
}

pub(crate) fn three(suite: Option<Suite>) -> LabSpec {
    LabSpec { managers: 3, suite, ..LabSpec::default() }
}

/// A manager that advertises an address of a bridge, as a host does.
pub(crate) fn one(suite: Option<Suite>) -> LabSpec {
    LabSpec { managers: 1, spares: 1, suite, ..LabSpec::default() }
}
