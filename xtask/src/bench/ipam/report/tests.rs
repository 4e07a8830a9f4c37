use super::*;

/// A side that takes so long for each of the four steps.
fn side(name: &str, ns: Option<u64>) -> Side {
    Side {
        name: name.to_owned(),
        read_ns: ns,
        index_ns: ns,
        conflicts_ns: ns,
        free_ns: ns,
        is_free_ns: ns,
        plan_ns: ns,
        counts: vec![1, 2],
        ..Side::default()
    }
}

fn ours(ns: u64) -> Side {
    Side { allocations: Some(0), ..side("pvcheck-ipam", Some(ns)) }
}

fn round(size: u32, sides: Vec<Side>) -> Round {
    Round { size, sides }
}

/// The row of a table that begins so, with its cells apart.
fn row(table: &Table, begins: &str) -> Vec<String> {
    let text = table.to_string();
    let row = text.lines().find(|line| line.trim_start().starts_with(begins)).unwrap_or_default();
    row.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).map(str::to_owned).collect()
}

#[test]
fn a_ratio_is_known_only_where_both_sides_are() {
    assert_eq!(ratio(Some(2), Some(10)), Some(5.0));
    assert_eq!(ratio(Some(0), Some(10)), Some(10.0), "no time at all counts as one nanosecond");
    assert_eq!(ratio(None, Some(10)), None);
    assert_eq!(ratio(Some(2), None), None);
}

#[test]
fn ratios_are_rounded_to_what_means_something() {
    let numbers = [0.04, 1.0, 9.94, 9.95, 12.4, 1_234.5].map(number);
    assert_eq!(numbers, ["0.0x", "1.0x", "9.9x", "10x", "12x", "1,234x"]);
}

#[test]
fn each_measure_is_a_row_of_times_and_ratios() {
    let table = times(&round(10, vec![ours(1_000), side("netaddr", Some(25_000))]), 30);
    assert_eq!(row(&table, "build"), ["build", "1.0 µs", "25.0 µs", "25x"]);
    assert_eq!(row(&table, "all of it once"), ["all of it once", "4.0 µs", "100.0 µs", "25x"]);
    assert_eq!(table.to_string().lines().count(), 2 + MEASURES.len());
}

#[test]
fn a_step_that_was_cut_off_shows_the_limit_and_no_ratio() {
    let cut = Side { conflicts_ns: None, ..side("netaddr", Some(25_000)) };
    let table = times(&round(10, vec![ours(1_000), cut]), 30);
    let name = "all conflicts of a candidate";
    assert_eq!(row(&table, name), [name, "1.0 µs", "> 30 s"]);
    assert_eq!(row(&table, "all of it once"), ["all of it once", "4.0 µs", "> 30 s"]);
}

#[test]
fn a_step_without_a_time_of_its_own_is_a_dash() {
    let along = Side { index_ns: Some(0), ..side("ipaddress", Some(2_000)) };
    let table = times(&round(10, vec![ours(1_000), along]), 30);
    assert_eq!(row(&table, "build"), ["build", "1.0 µs", "-"]);
}

#[test]
fn the_title_has_the_mean_number_of_conflicts() {
    let text = times(&round(1_000, vec![ours(1)]), 30).to_string();
    assert!(text.starts_with("1,000 reservations; a candidate has 1.5 conflicts on average\n"), "{text}");
    let text = times(&round(10, vec![]), 30).to_string();
    assert!(text.contains("has 0.0 conflicts"), "no side, no division by zero: {text}");
}

#[test]
fn versions_stand_in_the_head_and_ours_has_no_ratio_to_itself() {
    let versioned = Side { version: Some("1.3.0".to_owned()), ..side("netaddr", Some(1)) };
    let table = times(&round(10, vec![ours(1), versioned]), 30);
    assert_eq!(row(&table, "pvcheck-ipam"), ["pvcheck-ipam", "netaddr 1.3.0", "ratio"]);
}

#[test]
fn growth_is_measured_from_size_to_size_and_against_n_log_n() {
    let table = growth(&[round(16, vec![ours(100)]), round(256, vec![ours(3_200)])]);
    // 256 * 8 / (16 * 4) = 32.
    assert_eq!(row(&table, "growth"), ["growth", "32x", "32x", "32x", "32x", "32x", "32x"]);
    assert_eq!(row(&table, "16").len(), 7, "size, five times, allocations");
    assert_eq!(row(&table, "256").first().map(String::as_str), Some("256"));
}

#[test]
fn one_size_has_no_growth() {
    assert!(!growth(&[round(16, vec![ours(100)])]).to_string().contains("  growth "));
}

#[test]
fn n_log_n_of_the_smallest_size_is_not_zero() {
    assert!((n_log_n(1) - 1.0).abs() < f64::EPSILON);
    assert!((n_log_n(8) - 24.0).abs() < f64::EPSILON);
}

/// Whether each demand holds.
fn held(rounds: &[Round]) -> Vec<bool> {
    demands(rounds).into_iter().map(|(_, held)| held).collect()
}

fn at_demand(theirs: Option<u64>) -> Vec<Round> {
    vec![round(100_000, vec![ours(1_000), side("netaddr", theirs)])]
}

#[test]
fn the_demand_holds_from_a_hundred_times_on() {
    assert_eq!(held(&at_demand(Some(100_000))), [true, true, true]);
    assert_eq!(held(&at_demand(Some(99_999))), [false, false, true]);
}

#[test]
fn a_side_that_gave_up_is_slower_than_any_time() {
    assert_eq!(held(&at_demand(None)), [true, true, true]);
}

#[test]
fn without_netaddr_or_the_size_only_allocations_are_judged() {
    assert_eq!(held(&[round(100_000, vec![ours(1), side("ipaddress", Some(1))])]), [true]);
    assert_eq!(held(&[round(10, vec![ours(1), side("netaddr", Some(1))])]), [true]);
}

#[test]
fn a_question_that_allocates_breaks_the_demand_at_any_size() {
    let leaky = Side { allocations: Some(1), ..ours(1) };
    assert_eq!(held(&[round(10, vec![ours(1)]), round(100, vec![leaky])]), [false]);
}

#[test]
fn the_report_says_what_held_and_what_did_not() {
    let (text, met) = report(&at_demand(Some(100_000)), 30);
    assert!(met && text.contains("\nheld: no question allocates\n"), "{text}");
    let (text, met) = report(&at_demand(Some(5_000)), 30);
    let line = "NOT HELD: a free /16 among 100,000 at least 100 times as fast as netaddr";
    assert!(!met && text.lines().any(|found| found == line), "{text}");
}
