//! `cargo xtask pvcheck` as a whole: it passes, it shows the leak of `stack rm`, and an interruption leaves nothing.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use pvcheck_lab::Lab;
use pvcheck_tests::{Outcome, not_run, text, xtask};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// True after saying aloud why nothing can be run.
fn cannot(test: &str) -> bool {
    match Lab::available() {
        Ok(()) => false,
        Err(why) => {
            not_run(test, &why.to_string());
            true
        }
    }
}

#[test]
fn both_gates_pass() -> Outcome {
    if cannot("pvcheck::both_gates_pass") {
        return Ok(());
    }
    let labs = Labs::new()?;
    let out = tempfile::tempdir()?;
    let output = labs.pvcheck(&["--out"])?.arg(out.path()).output()?;
    let table = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{table}{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(table.lines().filter(|l| l.starts_with("PASS    pvcheck.m")).count(), 2, "{table}");
    for gate in ["pvcheck.m1", "pvcheck.m2"] {
        let report: Value = serde_json::from_slice(&std::fs::read(out.path().join(format!("{gate}.json")))?)?;
        assert_eq!((report["kind"].as_str(), report["verdict"].as_str()), (Some("gate"), Some("PASS")));
        assert!(report["checks"].as_array().is_some_and(|checks| 8 < checks.len()));
        let markdown = std::fs::read_to_string(out.path().join(format!("{gate}.md")))?;
        assert!(markdown.starts_with(&format!("# {gate}: PASS\n")), "{markdown}");
    }
    assert_eq!(labs.traces()?, BTreeSet::new(), "something is left");
    Ok(())
}

#[test]
fn stack_rm_fails_and_names_what_leaked() -> Outcome {
    if cannot("pvcheck::stack_rm_fails") {
        return Ok(());
    }
    let labs = Labs::new()?;
    let out = tempfile::tempdir()?;
    let output = labs.pvcheck(&["--order", "stack-rm", "--out"])?.arg(out.path()).output()?;
    let table = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{table}{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&std::fs::read(out.path().join("pvcheck.m2.json"))?)?;
    let checks = report["checks"].as_array().ok_or("no checks")?;
    let failed: Vec<&Value> = checks.iter().filter(|c| c["verdict"] == "FAIL").collect();
    assert_eq!(failed.len(), 1, "{failed:#?}");
    assert_eq!(failed[0]["id"], "churn.leaks");
    let reason = failed[0]["reason"].as_str().unwrap_or_default();
    // Five stacks of one task each.
    assert!(reason.starts_with("5 addresses of proxy leaked"), "{reason}");
    let named: BTreeSet<&str> = reason.split([' ', ',', ';']).filter(|w| w.starts_with("10.10.0.")).collect();
    assert_eq!(named.len(), 5, "{reason}");
    assert_eq!(labs.traces()?, BTreeSet::new(), "something is left");
    Ok(())
}

#[test]
fn an_interruption_leaves_nothing() -> Outcome {
    if cannot("pvcheck::an_interruption") {
        return Ok(());
    }
    // Once while the lab comes up, once with stacks on their way, once while they stop.
    for moment in ["starting 9 services", "deploying 5 stacks", "removing 5 stacks"] {
        let labs = Labs::new()?;
        let out = tempfile::tempdir()?;
        let mut child =
            labs.pvcheck(&["--out"])?.arg(out.path()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        let lines = BufReader::new(child.stderr.take().ok_or("no stderr")?).lines();
        let mut seen = Vec::new();
        let mut sent = false;
        for line in lines {
            let line = line?;
            if !sent && line.contains(moment) {
                let pid = Pid::from_raw(i32::try_from(child.id())?).ok_or("no pid")?;
                kill_process(pid, Signal::INT)?;
                sent = true;
            }
            seen.push(line);
        }
        let status = child.wait()?;
        assert!(sent, "the moment `{moment}` never came: {seen:#?}");
        assert_eq!(status.code(), Some(130), "{moment}: {seen:#?}");
        assert_eq!(labs.traces()?, BTreeSet::new(), "{moment}: something is left; {seen:#?}");
    }
    Ok(())
}

/// The labs of one test: a folder of their own, so that other labs of this machine may come and go.
struct Labs {
    folder: tempfile::TempDir,
}

impl Labs {
    fn new() -> Result<Self, Box<dyn std::error::Error>> {
        // A socket's path has at most 107 bytes: a short folder.
        Ok(Self { folder: tempfile::Builder::new().prefix("pvc-").tempdir_in("/var/tmp")? })
    }

    /// `cargo xtask pvcheck`, with its labs here.
    fn pvcheck(&self, words: &[&str]) -> Result<Command, Box<dyn std::error::Error>> {
        let mut command = Command::new(xtask()?);
        command.arg("pvcheck").args(words).env("PVCHECK_LAB_DIR", self.folder.path());
        Ok(command)
    }

    /// Everything that they might leave behind, searched for without the lab's own code: namespaces, and everything in the
    /// folder, is mounted there or runs from there.
    fn traces(&self) -> Result<BTreeSet<String>, Box<dyn std::error::Error>> {
        let folder = self.folder.path().to_string_lossy().into_owned();
        let mut found = BTreeSet::new();
        let namespaces = text(Command::new("ip").args(["netns", "list"]))?;
        let names = namespaces.lines().filter_map(|l| l.split_whitespace().next());
        found.extend(names.filter(|n| has_no_default_folder(n)).map(|n| format!("namespace {n}")));
        for line in std::fs::read_to_string("/proc/self/mountinfo")?.lines() {
            let place = line.split_whitespace().nth(4).unwrap_or_default();
            let name = place.rsplit('/').next().unwrap_or_default();
            if place.contains(&folder) || has_no_default_folder(name) {
                found.insert(format!("mount {place}"));
            }
        }
        let processes = text(Command::new("ps").args(["-eo", "args"]))?;
        found.extend(processes.lines().filter(|l| l.contains(&folder)).map(|l| format!("process {l}")));
        // The last lab takes the folder with it when it is empty.
        for entry in std::fs::read_dir(self.folder.path()).into_iter().flatten() {
            found.insert(format!("left {}", entry?.path().display()));
        }
        Ok(found)
    }
}

/// True iff the namespace is that of a lab whose folder is not in the default place.
fn has_no_default_folder(namespace: &str) -> bool {
    let lab = namespace.strip_prefix("pvl-").and_then(|rest| rest.rsplit_once('-'));
    lab.is_some_and(|(name, _)| !Path::new("/var/tmp/pvcheck-lab").join(name).exists())
}
