use clap::Parser;
use pvcheck_lab::LabStatus;
use serde_json::{Value, json};

use super::*;

#[derive(Debug, Parser)]
struct Line {
    #[command(subcommand)]
    command: Command,
}

fn parse(line: &str) -> Result<Command, clap::Error> {
    Line::try_parse_from(std::iter::once("lab").chain(line.split_whitespace())).map(|line| line.command)
}

fn spec(line: &str) -> LabSpec {
    match parse(line) {
        Ok(Command::Up(up)) => up.spec(),
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn a_lab_is_one_empty_manager_unless_more_is_asked_for() {
    let spec = spec("up");
    assert_eq!((spec.managers, spec.spares, spec.suite), (1, 0, None));
    assert_eq!((spec.name, spec.world), (None, World::Empty));
    assert_eq!(spec.router, Router::Caddy);
}

#[test]
fn every_option_of_up_reaches_the_specification() {
    let spec = spec("up --managers 3 --spares 2 --engine trixie --name demo --world cc-ci --router traefik");
    assert_eq!((spec.managers, spec.spares, spec.suite), (3, 2, Some(Suite::Trixie)));
    assert_eq!(spec.name.map(|name| name.to_string()).as_deref(), Some("demo"));
    assert_eq!((spec.world, spec.router), (World::CcCi, Router::Traefik));
}

#[test]
fn a_host_has_the_world_with_the_gate_of_the_real_one_unless_another_is_asked_for() {
    let spec = |line: &str| match parse(line) {
        Ok(Command::Host(host)) => host.spec("/t/xtask".into()),
        other => panic!("{line}: {other:?}"),
    };
    let usual = spec("host");
    assert_eq!((usual.gate, usual.gate_limit), (Some(Gate::Router), Duration::from_mins(1)));
    assert_eq!(usual.pvcheck.as_deref(), Some(std::path::Path::new("/t/xtask")));
    let asked = spec("host --name demo --gate dashboard-first --gate-limit 9");
    assert_eq!((asked.gate, asked.gate_limit), (Some(Gate::DashboardFirst), Duration::from_secs(9)));
    assert_eq!(asked.name.map(|name| name.to_string()).as_deref(), Some("demo"));
    assert_eq!(spec("host --empty").gate, None);
}

#[test]
fn faults_are_rules_and_a_wrong_one_names_the_kinds() {
    let rule = |text: &str| Line::try_parse_from(["lab", "up", "--fault", text]).map(|line| line.command);
    match rule("GET /tasks: status 500, times 2") {
        Ok(Command::Up(up)) => assert_eq!(up.fault[0].to_string(), "GET /tasks: status 500, times 2"),
        other => panic!("{other:?}"),
    }
    let error = rule("any: statsu 500").expect_err("no such kind").to_string();
    assert!(error.contains("`statsu 500`") && error.contains("no-leader"), "{error}");
}

#[test]
fn wrong_arguments_are_refused_before_anything_starts() {
    for line in [
        "up --engine buster",
        "up --name Upper",
        "up --name a-name-too-long",
        "up --world other",
        "up --managers many",
        "up demo",
        "up --fault reset",
        "host --gate traefik",
        "host --gate-limit 0",
        "host --empty --gate drone",
        "host --managers 3",
        "down",
        "exec demo",
        "exec demo docker ps",
        "exec -- docker ps",
        "list demo",
    ] {
        assert!(parse(line).is_err(), "{line}");
    }
}

#[test]
fn down_takes_names_or_stale_or_both() {
    for (line, names, stale) in
        [("down a b", 2, false), ("down --stale", 0, true), ("down a --stale", 1, true)]
    {
        match parse(line) {
            Ok(Command::Down(down)) => assert_eq!((down.names.len(), down.stale), (names, stale), "{line}"),
            other => panic!("{line}: {other:?}"),
        }
    }
}

#[test]
fn what_follows_two_dashes_is_the_command_as_it_stands() {
    match parse("exec demo --manager 2 -- docker ps --all") {
        Ok(Command::Exec(exec)) => {
            assert_eq!((exec.name.as_str(), exec.manager), ("demo", 2));
            assert_eq!(exec.command, ["docker", "ps", "--all"]);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn expected_errors_have_a_code_of_their_own() -> Result<(), LabError> {
    assert_eq!(Ending::of(LabError::Cancelled)?, Ending { line: None, code: 130 });
    let suite = Ending::of(LabError::SuiteNotOffered { suite: "sid".to_owned() })?;
    assert_eq!(suite.code, 3);
    assert!(suite.line.is_some_and(|line| line.contains("sid")));
    let count = Ending::of(LabError::EngineCount { asked: 9, max: 7 })?;
    assert_eq!(count.code, 2);
    assert!(count.line.is_some_and(|line| line.starts_with("error: ") && line.contains('7')));
    Ok(())
}

#[test]
fn any_other_error_is_handed_back() {
    let failed = LabError::LeftBehind { name: "demo".to_owned(), left: vec!["a mount".to_owned()] };
    assert!(matches!(Ending::of(failed), Err(LabError::LeftBehind { name, .. }) if name == "demo"));
}

#[test]
fn progress_carries_its_seconds() {
    assert_eq!(stamped(Duration::from_millis(1_250), "starting"), "[  1.2s] starting");
    assert_eq!(stamped(Duration::from_secs(123), "ready"), "[123.0s] ready");
}

#[test]
fn an_empty_list_is_a_document_too() -> anyhow::Result<()> {
    let mut out = Vec::new();
    write_json(&mut out, &Vec::<LabStatus>::new())?;
    assert_eq!(String::from_utf8(out)?, "[]\n");
    Ok(())
}

#[test]
fn a_lab_without_facts_is_listed_with_null() -> anyhow::Result<()> {
    let lab = LabStatus { name: "demo".parse()?, ready: false, engines_alive: 0, stale: true, info: None };
    let mut out = Vec::new();
    write_json(&mut out, &[lab])?;
    let text = String::from_utf8(out)?;
    assert_eq!(text.lines().count(), 1, "one document is one line");
    let expected = json!([{"name": "demo", "ready": false, "engines_alive": 0, "stale": true, "info": null}]);
    assert_eq!(serde_json::from_str::<Value>(&text)?, expected);
    Ok(())
}

#[test]
fn a_reader_that_has_gone_away_is_an_error() {
    struct Closed;
    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    // `lab up` takes the lab down again then, because its name reached no one.
    assert!(write_json(&mut Closed, &json!([])).is_err());
}
