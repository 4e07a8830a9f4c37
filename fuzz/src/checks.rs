//! What must hold for any bytes, one function for each parser. The fuzz targets call these, and so does a plain test
//! with the committed corpus (`tests/tests/corpus.rs`), so they are compiled and run without a fuzzer too.

use std::str::from_utf8;

use pvcheck_boot::{BootReport, GateUrl, Language, Script, Unit, UnitFile, UnitSet, Wait, analyse};
use pvcheck_gates::Config;
use pvcheck_ipam::{Index, NetworkName, Reservations, Subnet, SubnetError};
use pvcheck_journal::{Catalogue, MAX_LINE_BYTES, OwnNoise, Record, Scanner, Window, parse_file, scan};
use pvcheck_routes::RouteUrl;

/// A parser's check.
pub(crate) type Check = fn(&[u8]);

/// Every check by the name of its target and of its folder of the corpus.
pub(crate) const CHECKS: &[(&str, Check)] = &[
    ("subnet_parse", subnet_parse),
    ("network_name", network_name),
    ("reservations_json", reservations_json),
    ("record_line", record_line),
    ("record_entry", record_entry),
    ("log_file", log_file),
    ("unit_file", unit_file),
    ("shell_text", shell_text),
    ("python_text", python_text),
    ("stack_file", stack_file),
    ("gate_url", gate_url),
    ("route_url", route_url),
    ("config", config),
];

/// An error that a person reads: one line, not a page, and nothing that moves a terminal.
fn one_line(error: &impl ToString) {
    let text = error.to_string();
    assert!(!text.is_empty() && text.len() < 2_048, "{} bytes: {text:?}", text.len());
    assert!(!text.contains(char::is_control), "{text:?}");
}

/// A subnet is read only from the text that it is written as, and a refused one comes with a suggestion that parses.
fn subnet_parse(data: &[u8]) {
    let Ok(text) = from_utf8(data) else { return };
    match Subnet::parse(text) {
        Ok(subnet) => {
            assert_eq!(subnet.to_string(), text);
            let json = serde_json::to_string(&subnet).expect("a subnet is a string");
            assert_eq!(serde_json::from_str::<Subnet>(&json).expect("what was written is read"), subnet);
        }
        Err(error) => {
            one_line(&error);
            if let SubnetError::HostBits { canonical, .. } = error {
                assert_eq!(Subnet::parse(&canonical.to_string()), Ok(canonical));
            }
        }
    }
}

/// A name is itself, and one word to a shell.
fn network_name(data: &[u8]) {
    let Ok(text) = from_utf8(data) else { return };
    match text.parse::<NetworkName>() {
        Ok(name) => {
            assert_eq!(name.as_str(), text);
            assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte)));
        }
        Err(error) => one_line(&error),
    }
}

/// What was read is written and read again as the same, without duplicates, and every entry collides with itself.
fn reservations_json(data: &[u8]) {
    let Ok(text) = from_utf8(data) else { return };
    let read = match Reservations::from_json(text) {
        Ok(read) => read,
        Err(error) => return one_line(&error),
    };
    let json = serde_json::to_string(&read.list).expect("reservations are JSON");
    let again = Reservations::from_json(&json).expect("what was written is read");
    assert_eq!((&again.list, again.duplicates.len()), (&read.list, 0));
    for duplicate in &read.duplicates {
        assert!(
            duplicate.first < duplicate.entry && duplicate.entry <= read.list.len() + read.duplicates.len()
        );
    }
    let index = Index::new(read.list.clone());
    assert_eq!(index.len(), read.list.len());
    // A few, for a list of equal entries answers with all of them.
    for item in read.list.iter().take(8) {
        assert!(index.conflicts(item.net).any(|(found, _)| found == item));
    }
}

/// A record is JSON and back, and is counted by a scan.
fn record_holds(record: &Record) {
    let json = serde_json::to_string(record).expect("a record is JSON");
    let again: Record = serde_json::from_str(&json).expect("what was written is read");
    assert_eq!((again.at, again.level, again.form), (record.at, record.level, record.form));
    let scan = scan([record], Window::OPEN, Catalogue::builtin(), &OwnNoise::none());
    assert_eq!((scan.read, scan.records), (1, 1));
}

/// A line is read again from what was kept of it as the same record.
fn record_line(data: &[u8]) {
    let record = Record::parse_line(data);
    assert_eq!(record.cut_bytes, data.len().saturating_sub(MAX_LINE_BYTES) as u64);
    record_holds(&record);
    if record.cut_bytes == 0 && record.raw.len() <= MAX_LINE_BYTES {
        assert_eq!(Record::parse_line(record.raw.as_bytes()), record);
    }
}

/// Any entry of a journal becomes a record.
fn record_entry(data: &[u8]) {
    record_holds(&Record::parse_entry(data));
}

/// Any file becomes records, and without one of dockerd's it is no all-clear.
fn log_file(data: &[u8]) {
    let (records, lack) = parse_file(data);
    let mut scanner = Scanner::new(Catalogue::builtin(), Window::OPEN);
    for record in &records {
        scanner.push(record);
    }
    if let Some(reason) = lack {
        scanner.note_incomplete(reason);
    }
    let scan = scanner.finish();
    let coverage = scan.coverage.expect("every scan records what it covered");
    assert_eq!(scan.complete, scan.incomplete.is_empty());
    assert!(!scan.complete || 0 < coverage.engine, "{scan:?}");
    assert_eq!(coverage.understood + coverage.not_understood, scan.records);
    assert!(scan.doubt().is_none_or(|doubt| !doubt.to_string().contains('\n')));
    serde_json::to_string(&scan).expect("a scan is JSON");
}

/// The assignments, written plainly, are read as the same assignments, and every warning has its place.
fn unit_file(data: &[u8]) {
    let Ok(text) = from_utf8(data) else { return };
    let (file, warnings) = UnitFile::parse("fuzz.service", text);
    let lines = text.lines().count();
    assert!(file.assignments.iter().all(|found| (1..=lines).contains(&found.line)));
    assert!(file.assignments.is_sorted_by_key(|found| found.line));
    assert!(warnings.iter().all(|warning| warning.line.is_some_and(|line| (1..=lines).contains(&line))));
    // A value may end with a backslash that a blank followed: at the line's end it would go on in the next line.
    let plain: String =
        file.assignments.iter().map(|a| format!("[{}]\n{}={} \n", a.section, a.key, a.value)).collect();
    let (again, _) = UnitFile::parse("fuzz.service", &plain);
    let words = |file: &UnitFile| -> Vec<_> {
        file.assignments.iter().map(|a| (a.section.clone(), a.key.clone(), a.value.clone())).collect()
    };
    assert_eq!(words(&again), words(&file));
    let (unit, _) = Unit::parse("fuzz.service", text).expect("the name is good");
    serde_json::to_string(&unit).expect("a unit is JSON");
    // A declared wait starts the unit, so that its commands are searched for others.
    let url = "http://h/".parse().expect("the URL is good");
    let wait = Wait { unit: unit.name.clone(), url, during: None };
    let report = analyse(&UnitSet::whole(vec![unit]), &[wait], &[]);
    // Only what it deploys could serve that.
    assert!(
        text.contains("docker") || report.deadlock_free() != Some(true),
        "nothing serves what it waits for"
    );
}

/// A unit that runs a script and deploys a stack file.
fn deploying(script: &str, language: Language, stack: &str) -> BootReport {
    let text = "[Service]\nType=oneshot\nExecStart=/bin/run x\nExecStartPost=/usr/bin/docker stack deploy -c /x.yml x\n\
                [Install]\nWantedBy=multi-user.target\n";
    let (mut unit, _) = Unit::parse("fuzz.service", text).expect("the name is good");
    let file = |path: &str, text: &str, language: Language| Script {
        asked: path.to_owned(),
        path: path.to_owned(),
        text: text.to_owned(),
        language,
    };
    unit.commands[0].script = Some(file("/bin/run", script, language));
    unit.commands[1].stacks = vec![file("/x.yml", stack, Language::Shell)];
    analyse(&UnitSet::whole(vec![unit]), &[], &[])
}

fn shell_text(data: &[u8]) {
    script_text(data, Language::Shell);
}

fn python_text(data: &[u8]) {
    script_text(data, Language::Python);
}

fn script_text(data: &[u8], language: Language) {
    let Ok(text) = from_utf8(data) else { return };
    let report = deploying(text, language, "");
    let lines = text.lines().count().max(1);
    for found in report.waits.iter().filter_map(|row| row.found.as_ref()) {
        assert!(found.line.is_some_and(|line| (1..=lines).contains(&line)), "{found}");
    }
    serde_json::to_string(&report).expect("a report is JSON");
    assert!(report.dot().ends_with("}\n") && report.mermaid().starts_with("flowchart LR\n"));
}

fn stack_file(data: &[u8]) {
    let Ok(text) = from_utf8(data) else { return };
    let report = deploying("until curl -fs https://ci.example.org/; do sleep 1; done", Language::Shell, text);
    assert_eq!(report.waits.len(), 1);
    assert_eq!(report.deadlocks, [], "a unit may wait for what it deploys itself");
}

/// A gate's URL is read again from what is shown of it as the same.
fn gate_url(data: &[u8]) {
    let Ok(text) = from_utf8(data) else { return };
    match text.parse::<GateUrl>() {
        Ok(url) => assert_eq!(url.to_string().parse::<GateUrl>(), Ok(url)),
        Err(error) => one_line(&error),
    }
}

/// A route's URL without a query is read again from what is shown of it as the same; one with a query never shows it.
fn route_url(data: &[u8]) {
    let Ok(text) = from_utf8(data) else { return };
    let url = match RouteUrl::parse(text) {
        Ok(url) => url,
        Err(error) => return one_line(&error),
    };
    let shown = url.to_string();
    assert!(shown.chars().count() <= 301 && url.port() != 0 && url.target().starts_with('/'));
    match url.target().split_once('?') {
        Some((_, query)) => assert!(query.len() < 16 || !shown.contains(query)),
        // What is long is shown cut.
        None if shown.ends_with('…') => {}
        None => assert_eq!(RouteUrl::parse(&shown), Ok(url)),
    }
}

/// A configuration that is taken has its digest, and the same text the same one.
fn config(data: &[u8]) {
    let Ok(text) = from_utf8(data) else { return };
    match Config::parse("fuzz.toml", text) {
        Ok(config) => {
            assert!(config.digest().len() == 64 && config.digest().bytes().all(|b| b.is_ascii_hexdigit()));
            let again = Config::parse("fuzz.toml", text).expect("the same text is taken again");
            assert_eq!(again.digest(), config.digest());
        }
        Err(error) => one_line(&error),
    }
}
