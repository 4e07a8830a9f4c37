use proptest::prelude::*;

use super::*;

/// The guard of the mission's runbook, as its review quotes it.
const RUNBOOK: &str = "# Upgrade of everything

## 0. Addresses

(The durable fix is tracked elsewhere; this guard is the per-run safety net until that
lands.)

    VIPFAIL=$(ssh cc-ci 'journalctl -u docker --since \"26 hours ago\" 2>/dev/null | grep -c \"available IP while allocating VIP\"')
    if [ \"$VIPFAIL\" -gt 0 ]; then
        ssh cc-ci 'systemctl restart docker'
        ssh cc-ci 'docker network prune -f'
    fi
";

/// A guard with nothing wrong.
const SOUND: &str = r#"#!/bin/bash
set -euo pipefail
start=$(systemctl show -p ActiveEnterTimestamp --value docker)
log=$(journalctl -u docker --since "$start") || exit 3
full=$(grep -cE 'could not find an available IP|network attachments, ip addresses may be exhausted|has pending allocations|available IP while' <<< "$log" || test $? = 1)
if [ "$full" -gt 0 ]; then
    systemctl restart docker
fi
"#;

fn signatures(guard: &ForeignGuard, fires: bool) -> Vec<&str> {
    let wanted = guard.fires_on.iter().filter(|one| one.wanted && one.fires == Some(fires));
    wanted.map(|one| one.signature.as_str()).collect()
}

#[test]
fn the_guard_of_the_runbook_fires_on_the_original_line_and_on_three_of_eight() {
    let guard = check_foreign("SKILL.md", RUNBOOK);
    assert_eq!(guard.verdict, Verdict::Fail);
    assert_eq!(
        signatures(&guard, true),
        ["vip-exhausted", "vip-exhausted-on-update", "vip-exhausted-retry"],
        "{guard:?}"
    );
    assert_eq!(
        signatures(&guard, false),
        ["task-exhausted", "lb-exhausted", "address-exhausted", "attachments-missing", "waits-for-service"]
    );
    assert!(guard.fires_on.iter().all(|one| one.wanted || one.fires == Some(false)), "no false alarm");
}

#[test]
fn it_looks_back_26_hours_fires_again_and_fails_open() {
    let guard = check_foreign("SKILL.md", RUNBOOK);
    assert_eq!((guard.reads[0].line, guard.reads[0].remote), (8, true));
    assert_eq!(guard.reads[0].looks, Looks::Back { seconds: 93_600 });
    assert_eq!(guard.fires_again, Some(true));
    assert!(guard.faults.contains(&ForeignFault::FixedWindow { line: 8, seconds: 93_600 }));
    for of in ["journalctl", "ssh"] {
        assert!(
            guard.faults.contains(&ForeignFault::FailureIsZero { line: 8, of }),
            "{of}: {:?}",
            guard.faults
        );
    }
    let acts: Vec<(u64, &str)> = guard.acts.iter().map(|act| (act.line, act.what)).collect();
    assert_eq!(acts, [(10, "restart"), (11, "prune")]);
    assert!(guard.faults.iter().any(|fault| fault.to_string().contains("26 hours")));
}

#[test]
fn a_stale_text_is_advice_and_no_fault() {
    let guard = check_foreign("SKILL.md", RUNBOOK);
    let stale = ForeignAdvice::Stale { line: 5, words: "until that lands".into() };
    assert!(guard.advice.contains(&stale), "{:?}", guard.advice);
    assert!(guard.advice.contains(&ForeignAdvice::ErrorsDropped { line: 8 }));
    assert!(guard.advice.contains(&ForeignAdvice::PruneFreesNothing { line: 11 }));
    let sound = check_foreign("guard.sh", &format!("{SOUND}# a temporary workaround until the fix lands\n"));
    assert_eq!(sound.verdict, Verdict::Pass, "advice does not count: {:?}", sound.faults);
    assert_eq!(sound.advice.len(), 2, "{:?}", sound.advice);
}

#[test]
fn a_guard_with_nothing_wrong_passes() {
    let guard = check_foreign("guard.sh", SOUND);
    assert_eq!(
        (guard.verdict, guard.faults.as_slice(), guard.fires_again),
        (Verdict::Pass, &[][..], Some(false))
    );
    assert_eq!(signatures(&guard, true).len(), 8);
    assert_eq!(guard.advice, []);
}

/// Each change to the sound guard, and what it makes wrong: that, and nothing else.
#[test]
fn each_way_to_break_it_is_found() {
    let change = |from: &str, to: &str| {
        assert!(SOUND.contains(from), "{from}");
        check_foreign("guard.sh", &SOUND.replacen(from, to, 1)).faults
    };
    let misses =
        |names: &[&str]| ForeignFault::Misses { signatures: names.iter().map(|&n| n.into()).collect() };
    assert_eq!(change("|has pending allocations", ""), [misses(&["waits-for-service"])]);
    assert_eq!(
        change("|network attachments, ip addresses may be exhausted", ""),
        [misses(&["attachments-missing"])]
    );
    assert_eq!(change("systemctl restart docker", "echo help"), [ForeignFault::NoCure]);
    assert_eq!(change("-gt 0", "-gt 5"), [ForeignFault::Threshold { line: 6, above: 5 }]);
    assert_eq!(change("-gt 0", "-ge 1"), []);
    assert_eq!(
        change("--since \"$start\"", "--since '2 days ago'"),
        [ForeignFault::FixedWindow { line: 4, seconds: 172_800 }]
    );
    assert_eq!(change(" --since \"$start\"", ""), [ForeignFault::NoWindow { line: 4 }]);
    let later = ForeignFault::UntoldWindow { line: 4, since: "yesterday".into() };
    assert_eq!(change("\"$start\"", "yesterday"), [later]);
    let priority = change("journalctl -u docker", "journalctl -p err -u docker");
    assert!(priority.contains(&ForeignFault::Priority { line: 4 }), "{priority:?}");
    let careless = SOUND.replace("set -euo pipefail\n", "").replace(" || exit 3", "");
    let faults = check_foreign("guard.sh", &careless).faults;
    assert_eq!(faults, [ForeignFault::FailureIsZero { line: 3, of: "journalctl" }]);
}

/// A guard that fires on every line of exhaustion, stops nowhere, and restarts by ssh.
const FAILS_OPEN: &str = r#"S=$(systemctl show -p ActiveEnterTimestamp --value docker)
LOG=$(ssh ci-host "journalctl -u docker --since '$S' -g 'could not find an available IP|addresses may be exhausted|pending allocations'")
if [ -n "$LOG" ]; then ssh ci-host systemctl restart docker; fi
"#;

#[test]
fn to_ask_whether_something_was_found_or_to_end_well_is_no_stop_at_a_failure() {
    let zero = ["journalctl", "ssh"].map(|of| ForeignFault::FailureIsZero { line: 2, of });
    let guard = check_foreign("e.sh", FAILS_OPEN);
    assert_eq!((guard.verdict, guard.faults.as_slice()), (Verdict::Fail, &zero[..]));
    let ends_well = FAILS_OPEN.replace("allocations'\")", "allocations'\") || exit 0");
    assert_eq!(check_foreign("f.sh", &ends_well).faults, zero);
    let stops = FAILS_OPEN.replace("allocations'\")", "allocations'\") || exit 3");
    assert_eq!(check_foreign("g.sh", &stops).verdict, Verdict::Pass);
}

#[test]
fn another_log_another_question_and_what_is_only_said_are_no_pass() {
    let faults = |from: &str, to: &str| {
        assert!(SOUND.contains(from), "{from}");
        check_foreign("guard.sh", &SOUND.replacen(from, to, 1)).faults
    };
    let read = |words: &str| ForeignFault::UntoldRead { line: 4, words: words.into() };
    assert_eq!(faults("-u docker", "-u kubelet"), [read("kubelet")]);
    assert_eq!(faults("-u docker", "-u docker --until \"$start\""), [read("--until")]);
    assert_eq!(faults("-u docker", "-u docker -n 1"), [read("--lines")]);
    assert_eq!(faults(" <<< \"$log\"", " <<< \"$log\" | awk '$1>500'"), [read("| awk")]);
    for compared in ["-eq", "-lt", "-le", "=", "!="] {
        let told = ForeignFault::UntoldComparison { line: 6, words: compared.into() };
        let line = format!("[ \"$full\" {compared} 100 ]");
        assert_eq!(faults("[ \"$full\" -gt 0 ]", &line), [told], "{compared}");
    }
    for said in
        ["echo systemctl restart docker", "printf 'systemctl restart docker'", "service docker status"]
    {
        assert_eq!(faults("systemctl restart docker", said), [ForeignFault::NoCure], "{said}");
    }
    for done in [
        "echo now; systemctl restart docker",
        "service docker restart",
        "ssh h 'systemctl restart docker.service'",
    ] {
        assert_eq!(faults("systemctl restart docker", done), [], "{done}");
    }
}

#[test]
fn no_secret_of_the_file_is_told() {
    let text = "# temporary workaround\njournalctl -u docker --since 'https://u:pv-canary3@h' | grep -e SWMTKN-1-pvcanary5 -e password=s3cretcanary\n# until the SWMTKN-1-pvcanary7 is merged\n";
    let told = serde_json::to_string(&check_foreign("x", text)).expect("JSON");
    assert!(!told.contains("canary") && told.contains("***"), "{told}");
}

#[test]
fn what_only_running_it_would_tell_is_unknown() {
    let guard =
        check_foreign("guard.sh", &SOUND.replace("-cE '", "-cE \"$PATTERNS|").replace("' <<<", "\" <<<"));
    assert_eq!(guard.verdict, Verdict::Unknown, "{:?}", guard.faults);
    for text in ["", "restart docker when it is full\n", "systemctl restart docker\n"] {
        let guard = check_foreign("empty", text);
        assert_eq!((guard.verdict, guard.faults), (Verdict::Unknown, vec![ForeignFault::NoLog]), "{text}");
    }
    let blind = check_foreign("x", "journalctl -u docker --since -1h\nsystemctl restart docker\n");
    assert!(blind.faults.contains(&ForeignFault::NoPattern { line: 1 }), "{:?}", blind.faults);
}

#[test]
fn a_pattern_that_is_too_wide_fires_on_what_a_restart_does_not_help() {
    let wide = SOUND.replace("could not find an available IP|", "could not find|Failed allocation|");
    let guard = check_foreign("guard.sh", &wide);
    assert_eq!(guard.verdict, Verdict::Pass, "{:?}", guard.faults);
    let also = ForeignAdvice::AlsoFiresOn {
        signatures: ["pools-exhausted", "removed-network", "service-not-allocated"]
            .map(str::to_owned)
            .to_vec(),
    };
    assert_eq!(guard.advice, [also]);
}

proptest! {
    #[test]
    fn any_text_is_read_without_panic(text in "(\\PC|\n|journalctl |grep |\\$\\(|'|\"|ssh |\\|){0,120}") {
        let guard = check_foreign("x", &text);
        prop_assert!(guard.verdict != Verdict::Pass || !guard.reads.is_empty());
    }
}
