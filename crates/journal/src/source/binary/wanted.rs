//! Which entries are asked for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What a unit's name ends with (systemd.unit(5)).
const TYPES: [&str; 11] = [
    "service",
    "socket",
    "device",
    "mount",
    "automount",
    "swap",
    "target",
    "path",
    "timer",
    "slice",
    "scope",
];

/// The whole name of a unit: without a type it is a service's.
///
/// # Errors
/// If it is a pattern.
pub(crate) fn whole_name(unit: &str) -> Result<String, String> {
    if unit.contains(['*', '?', '[']) {
        return Err(format!("`{unit}` is a pattern, and one unit is read; give its whole name"));
    }
    let is_whole = unit.rsplit_once('.').is_some_and(|(_, end)| TYPES.contains(&end));
    Ok(if is_whole { unit.to_owned() } else { format!("{unit}.service") })
}

/// Whoever asks for entries. Once it is dropped, nobody does.
#[derive(Debug, Default)]
pub(crate) struct Asker(Arc<AtomicBool>);

impl Drop for Asker {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A condition: the bits of the fields that must all be there.
type Way = u8;

/// Entries that have all fields of one of several conditions.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    /// Fields as `NAME=value`; the place of one is its bit.
    fields: Vec<String>,
    ways: Vec<Way>,
    /// Nobody asks any more.
    is_over: Arc<AtomicBool>,
}

impl Wanted {
    /// The unit's own entries, its core dumps, and what systemd and journald say of it: what `journalctl --unit` asks for
    /// (systemd `src/shared/logs-show.c`, `add_matches_for_unit`).
    pub(crate) fn of_unit(unit: &str) -> Self {
        let of = |name: &str| format!("{name}={unit}");
        let mut fields = vec![
            of("_SYSTEMD_UNIT"),
            of("COREDUMP_UNIT"),
            of("UNIT"),
            of("OBJECT_SYSTEMD_UNIT"),
            "_UID=0".to_owned(),
            "_PID=1".to_owned(),
            "MESSAGE_ID=fc2e22bc6ee647b6b90729ab34a250b1".to_owned(),
        ];
        let mut ways = vec![0b0000_0001, 0b0101_0010, 0b0010_0100, 0b0001_1000];
        // Of a slice, what its units say too.
        if unit.rsplit_once('.').is_some_and(|(_, kind)| kind == "slice") {
            fields.push(of("_SYSTEMD_SLICE"));
            ways.push(0b1000_0000);
        }
        Self { fields, ways, is_over: Arc::default() }
    }

    /// What root logged, which is in the system's journal files.
    pub(crate) fn of_root() -> Self {
        Self { fields: vec!["_UID=0".to_owned()], ways: vec![1], is_over: Arc::default() }
    }

    /// The same, as long as the asker is there.
    pub(crate) fn by(self, asker: &Asker) -> Self {
        Self { is_over: Arc::clone(&asker.0), ..self }
    }

    /// True iff nobody asks any more.
    pub(super) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    /// The bit of a field; 0 if it is in no condition.
    pub(super) fn bit(&self, payload: &[u8]) -> u8 {
        self.fields.iter().position(|field| field.as_bytes() == payload).map_or(0, |place| 1 << place)
    }

    /// True iff an entry with these fields is asked for.
    pub(super) fn has(&self, bits: u8) -> bool {
        bits != 0 && self.ways.iter().any(|way| bits & way == *way)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_needs_all_fields_of_one_condition() {
        let wanted = Wanted::of_unit("docker.service");
        let has =
            |fields: &[&str]| wanted.has(fields.iter().fold(0, |bits, f| bits | wanted.bit(f.as_bytes())));
        let dump = "MESSAGE_ID=fc2e22bc6ee647b6b90729ab34a250b1";
        for (fields, is_asked_for) in [
            (&["_SYSTEMD_UNIT=docker.service"] as &[&str], true),
            (&["_SYSTEMD_UNIT=docker.service2", "_UID=0", "_PID=1"], false),
            (&["UNIT=docker.service"], false),
            (&["UNIT=docker.service", "_PID=1"], true),
            (&["OBJECT_SYSTEMD_UNIT=docker.service", "_PID=1"], false),
            (&["OBJECT_SYSTEMD_UNIT=docker.service", "_UID=0"], true),
            (&["COREDUMP_UNIT=docker.service", "_UID=0"], false),
            (&["COREDUMP_UNIT=docker.service", "_UID=0", dump], true),
            (&[], false),
        ] {
            assert_eq!(has(fields), is_asked_for, "{fields:?}");
        }
    }

    #[test]
    fn a_slice_has_what_its_units_say() {
        for (unit, has) in [("system.slice", true), ("docker.service", false)] {
            let wanted = Wanted::of_unit(unit);
            assert_eq!(wanted.has(wanted.bit(format!("_SYSTEMD_SLICE={unit}").as_bytes())), has);
        }
    }

    #[test]
    fn a_name_is_whole_if_it_ends_with_a_type_and_a_pattern_is_none() {
        for (unit, whole) in [
            ("docker", "docker.service"),
            ("docker.service", "docker.service"),
            ("docker.io", "docker.io.service"),
            ("docker@1.2", "docker@1.2.service"),
            ("docker.socket", "docker.socket"),
            ("system.slice", "system.slice"),
        ] {
            assert_eq!(whole_name(unit).as_deref(), Ok(whole));
        }
        for pattern in ["docker*", "docker?.service", "[d]ocker"] {
            let error = whole_name(pattern).unwrap_err();
            assert!(error.starts_with(&format!("`{pattern}` is a pattern")), "{error}");
        }
    }

    #[test]
    fn nobody_asks_when_the_asker_is_gone() {
        let asker = Asker::default();
        let wanted = Wanted::of_root().by(&asker);
        let copy = wanted.clone();
        assert!(!wanted.is_over());
        drop(asker);
        assert!(wanted.is_over() && copy.is_over());
    }
}
