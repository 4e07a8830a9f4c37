//! What `systemctl` waits for.

use crate::name::UnitName;

/// What one call of `systemctl` has to do with the start of units.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// Asks whether these have started, or waits until they have.
    Asks(Vec<UnitName>),
    /// Asks whether the boot has finished, or waits until it has.
    AsksBoot,
    /// Starts these and returns once they have started: the job is waited for without `--no-block` (`systemctl(1)`).
    Starts(Vec<UnitName>),
    /// What it asks for or starts cannot be told, such as `start "$UNIT"`.
    Unclear {
        /// True iff it starts something.
        starts: bool,
    },
}

/// `None` if it has nothing to do with a start, does not wait, or talks to another manager than the host's own.
pub(crate) fn call<S: AsRef<str>>(arguments: &[S]) -> Option<Call> {
    let arguments: Vec<&str> = arguments.iter().map(AsRef::as_ref).collect();
    let has = |option: &str| arguments.contains(&option);
    let elsewhere = |word: &&str| {
        matches!(*word, "--no-block" | "--user" | "-H" | "-M")
            || ["--host=", "--machine="].iter().any(|option| word.starts_with(option))
    };
    if arguments.iter().any(elsewhere) {
        return None;
    }
    let mut words = arguments.iter().filter(|word| !word.starts_with('-'));
    let verb = *words.next()?;
    let named: Vec<&str> = words.copied().collect();
    let starts = match verb {
        "is-system-running" => return Some(Call::AsksBoot),
        _ if named.is_empty() => return None,
        "enable" | "reenable" if !has("--now") => return None,
        "enable" | "reenable" | "isolate" | "reload-or-restart" | "restart" | "start" => true,
        "is-active" | "status" => false,
        _ if verb.is_empty() || verb.contains('$') => return Some(Call::Unclear { starts: true }),
        _ => return None,
    };
    let units: Option<Vec<UnitName>> = named.iter().map(|word| unit_named(word)).collect();
    Some(match units {
        None => Call::Unclear { starts },
        Some(units) if starts => Call::Starts(units),
        Some(units) => Call::Asks(units),
    })
}

/// `systemctl` takes a name without a suffix as that of a service.
fn unit_named(word: &str) -> Option<UnitName> {
    word.parse().or_else(|_| format!("{word}.service").parse()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_call_waits_for() {
        let a = || -> Vec<UnitName> { vec!["a.service".parse().unwrap()] };
        for (text, expected) in [
            ("start a", Some(Call::Starts(a()))),
            ("--quiet restart a.service", Some(Call::Starts(a()))),
            ("enable --now a", Some(Call::Starts(a()))),
            ("enable a", None),
            ("start --no-block a", None),
            ("--user start a", None),
            ("-H root@h start a", None),
            ("is-active --quiet a", Some(Call::Asks(a()))),
            ("status a", Some(Call::Asks(a()))),
            ("isolate a", Some(Call::Starts(a()))),
            ("start $UNIT", Some(Call::Unclear { starts: true })),
            ("start a web-*", Some(Call::Unclear { starts: true })),
            ("is-active $UNIT", Some(Call::Unclear { starts: false })),
            ("$1 a", Some(Call::Unclear { starts: true })),
            ("enable $UNIT", None),
            ("is-system-running --wait", Some(Call::AsksBoot)),
            ("stop a", None),
            ("start", None),
            ("", None),
        ] {
            assert_eq!(call(&text.split_whitespace().collect::<Vec<_>>()), expected, "{text}");
        }
    }
}
