//! Identifiers as Swarm makes them: 25 characters, base 36, lower case.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Characters of an object's id (swarmkit `identity.NewID`: 128 bits in base 36, padded to 25).
const ID_CHARS: usize = 25;
/// Bits of the counter that a seed leaves alone: more ids than any run makes. The top 8 bits belong to the rounds of an
/// id's text, and nothing is lost where a seed has them too.
const SEED_SHIFT: u32 = 32;
const BASE36: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            pub(crate) fn new(text: String) -> Self {
                Self(text)
            }

            /// The id as the Engine API shows it.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id!(
    /// Id of a network.
    NetworkId
);
id!(
    /// Id of a service.
    ServiceId
);
id!(
    /// Id of a task.
    TaskId
);
id!(
    /// Id of a node.
    NodeId
);

/// Makes ids from a counter: the same sequence in every run, which differ from the first character
/// on, so that short prefixes are unique as on a real Swarm.
#[derive(Clone, Debug, Default)]
pub(crate) struct IdGen {
    made: u64,
}

impl IdGen {
    /// Ids that begin elsewhere in the sequence for another seed; seed 0 begins where the default does.
    pub(crate) fn seeded(seed: u64) -> Self {
        Self { made: mix(seed) >> SEED_SHIFT << SEED_SHIFT }
    }

    /// The next object id, 25 characters.
    pub(crate) fn object(&mut self) -> String {
        self.text(ID_CHARS, 36)
    }

    /// The next container or local network id, 64 hexadecimal digits.
    pub(crate) fn hex(&mut self) -> String {
        self.text(64, 16)
    }

    /// `mix` is a bijection and the first 13 base-36 characters (or 16 hexadecimal digits) hold one whole
    /// value of it, so no two ids are equal.
    fn text(&mut self, chars: usize, base: u64) -> String {
        self.made += 1;
        let whole = if base == 36 { 13 } else { 16 };
        let mut text = String::with_capacity(chars);
        let (mut word, mut round) = (mix(self.made), 0);
        for at in 0..chars {
            if at > 0 && at % whole == 0 {
                round += 1;
                word = mix(self.made ^ (round << 56));
            }
            let digit = usize::try_from(word % base).unwrap_or(0);
            text.push(char::from(BASE36[digit]));
            word /= base;
        }
        text
    }
}

/// The finaliser of SplitMix64: a bijection on 64 bits.
fn mix(seed: u64) -> u64 {
    let mut word = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn ids_look_like_swarms_and_never_repeat() {
        let mut ids = IdGen::default();
        let made: BTreeSet<String> = (0..20_000).map(|_| ids.object()).collect();
        assert_eq!(made.len(), 20_000);
        assert!(made.iter().all(|id| id.len() == 25 && id.bytes().all(|c| BASE36.contains(&c))));
        let prefixes: BTreeSet<&str> = made.iter().map(|id| &id[..12]).collect();
        assert_eq!(prefixes.len(), 20_000, "twelve characters are enough to name one");
    }

    #[test]
    fn another_seed_gives_other_ids_and_the_same_one_the_same() {
        let first = |seed| IdGen::seeded(seed).object();
        assert_eq!(first(0), IdGen::default().object());
        assert_eq!(first(7), first(7));
        let made: BTreeSet<String> = (0..1000).map(first).collect();
        assert_eq!(made.len(), 1000);
    }

    #[test]
    fn the_same_counter_gives_the_same_ids() {
        let run = || {
            let mut ids = IdGen::default();
            (ids.object(), ids.hex())
        };
        assert_eq!(run(), run());
        assert_eq!(run().1.len(), 64);
    }
}
