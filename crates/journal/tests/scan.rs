//! Scans: windows, starts, our own noise, removed networks, evidence.

#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the failure")]

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use pvcheck_journal::{
    Catalogue, Class, Doubt, Incomplete, MAX_SAMPLE_CHARS, MAX_SAMPLES, MAX_SUBJECTS, NetworkId, Note,
    OwnNoise, Record, RemovedNetworks, Scan, Scanner, ServiceId, Since, TaskId, Window, scan,
};

const SERVICE: &str = "svc4qm2v9k1t8r3w6y5z0a1b2";
const OURS: &str = "our4qm2v9k1t8r3w6y5z0a1b2";
const TASK: &str = "tsk7mg402451row2gmr0g0vsu";
const NETWORK: &str = "netqo8nlftb3wrsc5kja4dlzr";

fn at(minute: i64) -> Timestamp {
    "2026-06-13T05:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_mins(minute)
}

fn line(minute: i64, level: &str, message: &str, error: &str) -> Record {
    let error = if error.is_empty() { String::new() } else { format!(" error={error:?}") };
    Record::parse_line(
        format!("time=\"{}\" level={level} msg={message:?}{error} module=node", at(minute)).as_bytes(),
    )
}

fn exhausted(minute: i64) -> Record {
    let message = format!("Failed allocation for service {SERVICE}");
    line(minute, "error", &message, "could not find an available IP while allocating VIP")
}

fn gone(minute: i64) -> Record {
    let error = format!("could not find network allocator state for network {NETWORK}");
    line(minute, "error", "Failed to allocate network resources for node nodiqbfz7sj0t8368scf9urwi", &error)
}

fn started(minute: i64) -> Record {
    line(minute, "info", "Starting up", "")
}

fn retried(minute: i64) -> Record {
    let text = "Error (Unable to complete atomic operation, key modified) deleting object [endpoint a b], retrying....";
    line(minute, "warning", text, "")
}

fn untimed(record: &Record) -> Record {
    Record::parse_line(record.raw.split_once(' ').unwrap().1.as_bytes())
}

fn plain(records: &[Record], window: Window) -> Scan {
    scan(records, window, Catalogue::builtin(), &OwnNoise::none())
}

fn since(records: &[Record], since: Since, to: Option<Timestamp>) -> Scan {
    feed(records, Scanner::since(Catalogue::builtin(), since, to))
}

fn feed(records: &[Record], mut scanner: Scanner<'_>) -> Scan {
    for record in records {
        scanner.push(record);
    }
    scanner.finish()
}

fn seen(scan: &Scan) -> Vec<(&str, u64)> {
    scan.matched.iter().map(|matched| (matched.signature.as_str(), matched.count)).collect()
}

#[test]
fn counts_first_last_and_subjects() {
    let scan = plain(&[exhausted(3), exhausted(1), gone(2)], Window::OPEN);
    assert_eq!(seen(&scan), [("vip-exhausted", 2), ("removed-network", 1)]);
    let vip = scan.get("vip-exhausted").unwrap();
    assert_eq!((vip.first, vip.last), (Some(at(1)), Some(at(3))));
    assert_eq!(vip.services, [ServiceId::from(SERVICE)].into());
    assert_eq!(scan.matched[1].networks, [NetworkId::from(NETWORK)].into());
    assert_eq!((scan.exhaustion_count(), scan.count(Class::LeakFootprint)), (2, 1));
    let findings: Vec<_> = scan.findings().map(|matched| matched.signature.as_str()).collect();
    assert_eq!(findings, ["vip-exhausted"], "a footprint is information");
    assert!(scan.complete && scan.notes.is_empty());
}

#[test]
fn what_is_outside_of_the_window_is_read_and_not_counted() {
    let records = [exhausted(1), exhausted(5), exhausted(9)];
    let scan = plain(&records, Window::between(at(2), at(8)));
    assert_eq!((scan.read, scan.records, scan.exhaustion_count()), (3, 1, 1));
    assert_eq!(plain(&records, Window::since(at(5))).exhaustion_count(), 2);
    assert_eq!(plain(&records, Window::since(at(10))).exhaustion_count(), 0);
}

#[test]
fn findings_before_the_window_are_counted_apart() {
    let records = [exhausted(1), exhausted(3), exhausted(9)];
    let before = |window| {
        let scan = plain(&records, window);
        let counts = scan.before.iter().map(|matched| (matched.signature.clone(), matched.count));
        (scan.exhaustion_count(), counts.collect::<Vec<_>>())
    };
    let signature = plain(&records, Window::OPEN).matched[0].signature.clone();
    assert_eq!(before(Window::since(at(5))), (1, vec![(signature.clone(), 2)]));
    assert_eq!(
        before(Window::between(at(2), at(8))),
        (1, vec![(signature, 1)]),
        "what is later is not before"
    );
    assert_eq!(before(Window::OPEN), (3, Vec::new()));
}

#[test]
fn records_without_a_time_count_in_the_open_window_only() {
    let records = [untimed(&exhausted(1)), exhausted(2)];
    assert_eq!(records[0].at, None);
    assert_eq!(plain(&records, Window::OPEN).exhaustion_count(), 2);
    let scan = plain(&records, Window::since(at(0)));
    assert_eq!(scan.exhaustion_count(), 1);
    assert_eq!(scan.notes, [Note::UntimedLeftOut { count: 1 }]);
}

/// A log is written in order.
#[test]
fn a_record_without_a_time_is_where_its_neighbours_are() {
    let lacks = |records: &[Record]| plain(records, Window::since(at(4))).incomplete;
    let (none, quiet) = (untimed(&exhausted(1)), exhausted(3));
    let has = |records: &[Record]| lacks(records).iter().any(|i| matches!(i, Incomplete::NoTimes { .. }));
    assert!(!has(&[none.clone(), quiet.clone(), exhausted(5)]));
    assert!(has(&[quiet.clone(), none.clone(), exhausted(5)]), "it may be in the window");
    assert!(has(&[none.clone(), exhausted(5)]), "nothing says when it was written");
    assert!(has(&[none.clone(), exhausted(5), quiet.clone()]), "files in another order say nothing of it");
    // Behind a record of the window it is in it, unless the window ends.
    let records = [quiet, exhausted(5), none];
    assert!(!has(&records));
    assert_eq!(plain(&records, Window::since(at(4))).exhaustion_count(), 2);
    assert_eq!(plain(&records, Window::between(at(4), at(9))).exhaustion_count(), 1);
}

#[test]
fn since_the_engine_start_is_since_the_last_one() {
    let records = [
        exhausted(1),
        started(2),
        exhausted(3),
        exhausted(4),
        started(5),
        exhausted(6),
        untimed(&exhausted(7)),
    ];
    let scan = since(&records, Since::EngineStart, None);
    assert_eq!((scan.start_found, scan.window.from), (Some(true), Some(at(5))));
    assert_eq!(seen(&scan), [("engine-start", 1), ("vip-exhausted", 2)]);
    assert_eq!((scan.read, scan.records), (7, 3));
    assert_eq!(scan.samples.len(), 3, "no evidence from before the start");
    let earlier = since(&records, Since::EngineStart, Some(at(4)));
    assert_eq!((earlier.window.from, earlier.exhaustion_count()), (Some(at(2)), 2));
}

#[test]
fn without_a_start_marker_all_is_scanned_and_that_is_said() {
    let scan = since(&[exhausted(1), exhausted(2)], Since::EngineStart, None);
    assert_eq!((scan.start_found, scan.window, scan.exhaustion_count()), (Some(false), Window::OPEN, 2));
    assert_eq!(scan.notes, [Note::NoStartMarker]);
    assert_eq!(plain(&[], Window::OPEN).notes, [Note::NothingRead]);
}

#[test]
fn a_change_of_leadership_makes_a_new_allocator() {
    let elected = line(3, "info", "38f174ddaf85df23 became leader at term 2", "");
    let records = [started(1), exhausted(2), elected, exhausted(4)];
    assert_eq!(since(&records, Since::EngineStart, None).exhaustion_count(), 2);
    let scan = since(&records, Since::AllocatorStart, None);
    assert_eq!((scan.exhaustion_count(), scan.window.from), (1, Some(at(3))));
    assert_eq!(
        (scan.engine_start, scan.leader_change, scan.allocator_start()),
        (Some(at(1)), Some(at(3)), Some(at(3)))
    );
    // They count although they are not in the window.
    assert_eq!(plain(&records, Window::since(at(4))).allocator_start(), Some(at(3)));
    assert_eq!(plain(&records[..2], Window::since(at(2))).allocator_start(), Some(at(1)));
    assert_eq!(plain(&records[3..], Window::OPEN).allocator_start(), None);
}

#[test]
fn a_virtual_address_that_is_not_balanced_is_noise_where_the_kernel_has_no_ipvs() {
    let alias = |minute| {
        let text = "Failed add IP alias 10.10.0.8 to network netqo8nlftb3wrsc5kja4dlzr LB endpoint interface eth0: cannot assign requested address";
        line(minute, "error", text, "")
    };
    let missing = line(1, "error", "error reading the kernel parameter net.ipv4.vs.conn_reuse_mode", "no");
    let scan = plain(&[alias(0), missing.clone(), alias(2), alias(3)], Window::OPEN);
    assert_eq!((scan.count(Class::Stale), scan.get("vip-without-ipvs").unwrap().count), (1, 2));
    // What was said before the window counts; what an earlier run of the engine said does not.
    assert_eq!(plain(&[missing.clone(), alias(2)], Window::since(at(2))).count(Class::Stale), 0);
    assert_eq!(plain(&[missing, started(2), alias(3)], Window::OPEN).count(Class::Stale), 1);
}

#[test]
fn a_retried_deletion_is_noise_while_the_engine_starts_and_a_race_later() {
    let scan = plain(&[started(0), retried(1), retried(5), retried(6)], Window::OPEN);
    assert_eq!(scan.get("store-conflict-at-start").unwrap().count, 2);
    assert_eq!(scan.count(Class::Race), 1);
    // The start counts although it is not in the window.
    assert_eq!(plain(&[started(0), retried(1)], Window::since(at(1))).count(Class::Race), 0);
    assert_eq!(plain(&[retried(1)], Window::OPEN).count(Class::Race), 1, "no start is known");
}

#[test]
fn a_line_about_a_network_is_a_footprint_if_it_was_removed_lately() {
    let classes = |removed: RemovedNetworks, record: Record| {
        let scan = feed(&[record], Scanner::new(Catalogue::builtin(), Window::OPEN).removed(removed));
        scan.matched[0].class
    };
    let removed = |minute| RemovedNetworks::new([(NETWORK.into(), at(minute))]);
    assert_eq!(classes(removed(0), gone(9)), Class::LeakFootprint);
    assert_eq!(classes(removed(0), gone(11)), Class::Noise);
    assert_eq!(classes(removed(5), gone(2)), Class::LeakFootprint, "before its removal");
    assert_eq!(classes(RemovedNetworks::new([]), gone(60)), Class::LeakFootprint, "nobody knows when");
    assert_eq!(classes(removed(0), untimed(&gone(60))), Class::LeakFootprint, "cannot be told");
    let nameless = line(60, "error", "x", "networkallocator: could not find local network state");
    assert_eq!(classes(removed(0), nameless), Class::LeakFootprint, "cannot be told");
}

#[test]
fn what_a_census_of_ours_caused_is_counted_apart() {
    let for_task = format!(
        "failed to allocate network IP for task {TASK} network {NETWORK}: could not find an available IP"
    );
    let for_service = format!("service {OURS} to which task {TASK} belongs has pending allocations");
    let nameless = |minute| line(minute, "error", "error reallocating node ", "node  cannot be found");
    let vip = format!("Failed allocation for service {OURS}");
    let records = [
        line(1, "error", &vip, "could not find an available IP while allocating VIP"),
        line(2, "error", "task allocation failure", &for_service),
        line(3, "error", "task allocation failure", &for_task),
        nameless(4),
        nameless(9),
        exhausted(4),
        line(4, "error", &format!("something new about service {OURS}"), ""),
    ];
    let own = OwnNoise::of(at(0), at(5), [OURS.into()]);
    let scan = scan(&records, Window::OPEN, Catalogue::builtin(), &own);
    assert_eq!(seen(&scan), [("node-without-id", 1), ("vip-exhausted", 1)]);
    let ours: Vec<_> = scan.own.iter().map(|matched| (matched.signature.as_str(), matched.count)).collect();
    // The task was learned from the line before it.
    assert_eq!(
        ours,
        [("vip-exhausted", 1), ("waits-for-service", 1), ("task-exhausted", 1), ("node-without-id", 1)]
    );
    assert_eq!((scan.unclassified_errors, scan.own_unclassified_errors), (0, 1));
    assert_eq!(scan.exhaustion_count(), 1);
}

#[test]
fn an_unclaimed_task_is_a_finding_even_during_a_census() {
    let error = format!(
        "failed to allocate network IP for task {TASK} network {NETWORK}: could not find an available IP"
    );
    let records = [line(3, "error", "task allocation failure", &error)];
    let own = OwnNoise::of(at(0), at(5), [OURS.into()]);
    assert_eq!(scan(&records, Window::OPEN, Catalogue::builtin(), &own).exhaustion_count(), 1);
    let own = own.with_tasks([TaskId::from(TASK)]);
    assert_eq!(scan(&records, Window::OPEN, Catalogue::builtin(), &own).exhaustion_count(), 0);
    assert_eq!(OwnNoise::none().and(own.clone()), own);
}

#[test]
fn unknown_errors_are_counted_and_shown_and_foreign_lines_are_not() {
    let foreign =
        Record::parse_line(format!("Jun 13 05:00:00 host traefik[7]: {}", exhausted(1).raw).as_bytes());
    let records = [
        line(1, "error", "something new", ""),
        line(1, "fatal", "worse", ""),
        line(1, "warning", "so", ""),
        foreign,
    ];
    let scan = plain(&records, Window::OPEN);
    assert_eq!((scan.unclassified_errors, scan.exhaustion_count()), (2, 0));
    assert_eq!(scan.samples.iter().filter(|sample| sample.signature.is_none()).count(), 2);
    assert_eq!(scan.notes, [Note::Foreign { count: 1 }, Note::LeaderOnly]);
}

#[test]
fn unparsed_and_cut_lines_are_said() {
    let mut long = exhausted(1).raw.into_bytes();
    long.resize(pvcheck_journal::MAX_LINE_BYTES + 1, b' ');
    let records = [Record::parse_line(b"goroutine 1 [running]:"), Record::parse_line(&long)];
    let scan = plain(&records, Window::OPEN);
    assert_eq!(scan.notes, [Note::Unparsed { count: 1 }, Note::Cut { count: 1 }]);
    assert_eq!(scan.exhaustion_count(), 1);
}

#[test]
fn lines_that_journald_dropped_make_the_scan_incomplete() {
    let gap = Record::parse_line(
        b"Jun 13 05:00:00 host systemd-journald[1]: Suppressed 17 messages from docker.service",
    );
    let scan = plain(&[started(0), gap], Window::OPEN);
    assert!(!scan.complete);
    assert_eq!(scan.incomplete, [Incomplete::Suppressed { places: 1 }]);
}

#[test]
fn evidence_and_lists_are_bounded() {
    let long = "x".repeat(MAX_SAMPLE_CHARS * 2);
    let about = |number: usize| {
        let message = format!("Failed allocation for service svc{number:022}");
        line(1, "error", &message, &format!("could not find an available IP while allocating VIP {long}"))
    };
    let records: Vec<_> = (0..MAX_SUBJECTS + 5).map(about).collect();
    let scan = plain(&records, Window::OPEN);
    let vip = &scan.matched[0];
    assert_eq!((vip.services.len(), vip.more, vip.count), (MAX_SUBJECTS, true, MAX_SUBJECTS as u64 + 5));
    assert_eq!(scan.samples.len(), MAX_SAMPLES);
    assert!(scan.samples.iter().all(|sample| sample.text.chars().count() == MAX_SAMPLE_CHARS + 1));
}

#[test]
fn no_secret_gets_into_a_scan() {
    let error = "bad token SWMTKN-1-canary0-canary1: password=canary2 {\"secret\":\"canary3\"} https://u:canary4@host/";
    let records = [
        line(1, "error", "something new key=canary5", error),
        line(1, "error", "task allocation failure", error),
    ];
    let scan = feed(&records, Scanner::new(Catalogue::builtin(), Window::OPEN).source("file x"));
    let json = serde_json::to_string(&scan).unwrap();
    assert_eq!(scan.samples.len(), 2);
    assert!(!json.contains("canary"), "{json}");
    assert!(json.contains("something new"));
}

#[test]
fn the_json_is_what_scripts_rely_on() {
    let mut scanner = Scanner::since(Catalogue::builtin(), Since::EngineStart, Some(at(9))).source("file x");
    scanner.push(&started(1));
    scanner.push(&exhausted(2));
    scanner.note_incomplete(Incomplete::Rotated);
    let scan = scanner.finish();
    let json = serde_json::to_value(&scan).unwrap();
    assert_eq!(
        json["window"],
        serde_json::json!({ "from": "2026-06-13T05:01:00Z", "to": "2026-06-13T05:09:00Z" })
    );
    assert_eq!((json["source"].as_str(), json["since"].as_str()), (Some("file x"), Some("engine_start")));
    assert_eq!((&json["records"], &json["unclassified_errors"]), (&2.into(), &0.into()));
    assert_eq!((&json["complete"], &json["incomplete"][0]["kind"]), (&false.into(), &"rotated".into()));
    let vip = &json["matched"][1];
    assert_eq!(
        (vip["signature"].as_str(), vip["class"].as_str()),
        (Some("vip-exhausted"), Some("exhaustion"))
    );
    assert_eq!((vip["count"].as_u64(), vip["first"].as_str()), (Some(1), Some("2026-06-13T05:02:00Z")));
    assert_eq!(vip["networks"], serde_json::json!([]));
    assert_eq!(serde_json::from_value::<Scan>(json).unwrap(), scan);
}

#[test]
fn circumstances_and_records_survive_being_stored() {
    let own = OwnNoise::of(at(0), at(5), [OURS.into()]).with_tasks([TASK.into()]);
    assert_eq!(serde_json::from_str::<OwnNoise>(&serde_json::to_string(&own).unwrap()).unwrap(), own);
    let record = exhausted(1);
    assert_eq!(serde_json::from_str::<Record>(&serde_json::to_string(&record).unwrap()).unwrap(), record);
}

proptest! {
    /// Every line in the window is a known signature, an unknown error, or no error; none is lost and none counts twice.
    #[test]
    fn counts_add_up(kinds in proptest::collection::vec((0usize..6, 0i64..30), 0..60), from in 0i64..30) {
        let make = |(kind, minute): &(usize, i64)| match kind {
            0 => exhausted(*minute),
            1 => gone(*minute),
            2 => line(*minute, "error", "something new", ""),
            3 => line(*minute, "info", "nothing", ""),
            4 => retried(*minute),
            _ => untimed(&exhausted(*minute)),
        };
        let records: Vec<_> = kinds.iter().map(make).collect();
        let window = Window::since(at(from));
        let scan = plain(&records, window);
        let inside = |wanted: usize| kinds.iter().filter(|(kind, minute)| *kind == wanted && from <= *minute).count() as u64;
        // Without a time it is where its neighbours are.
        let first = kinds.iter().position(|(kind, minute)| *kind != 5 && from <= *minute);
        let behind = first.map_or(&[][..], |first| &kinds[first..]);
        let untimed = behind.iter().filter(|(kind, _)| *kind == 5).count() as u64;
        prop_assert_eq!(scan.exhaustion_count(), inside(0) + untimed);
        prop_assert_eq!(scan.count(Class::LeakFootprint), inside(1));
        prop_assert_eq!(scan.unclassified_errors, inside(2));
        prop_assert_eq!(scan.count(Class::Race), inside(4));
        prop_assert_eq!(scan.records, (0..5).map(inside).sum::<u64>() + untimed);
        prop_assert_eq!(scan.read, records.len() as u64);
    }

    #[test]
    fn arbitrary_lines_never_panic(lines in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..120), 0..20)) {
        let records: Vec<_> = lines.iter().map(|line| Record::parse_line(line)).collect();
        let scan = plain(&records, Window::OPEN);
        prop_assert_eq!(scan.records, lines.len() as u64);
        serde_json::to_string(&scan).unwrap();
    }
}

#[test]
fn what_keeps_a_scan_from_proving_anything_is_named() {
    let of = |scan: &Scan| (scan.is_conclusive(), scan.doubt().map_or(Vec::new(), |doubt| doubt.parts));
    assert_eq!(of(&plain(&[started(0)], Window::OPEN)), (true, vec![]));
    let empty: [Record; 0] = [];
    assert_eq!(of(&plain(&empty, Window::OPEN)), (false, vec![Incomplete::NoRecords { read: 0 }]));
    let no_start = since(&[exhausted(1)], Since::EngineStart, None);
    assert_eq!(of(&no_start), (false, vec![Incomplete::NoStart]));
    let mut scanner = Scanner::new(Catalogue::builtin(), Window::OPEN);
    scanner.note_incomplete(Incomplete::Rotated);
    scanner.push(&started(0));
    let doubt = scanner.finish().doubt().unwrap();
    assert_eq!(doubt, Doubt { parts: vec![Incomplete::Rotated] });
    let text = doubt.to_string();
    assert!(text.contains("rotated since the mark") && text.ends_with("none found means nothing"), "{text}");
}
