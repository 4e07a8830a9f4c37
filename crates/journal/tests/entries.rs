//! A user's own entries of the catalogue: which are taken, what they match, and what they never decide.

#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the failure")]

use pvcheck_journal::{
    Catalogue, CatalogueError, Class, Incomplete, OwnNoise, Place, Record, Role, Scan, Window, scan,
};

/// A driver of a plugin, which the built-in catalogue does not know.
const ENTRY: &str = r#"
[[signature]]
id = "plugin-pool-full"
class = "exhaustion"
place = "leader"
versions = "20.10 to 28"
meaning = "the plugin's pool has no address"
remedy = "ask the plugin for a larger pool"
source = "seen here on 20.10.24"
matches = [
    'time="2026-06-13T05:38:00Z" level=error msg="driver call failed" error="acme: pool p1 is used up" plugin=acme',
    'Jun 13 05:38:00 host dockerd[812]: level=error msg="driver call failed" error="ACME: pool p2 is used up" plugin=acme',
]
matches_not = [
    'level=error msg="driver call failed" error="acme: pool p1 is used up" plugin=other',
    'level=error msg="driver call failed" error="acme: pool p1 is used up, retrying" plugin=acme',
]

[[signature.pattern]]
error = ["acme: pool ", " is used up"]
message = ["driver call failed"]
without = ["retrying"]
fields = { plugin = "acme" }
"#;

const FULL: &str = r#"time="2026-06-13T05:38:00Z" level=error msg="driver call failed" error="acme: pool p1 is used up" plugin=acme"#;
const START: &str = r#"time="2026-06-13T05:30:00Z" level=info msg="Starting up""#;

fn catalogue(text: &str) -> Catalogue {
    Catalogue::with_entries(text).unwrap()
}

fn refused(text: &str) -> CatalogueError {
    Catalogue::with_entries(text).unwrap_err()
}

fn scanned(lines: &[&str], catalogue: &Catalogue) -> Scan {
    let records: Vec<Record> = lines.iter().map(|line| Record::parse_line(line.as_bytes())).collect();
    scan(&records, Window::OPEN, catalogue, &OwnNoise::none())
}

/// An entry of one message, with an example of it.
fn entry(id: &str, class: &str, message: &str, example: &str) -> String {
    format!(
        "[[signature]]\nid = '{id}'\nclass = '{class}'\nplace = 'leader'\nmeaning = 'm'\nremedy = 'r'\nsource = 's'\n\
         matches = ['{example}']\n[[signature.pattern]]\nmessage = ['{message}']\n"
    )
}

#[test]
fn an_entry_is_a_signature_like_any_other() {
    let catalogue = catalogue(ENTRY);
    let signature = catalogue.explain("Plugin_Pool_Full").unwrap();
    assert_eq!((signature.class, signature.place), (Class::Exhaustion, Place::Leader));
    assert_eq!((signature.versions, signature.source), ("20.10 to 28", "seen here on 20.10.24"));
    let found = scanned(&[START, FULL], &catalogue);
    assert_eq!((found.exhaustion_count(), found.unclassified_errors), (1, 0));
    let matched = found.get("plugin-pool-full").unwrap();
    assert_eq!((matched.remedy.as_str(), matched.count), ("ask the plugin for a larger pool", 1));
    let without = scanned(&[START, FULL], Catalogue::builtin());
    assert_eq!((without.exhaustion_count(), without.unclassified_errors), (0, 1));
    assert!(Catalogue::builtin().get("plugin-pool-full").is_none(), "the built-in one stays as it is");
}

#[test]
fn every_built_in_signature_is_still_there() {
    let with: Vec<&str> = catalogue(ENTRY).signatures().map(|signature| signature.id).collect();
    let built_in: Vec<&str> = Catalogue::builtin().signatures().map(|signature| signature.id).collect();
    assert_eq!((&with[..built_in.len()], with.len()), (&built_in[..], built_in.len() + 1));
}

#[test]
fn an_entry_hides_no_finding_and_may_name_noise() {
    let vip = "level=error msg=\"Failed allocation for service svc4qm2v9k1t8r3w6y5z0a1b2\" error=\"could not find an available IP while allocating VIP\"";
    let noise = "level=error msg=\"Handler for POST /v1.41/x returned error: quota of team one\"";
    let wide =
        entry("failed-service", "noise", "Failed allocation", "level=error msg=\"Failed allocation of x\"");
    let named = entry("team-quota", "not_allocated", "quota of team", noise);
    let catalogue = catalogue(&(wide + &named));
    let found = scanned(&[START, vip, noise], &catalogue);
    let ids: Vec<&str> = found.matched.iter().map(|matched| matched.signature.as_str()).collect();
    assert_eq!(ids, ["engine-start", "vip-exhausted", "team-quota"]);
    let text = scanned(&[noise], Catalogue::builtin());
    assert_eq!(text.matched[0].class, Class::Noise, "without the entry it is noise");
}

#[test]
fn an_entry_hides_no_finding_that_is_not_known_closer() {
    let zork = "level=error msg=\"fatal task error\" error=\"overlay network zork refused\"";
    let with = |class: &str| {
        let own = entry("own-error", class, "fatal task error", "level=error msg=\"fatal task error\"");
        let found = scanned(&[START, zork], &catalogue(&own));
        found.matched.iter().map(|matched| matched.signature.clone()).collect::<Vec<_>>()
    };
    assert_eq!(with("noise"), ["engine-start", "task-network-unknown"]);
    assert_eq!(with("not_attached"), ["engine-start", "own-error"], "a finding may say more of it");
}

#[test]
fn an_entry_makes_no_line_understood_that_has_no_form() {
    let garbage = "garbage one exhau";
    let own = catalogue(&entry("garbage", "noise", "garbage one", garbage));
    let ended = [
        START,
        "time=\"2026-06-13T05:31:00Z\" level=info msg=\"Daemon has completed initialization\"",
        garbage,
    ];
    let (with, without) = (scanned(&ended, &own), scanned(&ended, Catalogue::builtin()));
    assert!(!without.complete && with.get("garbage").is_some(), "{with:?}");
    assert_eq!(with.incomplete, without.incomplete);
}

#[test]
fn an_entry_never_says_whose_log_it_is_nor_which_role_its_engine_has() {
    let line = "level=info msg=\"Configuration loaded\"";
    let catalogue = catalogue(&entry("loaded", "noise", "Configuration loaded", line));
    let found = scanned(&[line], &catalogue);
    assert_eq!(found.matched.len(), 1);
    assert_eq!(found.incomplete, [Incomplete::NotAnEngineLog { records: 1 }]);
    let found = scanned(&[START, line], &catalogue);
    assert_eq!((found.complete, found.coverage.unwrap().role), (true, Role::Unknown));
}

#[test]
fn a_gap_of_ones_own_makes_a_scan_incomplete() {
    let line = "level=warning msg=\"forwarder dropped 12 lines\"";
    let catalogue = catalogue(&entry("forwarder-dropped", "gap", "forwarder dropped ", line));
    let found = scanned(&[START, line], &catalogue);
    assert_eq!(found.incomplete, [Incomplete::Suppressed { places: 1 }]);
}

#[test]
fn an_example_that_does_not_hold_is_named() {
    let id = || "plugin-pool-full".to_owned();
    let other = ENTRY.replace(
        "acme: pool p1 is used up\" plugin=acme',\n    'Jun",
        "acme is well\" plugin=acme',\n    'Jun",
    );
    assert_eq!(refused(&other), CatalogueError::NotMatched { id: id(), number: 1, found: None });
    let wide = ENTRY.replace("without = [\"retrying\"]\n", "");
    assert_eq!(refused(&wide), CatalogueError::Matched { id: id(), number: 2 });
    let wide = ENTRY.replace("fields = { plugin = \"acme\" }\n", "");
    assert_eq!(refused(&wide), CatalogueError::Matched { id: id(), number: 1 });
    let built_in = entry("mine", "exhaustion", "Starting up", "level=info msg=\"Starting up\"");
    let error = refused(&built_in);
    assert_eq!(
        error,
        CatalogueError::NotMatched { id: "mine".into(), number: 1, found: Some("engine-start") }
    );
    assert_eq!(
        error.to_string(),
        "mine: line 1 of `matches` is engine-start instead; mend the pattern or the line"
    );
    // Of two entries that match one line, the first has it.
    let line = "level=error msg=\"acme is down\"";
    let two = entry("one", "stale", "acme is", line) + &entry("two", "stale", "is down", line);
    assert_eq!(refused(&two), CatalogueError::NotMatched { id: "two".into(), number: 1, found: Some("one") });
}

#[test]
fn what_is_wrong_with_an_entry_is_one_line_that_names_it() {
    let line = "level=error msg=\"acme is down\"";
    let good = entry("acme-down", "stale", "acme is down", line);
    assert!(Catalogue::with_entries(&good).is_ok());
    for (text, part) in [
        (String::new(), "begin one with [[signature]]"),
        ("signature = 1\n".to_owned(), "line 1: "),
        (format!("{good}colour = 'red'\n"), "colour"),
        (good.replace("class = 'stale'", "class = 'bad'"), "`bad`"),
        (good.replace("meaning = 'm'\n", ""), "meaning"),
        (good.replace("meaning = 'm'", "meaning = ' '"), "acme-down: `meaning` has to be one line"),
        (good.replace("remedy = 'r'", "remedy = \"a\\nb\""), "acme-down: `remedy` has to be one line"),
        (good.replace("id = 'acme-down'", "id = 'Acme down'"), "`Acme down`"),
        (good.replace("id = 'acme-down'", "id = 'vip-exhausted'"), "vip-exhausted: the id is taken"),
        (good.repeat(2), "acme-down: the id is taken"),
        (
            good.replace("meaning = 'm'", "meaning = 'm'\ninstead = { if_starting_up = 'old-network' }"),
            "acme-down: `instead` is for built-in signatures",
        ),
        (
            good.replace(
                "meaning = 'm'",
                &format!("all = {{ message = ['{}'] }}\nmeaning = 'm'", "x".repeat(2_000)),
            ) + &"[[signature.pattern]]\nmessage = ['y']\n".repeat(200),
            "more than 262144 bytes",
        ),
        (
            good.replace("class = 'stale'", "class = 'engine_start'"),
            "engine_start decides where a scan begins",
        ),
        (good.replace("class = 'stale'", "class = 'leader_change'"), "leader_change decides"),
        (good.replace("message = ['acme is down']", "message = []"), "acme-down: each [[signature.pattern]]"),
        (
            good.replace("message = ['acme is down']", "message = ['']"),
            "acme-down: each [[signature.pattern]]",
        ),
        (good.replace("message = ['acme is down']", "message = ['e']"), "of four characters or more"),
        (good.replace("message = ['acme is down']", "fields = { module = 'node' }"), "needs a text in"),
        (good.replace(&format!("matches = ['{line}']"), "matches = []"), "acme-down: `matches` needs a line"),
        (format!("{good}# {}\n", "x".repeat(300_000)), "more than 262144 bytes"),
    ] {
        let error = refused(&text).to_string();
        assert!(error.contains(part) && error.lines().count() == 1, "{part}: {error}");
    }
}

#[test]
fn what_all_patterns_ask_is_written_once() {
    let lines = "matches = ['level=error msg=\"acme: first\" plugin=acme', 'level=error msg=\"acme: second\" plugin=acme']\n\
        matches_not = ['level=error msg=\"first\" plugin=acme', 'level=error msg=\"acme: second\"']\n";
    let text = format!(
        "[[signature]]\nid = 'acme'\nclass = 'stale'\nplace = 'node'\nmeaning = 'm'\nremedy = 'r'\nsource = 's'\n{lines}\
         all = {{ message = ['acme: '], fields = {{ plugin = 'acme' }} }}\npattern = [{{ message = ['first'] }}, {{ error = ['second'] }}]\n"
    );
    assert!(catalogue(&text).get("acme").is_some());
    let narrower = text.replace("message = ['acme: '], ", "");
    assert_eq!(refused(&narrower), CatalogueError::Matched { id: "acme".into(), number: 1 });
}

#[test]
fn a_whole_message_and_a_writer_may_be_asked_for() {
    let text = r#"
[[signature]]
id = "unit-failed"
class = "gap"
place = "node"
meaning = "systemd gave the unit up"
remedy = "start it"
source = "systemd"
matches = ["Jun 13 05:38:00 host systemd[1]: acme.service: Failed."]
matches_not = [
    "Jun 13 05:38:00 host dockerd[1]: acme.service: Failed.",
    "Jun 13 05:38:00 host systemd[1]: acme.service: Failed. Again.",
]
[[signature.pattern]]
exact = "acme.service: Failed."
origin = "systemd"
"#;
    assert!(catalogue(text).get("unit-failed").is_some());
}

proptest::proptest! {
    #[test]
    fn arbitrary_texts_never_panic(text in "(\\[\\[signature\\]\\]\n|id = 'a'\n|[a-z]{1,8} = \\['?[ -~]{0,9}'?\\]\n|\\PC{0,20}){0,8}") {
        if let Err(error) = Catalogue::with_entries(&text) {
            proptest::prop_assert_eq!(error.to_string().lines().count(), 1);
        }
    }
}
