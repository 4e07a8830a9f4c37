use std::collections::BTreeMap;
use std::fmt::Write as _;

use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::record::Origin;

const ALLOCATION: &str = r#"time="2026-06-13T05:38:00.5Z" level=error msg="Failed allocation for service 7x4qm2v9k1t8r3w6y5z0a1b2c" error="could not find an available IP while allocating VIP" module=node node.id=pduiqbfz7sj0t8368scf9urwi"#;

fn parse(line: &str) -> Record {
    Record::parse_line(line.as_bytes())
}

#[test]
fn reads_a_bare_line() {
    let record = parse(ALLOCATION);
    assert_eq!(record.at, Some("2026-06-13T05:38:00.5Z".parse().unwrap()));
    assert_eq!((record.level, record.form, record.origin), (Level::Error, Form::Text, Origin::Engine));
    assert_eq!(record.message, "Failed allocation for service 7x4qm2v9k1t8r3w6y5z0a1b2c");
    assert_eq!(record.error.as_deref(), Some("could not find an available IP while allocating VIP"));
    assert_eq!(record.fields["node.id"], "pduiqbfz7sj0t8368scf9urwi");
    assert_eq!(record.raw, ALLOCATION);
}

#[test]
fn a_prefix_changes_nothing_but_the_raw_line_and_that_it_names_the_writer() {
    for prefix in
        ["Jun 13 07:38:00 host dockerd[812]: ", "2026-06-13T07:38:00+0200 host dockerd[812]: ", "app_1  | "]
    {
        let record = parse(&format!("{prefix}{ALLOCATION}\r\n"));
        assert_eq!(record.by_name, prefix.contains("dockerd"), "{prefix}");
        assert_eq!(
            Record { raw: ALLOCATION.into(), by_name: false, ..record },
            parse(ALLOCATION),
            "{prefix}"
        );
    }
}

#[test]
fn a_prefix_says_who_wrote_the_line() {
    for (ident, origin) in [
        ("dockerd[1]:", Origin::Engine),
        ("docker[1]:", Origin::Engine),
        ("systemd[1]:", Origin::Systemd),
        // The default tag of the syslog and journald logging drivers is the container's short id.
        ("3f4e5d6c7b8a[812]:", Origin::Other),
        ("traefik:", Origin::Other),
    ] {
        assert_eq!(parse(&format!("Jun  3 07:38:00 host {ident} {ALLOCATION}")).origin, origin, "{ident}");
    }
}

#[test]
fn a_prefixed_line_without_structure_is_plain() {
    let record =
        parse("2026-06-13T05:38:00+00:00 host systemd[1]: Starting Docker Application Container Engine...");
    assert_eq!(record.at, Some("2026-06-13T05:38:00Z".parse().unwrap()));
    assert_eq!(record.message, "Starting Docker Application Container Engine...");
    assert_eq!((record.form, record.origin, record.level), (Form::Plain, Origin::Systemd, Level::Unknown));
    assert_eq!(parse("Jun 13 05:38:00 host systemd[1]: Stopped").at, None, "no year, no time");
}

#[test]
fn unescapes_what_go_quotes() {
    let record =
        parse(r#"level=info msg="[core] scheme \"unix\" \\ \t\n\x00\u00e9\U0001F433 \q" error="a \"b\" c""#);
    assert_eq!(record.message, "[core] scheme \"unix\" \\ \t\n\0é🐳 \\q");
    assert_eq!(record.error.as_deref(), Some("a \"b\" c"));
}

#[test]
fn bytes_that_are_no_text_are_replaced() {
    assert_eq!(parse(r#"level=info msg="a\xffb""#).message, "a\u{fffd}b");
    assert_eq!(Record::parse_line(b"level=info msg=\"a\xffb\"").message, "a\u{fffd}b");
}

#[test]
fn inner_quotes_that_old_engines_did_not_escape_are_kept() {
    let record =
        parse(r#"time="2018-02-23T11:33:50Z" level=info msg="loading plugin "io.x"..." module=containerd"#);
    assert_eq!(record.message, "loading plugin \"io.x\"...");
    assert_eq!(record.fields["module"], "containerd");
}

#[test]
fn reads_the_json_format() {
    let record = parse(
        r#"{"error":"no","level":"error","msg":"task allocation failure","n":3,"time":"2026-06-13T05:38:00Z"}"#,
    );
    assert_eq!((record.form, record.level), (Form::Json, Level::Error));
    assert_eq!((record.message.as_str(), record.error.as_deref()), ("task allocation failure", Some("no")));
    assert_eq!(record.fields["n"], "3");
    assert!(record.at.is_some());
}

#[test]
fn what_is_not_a_record_is_kept_whole() {
    for line in [
        "",
        "fatal error: concurrent map read and map write",
        "goroutine 1 [running]:",
        "time=\"2026-",
        "{\"a\":",
        "level=error",
    ] {
        let record = parse(line);
        assert_eq!((record.form, record.message.as_str()), (Form::Unparsed, line));
    }
}

#[test]
fn the_first_of_equal_keys_wins() {
    let record = parse("level=error msg=one msg=two k=1 k=2 empty= end");
    assert_eq!((record.message.as_str(), record.fields["k"].as_str()), ("one", "1"));
    assert_eq!(record.fields["empty"], "");
}

/// What logrus' TextFormatter writes (logrus `text_formatter.go`, `needsQuoting`; Go `strconv.Quote`).
fn render(record: &Record) -> String {
    let mut line = String::new();
    let mut append = |key: &str, value: &str| {
        let bare = |c: char| c.is_ascii_alphanumeric() || "-._/@^+".contains(c);
        let value = if value.chars().all(bare) { value.to_owned() } else { quote(value) };
        let space = if line.is_empty() { "" } else { " " };
        write!(line, "{space}{key}={value}").unwrap();
    };
    append("time", &record.at.unwrap().to_string());
    append("level", "error");
    append("msg", &record.message);
    record.error.iter().for_each(|error| append("error", error));
    record.fields.iter().for_each(|(key, value)| append(key, value));
    line
}

fn quote(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if c < ' ' || c == '\x7f' => write!(out, "\\x{:02x}", c as u32).unwrap(),
            c if (c as u32) < 0x100 || c.is_alphanumeric() => out.push(c),
            c if (c as u32) < 0x1_0000 => write!(out, "\\u{:04x}", c as u32).unwrap(),
            c => write!(out, "\\U{:08x}", c as u32).unwrap(),
        }
    }
    out.push('"');
    out
}

proptest! {
    #[test]
    fn a_rendered_record_reads_the_same(
        seconds in 0i64..4_000_000_000,
        nanos in 0i32..1_000_000_000,
        message in any::<String>(),
        error in proptest::option::of(any::<String>()),
        values in proptest::collection::btree_map("[a-z][a-z.()_]{0,8}", any::<String>(), 0..4),
    ) {
        let reserved = ["time", "level", "msg", "error"];
        let fields: BTreeMap<_, _> = values.into_iter().filter(|(key, _)| !reserved.contains(&key.as_str())).collect();
        let at = Timestamp::new(seconds, nanos).unwrap();
        let mut record =
            Record { at: Some(at), level: Level::Error, message, error, fields, ..Record::bare(Form::Text, "") };
        record.raw = render(&record);
        let parsed = parse(&record.raw);
        prop_assert_eq!(&parsed.fields, &record.fields);
        prop_assert_eq!(&parsed.message, &record.message);
        prop_assert!(parsed == record);
    }

    #[test]
    fn arbitrary_bytes_never_panic_and_are_never_lost(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let record = Record::parse_line(&bytes);
        let text = String::from_utf8_lossy(&bytes);
        prop_assert_eq!(record.raw.as_str(), text.trim_end_matches(['\r', '\n']));
    }

    #[test]
    fn damaged_lines_never_panic(cut in 0..ALLOCATION.len(), junk in "[\"\\\\= xuU\\PC]{0,30}", at in 0..ALLOCATION.len()) {
        let mut line = ALLOCATION[..cut].to_owned();
        line.insert_str(at.min(cut), &junk);
        let record = parse(&line);
        prop_assert_eq!(record.raw, line.trim_end_matches(['\r', '\n']));
    }
}
