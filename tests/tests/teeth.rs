//! Checks have teeth on a real Swarm: the healthy world is broken in one way after the other, and exactly the checks that are
//! about it change. The ways that no Swarm can be brought to are in `crates/gates/tests/gates/teeth`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use pvcheck_lab::{Lab, World};
use pvcheck_tests::gates::{Verdicts, run, until, verdicts};
use pvcheck_tests::stacks::{Shape, deploy, stack_rm};
use pvcheck_tests::{Outcome, docker, lab};

/// How a broken world is brought about, and taken back.
enum Way<'a> {
    /// By an edit of the configuration: what stood there, and what stands there now.
    Config(&'a str, String),
    /// By the docker client.
    Docker(Vec<Vec<&'a str>>, Vec<Vec<&'a str>>),
    /// By words after the gate's own.
    Words(&'a [&'a str]),
    /// By what becomes of the runbook's text; `None` removes the file.
    Runbook(Option<fn(&str) -> String>),
}

/// One row of the matrix.
struct Row<'a> {
    broken: &'a str,
    gate: &'a str,
    way: Way<'a>,
    /// The checks that change.
    expected: &'a [(&'a str, &'a str)],
}

struct Bench {
    lab: Lab,
    folder: tempfile::TempDir,
    /// The world's own configuration.
    config: String,
    /// The verdicts of the healthy world, by gate.
    healthy: BTreeMap<&'static str, Verdicts>,
}

const M1: &str = "pvcheck.m1";
const M2: &str = "pvcheck.m2";

/// The step that a team wrote for the day on which it happens again.
const RUNBOOK: &str = "\
# Before each upgrade
n=$(ssh host \"journalctl -u docker --since=-26h\" | grep -c 'available IP while allocating VIP')
[ \"$n\" -gt 0 ] && ssh host 'systemctl restart docker && docker network prune -f'
";

/// The check of it, as it stands in a configuration.
const GUARD: &str = "
[guard]
file = \"runbook.md\"
contains = ['available IP while allocating VIP', 'journalctl .*-26h', 'systemctl restart docker']
";

impl Bench {
    fn new(lab: Lab) -> Result<Self, Box<dyn std::error::Error>> {
        let path = lab.info().config.clone().ok_or("the world has no configuration")?;
        let folder = tempfile::tempdir()?;
        let mut config = std::fs::read_to_string(&path)?;
        // Beside the original its relative paths are right.
        let place = path.parent().unwrap_or(Path::new("/")).display().to_string();
        for name in ["ca = \"", "file = \""] {
            config = absolute(&config, name, &place);
        }
        config += GUARD;
        std::fs::write(folder.path().join("runbook.md"), RUNBOOK)?;
        let mut bench = Self { lab, folder, config, healthy: BTreeMap::new() };
        let file = bench.write(&bench.config)?;
        for gate in [M1, M2] {
            let (code, report) = run(&bench.lab, &words(gate, &file))?;
            assert_eq!(code, 0, "the healthy world: {report:#}");
            bench.healthy.insert(gate, verdicts(&report));
        }
        Ok(bench)
    }

    fn write(&self, config: &str) -> Result<String, Box<dyn std::error::Error>> {
        let path = self.folder.path().join("pvcheck.toml");
        std::fs::write(&path, config)?;
        Ok(path.display().to_string())
    }

    /// The journal's line of the configuration.
    fn journal(&self) -> Result<&str, Box<dyn std::error::Error>> {
        self.config
            .lines()
            .find(|line| line.starts_with("file = \""))
            .ok_or_else(|| "no log is configured".into())
    }

    /// Breaks the world, runs the gate, and mends the world. The line of the matrix.
    fn row(&self, row: &Row<'_>) -> Result<String, Box<dyn std::error::Error>> {
        let healthy = &self.healthy[row.gate];
        let config = match &row.way {
            Way::Config(old, new) => {
                assert!(self.config.contains(old), "{}: `{old}` is not in {}", row.broken, self.config);
                self.config.replacen(old, new, 1)
            }
            _ => self.config.clone(),
        };
        let file = self.write(&config)?;
        if let Way::Docker(breaks, _) = &row.way {
            breaks.iter().try_for_each(|words| docker(&self.lab, words).map(drop))?;
        }
        let runbook = self.folder.path().join("runbook.md");
        match row.way {
            Way::Runbook(None) => std::fs::remove_file(&runbook)?,
            Way::Runbook(Some(becomes)) => std::fs::write(&runbook, becomes(RUNBOOK))?,
            _ => {}
        }
        let mut words = words(row.gate, &file);
        if let Way::Words(more) = row.way {
            words.extend(more);
        }
        let wanted = |id: &str, was: &str| {
            let changed = row.expected.iter().find(|(changed, _)| *changed == id);
            changed.map_or_else(|| was.to_owned(), |(_, verdict)| (*verdict).to_owned())
        };
        let is_wanted =
            |seen: &Verdicts| healthy.iter().all(|(id, was)| seen.get(id) == Some(&wanted(id, was)));
        let seen = until(&self.lab, &words, is_wanted).map_err(|e| format!("{}: {e}", row.broken))?;
        if let Way::Docker(_, mends) = &row.way {
            mends.iter().try_for_each(|words| docker(&self.lab, words).map(drop))?;
        }
        std::fs::write(&runbook, RUNBOOK)?;
        let changed: Vec<String> =
            seen.iter().filter(|(id, v)| healthy[*id] != **v).map(|(id, v)| format!("{id} {v}")).collect();
        let same = seen.len() - changed.len();
        Ok(format!("  {:10} {:45} {}; {same} as before\n", row.gate, row.broken, changed.join(", ")))
    }
}

fn words<'a>(gate: &'a str, config: &'a str) -> Vec<&'a str> {
    let mut words = vec!["gate", "run", gate, "--config", config, "-o", "json"];
    words.push(if gate == M2 { "--apply" } else { "--probe" });
    words
}

/// The configuration with the relative path after `name` made absolute.
fn absolute(config: &str, name: &str, folder: &str) -> String {
    match config.split_once(name) {
        Some((head, rest)) if !rest.starts_with('/') => format!("{head}{name}{folder}/{rest}"),
        _ => config.to_owned(),
    }
}

#[test]
fn exactly_the_checks_that_are_about_it_change() -> Outcome {
    let Some(lab) = lab("teeth", None, World::CcCi) else { return Ok(()) };
    let bench = Bench::new(lab)?;
    let mut matrix = String::new();
    for rows in [declared(), live(), logged(&bench)?, churned()] {
        for row in &rows {
            matrix += &bench.row(row)?;
        }
    }
    matrix += &leaked_before(&bench)?;
    // Last: what the engine has logged stays in its log.
    for row in &waiting() {
        matrix += &bench.row(row)?;
    }
    writeln!(matrix, "  every other verdict as in the healthy world")?;
    // Past the capture of the test's own output: the matrix is a result.
    write!(std::io::stdout(), "{matrix}")?;
    bench.lab.down()?;
    Ok(())
}

/// The configuration wants what the Swarm has not.
fn declared() -> Vec<Row<'static>> {
    vec![
        Row {
            broken: "a /16 is declared, the overlay has a /24",
            gate: M1,
            way: Way::Config("10.10.0.0/24", "10.10.0.0/16".into()),
            expected: &[("overlay.subnet", "FAIL")],
        },
        Row {
            broken: "fewer addresses are free than wanted",
            gate: M1,
            way: Way::Config("min_free = 32", "min_free = 250".into()),
            expected: &[("overlay.headroom", "FAIL")],
        },
        Row {
            broken: "the guard is removed",
            gate: M1,
            way: Way::Runbook(None),
            expected: &[("guard.present", "FAIL")],
        },
        Row {
            broken: "the guard no longer restarts the engine",
            gate: M1,
            way: Way::Runbook(Some(|text| text.replace("systemctl restart docker", "true"))),
            expected: &[("guard.present", "FAIL")],
        },
    ]
}

/// Something of the Swarm is not as it should be.
fn live() -> Vec<Row<'static>> {
    let words = |text: &'static str| text.split(' ').collect::<Vec<_>>();
    vec![Row {
        broken: "a service is at 0",
        gate: M1,
        way: Way::Docker(
            vec![words("service scale --detach ccci-dashboard_app=0")],
            vec![words("service scale --detach ccci-dashboard_app=1")],
        ),
        expected: &[("service.ccci-dashboard_app", "FAIL"), ("route.dashboard", "FAIL")],
    }]
}

/// A network is full: the engine logs that, and while a service waits nothing is counted, because each count would cost more.
fn waiting() -> Vec<Row<'static>> {
    let words = |text: &'static str| text.split(' ').collect::<Vec<_>>();
    let breaks = vec![
        words("network create -d overlay --subnet 10.91.0.0/29 full"),
        words(
            "service create -q --detach --name filler --network full --constraint node.labels.no==1 --replicas 4 pvcheck-lab/busybox:1",
        ),
        words("service create -q --detach --name late --network full pvcheck-lab/busybox:1"),
    ];
    // Its network goes with the lab.
    let mends = vec![words("service rm filler late")];
    vec![Row {
        broken: "a service waits for an address",
        gate: M1,
        way: Way::Docker(breaks, mends),
        expected: &[
            ("swarm.waiting", "FAIL"),
            ("journal.exhaustion", "FAIL"),
            ("overlay.leaked", "UNKNOWN"),
            ("overlay.headroom", "UNKNOWN"),
            // Neither of the two is in the configuration.
            ("services.unlisted", "FAIL"),
        ],
    }]
}

/// The log is not the engine's, or not whole.
fn logged(bench: &Bench) -> Result<Vec<Row<'_>>, Box<dyn std::error::Error>> {
    let log = bench.lab.info().log.first().ok_or("no log")?;
    let text = std::fs::read_to_string(log)?;
    let last: Vec<&str> = text.lines().rev().take(3).collect();
    let files = [
        ("the log is empty", "empty.log", String::new()),
        ("the log was rotated", "rotated.log", last.join("\n") + "\n"),
        (
            "the log is of another program",
            "other.log",
            "level=info msg=\"Configuration loaded\"\n".to_owned(),
        ),
    ];
    let journal = bench.journal()?;
    let row = |(broken, name, text): (&'static str, &str, String)| {
        let path = bench.folder.path().join(name);
        std::fs::write(&path, text)?;
        let way = Way::Config(journal, format!("file = \"{}\"", path.display()));
        Ok(Row { broken, gate: M1, way, expected: &[("journal.exhaustion", "UNKNOWN")] })
    };
    files.into_iter().map(row).collect()
}

/// Stacks leak while the gate runs.
fn churned() -> Vec<Row<'static>> {
    vec![Row {
        broken: "stacks are removed in docker's order",
        gate: M2,
        way: Way::Words(&["--order", "stack-rm"]),
        expected: &[("churn.leaks", "FAIL")],
    }]
}

/// Late, because only a new leader takes leaked addresses back: three tasks whose stack is removed as the docker client does,
/// beside the five that the churn has lost.
fn leaked_before(bench: &Bench) -> Result<String, Box<dyn std::error::Error>> {
    let names = vec!["leaky".to_owned()];
    let script = "trap 'sleep 1; exit 0' TERM; while :; do sleep 0.1; done";
    deploy(&bench.lab, &names, Shape { shared: "proxy", replicas: 3, script })?;
    stack_rm(&bench.lab, &names)?;
    let accepted = |most: u32| Way::Config("min_free = 32", format!("min_free = 32\nmax_leaked = {most}"));
    let fails = &[("overlay.leaked", "FAIL")];
    let more = bench.row(&Row {
        broken: "8 addresses are leaked, 7 accepted",
        gate: M1,
        way: accepted(7),
        expected: fails,
    })?;
    Ok(more
        + &bench.row(&Row {
            broken: "8 addresses are leaked, 8 accepted",
            gate: M1,
            way: accepted(8),
            expected: &[],
        })?)
}
