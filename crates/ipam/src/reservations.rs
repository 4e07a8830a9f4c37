//! The reservations file: a JSON list of `{net, owner, source}`.

use std::borrow::Cow;
use std::collections::HashMap;

use ipnet::{IpNet, Ipv6Net};
use serde::{Deserialize, Serialize};

use crate::collide::Reservation;
use crate::subnet::{Subnet, SubnetError, quoted};

/// What a reservations file holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reservations {
    /// Each entry once, in the order of the file.
    pub list: Vec<Reservation>,
    /// Entries that were left out because an earlier one says the same. Two owners of one network are
    /// not duplicates: they collide.
    pub duplicates: Vec<Duplicate>,
}

/// An entry that repeats an earlier one. Entries are counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Duplicate {
    /// The entry that was left out.
    pub entry: usize,
    /// The entry that it repeats.
    pub first: usize,
}

impl std::fmt::Display for Duplicate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "entry {} repeats entry {}: remove one of them", self.entry, self.first)
    }
}

/// Why a text is not a reservations file. One line: the place and how to fix it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReservationsError {
    /// Not JSON, or not a list of such entries.
    #[error(
        "line {line}, column {column}: {problem}; expected a list like \
         [{{\"net\": \"10.0.0.0/24\", \"owner\": \"ingress\", \"source\": \"docker\"}}]"
    )]
    Json {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What is wrong there.
        problem: String,
    },
    /// An entry's `net` is not a canonical IPv4 network.
    #[error("entry {entry}: {problem}")]
    Ipv4 {
        /// The entry, from 1.
        entry: usize,
        /// What is wrong with it.
        problem: SubnetError,
    },
    /// An entry's `net` looks like IPv6 and is not a canonical network.
    #[error("entry {entry}: {given} is not an IPv6 network: write {suggestion}")]
    Ipv6 {
        /// The entry, from 1.
        entry: usize,
        /// What was given, quoted and shortened.
        given: String,
        /// The canonical form, or an example.
        suggestion: Ipv6Net,
    },
}

/// One entry as written. Unknown fields are ignored.
#[derive(Deserialize)]
struct Entry<'a> {
    #[serde(borrow)]
    net: Cow<'a, str>,
    owner: String,
    #[serde(default = "unnamed_source")]
    source: String,
}

fn unnamed_source() -> String {
    "reservations file".to_owned()
}

impl Reservations {
    /// Reads a file's text. `source` may be missing in an entry; `net` is IPv4 or IPv6.
    ///
    /// # Errors
    /// If an entry cannot be read; the error is about the first such entry.
    pub fn from_json(text: &str) -> Result<Self, ReservationsError> {
        // Some editors begin a file with a byte order mark, which JSON does not allow (RFC 8259, section 8.1).
        let text = text.trim_start_matches('\u{feff}');
        let entries: Vec<Entry<'_>> = serde_json::from_str(text).map_err(|error| json_error(&error))?;
        let named = entries.into_iter().zip(1..).map(|(Entry { net, owner, source }, entry)| {
            Ok(Reservation { net: parse_net(entry, &net)?, owner, source })
        });
        let all: Vec<Reservation> = named.collect::<Result<_, _>>()?;
        let duplicates = duplicates(&all);
        let mut left_out = duplicates.iter().map(|duplicate| duplicate.entry).peekable();
        let kept = all.into_iter().zip(1..).filter(|(_, entry)| left_out.next_if_eq(entry).is_none());
        Ok(Self { list: kept.map(|(item, _)| item).collect(), duplicates })
    }
}

/// Entries that repeat an earlier one, ascending.
fn duplicates(all: &[Reservation]) -> Vec<Duplicate> {
    let mut first_at = HashMap::with_capacity(all.len());
    let repeats = all.iter().zip(1..).filter_map(|(item, entry)| {
        let first = *first_at.entry(item).or_insert(entry);
        (first != entry).then_some(Duplicate { entry, first })
    });
    repeats.collect()
}

/// serde_json's message without its position, which the error prints in front, and cut because it may quote foreign
/// text.
fn json_error(error: &serde_json::Error) -> ReservationsError {
    let text = error.to_string();
    let problem = text.rsplit_once(" at line ").map_or(text.as_str(), |(problem, _)| problem);
    ReservationsError::Json {
        line: error.line(),
        column: error.column(),
        problem: problem.chars().take(160).filter(|c| !c.is_control()).collect(),
    }
}

fn parse_net(entry: usize, text: &str) -> Result<IpNet, ReservationsError> {
    if !text.contains(':') {
        return Subnet::parse(text)
            .map(IpNet::from)
            .map_err(|problem| ReservationsError::Ipv4 { entry, problem });
    }
    // A colon can be in no IPv4 subnet, so what has one is meant as IPv6.
    let example = Ipv6Net::new_assert(std::net::Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 0), 64);
    let parsed = text.parse::<Ipv6Net>();
    match parsed {
        Ok(net) if net.trunc() == net => Ok(IpNet::V6(net)),
        _ => {
            let suggestion = parsed.map_or(example, |net| net.trunc());
            Err(ReservationsError::Ipv6 { entry, given: quoted(text), suggestion })
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message(text: &str) -> String {
        Reservations::from_json(text).unwrap_err().to_string()
    }

    #[test]
    fn reads_entries_and_reports_duplicates() {
        let text = r#"[
            {"net": "10.0.0.0/24", "owner": "ingress", "source": "docker"},
            {"net": "fd00::/8", "owner": "vpn", "comment": "passed over"},
            {"net": "10.0.0.0/24", "owner": "ingress", "source": "docker"},
            {"net": "10.0.0.0/24", "owner": "another one", "source": "docker"}
        ]"#;
        let read = Reservations::from_json(text).unwrap();
        assert_eq!(read.list.len(), 3);
        assert_eq!(read.list[1].source, "reservations file");
        assert_eq!(read.duplicates, [Duplicate { entry: 3, first: 1 }]);
        assert_eq!(read.duplicates[0].to_string(), "entry 3 repeats entry 1: remove one of them");
        let again = serde_json::to_string(&read.list).unwrap();
        assert_eq!(Reservations::from_json(&again).unwrap().list, read.list);
        assert_eq!(Reservations::from_json("\u{feff}[]").unwrap(), Reservations::default());
    }

    #[test]
    fn bad_files_get_one_line_with_place_and_fix() {
        let entry =
            |net: &str| format!(r#"[{{"net":"10.0.0.0/8","owner":"a"}},{{"net":"{net}","owner":"b"}}]"#);
        assert_eq!(
            message(&entry("10.0.0.7/24")),
            "entry 2: 10.0.0.7/24 has host bits set: write 10.0.0.0/24"
        );
        assert_eq!(
            message(&entry("fd00::7/64")),
            "entry 2: \"fd00::7/64\" is not an IPv6 network: write fd00::/64"
        );
        assert_eq!(
            message(&entry("fd00::/200")),
            "entry 2: \"fd00::/200\" is not an IPv6 network: write fd00::/64"
        );
        assert!(message(&entry("10.0.0.1")).starts_with("entry 2: 10.0.0.1 has no prefix length"));
        assert!(message("[\n{\"net\": 7}]").starts_with("line 2, column 9: invalid type: integer `7`"));
        assert!(message("[{\"owner\":\"a\"}]").contains("missing field `net`"));
        assert!(message("").starts_with("line 1, column 0: EOF while parsing"));
        assert!(!message(&format!("[\"{}\n\"]", "x".repeat(9_999))).contains('\n'));
        assert!(message(&format!("[\"{}\"]", "x".repeat(9_999))).len() < 400);
    }

    proptest! {
        #[test]
        fn never_panics(text in "\\PC*", net in "[0-9.:/a-f]{0,20}") {
            let _ = Reservations::from_json(&text);
            let _ = Reservations::from_json(&format!(r#"[{{"net":"{net}","owner":""}}]"#));
        }

        #[test]
        fn never_panics_on_bytes(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = Reservations::from_json(&String::from_utf8_lossy(&bytes));
        }
    }
}
