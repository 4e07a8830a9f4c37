//! Reports of gates that ran before, read from where `gate run` has left them.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use pvcheck_audit::EngineKind;
use pvcheck_routes::Verdict;
use serde::Deserialize;
use serde_json::Value;

use super::preflight::Preflight;
use crate::cause::Unseen;
use crate::config::Config;
use crate::observed::Observed;
use crate::run_facts::{Before, PastReport, RunFacts};
use crate::waiver::Waiver;

/// The largest report that is read. One of a gate with a thousand checks is smaller.
const MOST_BYTES: u64 = 16 << 20;
/// The most files that are read of one folder.
const MOST_FILES: usize = 10_000;

/// What a report in a file says of itself.
#[derive(Deserialize)]
struct Saved {
    gate: String,
    verdict: Verdict,
    at: Timestamp,
    #[serde(default)]
    swarm: Option<String>,
    #[serde(default)]
    engine: EngineKind,
    #[serde(default)]
    checks: Vec<SavedCheck>,
}

/// What a check in it says of itself.
#[derive(Deserialize)]
struct SavedCheck {
    id: String,
    #[serde(default)]
    waiver: Option<Waiver>,
}

/// Records where this gate runs, and the newest report of each gate that must have passed before. It reads files alone.
pub fn collect_run(config: &Config, gate: &str, ready: &Preflight) -> RunFacts {
    let asked = config.preconditions.iter().find(|asked| asked.gate == gate);
    let before = asked.map(|asked| {
        let places: Vec<PathBuf> = asked.reports.0.iter().map(|path| config.file(path)).collect();
        let read = read_all(&places);
        asked.requires.iter().map(|gate| Before { gate: gate.clone(), newest: newest(gate, &read) }).collect()
    });
    let at = Timestamp::now();
    RunFacts {
        at,
        swarm: ready.swarm.clone(),
        engine: ready.engine,
        node: ready.node.clone(),
        before: before.unwrap_or_default(),
    }
}

/// The newest report of this gate. Of two of one time the worse counts.
fn newest(gate: &str, read: &Result<Vec<(String, PastReport)>, String>) -> Observed<PastReport> {
    let of_gate = |reports: &Vec<(String, PastReport)>| {
        let own = reports.iter().filter(|(name, _)| name == gate).map(|(_, report)| report);
        own.max_by_key(|report| (report.at, report.verdict)).cloned()
    };
    let found = read.as_ref().map(of_gate);
    match found {
        Ok(Some(report)) => Observed::now("files", report),
        Ok(None) => Observed::not_asked("files", Unseen::NoReport { gate: gate.to_owned() }),
        Err(error) => Observed::not_asked("files", Unseen::Failed { error: error.clone() }),
    }
}

/// Every report in these files and folders, with its gate's name. One file that cannot be read may be the newest report, so
/// that all are unknown then.
fn read_all(places: &[PathBuf]) -> Result<Vec<(String, PastReport)>, String> {
    let mut reports = Vec::new();
    for place in places {
        let failed = |why: &dyn std::fmt::Display| format!("{}: {why}", place.display());
        if fs::metadata(place).map_err(|e| failed(&e))?.is_dir() {
            for file in files(place).map_err(|e| failed(&e))? {
                reports.extend(read(&file)?);
            }
        } else {
            let found = read(place)?;
            if found.is_empty() {
                return Err(failed(&"it is no report of `gate run -o json`"));
            }
            reports.extend(found);
        }
    }
    Ok(reports)
}

/// The reports of a folder: its files that end with `.json`, but for the facts beside them.
fn files(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(|e| e.to_string())? {
        let path = entry.map_err(|e| e.to_string())?.path();
        let is_facts = |path: &Path| {
            path.file_stem().is_some_and(|stem| Path::new(stem).extension() == Some("facts".as_ref()))
        };
        if path.extension() == Some("json".as_ref()) && !is_facts(&path) {
            files.push(path);
        }
    }
    if MOST_FILES < files.len() {
        return Err(format!("it has more than {MOST_FILES} files; name the reports themselves"));
    }
    files.sort();
    Ok(files)
}

/// The reports in one file: one, a list, or none where it is something else.
fn read(path: &Path) -> Result<Vec<(String, PastReport)>, String> {
    let file = path.display().to_string();
    let failed = |why: &dyn std::fmt::Display| format!("{file}: {why}");
    let value: Value = serde_json::from_str(&text(path).map_err(|e| failed(&e))?).map_err(|e| failed(&e))?;
    let documents = match value {
        Value::Array(several) => several,
        one => vec![one],
    };
    let of_gate = documents.into_iter().filter(|document| document["kind"] == "gate");
    let report = |document: Value| {
        let Saved { gate, verdict, at, swarm, engine, checks } =
            serde_json::from_value(document).map_err(|e| failed(&e))?;
        let waived =
            checks.into_iter().filter(|check| check.waiver.is_some()).map(|check| check.id).collect();
        Ok((gate, PastReport { file: file.clone(), verdict, at, swarm, engine, waived }))
    };
    of_gate.map(report).collect()
}

fn text(path: &Path) -> Result<String, String> {
    // Opening anything else may not return.
    if !fs::metadata(path).map_err(|e| e.to_string())?.is_file() {
        return Err("it is no file".to_owned());
    }
    let mut text = String::new();
    let file = File::open(path).map_err(|e| e.to_string())?;
    let length = file.take(MOST_BYTES + 1).read_to_string(&mut text).map_err(|e| e.to_string())?;
    if MOST_BYTES < length as u64 {
        return Err(format!("it has more than {} MiB", MOST_BYTES >> 20));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(gate: &str, verdict: &str, at: &str) -> String {
        format!(r#"{{"kind":"gate","gate":"{gate}","verdict":"{verdict}","at":"{at}","swarm":"s"}}"#)
    }

    #[test]
    fn the_newest_report_counts_whatever_its_file_is_called() {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("a file");
        write("b.json", &report("pvfix.m1", "PASS", "2026-06-13T05:00:00Z"));
        let several = [
            report("pvfix.m1", "FAIL", "2026-06-13T06:00:00Z"),
            report("other", "PASS", "2026-06-13T07:00:00Z"),
        ];
        write("a.json", &format!("[{}]", several.join(",")));
        write("c.json", r#"{"kind":"audit"}"#);
        write("pvfix.m1.facts.json", "not read");
        write("pvfix.m1.md", "not read");
        let read = read_all(&[folder.path().to_owned()]);
        let found = newest("pvfix.m1", &read).known().cloned().expect("two are there");
        assert_eq!(
            (found.verdict, found.swarm.as_deref(), found.engine),
            (Verdict::Fail, Some("s"), EngineKind::Real)
        );
        assert!(newest("pvfix.m2", &read).known().is_none());
        write("d.json", &report("pvfix.m1", "PASS", "2026-06-13T06:00:00Z"));
        let read = read_all(&[folder.path().to_owned()]);
        assert_eq!(
            newest("pvfix.m1", &read).known().map(|r| r.verdict),
            Some(Verdict::Fail),
            "the worse of two"
        );
    }

    #[test]
    fn a_file_that_cannot_be_read_makes_all_unknown_and_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("a file");
        write("a.json", &report("pvfix.m1", "PASS", "2026-06-13T05:00:00Z"));
        for broken in ["{", "{\"kind\":\"gate\"}", "\u{0}"] {
            write("z.json", broken);
            let read = read_all(&[folder.path().to_owned()]);
            let why = newest("pvfix.m1", &read).sight().expect_err(broken).to_string();
            assert!(why.contains("z.json: "), "{why}");
        }
        write("z.json", r#"{"kind":"audit"}"#);
        let named = read_all(&[folder.path().join("z.json")]).expect_err("no report");
        assert!(named.ends_with("it is no report of `gate run -o json`"), "{named}");
        assert!(read_all(&[folder.path().join("none")]).is_err());
        assert!(read_all(&["/dev/zero".into()]).expect_err("no file").ends_with("it is no file"));
    }
}
