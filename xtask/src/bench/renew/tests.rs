use pvcheck_routes::RouteRecord;
use serde_json::json;

use super::*;

#[test]
fn only_steps_that_change_services_are_restarted_beside() {
    let plan = json!({"steps": [
        {"step": "create-holding"},
        {"step": "move", "to": "holding", "services": ["router"]},
        {"step": "drain", "network": "old"},
        {"step": "move", "to": "new", "services": ["a", "b"]},
    ]});
    assert_eq!(batches(&plan), [vec!["router"], vec!["a", "b"]]);
}

#[test]
fn the_tables_show_ratio_calls_and_dark_time() {
    let outage = |from: &str, to: Option<&str>, last: &str| Outage {
        last_pass: None,
        from: from.parse().expect("a time"),
        last_fail: last.parse().expect("a time"),
        to: to.map(|to| to.parse().expect("a time")),
        failed: 1,
        reason: "refused".into(),
    };
    let outages = vec![
        outage("2026-01-01T00:00:00Z", Some("2026-01-01T00:00:02Z"), "2026-01-01T00:00:01Z"),
        outage("2026-01-01T00:00:10Z", None, "2026-01-01T00:00:10.5Z"),
    ];
    let route = RouteRecord {
        name: "drone".into(),
        probes: 100,
        passed: 95,
        failed: 5,
        outages_seen: 2,
        outages,
        ..RouteRecord::default()
    };
    let round = Round {
        strategy: "bridge",
        services: 6,
        changes: 24,
        calls: 601,
        renewal: Duration::from_secs(30),
        restarts: Duration::from_secs(20),
        routes: WatchSummary { routes: vec![route] },
    };
    let rows = |table: &Table| -> Vec<Vec<String>> {
        table.to_string().lines().skip(2).map(|l| l.split_whitespace().map(str::to_owned).collect()).collect()
    };
    let round = [round];
    assert_eq!(rows(&times(&round)), [["bridge", "6", "24", "30.0", "s", "20.0", "s", "1.50", "601", "100"]]);
    let expected = [["bridge", "drone", "100", "5", "2", "2,500", "ms", "2,000", "ms"]];
    assert_eq!(rows(&dark(&round)), expected);
}
