//! The decision: a table, read from its top, whose first row that fits is the answer.

use std::fmt;

use pvcheck_gates::Rung;
use serde::{Deserialize, Serialize};

use crate::signs::{Ahead, Brake, Logged, Now, Open, Orphans, Signs};

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// Nothing: every question was answered, and all is well.
    Nothing,
    /// Not decided: something is not known.
    Undecided,
    /// The cure that was interrupted is finished.
    Finish,
    /// What pvcheck has left is drained and removed.
    Drain,
    /// The leadership is handed over.
    HandOver,
    /// A manager is borrowed.
    Borrow,
    /// The engine is restarted.
    Restart,
    /// A person is called.
    Call,
}

impl Answer {
    /// Its word in JSON and in the table.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Undecided => "undecided",
            Self::Finish => "finish",
            Self::Drain => "drain",
            Self::HandOver => "hand-over",
            Self::Borrow => "borrow",
            Self::Restart => "restart",
            Self::Call => "call",
        }
    }

    /// The rung that it is; `None` for what changes nothing.
    pub fn rung(self) -> Option<Rung> {
        match self {
            Self::Drain => Some(Rung::Drain),
            Self::HandOver => Some(Rung::HandOver),
            Self::Borrow => Some(Rung::Borrow),
            Self::Restart => Some(Rung::Restart),
            Self::Nothing | Self::Undecided | Self::Finish | Self::Call => None,
        }
    }
}

/// A row: each list has what fits, and an empty one lets everything through.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Its name in JSON and in tests.
    pub name: &'static str,
    now: &'static [Now],
    logged: &'static [Logged],
    ahead: &'static [Ahead],
    orphans: &'static [Orphans],
    brake: &'static [Brake],
    open: Option<Rung>,
    /// What is to be done.
    pub answer: Answer,
    /// Why.
    pub because: &'static str,
}

/// The row for what was in the log only.
pub(crate) const RAN_OUT: &str = "ran-out";
/// The rows of a guard that is blind: a person is called for them too.
pub(crate) const BLIND: [&str; 2] = ["unseen", "unread"];

/// True iff this row is about a network that will be full, and none that is.
pub(crate) fn is_ahead(row: &str) -> bool {
    row.starts_with("near-")
}

const ANY: Row = Row {
    name: "",
    now: &[],
    logged: &[],
    ahead: &[],
    orphans: &[],
    brake: &[],
    open: None,
    answer: Answer::Undecided,
    because: "",
};

const FULL: &[Now] = &[Now::FullOfLeaks, Now::FullOfOwners, Now::FullUnclear];
const LEAKS: &[Now] = &[Now::FullOfLeaks];
const NEAR: &[Ahead] = &[Ahead::Near];
const LEFT: &[Orphans] = &[Orphans::Some];
const HELD: &[Brake] = &[Brake::Foreign, Brake::Failed, Brake::Spent, Brake::Cooling];

/// The rows. Unknown never leads to `nothing`; a restart is the answer to a network that is full of leaks, and to nothing else.
pub const TABLE: &[Row] = &[
    Row {
        name: "unfinished",
        brake: &[Brake::Unfinished],
        answer: Answer::Finish,
        because: "a cure was interrupted, and until it is finished the Swarm is not as it was",
        ..ANY
    },
    Row {
        name: "unseen",
        now: &[Now::Unknown],
        because: "the Swarm could not be read, so nothing says that all is well",
        ..ANY
    },
    Row {
        name: "full-drain",
        now: FULL,
        orphans: LEFT,
        open: Some(Rung::Drain),
        answer: Answer::Drain,
        because: "a network is full, and what earlier runs of pvcheck left may hold addresses on it",
        ..ANY
    },
    Row {
        name: "full-again",
        now: FULL,
        brake: HELD,
        answer: Answer::Call,
        because: "a network is full, and what was done before keeps the guard from doing more: that would be a loop",
        ..ANY
    },
    Row {
        name: "full-of-owners",
        now: &[Now::FullOfOwners],
        answer: Answer::Call,
        because: "every address has an owner, so none can be given back: the network needs a larger subnet (pvcheck resize)",
        ..ANY
    },
    Row {
        name: "full-unclear",
        now: &[Now::FullUnclear],
        answer: Answer::Call,
        because: "something waits for an address, and whether a leak is the cause is not known (pvcheck why --probe)",
        ..ANY
    },
    Row {
        name: "full-hand-over",
        now: LEAKS,
        open: Some(Rung::HandOver),
        answer: Answer::HandOver,
        because: "a network is full of leaked addresses, and a new leader has none",
        ..ANY
    },
    Row {
        name: "full-borrow",
        now: LEAKS,
        open: Some(Rung::Borrow),
        answer: Answer::Borrow,
        because: "a network is full of leaked addresses, and the only manager is elected again with a borrowed one",
        ..ANY
    },
    Row {
        name: "full-restart",
        now: LEAKS,
        open: Some(Rung::Restart),
        answer: Answer::Restart,
        because: "a network is full of leaked addresses, nothing gentler is open, and the window is clear",
        ..ANY
    },
    Row {
        name: "full-no-way",
        now: LEAKS,
        answer: Answer::Call,
        because: "a network is full of leaked addresses, and no way to give them back is open to the guard",
        ..ANY
    },
    Row {
        name: "near-drain",
        ahead: NEAR,
        orphans: LEFT,
        open: Some(Rung::Drain),
        answer: Answer::Drain,
        because: "a network will be full soon, and what earlier runs of pvcheck left may hold addresses on it",
        ..ANY
    },
    Row {
        name: "near-again",
        ahead: NEAR,
        brake: HELD,
        answer: Answer::Call,
        because: "a network will be full soon, and what was done before keeps the guard from doing more",
        ..ANY
    },
    Row {
        name: "near-hand-over",
        ahead: NEAR,
        open: Some(Rung::HandOver),
        answer: Answer::HandOver,
        because: "leaks will fill a network soon, and a new leader has none; nothing restarts",
        ..ANY
    },
    Row {
        name: "near-borrow",
        ahead: NEAR,
        open: Some(Rung::Borrow),
        answer: Answer::Borrow,
        because: "leaks will fill a network soon; nothing restarts",
        ..ANY
    },
    Row {
        name: "near-no-way",
        ahead: NEAR,
        answer: Answer::Call,
        because: "leaks will fill a network soon, and no gentle way is open; for that alone nothing is restarted",
        ..ANY
    },
    Row {
        name: "unfinished-other",
        brake: &[Brake::Foreign],
        answer: Answer::Call,
        because: "a reclaim that is not the guard's is at work or was interrupted (pvcheck reclaim --resume)",
        ..ANY
    },
    Row {
        name: RAN_OUT,
        logged: &[Logged::RanOut],
        answer: Answer::Call,
        because: "a network was full since the allocator was built, and what waited then is gone or was served",
        ..ANY
    },
    Row {
        name: "unread",
        logged: &[Logged::Unknown],
        because: "the log does not say whether a network was full",
        ..ANY
    },
    Row {
        name: "no-forecast",
        ahead: &[Ahead::Unknown],
        because: "it is not known whether a network is getting full",
        ..ANY
    },
    Row {
        name: "unlisted",
        orphans: &[Orphans::Unknown],
        because: "what earlier runs of pvcheck left could not be listed",
        ..ANY
    },
    Row {
        name: "well",
        now: &[Now::NotFull],
        logged: &[Logged::Clean],
        ahead: &[Ahead::Far],
        orphans: &[Orphans::None, Orphans::Some],
        answer: Answer::Nothing,
        because: "nothing is full, nothing was, and nothing will be soon",
        ..ANY
    },
];

impl Row {
    fn fits(&self, signs: &Signs) -> bool {
        fn within<T: PartialEq>(list: &[T], one: &T) -> bool {
            list.is_empty() || list.contains(one)
        }
        within(self.now, &signs.now)
            && within(self.logged, &signs.logged)
            && within(self.ahead, &signs.ahead)
            && within(self.orphans, &signs.orphans)
            && within(self.brake, &signs.brake)
            && self.open.is_none_or(|rung| signs.open.has(rung))
    }

    /// What it asks for, in one line; `-` if it asks for nothing.
    fn wants(&self) -> String {
        let mut parts = Vec::new();
        let mut add = |question: &str, words: Vec<&str>| {
            if !words.is_empty() {
                parts.push(format!("{question} {}", words.join("|")));
            }
        };
        add("now", self.now.iter().map(|one| one.as_str()).collect());
        add("logged", self.logged.iter().map(|one| one.as_str()).collect());
        add("ahead", self.ahead.iter().map(|one| one.as_str()).collect());
        add("orphans", self.orphans.iter().map(|one| one.as_str()).collect());
        add("before", self.brake.iter().map(|one| one.as_str()).collect());
        add("open", self.open.iter().map(|rung| rung.as_str()).collect());
        parts.join(", ")
    }
}

impl Open {
    /// True iff this rung is open.
    pub fn has(self, rung: Rung) -> bool {
        match rung {
            Rung::Drain => self.drain,
            Rung::HandOver => self.hand_over,
            Rung::Borrow => self.borrow,
            Rung::Restart => self.restart,
        }
    }
}

/// The row that decides: the first that fits. The rows cover every combination, which a test goes through.
pub fn decide(signs: &Signs) -> &'static Row {
    TABLE.iter().find(|row| row.fits(signs)).unwrap_or(&ANY)
}

/// The table as `pvcheck guard --explain` tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Explained {
    /// The rows; the first that fits decides.
    pub rows: Vec<ExplainedRow>,
}

/// A row of the table in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ExplainedRow {
    /// Its name.
    pub row: &'static str,
    /// Which answers it asks for; empty if it takes all.
    pub wants: String,
    /// What is to be done.
    pub answer: Answer,
    /// Why.
    pub because: &'static str,
}

/// The table, row by row.
pub fn explained() -> Explained {
    let of = |row: &Row| {
        let Row { name, answer, because, .. } = *row;
        ExplainedRow { row: name, wants: row.wants(), answer, because }
    };
    Explained { rows: TABLE.iter().map(of).collect() }
}

impl fmt::Display for Explained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("The first row that fits decides.\n\n")?;
        for (number, row) in (1..).zip(&self.rows) {
            writeln!(f, "{number:>2}. {:<15} {}", row.row, row.wants)?;
            writeln!(f, "    -> {:<10} {}", row.answer.as_str(), row.because)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Every combination of answers.
    fn all() -> Vec<Signs> {
        let mut found = Vec::new();
        for now in Now::ALL {
            for logged in Logged::ALL {
                for ahead in Ahead::ALL {
                    for orphans in Orphans::ALL {
                        for brake in Brake::ALL {
                            for bits in 0..16_u8 {
                                let open = Open {
                                    drain: bits & 1 != 0,
                                    hand_over: bits & 2 != 0,
                                    borrow: bits & 4 != 0,
                                    restart: bits & 8 != 0,
                                };
                                found.push(Signs {
                                    now: *now,
                                    logged: *logged,
                                    ahead: *ahead,
                                    orphans: *orphans,
                                    brake: *brake,
                                    open,
                                });
                            }
                        }
                    }
                }
            }
        }
        found
    }

    /// The answer as the ladder tells it in words, written without the table.
    fn told(signs: &Signs) -> Answer {
        let Signs { now, logged, ahead, orphans, brake, open } = *signs;
        if brake == Brake::Unfinished {
            return Answer::Finish;
        }
        if now == Now::Unknown {
            return Answer::Undecided;
        }
        let (full, near) = (now != Now::NotFull, ahead == Ahead::Near);
        if (full || near) && orphans == Orphans::Some && open.drain {
            return Answer::Drain;
        }
        if full || near {
            let curable = !full || now == Now::FullOfLeaks;
            if brake != Brake::Free || !curable {
                return Answer::Call;
            }
            return match open {
                Open { hand_over: true, .. } => Answer::HandOver,
                Open { borrow: true, .. } => Answer::Borrow,
                Open { restart: true, .. } if full => Answer::Restart,
                _ => Answer::Call,
            };
        }
        if logged == Logged::RanOut || brake == Brake::Foreign {
            return Answer::Call;
        }
        if signs.has_unknown() { Answer::Undecided } else { Answer::Nothing }
    }

    #[test]
    fn each_of_all_combinations_has_the_one_answer_of_the_ladder() {
        let all = all();
        assert_eq!(all.len(), 5 * 3 * 3 * 3 * 6 * 16);
        let mut used = BTreeSet::new();
        for signs in &all {
            assert!(TABLE.iter().any(|row| row.fits(signs)), "no row: {signs:?}");
            let row = decide(signs);
            assert_eq!(row.answer, told(signs), "{}: {signs:?}", row.name);
            used.insert(row.name);
        }
        let rows: BTreeSet<&str> = TABLE.iter().map(|row| row.name).collect();
        assert_eq!(
            (used.len(), used),
            (TABLE.len(), rows),
            "each row decides something, by a name of its own"
        );
    }

    #[test]
    fn unknown_never_leads_to_nothing() {
        for signs in all().iter().filter(|signs| signs.has_unknown()) {
            assert_ne!(decide(signs).answer, Answer::Nothing, "{signs:?}");
        }
    }

    #[test]
    fn nothing_is_restarted_but_for_a_network_that_is_full_of_leaks() {
        for signs in all() {
            match decide(&signs).answer {
                Answer::Restart => {
                    assert_eq!((signs.now, signs.brake), (Now::FullOfLeaks, Brake::Free), "{signs:?}");
                    assert!(!signs.open.hand_over && !signs.open.borrow, "a gentler way was open: {signs:?}");
                }
                Answer::HandOver | Answer::Borrow => assert_eq!(signs.brake, Brake::Free, "{signs:?}"),
                _ => {}
            }
        }
    }

    #[test]
    fn a_rung_that_is_not_open_is_never_taken() {
        for signs in all() {
            if let Some(rung) = decide(&signs).answer.rung() {
                assert!(signs.open.has(rung), "{signs:?}");
            }
        }
    }

    #[test]
    fn the_table_is_told_row_by_row() {
        let text = explained().to_string();
        for row in TABLE {
            assert!(text.contains(row.name) && text.contains(row.because), "{}", row.name);
        }
        assert!(text.contains("now full-of-leaks, open restart"), "{text}");
    }
}
