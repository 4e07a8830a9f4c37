//! The units in dist/systemd, by systemd's own judgement.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The exposure that the service must stay below; systemd calls 2 to 4.9 `OK` and more than that `MEDIUM` or worse.
const BELOW: f64 = 4.0;
/// The first version that judges a file without a manager (systemd-analyze(1), --offline=).
const OFFLINE_SINCE: u32 = 252;

fn units() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../dist/systemd")
}

/// The version of systemd-analyze here, if it can judge a file.
fn judge_is_here() -> bool {
    let asked = Command::new("systemd-analyze").arg("--version").output();
    let text = asked.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let version = text.split_whitespace().nth(1).and_then(|version| version.split('.').next()?.parse().ok());
    let is_here = version.is_some_and(|version: u32| OFFLINE_SINCE <= version);
    if !is_here {
        say(&format!("NOT RUN: systemd-analyze {OFFLINE_SINCE} or later is not here, so no unit was judged"));
    }
    is_here
}

/// Aloud, whether or not the test passes.
fn say(line: &str) {
    // A closed stderr loses this line only.
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// How exposed a service with this text is, as systemd counts it.
fn exposure(text: &str) -> f64 {
    let folder = tempfile::tempdir().expect("a folder");
    let unit = folder.path().join("pvcheck-guard.service");
    std::fs::write(&unit, text).expect("a file");
    let output = Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--no-pager"])
        .arg(&unit)
        .output()
        .expect("it is here");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let level =
        said.lines().find_map(|line| line.split_once("Overall exposure level for")?.1.split_once(": "));
    let number = level.and_then(|(_, level)| level.split_whitespace().next()?.parse().ok());
    number.unwrap_or_else(|| panic!("no level: {said}{}", String::from_utf8_lossy(&output.stderr)))
}

#[test]
fn the_service_is_not_exposed_and_would_be_without_its_walls() {
    if !judge_is_here() {
        return;
    }
    let text = std::fs::read_to_string(units().join("pvcheck-guard.service")).expect("the unit");
    let with = exposure(&text);
    assert!(with < BELOW, "{with}");
    let walls = ["Protect", "Private", "Restrict", "Capability", "SystemCall", "NoNew"];
    let bare = text.lines().filter(|line| !walls.iter().any(|wall| line.starts_with(wall)));
    let without = exposure(&bare.map(|line| line.to_owned() + "\n").collect::<String>());
    assert!(BELOW < without, "{without}");
    say(&format!("exposure {with}, without its walls {without}"));
}

/// Without a census an engine that has no counts of its own leaves `ahead` unknown, and the unit failed, for ever.
#[test]
fn the_service_can_answer_each_of_its_questions() {
    let text = std::fs::read_to_string(units().join("pvcheck-guard.service")).expect("the unit");
    let command = text.lines().find(|line| line.starts_with("ExecStart=")).expect("it runs something");
    for word in ["--probe", "--apply"] {
        assert!(command.split(' ').any(|one| one == word), "{word}: {command}");
    }
}

/// What a unit says at all is what systemd knows: a word that is misspelt is a wall that is not there.
#[test]
fn every_word_of_the_units_is_one_of_systemds() {
    if !judge_is_here() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["pvcheck-guard.service", "pvcheck-guard.timer"] {
        let text = std::fs::read_to_string(units().join(name)).expect("the unit");
        // The program is not installed where the tests run.
        std::fs::write(folder.path().join(name), text.replace("/usr/bin/pvcheck", "/bin/true"))
            .expect("a file");
    }
    let drop_in = folder.path().join("pvcheck-guard.service.d");
    std::fs::create_dir(&drop_in).expect("a folder");
    std::fs::copy(units().join("pvcheck-guard-borrow.conf"), drop_in.join("borrow.conf")).expect("a file");
    for name in ["pvcheck-guard.service", "pvcheck-guard.timer"] {
        let output = Command::new("systemd-analyze")
            .args(["verify", "--man=no", "--recursive-errors=no"])
            .arg(folder.path().join(name))
            .output()
            .expect("it is here");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let about: Vec<&str> = said.lines().filter(|line| line.contains("pvcheck-guard")).collect();
        assert!(about.is_empty(), "{name}: {about:?}");
    }
}
