//! The answers to the guard's questions, each as one of few words: what the decision rests on, and nothing else.

use serde::{Deserialize, Serialize};

/// A word that stands in JSON and in the table of decisions.
macro_rules! words {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[serde(rename_all = "kebab-case")]
        pub enum $name {
            $($(#[$doc])* $variant,)*
        }

        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Its word.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }
        }
    };
}

words! {
    /// Is a network full now?
    Now {
        /// No: nothing waits for an address, and the allocator, where it says so, has some.
        NotFull = "not-full",
        /// Yes, and addresses are leaked there.
        FullOfLeaks = "full-of-leaks",
        /// Yes, and every address has an owner.
        FullOfOwners = "full-of-owners",
        /// Yes, and how many are leaked, or which network it is, is not known.
        FullUnclear = "full-unclear",
        /// The Swarm could not be read.
        Unknown = "unknown",
    }
}

words! {
    /// Was one full since the allocator was built, or since the guard last dealt with one if that is later?
    Logged {
        /// No, by a log that was read whole.
        Clean = "clean",
        /// Yes.
        RanOut = "ran-out",
        /// The log does not say.
        Unknown = "unknown",
    }
}

words! {
    /// Is it getting there?
    Ahead {
        /// No network is full within the horizon.
        Far = "far",
        /// One is.
        Near = "near",
        /// There is no forecast for one of them.
        Unknown = "unknown",
    }
}

words! {
    /// Is there something that a run of pvcheck has left?
    Orphans {
        /// Nothing.
        None = "none",
        /// Something.
        Some = "some",
        /// The Swarm could not be read.
        Unknown = "unknown",
    }
}

words! {
    /// What the guard has done before, as far as it keeps it from doing more.
    Brake {
        /// Nothing that does.
        Free = "free",
        /// A cure of the guard was begun and not finished.
        Unfinished = "unfinished",
        /// A reclaim that is not the guard's is at work, or was interrupted.
        Foreign = "foreign",
        /// The last cure did not help, or how it ended is not known, and nothing has been in order since.
        Failed = "failed",
        /// As many cures as are allowed in a day.
        Spent = "spent",
        /// The last cure is not long ago.
        Cooling = "cooling",
    }
}

/// Which rungs of the ladder are open: allowed, possible, and at a good time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Open {
    /// What pvcheck left may be removed.
    pub drain: bool,
    /// The leadership may be handed over.
    pub hand_over: bool,
    /// A manager may be borrowed.
    pub borrow: bool,
    /// The engine may be restarted.
    pub restart: bool,
}

/// Everything that the decision rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Signs {
    /// Is a network full now?
    pub now: Now,
    /// Was one since?
    pub logged: Logged,
    /// Is one getting there?
    pub ahead: Ahead,
    /// What pvcheck has left.
    pub orphans: Orphans,
    /// What the guard has done before.
    pub brake: Brake,
    /// Which rungs are open.
    pub open: Open,
}

impl Signs {
    /// True iff one of the questions has no answer.
    pub fn has_unknown(&self) -> bool {
        self.now == Now::Unknown
            || self.logged == Logged::Unknown
            || self.ahead == Ahead::Unknown
            || self.orphans == Orphans::Unknown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_json() {
        fn same<T: Copy + Serialize>(all: &[T], word: fn(T) -> &'static str) {
            for one in all {
                assert_eq!(serde_json::to_value(one).expect("a word"), word(*one));
            }
        }
        same(Now::ALL, Now::as_str);
        same(Logged::ALL, Logged::as_str);
        same(Ahead::ALL, Ahead::as_str);
        same(Orphans::ALL, Orphans::as_str);
        same(Brake::ALL, Brake::as_str);
    }
}
