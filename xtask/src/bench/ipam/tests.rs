use super::*;

fn side(name: &str, counts: &[u64], free: Option<&str>) -> Side {
    Side { name: name.to_owned(), counts: counts.to_vec(), free: free.map(str::to_owned), ..Side::default() }
}

fn agreed(others: &[Side]) -> Result<(), String> {
    let ours = side("pvcheck-ipam", &[3, 0, 7], Some("10.1.0.0/16"));
    let sides = std::iter::once(ours).chain(others.iter().cloned()).collect();
    agree(&Round { size: 10, sides }).map_err(|error| error.to_string())
}

#[test]
fn sides_with_the_same_answers_agree() {
    assert_eq!(agreed(&[side("netaddr", &[3, 0, 7], Some("10.1.0.0/16"))]), Ok(()));
    assert_eq!(agreed(&[]), Ok(()), "ours alone");
}

#[test]
fn a_side_that_was_cut_off_is_compared_as_far_as_it_came() {
    assert_eq!(agreed(&[side("netaddr", &[3, 0], None)]), Ok(()));
    assert_eq!(agreed(&[side("netaddr", &[], None)]), Ok(()));
}

#[test]
fn other_conflicts_are_an_error_that_names_the_side() {
    for counts in [&[3, 1, 7][..], &[0], &[3, 0, 7, 1]] {
        let error = agreed(&[side("ipaddress", counts, None)]);
        assert_eq!(error, Err("ipaddress finds other conflicts than pvcheck-ipam among 10".to_owned()));
    }
}

#[test]
fn another_free_subnet_is_an_error_even_where_conflicts_agree() {
    let same = side("netaddr", &[3, 0, 7], Some("10.1.0.0/16"));
    let other = side("ipaddress", &[3, 0, 7], Some("10.2.0.0/16"));
    let error = agreed(&[same, other]).err().unwrap_or_default();
    assert!(error.starts_with("ipaddress finds ") && error.contains("10.2.0.0/16"), "{error}");
}

#[test]
fn a_side_that_fails_is_an_error_with_what_it_said() {
    let error = output(Command::new("sh").args(["-c", "echo no module >&2; exit 1"]));
    assert!(error.is_err_and(|error| error.to_string().contains("no module")));
    assert!(output(Command::new("printf").arg(r"\377")).is_err(), "bytes that are no text");
}

#[test]
fn what_a_side_prints_is_read() -> anyhow::Result<()> {
    let text = r#"{"name": "netaddr", "version": "1.3.0", "read_ns": 5, "counts": [1], "free": null}"#;
    let side: Side = serde_json::from_str(text)?;
    assert_eq!((side.read_ns, side.index_ns, side.free), (Some(5), None, None));
    Ok(())
}
