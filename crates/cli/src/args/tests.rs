//! Words in, values out.

use clap::CommandFactory;
use pvcheck_swarm::Order;

use super::values::go_bool;
use super::values::order;
use super::*;

#[test]
fn thresholds_in_per_cent_and_absolute() {
    assert_eq!(threshold("80%"), Ok(Threshold { used_percent: 80, free_addrs: 0 }));
    assert_eq!(threshold("20"), Ok(Threshold { used_percent: 100, free_addrs: 20 }));
    for wrong in ["0%", "101%", "%", "", "-1", "80 %", "x"] {
        assert!(threshold(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn the_definition_is_sound() {
    Args::command().debug_assert();
}

/// Every way in which scripts write it for the clients of 20.10 to 29, in both spellings.
#[test]
fn what_docker_stack_rm_takes_is_taken() {
    for tail in [
        "rm a",
        "rm a b",
        "remove a",
        "down a b",
        "rm -d a",
        "rm -d=false a",
        "rm --detach a",
        "rm --detach=true a b",
        "rm a --detach=0",
        "rm --orchestrator swarm a",
        "rm --orchestrator=all a",
    ] {
        for head in ["pvcheck stack", "pvcheck docker stack"] {
            let line = format!("{head} {tail}");
            let parsed = Args::try_parse_from(line.split(' '));
            assert!(parsed.is_ok(), "{line}: {}", parsed.unwrap_err());
        }
    }
    for wrong in ["rm", "rm --detach=perhaps a", "rm --orchestrator kubernetes a", "rm --apply a"] {
        let line = format!("pvcheck docker stack {wrong}");
        assert!(Args::try_parse_from(line.split(' ')).is_err(), "{line}");
    }
}

fn parsed(words: &str) -> Args {
    Args::try_parse_from(words.split(' ')).unwrap_or_else(|e| panic!("{words}: {e}"))
}

fn refused(words: &str) -> String {
    Args::try_parse_from(words.split(' ')).expect_err(words).to_string()
}

#[test]
fn only_verdicts_have_markdown() {
    for words in ["gate run pvcheck.m1", "gate verify pvcheck.m1 --key a", "gate status"] {
        assert!(parsed(&format!("pvcheck {words}")).command.has_markdown(), "{words}");
    }
    for words in [
        "audit",
        "census a",
        "gate list",
        "gate finding list",
        "ledger check",
        "routes",
        "sweep",
        "stack rm a",
        "why a",
        "plan-subnet",
    ] {
        assert!(!parsed(&format!("pvcheck {words}")).command.has_markdown(), "{words}");
    }
}

#[test]
fn gates_are_named_in_their_order() {
    let Command::Gate(Gate { what: GateCommand::Run(run) }) =
        parsed("pvcheck gate run pvcheck.m2 pvcheck.m1").command
    else {
        panic!("another command")
    };
    // Which names there are is for the configuration to say as well.
    assert_eq!(run.gates, ["pvcheck.m2", "pvcheck.m1"]);
    assert!(refused("pvcheck gate run").contains("<GATE>"));
}

#[test]
fn helpers_are_sockets() {
    let Command::Reclaim(reclaim) = parsed("pvcheck reclaim --helper unix:///a --helper unix:///b").command
    else {
        panic!("another command")
    };
    assert_eq!(
        reclaim.helper.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["unix:///a", "unix:///b"]
    );
    assert!(refused("pvcheck reclaim --helper ssh://host").contains("unix:///"));
}

#[test]
fn windows_are_two_times_of_the_day() {
    let time = |h, m| jiff::civil::time(h, m, 0, 0);
    assert_eq!(window("02:00-04:30"), Ok((time(2, 0), time(4, 30))));
    assert_eq!(window("23:00-01:00"), Ok((time(23, 0), time(1, 0))));
    for wrong in ["", "02:00", "02:00-", "24:00-01:00", "2-4", "late", "02:00-04:30-05:00"] {
        assert!(window(wrong).is_err(), "{wrong}");
    }
}

/// The names that are parsed are those that are printed, so that a script can hand them on.
#[test]
fn orders_shapes_and_strategies_read_back() {
    for known in [Order::Drained, Order::StackRm] {
        assert_eq!(order(known.as_str()), Ok(known));
        assert_eq!(churn_order(known.as_str()), Ok(ChurnOrder::One(known)));
    }
    assert_eq!(churn_order("both"), Ok(ChurnOrder::Both));
    for known in
        [ChurnShape::SharedAndPrivate, ChurnShape::Shared, ChurnShape::HostPort, ChurnShape::IngressPort]
    {
        assert_eq!(shape(known.as_str()), Ok(known));
    }
    for known in pvcheck_swarm::Strategy::ALL {
        assert_eq!(reclaim_strategy(known.as_str()).unwrap().0, Some(known));
    }
    assert!(reclaim_strategy("auto").unwrap().0.is_none());
    for (text, known) in
        [("bulk", CensusMethod::Bulk), ("cursor", CensusMethod::Cursor), ("status", CensusMethod::Status)]
    {
        assert_eq!(census_method(text), Ok(known));
    }
    assert!(order("both").is_err() && shape("").is_err() && census_method("Bulk").is_err());
}

#[test]
fn booleans_are_those_of_go() {
    for (text, is) in [("1", true), ("T", true), ("True", true), ("0", false), ("f", false), ("FALSE", false)]
    {
        assert_eq!(go_bool(text), Ok(is), "{text}");
    }
    for wrong in ["yes", "tRUE", "", "2"] {
        assert!(go_bool(wrong).is_err(), "{wrong}");
    }
}

/// The unit that comes with pvcheck runs a command that there is.
#[test]
fn the_guards_unit_runs_a_command_that_a_user_can_type() {
    let unit = include_str!("../../../../dist/systemd/pvcheck-guard.service");
    let start = unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).expect("it starts something");
    let args = Args::try_parse_from(start.split(' ')).expect("a command");
    assert!(matches!(args.command, Command::Guard(asked) if asked.apply));
}
