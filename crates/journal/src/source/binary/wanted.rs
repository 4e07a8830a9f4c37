//! Which entries are asked for.

/// A condition: the bits of the fields that must all be there.
type Way = u8;

/// Entries that have all fields of one of several conditions.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    /// Fields as `NAME=value`; the place of one is its bit.
    fields: Vec<String>,
    ways: Vec<Way>,
}

impl Wanted {
    /// The unit's own entries, its core dumps, and what systemd and journald say of it: what `journalctl --unit` asks for
    /// (systemd `src/shared/logs-show.c`, `add_matches_for_unit`).
    pub(crate) fn of_unit(unit: &str) -> Self {
        let of = |name: &str| format!("{name}={unit}");
        Self {
            fields: vec![
                of("_SYSTEMD_UNIT"),
                of("COREDUMP_UNIT"),
                of("UNIT"),
                of("OBJECT_SYSTEMD_UNIT"),
                "_UID=0".to_owned(),
                "_PID=1".to_owned(),
                "MESSAGE_ID=fc2e22bc6ee647b6b90729ab34a250b1".to_owned(),
            ],
            ways: vec![0b000_0001, 0b101_0010, 0b010_0100, 0b001_1000],
        }
    }

    /// What root logged, which is in the system's journal files.
    pub(crate) fn of_root() -> Self {
        Self { fields: vec!["_UID=0".to_owned()], ways: vec![1] }
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
}
