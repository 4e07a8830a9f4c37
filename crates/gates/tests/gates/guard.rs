//! A team's guard: a runbook beside the embedded engine, broken in one way after the other.

use std::path::Path;

use Verdict::{Fail, Pass, Unknown};
use pvcheck_audit::EngineKind;
use pvcheck_gates::{
    CheckReport, Config, Counting, GateReport, GuardFact, M1Facts, Observed, OwnGate, Verdict, annotations,
    collect_m1, judge_m1, preflight,
};
use pvcheck_swarm::silent;
use tokio::sync::OnceCell;

use crate::collect::World;
use crate::support::*;

const RUNBOOK: &str = "# Upgrade of everything

## Step 0: are there addresses left?

    full=$(journalctl -u docker --since -26h | grep -c 'available IP while allocating VIP')
    if [ \"$full\" -gt 0 ]; then
        systemctl restart docker
        docker network prune --force
    fi

## Step 1: upgrade, and if need be systemctl restart docker
";

const GUARD: &str = "[guard]
file = \"upgrade.md\"
contains = [
    'available IP while allocating VIP',
    'journalctl .*-26h',
    'grep -c',
    'systemctl restart docker',
    'docker network prune',
]
absent = ['^# no guard']
";

fn guarded() -> Config {
    Config::parse("cc-ci.toml", &(config_text() + GUARD)).expect("a sound configuration")
}

/// What is collected of the runbook after this was done to it.
async fn seen(change: impl FnOnce(&Path)) -> Option<Observed<GuardFact>> {
    let world = World::with(cc_ci(), |text| text + GUARD).await;
    let path = world.path("upgrade.md");
    std::fs::write(&path, RUNBOOK).expect("a folder of the test");
    change(&path);
    let ready = preflight(&world.engine, &world.config).await.expect("ready");
    collect_m1(&world.engine, &world.config, &ready, Counting::Reading, &silent).await.guard
}

async fn judged(guard: Option<Observed<GuardFact>>) -> GateReport {
    judge_m1(&guarded(), &M1Facts { guard, ..facts(cc_ci()).await })
}

/// The healthy world with this done to its runbook.
pub(crate) async fn with(change: impl FnOnce(&Path)) -> GateReport {
    judged(seen(change).await).await
}

fn write(path: &Path, bytes: impl AsRef<[u8]>) {
    std::fs::write(path, bytes).expect("a folder of the test");
}

/// The runbook without one of its lines, from 1.
fn without(line: usize) -> String {
    let lines = RUNBOOK.lines().enumerate().filter(|(at, _)| at + 1 != line);
    lines.map(|(_, text)| text.to_owned() + "\n").collect()
}

type Break = fn(&Path);

/// Every way to break it: what is broken, how, what becomes of the check, and a part of its reason.
const BROKEN: [(&str, Break, Verdict, &str); 9] = [
    ("nothing, with a guard", |_| (), Pass, "upgrade.md:5-8 has what it must have (5 patterns), written 20"),
    (
        "the guard's file is gone",
        |path| std::fs::remove_file(path).expect("it was there"),
        Fail,
        "the guard is not where it is to be: ",
    ),
    (
        "a line of the guard is gone",
        |path| write(path, without(8)),
        Fail,
        "upgrade.md: no line matches `docker network prune`",
    ),
    (
        "the guard looks for another signature",
        |path| write(path, RUNBOOK.replace("available IP while", "free IP while")),
        Fail,
        "upgrade.md: no line matches `available IP while allocating VIP`",
    ),
    ("the guard's file is empty", |path| write(path, ""), Fail, "no line matches `grep -c`; "),
    (
        "the guard has a line that is to be absent",
        |path| write(path, format!("{RUNBOOK}# no guard since it is mended\n")),
        Fail,
        "upgrade.md: line 12 matches `^# no guard`, which is to be absent",
    ),
    (
        "the guard cannot be read",
        |path| {
            std::fs::remove_file(path).expect("it was there");
            std::fs::create_dir(path).expect("a folder of the test");
        },
        Unknown,
        "upgrade.md: it is no file",
    ),
    (
        "the guard's file is no text",
        |path| write(path, [RUNBOOK.as_bytes(), b"\xff"].concat()),
        Unknown,
        "upgrade.md: it is no UTF-8",
    ),
    (
        "the guard's file has no end in sight",
        |path| write(path, RUNBOOK.repeat(5000)),
        Unknown,
        "upgrade.md: it has more than 1 MiB",
    ),
];

/// What is collected then, in the same order. All tests share it.
async fn each_seen() -> &'static [Option<Observed<GuardFact>>] {
    static SEEN: OnceCell<Vec<Option<Observed<GuardFact>>>> = OnceCell::const_new();
    SEEN.get_or_init(|| async {
        let mut all = Vec::new();
        for (_, how, ..) in BROKEN {
            all.push(seen(how).await);
        }
        all
    })
    .await
}

/// Every way to break it, with the report.
pub(crate) async fn broken() -> Vec<(&'static str, GateReport, Verdict)> {
    let mut all = Vec::new();
    for ((broken, _, verdict, _), guard) in BROKEN.into_iter().zip(each_seen().await) {
        all.push((broken, judged(guard.clone()).await, verdict));
    }
    let unread = judged(Some(unknown("file", "permission denied"))).await;
    all.extend([
        ("the guard may not be read", unread, Unknown),
        ("nobody has looked for the guard", judged(None).await, Unknown),
    ]);
    all
}

fn check(report: &GateReport) -> &CheckReport {
    report.checks.iter().find(|check| check.id == "guard.present").expect("it has one")
}

#[tokio::test]
async fn a_guard_that_stands_passes_and_anyone_sees_its_lines() {
    let report = with(|_| ()).await;
    assert_open(&report, &[]);
    let check = check(&report);
    assert!(check.required && report.checks.last() == Some(check), "{check:?}");
    let whole = &check.evidence[0];
    let hash = ring::digest::digest(&ring::digest::SHA256, RUNBOOK.as_bytes());
    let hex: String = hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(whole.digest, hex, "of the file itself");
    let file = whole.text.split_once(": ").expect("the path first").0;
    assert!(file.ends_with("/upgrade.md") && whole.text.contains(" bytes, written 20"), "{}", whole.text);
    assert_eq!(whole.command, Some(format!("sha256sum {file}")));
    assert_eq!(check.evidence.len(), 1 + 5 + 1, "each pattern is shown");
    let restart = &check.evidence[4];
    let (seven, eleven) =
        ("systemctl restart docker", "## Step 1: upgrade, and if need be systemctl restart docker");
    assert_eq!(restart.text, format!("`systemctl restart docker`: {file}:7: {seven}; {file}:11: {eleven}"));
    assert_eq!(restart.command, Some(format!("grep -nP -e 'systemctl restart docker' {file}")));
    assert_eq!(check.evidence[6].text, format!("`^# no guard`: no line of {file}"));
    assert!(check.evidence.iter().all(|e| e.source == "file" && e.node.is_none()), "{:?}", check.evidence);
}

#[tokio::test]
async fn each_way_to_break_it_has_its_verdict_and_names_the_file_and_the_pattern() {
    for ((broken, _, verdict, words), guard) in BROKEN.into_iter().zip(each_seen().await) {
        let report = judged(guard.clone()).await;
        let check = check(&report);
        let reason = check.reason.to_string();
        assert_eq!(check.verdict, verdict, "{broken}: {reason}");
        assert!(reason.contains(words) && reason.contains("/upgrade.md"), "{broken}: {reason}");
        assert!(!reason.contains('\n'), "{broken}: {reason}");
        assert_eq!(report.verdict, verdict, "{broken}");
    }
}

#[tokio::test]
async fn what_it_counts_restarts_and_removes_is_missed_line_by_line() {
    for (line, patterns) in [
        (5, &["available IP while allocating VIP", "journalctl .*-26h", "grep -c"][..]),
        (8, &["docker network prune"]),
    ] {
        let report = with(|path| write(path, without(line))).await;
        let expected: Vec<String> =
            patterns.iter().map(|pattern| format!("no line matches `{pattern}`")).collect();
        let reason = check(&report).reason.to_string();
        assert!(reason.ends_with(&format!("/upgrade.md: {}", expected.join("; "))), "{line}: {reason}");
        assert_open(&report, &[("guard.present", Fail)]);
    }
    // Another line has it too, but then the guard is not where it was.
    let moved = with(|path| write(path, without(7))).await;
    let reason = check(&moved).reason.to_string();
    assert!(reason.contains("/upgrade.md:5-10 has"), "{reason}");
}

#[tokio::test]
async fn a_line_that_is_to_be_absent_is_pointed_at() {
    let report = with(|path| write(path, format!("# no guard\n{RUNBOOK}"))).await;
    let text = annotations(&report, EngineKind::Real);
    let error = text.lines().find(|line| line.contains("guard.present")).expect("it failed");
    assert!(error.starts_with("::error file=") && error.contains("upgrade.md,line=1,title="), "{error}");
    let missing = annotations(&with(|path| write(path, "")).await, EngineKind::Real);
    let error = missing.lines().find(|line| line.contains("guard.present")).expect("it failed");
    assert!(error.starts_with("::error title="), "nothing is not in a line: {error}");
}

#[tokio::test]
async fn without_the_table_there_is_no_such_check_and_nothing_is_recorded() {
    let facts = facts(cc_ci()).await;
    let report = judge_m1(&config(), &facts);
    assert!(report.checks.iter().all(|check| check.id != "guard.present"));
    let saved = serde_json::to_value(&facts).expect("plain data");
    assert!(saved.get("guard").is_none(), "facts of before are as they were");
    let own = config_text() + "[[gate]]\nname = \"weekly\"\nchecks = [\"guard.present\"]\n";
    let config = Config::parse("cc-ci.toml", &own).expect("sound by itself");
    let error = OwnGate::all(&config, None).expect_err("no check").to_string();
    assert!(error.contains("`guard.present` names no check of this configuration"), "{error}");
}

#[tokio::test]
async fn what_was_recorded_is_judged_the_same_later_and_never_for_other_patterns() {
    let whole = facts(cc_ci()).await;
    for ((_, _, verdict, _), guard) in BROKEN.into_iter().zip(each_seen().await) {
        let now = M1Facts { guard: guard.clone(), ..whole.clone() };
        let text = serde_json::to_string(&now).expect("plain data");
        let later: M1Facts = serde_json::from_str(&text).expect("what was written");
        let reports = [&now, &later].map(|facts| judge_m1(&guarded(), facts));
        assert_eq!(reports[0], reports[1]);
        assert_eq!(reports[0].verdict, verdict);
    }
    let healthy = M1Facts { guard: each_seen().await[0].clone(), ..whole };
    for (from, to) in [("'grep -c'", "'grep -i'"), ("'^# no guard'", "'^# none'")] {
        let text = config_text() + &GUARD.replace(from, to);
        let other = Config::parse("cc-ci.toml", &text).expect("a sound configuration");
        assert_open(&judge_m1(&other, &healthy), &[("guard.present", Unknown)]);
    }
}

#[tokio::test]
async fn a_guard_that_was_not_read_changes_nothing_but_its_own_check() {
    let whole = facts(cc_ci()).await;
    let before = judge_m1(&config(), &whole);
    for guard in [Some(unknown("file", "permission denied")), None] {
        let report = judge_m1(&guarded(), &M1Facts { guard, ..whole.clone() });
        assert_open(&report, &[("guard.present", Unknown)]);
        let others: Vec<&CheckReport> = report.checks.iter().filter(|c| c.id != "guard.present").collect();
        assert_eq!(others, before.checks.iter().collect::<Vec<_>>());
    }
}
