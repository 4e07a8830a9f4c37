use clap::Parser;

use super::*;

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    pvcheck: Pvcheck,
}

fn parse(line: &str) -> Result<Pvcheck, clap::Error> {
    Line::try_parse_from(std::iter::once("pvcheck").chain(line.split_whitespace())).map(|line| line.pvcheck)
}

fn arguments(line: &str) -> anyhow::Result<Vec<String>> {
    Ok(words(on_swarm(&parse(line)?, "unix:///run/lab.sock", Path::new("/lab/pvcheck.toml"))?))
}

fn words(arguments: Vec<OsString>) -> Vec<String> {
    arguments.into_iter().map(|word| word.to_string_lossy().into_owned()).collect()
}

/// What follows an option.
fn value<'a>(arguments: &'a [String], option: &str) -> Option<&'a str> {
    let at = arguments.iter().position(|word| word == option)?;
    arguments.get(at + 1).map(String::as_str)
}

#[test]
fn both_gates_run_in_their_order_and_may_deploy() -> anyhow::Result<()> {
    let arguments = arguments("")?;
    assert_eq!(arguments[..5], ["gate", "run", "pvcheck.m1", "pvcheck.m2", "--apply"]);
    assert_eq!(value(&arguments, "--order"), Some("drained"));
    Ok(())
}

#[test]
fn the_gates_hear_of_engine_configuration_and_order() -> anyhow::Result<()> {
    let arguments = arguments("--order stack-rm --out /reports")?;
    assert_eq!(value(&arguments, "--host"), Some("unix:///run/lab.sock"));
    assert_eq!(value(&arguments, "--config"), Some("/lab/pvcheck.toml"));
    assert_eq!(value(&arguments, "--order"), Some("stack-rm"));
    assert_eq!(value(&arguments, "--out"), Some("/reports"));
    Ok(())
}

#[test]
fn the_embedded_engine_brings_its_configuration() -> anyhow::Result<()> {
    let arguments = words(on_embedded(&parse("--engine embedded --order stack-rm")?)?);
    assert_eq!(value(&arguments, "--engine"), Some("embedded"));
    assert_eq!(value(&arguments, "--order"), Some("stack-rm"));
    assert!(arguments.iter().any(|word| word == "--probe"));
    assert!(!arguments.iter().any(|word| word == "--host" || word == "--config"), "{arguments:?}");
    Ok(())
}

#[test]
fn a_relative_folder_of_reports_is_made_absolute() -> anyhow::Result<()> {
    let arguments = arguments("")?;
    let out = Path::new(value(&arguments, "--out").unwrap_or_default());
    assert!(out.is_absolute() && out.ends_with("target/pvcheck"), "{}", out.display());
    Ok(())
}

#[test]
fn a_swarm_of_ones_own_needs_both_its_socket_and_what_is_expected_of_it() {
    for wrong in [
        "--host unix:///s",
        "--config c.toml",
        "--host unix:///s --config c.toml --engine sid",
        "--host unix:///s --config c.toml --keep",
        "--host unix:///s --config c.toml --engine embedded",
        "--order fast",
        "--engine buster",
    ] {
        assert!(parse(wrong).is_err(), "{wrong}");
    }
    for right in [
        "",
        "--host unix:///s --config c.toml",
        "--engine sid --keep",
        "--engine embedded",
        "--order stack-rm",
    ] {
        assert!(parse(right).is_ok(), "{right}");
    }
}

#[test]
fn the_code_of_the_gates_is_handed_on() {
    assert_eq!([0, 1, 4, 130].map(|code| code_of(Some(code))), [0, 1, 4, 130]);
}

#[test]
fn a_code_that_is_none_counts_as_an_interruption() {
    assert_eq!(code_of(None), 130, "ended by a signal");
    assert_eq!([code_of(Some(-1)), code_of(Some(256))], [130, 130], "out of range");
}

#[test]
fn the_code_of_a_process_arrives_through_the_signal_handlers() -> anyhow::Result<()> {
    assert_eq!(wait_forwarding(Command::new("sh").args(["-c", "exit 7"]))?, 7);
    assert_eq!(wait_forwarding(Command::new("sh").args(["-c", "kill -KILL $$"]))?, 130);
    assert!(wait_forwarding(&mut Command::new("/nonexistent/program")).is_err());
    Ok(())
}

#[test]
fn the_gates_are_asked_to_end_by_a_termination() -> anyhow::Result<()> {
    let mut child = Command::new("sh").args(["-c", "exec sleep 600"]).spawn()?;
    pass_on(&child)?;
    assert_eq!(child.wait()?.code(), None, "the request ended it");
    Ok(())
}

#[test]
fn by_its_name_it_is_pvcheck() {
    for (program, is) in [
        ("/usr/local/bin/pvcheck", true),
        ("pvcheck", true),
        ("target/debug/xtask", false),
        ("/pvcheck/xtask", false),
        ("", false),
    ] {
        assert_eq!(is_called(OsStr::new(program)), is, "{program}");
    }
}
