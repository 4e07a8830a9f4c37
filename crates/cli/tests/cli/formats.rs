//! Gates for machines and teams: JUnit, annotations, waivers, attempts.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};

use jiff::{Timestamp, ToSpan};
use roxmltree::Document;

use crate::support::*;

const M1: [&str; 4] = ["gate", "run", "pvcheck.m1", "--probe"];

/// A day so many days from now.
fn day(days: i64) -> String {
    let day = Timestamp::now() + (24 * days).hours();
    day.strftime("%Y-%m-%d").to_string()
}

fn waiver(check: &str, days: i64) -> String {
    format!(
        "[[waiver]]\ncheck = \"{check}\"\nowner = \"ops\"\nreason = \"replaced\"\nexpires = {}\n[tls]",
        day(days)
    )
}

/// The rig with a subnet that is not the declared one.
fn broken() -> Rig {
    let rig = Rig::new(cc_ci()).configured();
    rig.edit("10.10.0.0/24", "10.10.0.0/16");
    rig
}

fn run(rig: &Rig, more: &[&str]) -> Done {
    rig.run(&[&M1[..], more].concat())
}

#[test]
fn junit_is_one_document_of_all_gates_and_nothing_else_is_on_stdout() {
    let rig = broken();
    let done = run(&rig, &["-o", "junit", "--bundle", "b.json"]);
    assert_eq!(done.code, Some(1), "{done:?}");
    let document = Document::parse(&done.stdout).unwrap_or_else(|e| panic!("{e}: {}", done.stdout));
    let suites: Vec<_> = document.root_element().children().filter(roxmltree::Node::is_element).collect();
    assert_eq!(
        (suites.len(), suites[0].attribute("name"), suites[0].attribute("failures")),
        (1, Some("pvcheck.m1"), Some("1"))
    );
    let embedded = document.descendants().any(|n| n.attribute("value") == Some("embedded"));
    assert!(embedded, "what rests on a model says so: {}", done.stdout);
    let replayed = rig.run(&["gate", "run", "--replay", "b.json", "-o", "junit"]);
    assert_eq!((replayed.code, replayed.stdout), (Some(1), done.stdout));
}

#[test]
fn annotations_are_one_line_for_each_check_that_did_not_pass() {
    let rig = broken();
    let done = run(&rig, &["-o", "github", "--bundle", "b.json"]);
    assert_eq!(done.code, Some(1), "{done:?}");
    let errors: Vec<&str> = done.stdout.lines().filter(|line| line.starts_with("::error ")).collect();
    assert_eq!(errors.len(), 1, "{done:?}");
    assert!(
        errors[0].starts_with("::error title=pvcheck.m1%3A FAIL overlay.subnet (embedded engine)::proxy has"),
        "{}",
        errors[0]
    );
    let replayed = rig.run(&["gate", "run", "--replay", "b.json", "-o", "github"]);
    assert_eq!(replayed.stdout, done.stdout);
}

#[test]
fn a_format_that_a_command_does_not_have_is_refused() {
    let rig = Rig::new(cc_ci());
    for format in ["junit", "github"] {
        for words in [&["audit"] as &[&str], &["gate", "list"], &["gate", "diff", "a", "b"], &["routes"]] {
            let done = rig.run(&[words, &["-o", format]].concat());
            done.assert_refused(
                2,
                &[&format!("-o {format} is for pvcheck gate run only"), "-o table or -o json"],
            );
        }
    }
    assert_eq!(rig.sim.requests().len(), 0);
}

#[test]
fn a_waived_check_is_told_in_every_format_and_fails_no_gate() {
    let rig = broken();
    assert_eq!(run(&rig, &[]).code, Some(1));
    rig.edit("[tls]", &waiver("overlay.subnet", 30));
    let expires = day(30);
    let done = run(&rig, &["-o", "json", "--bundle", "b.json", "--out", "reports"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    let json = done.json();
    let check = &json["checks"][0];
    assert_eq!((&json["verdict"], &check["verdict"]), (&"PASS".into(), &"FAIL".into()));
    let waiver = serde_json::json!({"owner": "ops", "reason": "replaced", "expires": expires});
    assert_eq!((&check["waiver"], &json["waivers"][0]["state"]), (&waiver, &"in_use".into()));
    for (format, word) in [
        ("table", format!("waived by ops until {expires}: replaced")),
        ("table", "PASS with 1 waiver (embedded engine) pvcheck.m1 (".into()),
        ("markdown", "# pvcheck.m1: PASS with 1 waiver (embedded engine)".into()),
        ("markdown", "| WAIVED | `overlay.subnet` |".into()),
        ("junit", "<skipped message=\"WAIVED: ".into()),
        ("junit", "<property name=\"verdict\" value=\"PASS with 1 waiver\"/>".into()),
        ("github", "::warning title=pvcheck.m1%3A WAIVED overlay.subnet (embedded engine)::".into()),
    ] {
        let replayed = rig.run(&["gate", "run", "--replay", "b.json", "-o", format]);
        assert_eq!(replayed.code, Some(0), "{replayed:?}");
        assert!(replayed.stdout.contains(&word), "{word}: {}", replayed.stdout);
    }
    let page = rig.run(&["report", "b.json", "--write", "-"]);
    assert!(
        page.stdout.contains("WAIVED") && page.stdout.contains(&format!("waived by ops until {expires}")),
        "{page:?}"
    );
    assert!(page.stdout.contains("<title>pvcheck.m1 PASS with 1 waiver (embedded engine), "), "{page:?}");
    assert!(page.stdout.contains("</span> (embedded engine) with 1 waiver</h2>"), "{page:?}");
    let written = rig.run(&["report", "b.json", "--write", "run.html"]);
    assert!(written.stdout.contains("  PASS with 1 waiver (embedded engine) pvcheck.m1\n"), "{written:?}");
    let json = rig.run(&["report", "b.json", "--write", "other.html", "-o", "json"]).json();
    assert_eq!(json["gates"][0]["waivers"], 1);
    let diff = rig.run(&["gate", "diff", "b.json", "b.json"]);
    assert_eq!(diff.code, Some(0), "{diff:?}");
}

#[test]
fn a_claim_names_its_waivers_and_their_removal_is_found() {
    let rig = broken();
    rig.edit("[tls]", &waiver("overlay.subnet", 30));
    assert_eq!(run(&rig, &["--out", "reports"]).code, Some(0));
    for key in ["builder.key", "verifier.key"] {
        assert_eq!(rig.run(&["keys", "new", key]).code, Some(0));
    }
    let new = [
        "ledger",
        "new",
        "ledger.jsonl",
        "--builder",
        "builder.key.pub",
        "--verifier",
        "verifier.key.pub",
        "--key",
        "builder.key",
    ];
    assert_eq!(rig.run(&new).code, Some(0));
    let claimed = rig.run(&[
        "gate",
        "claim",
        "pvcheck.m1",
        "--report",
        "reports/pvcheck.m1.json",
        "--key",
        "builder.key",
        "-o",
        "json",
    ]);
    assert_eq!(claimed.code, Some(0), "{claimed:?}");
    assert!(claimed.stdout.contains("\"owner\": \"ops\""), "{claimed:?}");
    let verify = ["gate", "verify", "pvcheck.m1", "--probe", "--key", "verifier.key"];
    let same = rig.run(&verify);
    assert_eq!(same.code, Some(0), "{same:?}");
    rig.edit("owner = \"ops\"", "owner = \"somebody else\"");
    let other = rig.run(&verify);
    assert_eq!(other.code, Some(1), "{other:?}");
    assert!(other.stdout.contains("overlay.subnet waiver: claimed waived by ops"), "{other:?}");
}

#[test]
fn a_waiver_that_has_ended_is_told_and_one_that_cannot_be_is_refused() {
    let rig = broken();
    rig.edit("[tls]", &waiver("overlay.subnet", -1));
    let done = run(&rig, &[]);
    assert_eq!(done.code, Some(1), "{done:?}");
    assert!(done.stdout.contains("waiver of overlay.subnet by ops ended on"), "{done:?}");
    let hint = rig.run(&["config", "check", "pvcheck.toml"]);
    assert!(
        hint.code == Some(0) && hint.stdout.contains("hint: the [[waiver]] of `overlay.subnet` ended on"),
        "{hint:?}"
    );
    rig.sim.clear_requests();
    for (check, days, words) in [
        ("overlay.subnet", 91, ["ends on", "90 days ahead"]),
        ("overlay.subnets", 1, ["names no check", "did you mean overlay.subnet"]),
        ("precondition.pvfix.m1", 1, ["cannot be waived", "`requires`"]),
    ] {
        let rig = broken();
        rig.edit("[tls]", &waiver(check, days));
        let done = run(&rig, &["-q"]);
        done.assert_refused(2, &words);
        assert_eq!(rig.writes(), [] as [&str; 0]);
        let review = rig.run(&["config", "check", "pvcheck.toml"]);
        assert!(review.code == Some(2) && review.stdout.contains(words[0]), "{review:?}");
    }
}

/// Answers 502 the first so many times, then 200.
fn flaky(bad: usize) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().flatten().enumerate() {
            let mut lines = BufReader::new(&stream).lines();
            while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
            let status = if number < bad { "502 Bad Gateway" } else { "200 OK" };
            let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
            // A client that has gone away needs no answer.
            let _ = (&stream).write_all(answer.as_bytes());
        }
    });
    address
}

/// The rig with one more route, to a server that is down for so many requests.
fn retrying(bad: usize, attempts: &str) -> Rig {
    let rig = Rig::new(cc_ci()).configured();
    let route = format!(
        "[[route]]\nname = \"flaky\"\nurl = \"http://flaky.test/\"\naddress = \"{}\"\n{attempts}\n[canary]",
        flaky(bad)
    );
    rig.edit("[canary]", &route);
    rig
}

#[test]
fn a_route_may_take_as_many_attempts_as_it_has_and_is_marked() {
    let passed = retrying(1, "attempts = 3");
    let json = run(&passed, &["-o", "json", "--bundle", "b.json"]);
    assert_eq!(json.code, Some(0), "{json:?}");
    let checks = json.json()["checks"].as_array().expect("checks").clone();
    let flaky = checks.iter().find(|check| check["id"] == "route.flaky").expect("there");
    assert!(flaky["reason"].as_str().expect("a text").ends_with("(attempt 2 of 3)"), "{flaky}");
    let verdicts: Vec<_> =
        flaky["attempts"].as_array().expect("two").iter().map(|a| a["verdict"].clone()).collect();
    assert_eq!(verdicts, ["FAIL", "PASS"]);
    for (format, word) in [
        ("table", "(attempt 2 of 3)"),
        ("markdown", "attempt 1 of 3, at "),
        ("junit", "<flakyFailure "),
        ("json", "attempts"),
    ] {
        let replayed = rig_replay(&passed, format);
        assert!(replayed.code == Some(0) && replayed.stdout.contains(word), "{word}: {replayed:?}");
    }
    let failed = run(&retrying(9, "attempts = 2"), &[]);
    assert!(failed.code == Some(1) && failed.stdout.contains("(attempt 2 of 2)"), "{failed:?}");
    let once = run(&retrying(1, ""), &[]);
    assert!(once.code == Some(1) && !once.stdout.contains("attempt"), "{once:?}");
    let routes = retrying(1, "attempts = 2").run(&["routes"]);
    assert!(routes.code == Some(0) && routes.stdout.contains("(attempt 2 of 2)"), "{routes:?}");
}

fn rig_replay(rig: &Rig, format: &str) -> Done {
    rig.run(&["gate", "run", "--replay", "b.json", "-o", format])
}

/// What guards a deployment is asked once: a stack is not deployed behind a route that answers now and then.
#[test]
fn routes_before_a_deployment_are_asked_once() {
    let done = retrying(1, "attempts = 5").run(&["gate", "run", "pvcheck.m2", "--apply"]);
    assert_eq!(done.code, Some(4), "{done:?}");
    assert!(done.stdout.contains("FAIL") && !done.stdout.contains("attempt"), "{done:?}");
}

#[test]
fn attempts_out_of_bounds_are_refused() {
    for (attempts, words) in [
        ("attempts = 0", "give 1 to 5"),
        ("attempts = 6", "give 1 to 5"),
        ("attempts = 2\nrequest = { method = \"POST\" }", "may do its work twice"),
    ] {
        run(&retrying(0, attempts), &[]).assert_refused(2, &["route `flaky`", words]);
    }
}
