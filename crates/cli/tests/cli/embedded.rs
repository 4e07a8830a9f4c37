//! `pvcheck embedded up`: it listens until it is ended, says how to use it, and leaves nothing.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::*;

struct Server {
    process: Child,
    /// What it printed when it was ready.
    said: String,
    dir: TempDir,
}

impl Server {
    fn up(args: &[&str]) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let mut all = vec!["embedded", "up", "--socket", "swarm.sock"];
        all.extend(args);
        let mut command = bare(dir.path(), &all);
        let mut process =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("pvcheck is built");
        let mut stdout = BufReader::new(process.stdout.take().expect("piped"));
        let mut said = String::new();
        // A line, or a document over several of them: it ends with a bracket of its own.
        while !said.ends_with("}\n") && (!said.ends_with('\n') || said.starts_with('{')) {
            assert!(0 < stdout.read_line(&mut said).expect("text"), "it ended: {said}");
        }
        Self { process, said, dir }
    }

    fn socket(&self) -> PathBuf {
        // The path is made absolute by the working directory, which the kernel names without links.
        std::fs::canonicalize(self.dir.path()).expect("it is there").join("swarm.sock")
    }

    fn pvcheck(&self, args: &[&str]) -> Done {
        let mut command = bare(self.dir.path(), args);
        command.arg("--host").arg(format!("unix://{}", self.socket().display()));
        Done::of(command)
    }

    /// Ends it with a signal; returns the exit code and what it said on stderr.
    fn end(&mut self, signal: Signal) -> (Option<i32>, String) {
        kill_process(Pid::from_child(&self.process), signal).expect("it runs");
        until("the server has ended", || self.process.try_wait().expect("a child").is_some());
        let mut stderr = String::new();
        self.process.stderr.take().expect("piped").read_to_string(&mut stderr).expect("text");
        (self.process.wait().expect("a child").code(), stderr)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn is_empty(dir: &Path) -> bool {
    std::fs::read_dir(dir).expect("a folder").next().is_none()
}

#[test]
fn it_serves_a_world_and_ends_with_0_without_a_socket() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let mut server = Server::up(&["--world", "empty"]);
        let line = format!("DOCKER_HOST=unix://{} docker service ls\n", server.socket().display());
        assert!(
            server.said.starts_with("embedded engine 20.10.24") && server.said.ends_with(&line),
            "{}",
            server.said
        );
        let audit = server.pvcheck(&["audit", "-o", "json"]);
        assert_eq!((audit.code, &audit.json()["engine"]), (Some(0), &"embedded".into()), "{audit:?}");
        let (code, stderr) = server.end(signal);
        assert_eq!(code, Some(0), "{stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        assert!(is_empty(server.dir.path()), "the socket is gone");
    }
}

#[test]
fn the_document_says_what_was_started() {
    let args = ["--managers", "3", "--version", "29.7", "--seed", "7", "-o", "json"];
    let server = Server::up(&args);
    let said: Value = serde_json::from_str(&server.said).unwrap();
    assert_eq!((&said["kind"], &said["engine"]), (&"embedded-up".into(), &"embedded".into()), "{said}");
    assert_eq!(said["host"], format!("unix://{}", server.socket().display()));
    assert_eq!(
        (&said["world"], &said["version"], &said["managers"], &said["seed"]),
        (&"cc-ci".into(), &"29.7.2".into(), &3.into(), &7.into())
    );
    let saved = server.pvcheck(&["audit", "--save", "seen.json"]);
    assert_eq!(saved.code, Some(0), "{saved:?}");
    let seen = std::fs::read_to_string(server.dir.path().join("seen.json")).unwrap();
    assert!(seen.contains("node3"), "three nodes");
}

#[test]
fn a_fault_breaks_the_calls_of_its_rule_and_no_others() {
    let rule = "GET /tasks: status 500, times 1";
    let server = Server::up(&["--world", "empty", "--fault", rule, "-o", "json"]);
    let said: Value = serde_json::from_str(&server.said).unwrap();
    assert_eq!(said["faults"], serde_json::json!([rule]));
    let broken = server.pvcheck(&["audit"]);
    assert!(broken.code == Some(3) && broken.stderr.contains("500"), "{broken:?}");
    let whole = server.pvcheck(&["audit"]);
    assert_eq!(whole.code, Some(0), "{whole:?}");
}

#[test]
fn in_the_incident_a_service_waits_and_the_overlay_is_full() {
    let server = Server::up(&["--world", "incident"]);
    let audit = server.pvcheck(&["audit", "proxy", "-o", "json"]);
    assert_eq!(audit.code, Some(1), "{audit:?}");
    let waiting = server.pvcheck(&["audit", "proxy"]);
    assert!(waiting.stdout.contains("ghos-"), "{waiting:?}");
}

#[test]
fn a_socket_that_cannot_be_and_wrong_options_are_refused_in_one_line() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("taken"), "kept").unwrap();
    let long = "x".repeat(120);
    for (socket, words) in [
        ("taken", &["taken", "there already", "remove it"] as &[&str]),
        ("none/swarm.sock", &["none/swarm.sock", "no such folder"]),
        (&long, &["too long", "107"]),
        ("", &["--socket"]),
    ] {
        let args = ["embedded", "up", "--world", "empty", "--socket", socket];
        Done::of(bare(dir.path(), &args)).assert_refused(2, words);
    }
    assert_eq!(std::fs::read_to_string(dir.path().join("taken")).unwrap(), "kept");
    for (args, words) in [
        (["--version", "19.03"], &["19.03", "20.10", "26.1", "28.5", "29.0", "29.7"] as &[&str]),
        (["--world", "moon"], &["moon", "cc-ci", "incident", "empty"]),
        (["--managers", "0"], &["--managers", "1..=7"]),
        (["--managers", "8"], &["--managers", "1..=7"]),
        (["--seed", "x"], &["--seed"]),
        (["--fault", "any: statsu 500"], &["any: statsu 500", "no such kind", "no-leader"]),
    ] {
        let all = ["embedded", "up", "--socket", "new.sock"].into_iter().chain(args);
        Done::of(bare(dir.path(), &all.collect::<Vec<_>>())).assert_refused(2, words);
    }
    assert!(!dir.path().join("new.sock").exists());
}
