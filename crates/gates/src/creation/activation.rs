//! When the unit that creates a network was last activated, and how that ended.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::systemd::time;

/// What systemd says of the last activation of a unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Activation {
    /// The unit.
    pub unit: String,
    /// Its state and, after a slash, its finer one: `active/exited`, `failed/failed`.
    pub state: String,
    /// How its last run ended: `success`, `exit-code`, `timeout`.
    pub result: String,
    /// When it left the inactive state, to the second; `None` if it never has.
    pub began: Option<Timestamp>,
    /// When it became active, to the second: of a oneshot after its last command; `None` if it never has.
    pub active: Option<Timestamp>,
}

impl Activation {
    /// The properties that tell it.
    pub(crate) const PROPERTIES: [&'static str; 5] =
        ["ActiveState", "SubState", "Result", "InactiveExitTimestamp", "ActiveEnterTimestamp"];

    /// Reads what `systemctl show` printed of [`Self::PROPERTIES`], with its times in UTC.
    ///
    /// # Errors
    /// If a property is missing, or a time is none.
    pub(crate) fn of(unit: &str, shown: &[(String, String)]) -> Result<Self, String> {
        let value = |name: &str| {
            let found = shown.iter().find(|(key, _)| key == name);
            found.map(|(_, value)| value.as_str()).ok_or_else(|| format!("systemd tells no {name} of it"))
        };
        let at = |name: &str| time(value(name)?).map_err(|why| format!("{name}: {why}"));
        Ok(Self {
            unit: unit.to_owned(),
            state: format!("{}/{}", value("ActiveState")?, value("SubState")?),
            result: value("Result")?.to_owned(),
            began: at("InactiveExitTimestamp")?,
            active: at("ActiveEnterTimestamp")?,
        })
    }

    /// True iff it is active and its last run ended well.
    pub(crate) fn is_sound(&self) -> bool {
        self.state.starts_with("active/") && self.result == "success"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(state: &str, active: &str) -> Vec<(String, String)> {
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        vec![
            pair("Result", "success"),
            pair("ActiveState", state),
            pair("SubState", "exited"),
            pair("InactiveExitTimestamp", "Fri 2026-11-27 22:49:50 UTC"),
            pair("ActiveEnterTimestamp", active),
        ]
    }

    #[test]
    fn times_are_read_to_the_second_or_are_never() {
        let of = |active: &str| Activation::of("init.service", &shown("active", active));
        let read = of("Fri 2026-11-27 22:49:54 UTC").expect("times");
        assert_eq!(read.began, "2026-11-27T22:49:50Z".parse().ok());
        assert_eq!(read.active, "2026-11-27T22:49:54Z".parse().ok());
        assert!(read.is_sound() && read.state == "active/exited");
        assert_eq!(of("").expect("never").active, None);
        for no_time in ["Fri 2026-11-27 22:49:54 CET", "today", "Fri 2026-13-27 22:49:54 UTC"] {
            let why = of(no_time).expect_err(no_time);
            assert_eq!(why, format!("ActiveEnterTimestamp: `{no_time}` is no time in UTC"));
        }
    }

    #[test]
    fn what_systemd_leaves_out_is_named_and_only_an_active_unit_is_sound() {
        let mut missing = shown("active", "");
        missing.remove(0);
        assert_eq!(Activation::of("x", &missing), Err("systemd tells no Result of it".to_owned()));
        for (state, is_sound) in
            [("active", true), ("activating", false), ("inactive", false), ("failed", false)]
        {
            assert_eq!(Activation::of("x", &shown(state, "")).expect("read").is_sound(), is_sound, "{state}");
        }
        let mut failed = shown("active", "");
        failed[0].1 = "exit-code".into();
        assert!(!Activation::of("x", &failed).expect("read").is_sound());
    }
}
