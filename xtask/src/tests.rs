use clap::CommandFactory;

use super::*;

fn parse(line: &str) -> Result<Task, clap::Error> {
    let words = ["cargo xtask"].into_iter().chain(line.split_whitespace());
    Args::try_parse_from(words).map(|args| args.task)
}

#[test]
fn the_definition_is_sound() {
    Args::command().debug_assert();
}

#[test]
fn every_task_is_reached_by_its_name() {
    assert!(matches!(parse("pvcheck"), Ok(Task::Pvcheck(_))));
    assert!(matches!(parse("test --only examples --bless"), Ok(Task::Test(_))));
    assert!(matches!(parse("bench"), Ok(Task::Bench(_))));
    assert!(matches!(parse("lab list"), Ok(Task::Lab(lab::Command::List))));
}

#[test]
fn a_task_is_required_and_must_be_known() {
    for line in ["", "lab", "verify", "test examples", "bench other"] {
        assert!(parse(line).is_err(), "{line}");
    }
}

#[test]
fn the_word_for_the_namespace_is_no_task() {
    // It is taken out of the arguments before they are parsed; a task of that name could never be reached.
    assert!(parse(pvcheck::INSIDE).is_err());
    assert!(Args::command().find_subcommand(pvcheck::INSIDE).is_none());
}

#[test]
fn bench_takes_its_bounds_seriously() {
    for line in [
        "bench --rounds 2",
        "bench audit --rounds 1001",
        "bench ipam --sizes 0",
        "bench ipam --sizes 10,4000001",
        "bench ipam --limit 0",
        "bench swarm --services 2001",
        "bench swarm --rounds 101",
    ] {
        assert!(parse(line).is_err(), "{line}");
    }
    for line in ["bench --rounds 3", "bench ipam --sizes 10,1000 --limit 5", "bench swarm --no-large"] {
        assert!(parse(line).is_ok(), "{line}");
    }
}
