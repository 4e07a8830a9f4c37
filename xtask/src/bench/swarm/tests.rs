use super::*;

fn arguments(rounds: u32, no_large: bool) -> Swarm {
    Swarm { engine: None, services: 500, rounds, no_large }
}

#[test]
fn the_large_network_is_counted_once_and_in_bulk() {
    let networks = networks(&arguments(5, false));
    let found: Vec<_> = networks.iter().map(|n| (n.subnet, n.methods, n.rounds)).collect();
    let expected: [(_, &[&str], _); 2] =
        [("10.10.0.0/24", &["cursor", "bulk"], 5), ("10.20.0.0/16", &["bulk"], 1)];
    assert_eq!(found, expected);
}

#[test]
fn the_large_network_can_be_left_out() {
    let names: Vec<_> = networks(&arguments(3, true)).iter().map(|network| network.name).collect();
    assert_eq!(names, ["small"]);
}

#[test]
fn a_line_of_a_census_names_what_was_measured() {
    let networks = networks(&arguments(7, true));
    let line = census_line(&networks[0], "bulk", Duration::from_millis(1_234), 9);
    assert_eq!(line, "census of an idle 10.10.0.0/24 by bulk: 1.23 s, median of 7, 9 MiB");
}

#[test]
fn the_time_is_that_of_the_census_itself() -> anyhow::Result<()> {
    let printed = r#"{"complete": true, "leaked": 0, "elapsed_ms": 389}"#;
    assert_eq!(elapsed(printed)?, Duration::from_millis(389));
    Ok(())
}

#[test]
fn a_census_that_does_not_hold_has_no_time() {
    for wrong in [
        r#"{"complete": false, "leaked": 0, "elapsed_ms": 1}"#,
        r#"{"complete": true, "leaked": 1, "elapsed_ms": 1}"#,
        r#"{"complete": true, "leaked": null, "elapsed_ms": 1}"#,
        r#"{"complete": true, "leaked": 0, "elapsed_ms": null}"#,
        r#"{"complete": true, "leaked": 0}"#,
        "{}",
        "",
    ] {
        assert!(elapsed(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn the_stack_has_every_service_once_and_starts_no_container() {
    let text = compose(3);
    for n in 0..3 {
        assert_eq!(text.matches(&format!("\n  s{n}:\n")).count(), 1, "{text}");
    }
    assert_eq!(text.matches("image:").count(), 3);
    assert_eq!(text.matches("node.labels.nowhere==1").count(), 3);
    assert!(text.ends_with("ipam: {config: [{subnet: 10.40.0.0/18}]}\n"));
}

#[test]
fn the_stack_fits_its_network_at_the_largest_number() {
    let usable = 2_u32.pow(32 - 18) - 3;
    let largest = 2_000;
    assert!(largest + tasks(largest) <= usable);
    assert!(compose(1).contains(&format!("replicas: {}\n", tasks(1))));
}
