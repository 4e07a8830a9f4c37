use super::*;

fn read(text: &str) -> Vec<Record> {
    let (mut reader, mut records) = (Reader::default(), Vec::new());
    for line in text.split('\n') {
        reader.line(line.as_bytes(), 0, &mut |record| records.push(record));
    }
    reader.end(&mut |record| records.push(record));
    records
}

fn messages(text: &str) -> Vec<String> {
    read(text).into_iter().map(|record| record.message).collect()
}

#[test]
fn formats_may_change_from_line_to_line() {
    let text = "level=info msg=one\n\n-- No entries --\n{\"MESSAGE\":\"two\"}\n{\"log\":\"level=info msg=three\\n\",\"stream\":\"x\"}\nINFO[0000] four";
    assert_eq!(messages(text), ["one", "two", "three", "four"]);
}

#[test]
fn json_that_says_nothing_of_a_log_is_not_understood() {
    for text in ["{\"a\":1}", "[{\"a\":1}]", "[\"level\"]", "{\"a\":{\"b\":[]}}"] {
        let forms: Vec<Form> = read(text).iter().map(|record| record.form).collect();
        assert_eq!(forms, [Form::Unparsed], "{text}");
    }
}

#[test]
fn a_line_that_begins_like_a_list_is_a_line() {
    assert_eq!(messages("[  123.4] host dockerd[1]: level=info msg=x"), ["x"]);
    assert_eq!(read("[graphdriver] using")[0].form, Form::Unparsed);
}

#[test]
fn a_document_that_is_never_closed_is_lines() {
    assert_eq!(messages("{\nlevel=info msg=one\nlevel=info msg=two"), ["{", "one", "two"]);
}

#[test]
fn a_document_that_is_too_long_is_named_and_its_lines_are_kept() {
    let mut text = "{\n".to_owned();
    let line = format!("level=info msg={}\n", "x".repeat(60_000));
    for _ in 0..=MAX_DOCUMENT_BYTES / line.len() {
        text.push_str(&line);
    }
    let records = read(&text);
    assert!(records.iter().any(|record| record.raw.contains("too long") && record.form == Form::Unparsed));
    assert!(records.iter().filter(|record| record.form == Form::Text).count() > 200);
}

#[test]
fn the_last_piece_of_a_line_may_be_missing() {
    let log = format!("level=info msg={}", "x".repeat(PIECE_BYTES));
    let piece = serde_json::json!({ "log": log, "stream": "stderr" });
    let records = read(&piece.to_string());
    assert_eq!((records.len(), records[0].raw.len()), (1, log.len()));
}

#[test]
fn times_are_seconds_to_nanoseconds() {
    for time in ["1795640340", "1795640340000", "1795640340000000", "1795640340000000000"] {
        for value in [time.to_owned(), format!("\"{time}\"")] {
            let records = read(&format!("{{\"message\":\"x\",\"ts\":{value}}}"));
            assert_eq!(records[0].at, Some("2026-11-25T20:59:00Z".parse().unwrap()), "{value}");
        }
    }
}

#[test]
fn the_program_that_an_envelope_names_is_the_writer() {
    use crate::record::Origin;
    for (fields, origin, by_name) in [
        ("\"programname\":\"dockerd\"", Origin::Engine, true),
        ("\"syslogtag\":\"dockerd[812]:\"", Origin::Engine, true),
        ("\"app-name\":\"traefik\"", Origin::Other, false),
        ("\"host\":\"dockerd\"", Origin::Engine, false),
    ] {
        let record = &read(&format!("{{\"message\":\"x\",{fields}}}"))[0];
        assert_eq!((record.origin, record.by_name), (origin, by_name), "{fields}");
    }
}
