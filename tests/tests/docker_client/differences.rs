//! What is not compared, and why.

use std::sync::LazyLock;

use regex::Regex;

/// A part of an output that the two engines do not share.
pub(crate) struct Difference {
    /// The beginning of the commands that print it.
    pub(crate) of: &'static str,
    /// The part.
    pub(crate) part: Part,
    /// Why it differs. `docs/embedded.md` says the same.
    #[expect(dead_code, reason = "for who reads the list")]
    pub(crate) because: &'static str,
}

/// Which lines are left out.
pub(crate) enum Part {
    /// Each line that begins with this, apart from white space.
    Line(&'static str),
    /// From the line that begins with this to the line that closes its bracket, or to the next one that is not
    /// indented further.
    Block(&'static str),
    /// From the line that begins with this to the end.
    Rest(&'static str),
}

const NO_PLATFORM: &str = "the model runs no container, so it has no containerd, runc, storage or build";
const NO_MACHINE: &str = "the model has no machine and no kernel; its nodes have 2 processors and 4 GiB each";
const NO_CA: &str = "the model has no CA: nothing that it answers may look like a secret or a certificate";
const NO_GATEWAY: &str =
    "the model does not make the endpoints of docker_gwbridge, which no overlay's address depends on";
const NO_VERBOSE: &str = "the model does not keep the tables of the network's gossip";

const fn line(of: &'static str, text: &'static str, because: &'static str) -> Difference {
    Difference { of, part: Part::Line(text), because }
}

const fn block(of: &'static str, text: &'static str, because: &'static str) -> Difference {
    Difference { of, part: Part::Block(text), because }
}

/// Every difference that stays.
pub(crate) const DIFFERENCES: &[Difference] = &[
    line("version", "Server:", NO_PLATFORM),
    line("version", "Go version:", NO_PLATFORM),
    line("version", "Git commit:", NO_PLATFORM),
    line("version", "Built:", NO_PLATFORM),
    block("version", "containerd:", NO_PLATFORM),
    block("version", "runc:", NO_PLATFORM),
    line("info", "Images:", NO_PLATFORM),
    block("info", "Storage Driver:", NO_PLATFORM),
    line("info", "Runtimes:", NO_PLATFORM),
    line("info", "Default Runtime:", NO_PLATFORM),
    line("info", "Init Binary:", NO_PLATFORM),
    line("info", "containerd version:", NO_PLATFORM),
    line("info", "runc version:", NO_PLATFORM),
    line("info", "init version:", NO_PLATFORM),
    block("info", "Security Options:", NO_PLATFORM),
    line("info", "Docker Root Dir:", NO_PLATFORM),
    line("info", "Registry:", NO_PLATFORM),
    line("info", "Labels:", NO_PLATFORM),
    block("info", "Insecure Registries:", NO_PLATFORM),
    line("info", "ID:", NO_PLATFORM),
    line("info", "Kernel Version:", NO_MACHINE),
    line("info", "Operating System:", NO_MACHINE),
    line("info", "CPUs:", NO_MACHINE),
    line("info", "Total Memory:", NO_MACHINE),
    // What a client warns about is the kernel's.
    line("info", "WARNING:", NO_MACHINE),
    line("node inspect", "\"NanoCPUs\":", NO_MACHINE),
    line("node inspect", "\"MemoryBytes\":", NO_MACHINE),
    line("node inspect", "CPUs:", NO_MACHINE),
    line("node inspect", "Memory:", NO_MACHINE),
    block("node inspect", "\"TLSInfo\":", NO_CA),
    Difference { of: "node inspect --pretty", part: Part::Rest("TLS Info:"), because: NO_CA },
    Difference { of: "swarm ca", part: Part::Rest("exit code"), because: NO_CA },
    block("network inspect docker_gwbridge", "\"Containers\":", NO_GATEWAY),
    block("network inspect -v", "\"Services\":", NO_VERBOSE),
];

/// Commands whose lines come in any order, because the client or the engine goes through a map.
const UNORDERED: &[&str] = &["stack deploy", "stack rm", "network inspect"];

/// An output as it is compared.
pub(crate) fn compared(words: &str, printed: &str) -> String {
    let mut lines: Vec<String> = printed.lines().map(plain).filter(|line| !line.is_empty()).collect();
    for difference in DIFFERENCES.iter().filter(|difference| words.starts_with(difference.of)) {
        lines = without(lines, &difference.part);
    }
    if UNORDERED.iter().any(|command| words.starts_with(command)) {
        lines.sort();
    }
    lines.join("\n")
}

fn without(lines: Vec<String>, part: &Part) -> Vec<String> {
    let mut kept = Vec::new();
    let mut lines = lines.into_iter().peekable();
    while let Some(line) = lines.next() {
        let begins = |text: &str| line.trim_start().starts_with(text);
        match part {
            Part::Line(text) if begins(text) => {}
            Part::Rest(text) if begins(text) => break,
            Part::Block(text) if begins(text) => {
                let depth = indent(&line);
                while lines.next_if(|next| depth < indent(next)).is_some() {}
                let opened = line.ends_with(['{', '[']);
                lines.next_if(|next| {
                    opened && indent(next) == depth && next.trim_start().starts_with(['}', ']'])
                });
            }
            Part::Line(_) | Part::Rest(_) | Part::Block(_) => kept.push(line),
        }
    }
    kept
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// What differs from run to run, and what takes its place. Columns of tables are as wide as their widest value, so
/// white space within a line counts once.
static RUN_TO_RUN: LazyLock<Vec<(Regex, &'static str)>> = LazyLock::new(|| {
    let rules = [
        (r"\b[0-9a-f]{64}\b", "HEX"),
        (r"\b[0-9a-z]{25}\b", "ID"),
        (r"^[0-9a-z]{12}\b", "ID"),
        // The name of a node in the gossip of its networks.
        (r#""Name": "[0-9a-f]{12}""#, r#""Name": "PEER""#),
        (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z| \+0000 utc)?", "TIME"),
        (r"(?i)\b(less than a second|about a minute|about an hour|\d+ (second|minute|hour)s?) ago", "AGO"),
        (r#""(Index|PID)": \d+"#, r#""$1": N"#),
        // The engine's node: the lab's or one of TEST-NET-1.
        (r"\b(127\.0\.0\.1|192\.0\.2\.1)\b", "NODE-IP"),
        // Who gets which address of a subnet is random where a stack's services are created in any order, and on a
        // real engine for the tasks of one service. That the allocator is the same is another test's to show.
        (r"\b(10\.0\.\d+|10\.91\.0)\.([2-9]|\d\d+)/", "$1.N/"),
        (r#"("MacAddress": ")02:42:0a[0-9a-f:]+"#, "${1}MAC"),
        // Debian's own suffix.
        (r"\+dfsg1", ""),
        (r",$", ""),
        (r"(\S)\s{2,}(\S)", "$1  $2"),
    ];
    let compiled = rules.into_iter().map(|(rule, to)| (Regex::new(rule).expect("a rule of this file"), to));
    compiled.collect()
});

fn plain(line: &str) -> String {
    let mut line = line.trim_end().to_owned();
    for (rule, to) in RUN_TO_RUN.iter() {
        line = rule.replace_all(&line, *to).trim_end().to_owned();
    }
    line
}

#[test]
fn what_differs_is_left_out_and_nothing_else_is() {
    let node = "exit code 0\n[\n  {\n    \"ID\": \"b72pp85pp1zirmohk7qtoyjpi\",\n    \"TLSInfo\": {\n      \"x\": 1\n    },\n    \"a\": 2\n  }\n]";
    let expected = "exit code 0\n[\n  {\n    \"ID\": \"ID\"\n    \"a\": 2\n  }\n]";
    assert_eq!(compared("node inspect self", node), expected);
    assert_eq!(compared("node inspect self", &node.replace("{\n      \"x\": 1\n    }", "{}")), expected);
    let version = " containerd:\n  Version: 1\n runc:\n  Version: 2\n Engine:\n  Version: 20.10.24+dfsg1";
    assert_eq!(compared("version", version), " Engine:\n  Version: 20.10.24");
    assert_ne!(compared("service inspect web", version), compared("version", version));
}

#[test]
fn what_changes_from_run_to_run_is_replaced() {
    for (line, expected) in [
        ("uopjutkbpabs   web   1/1", "ID  web  1/1"),
        ("Running 12 seconds ago", "Running AGO"),
        ("Less than a second ago", "AGO"),
        ("\"Addr\": \"10.91.0.12/24\",", "\"Addr\": \"10.91.0.N/24\""),
        ("\"Subnet\": \"10.91.0.0/24\"", "\"Subnet\": \"10.91.0.0/24\""),
        ("\"CreatedAt\": \"2026-11-26T15:49:00.393597949Z\",", "\"CreatedAt\": \"TIME\""),
        ("service other already exists", "service other already exists"),
    ] {
        assert_eq!(plain(line), expected);
    }
}
