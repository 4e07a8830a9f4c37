//! What is said of a foreign guard.

use std::fmt;
use std::time::Duration;

use pvcheck_gates::Verdict;
use serde::{Serialize, Serializer};

/// What a foreign guard does, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ForeignGuard {
    /// The file.
    pub file: String,
    /// `PASS` iff nothing is wrong; `UNKNOWN` where only running it would tell. Advice does not count.
    pub verdict: Verdict,
    /// Where it reads the engine's log.
    pub reads: Vec<LogRead>,
    /// What it does when it fires.
    pub acts: Vec<Acts>,
    /// On which lines it fires.
    pub fires_on: Vec<Shown>,
    /// True iff it fires again on lines that its own cure has dealt with; `null` where that cannot be told.
    pub fires_again: Option<bool>,
    /// What is wrong.
    #[serde(serialize_with = "worded")]
    #[cfg_attr(feature = "schema", schemars(with = "Vec<Worded<'static, ForeignFault>>"))]
    pub faults: Vec<ForeignFault>,
    /// What would be better, and is not wrong.
    #[serde(serialize_with = "worded")]
    #[cfg_attr(feature = "schema", schemars(with = "Vec<Worded<'static, ForeignAdvice>>"))]
    pub advice: Vec<ForeignAdvice>,
}

/// A kind with its data, and its text.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct Worded<'a, T> {
    #[serde(flatten)]
    value: &'a T,
    text: String,
}

fn worded<T: Serialize + fmt::Display, S: Serializer>(all: &[T], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(all.iter().map(|value| Worded { value, text: value.to_string() }))
}

/// Where the engine's log is read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LogRead {
    /// The line, from 1.
    pub line: u64,
    /// Its text, without what may be a secret.
    pub text: String,
    /// True iff it is read through ssh.
    pub remote: bool,
    /// How far it looks back.
    pub looks: Looks,
    /// What it looks for, as it is written.
    pub patterns: Vec<String>,
}

/// How far a guard looks back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Looks {
    /// This long, whenever it is run.
    Back {
        /// In seconds.
        seconds: u64,
    },
    /// To the engine's last start.
    ToEngineStart,
    /// To where it stopped reading the last time.
    ToLastTime,
    /// To the host's boot, which a restart of the engine is not.
    ToBoot,
    /// To the log's beginning.
    ToBeginning,
    /// Only running it would tell.
    Untold {
        /// What stands there.
        since: String,
    },
}

/// A line that the guard was tried on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Shown {
    /// Its signature in the catalogue.
    pub signature: String,
    /// True iff it says that a Swarm network has no address left.
    pub wanted: bool,
    /// True iff the guard fires on it; `null` where only running it would tell.
    pub fires: Option<bool>,
}

/// Something that it does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Acts {
    /// The line, from 1.
    pub line: u64,
    /// What: `restart`, `reboot`, `prune` or `pvcheck`.
    pub what: &'static str,
}

/// What is wrong with a foreign guard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ForeignFault {
    /// It reads no log of an engine.
    NoLog,
    /// It reads the log, and what it looks for is not there.
    NoPattern {
        /// The line.
        line: u64,
    },
    /// It would not fire although a network is full.
    Misses {
        /// The signatures.
        signatures: Vec<String>,
    },
    /// Only running it would tell whether it fires.
    Untold {
        /// The signatures.
        signatures: Vec<String>,
    },
    /// It looks at the last while, whenever it is run.
    FixedWindow {
        /// The line.
        line: u64,
        /// The while, in seconds.
        seconds: u64,
    },
    /// It looks at everything, so that it fires for ever.
    NoWindow {
        /// The line.
        line: u64,
    },
    /// How far it looks back is not there.
    UntoldWindow {
        /// The line.
        line: u64,
        /// What stands there.
        since: String,
    },
    /// It may not read all of the engine's lines, or not take each for what it is.
    UntoldRead {
        /// The line.
        line: u64,
        /// The unit, option or program that stands there.
        words: String,
    },
    /// It compares what it read with something else than none.
    UntoldComparison {
        /// The line.
        line: u64,
        /// The comparison.
        words: String,
    },
    /// A failure of this program reads as nothing found.
    FailureIsZero {
        /// The line.
        line: u64,
        /// `ssh` or `journalctl`.
        of: &'static str,
    },
    /// It reads only lines of a priority that the engine's lines do not have.
    Priority {
        /// The line.
        line: u64,
    },
    /// It takes more lines than an engine writes.
    Threshold {
        /// The line.
        line: u64,
        /// It fires above this many.
        above: u64,
    },
    /// It does nothing that gives a leaked address back.
    NoCure,
}

/// What would be better with a foreign guard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ForeignAdvice {
    /// Its text says that it is there for a while only.
    Stale {
        /// The line.
        line: u64,
        /// The words.
        words: String,
    },
    /// What goes wrong is thrown away.
    ErrorsDropped {
        /// The line.
        line: u64,
    },
    /// A prune frees no address of a network that is in use.
    PruneFreesNothing {
        /// The line.
        line: u64,
    },
    /// It fires on lines that are of something else.
    AlsoFiresOn {
        /// The signatures.
        signatures: Vec<String>,
    },
}

impl fmt::Display for Looks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Back { seconds } => write!(f, "the last {}", span(*seconds)),
            Self::ToEngineStart => f.write_str("since the engine's start"),
            Self::ToLastTime => f.write_str("since it was last read"),
            Self::ToBoot => f.write_str("since the host's boot"),
            Self::ToBeginning => f.write_str("the whole log"),
            Self::Untold { since } => write!(f, "since `{since}`, which only running it would tell"),
        }
    }
}

impl fmt::Display for ForeignFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoLog => f.write_str("no line of it reads an engine's log with journalctl"),
            Self::NoPattern { line } => {
                write!(f, "line {line} reads the log, and nothing says what it looks for")
            }
            Self::Misses { signatures } => {
                write!(f, "it does not fire on {}; look for each of them", signatures.join(", "))
            }
            Self::Untold { signatures } => {
                write!(f, "only running it would tell whether it fires on {}", signatures.join(", "))
            }
            Self::FixedWindow { line, seconds } => {
                let span = span(*seconds);
                write!(
                    f,
                    "line {line} looks at the last {span}: what ran out before is not seen unless it runs that often, and after its own cure it fires again for up to {span}; look since the engine's start (systemctl show -p ActiveEnterTimestamp)"
                )
            }
            Self::NoWindow { line } => write!(
                f,
                "line {line} looks at lines of before the engine's last start: it fires again after its own cure, and again; look since the engine's start (systemctl show -p ActiveEnterTimestamp)"
            ),
            Self::UntoldWindow { line, since } => {
                write!(f, "line {line} looks since `{since}`, and only running it would tell how far that is")
            }
            Self::UntoldRead { line, words } => write!(
                f,
                "line {line} reads with `{words}`, and only running it would tell whether every line of the engine's counts"
            ),
            Self::UntoldComparison { line, words } => write!(
                f,
                "line {line} compares with `{words}`, and only running it would tell when it fires; ask with -gt 0"
            ),
            Self::FailureIsZero { line, of } => {
                write!(f, "line {line}: where {of} fails, nothing is found, and it does not fire; stop at the failure instead")
            }
            Self::Priority { line } => write!(
                f,
                "line {line} reads lines of a priority only, and systemd gives every line of the engine the priority `info` (systemd.exec(5), SyslogLevel=)"
            ),
            Self::Threshold { line, above } => write!(
                f,
                "line {line} fires above {above} lines, and an engine writes one for each service or task that waits, once; fire above 0"
            ),
            Self::NoCure => f.write_str(
                "it does nothing that gives a leaked address back: only a change of the leader or a restart of its engine does",
            ),
        }
    }
}

impl fmt::Display for ForeignAdvice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stale { line, words } => {
                write!(f, "line {line} says \"{words}\": if that has happened, say why the guard stays")
            }
            Self::ErrorsDropped { line } => write!(f, "line {line} throws errors away"),
            Self::PruneFreesNothing { line } => {
                write!(f, "line {line} prunes networks, which frees no address of one that is in use")
            }
            Self::AlsoFiresOn { signatures } => {
                write!(f, "it fires on {} too, where a restart helps nothing", signatures.join(", "))
            }
        }
    }
}

impl ForeignFault {
    /// True iff it is no fault that was found, but something that could not be told.
    pub(super) fn is_unknown(&self) -> bool {
        matches!(
            self,
            Self::NoLog
                | Self::NoPattern { .. }
                | Self::Untold { .. }
                | Self::UntoldWindow { .. }
                | Self::UntoldRead { .. }
                | Self::UntoldComparison { .. }
        )
    }
}

/// A span in its largest whole unit.
fn span(seconds: u64) -> String {
    let span = Duration::from_secs(seconds).as_secs();
    for (unit, name) in [(86_400, "days"), (3_600, "hours"), (60, "minutes")] {
        // A day and two hours are 26 hours, as it is written.
        if span.is_multiple_of(unit) && 2 * unit <= span {
            return format!("{} {name}", span / unit);
        }
    }
    format!("{span} s")
}
