//! What a harness says, if it says all that counts, and whether its end was seen.

use crate::harness_facts::{HarnessFact, HarnessHow, ResultFile, ResultSaid};
use crate::harness_reason::HarnessLack;
use crate::harness_result::HarnessResult;
use crate::observed::Seen;

/// The result, if it says all that counts.
pub(crate) fn sound(fact: &HarnessFact) -> Result<(&ResultFile, &HarnessResult), HarnessLack> {
    let file = match &fact.result {
        Seen::Known(file) => file,
        Seen::Unknown(why) => return Err(HarnessLack::NoResult { error: why.to_string() }),
    };
    match &file.said {
        ResultSaid::Sound(result) => Ok((file, result)),
        ResultSaid::Unsound(fault) => {
            Err(HarnessLack::Unsound { path: file.path.clone(), fault: fault.clone() })
        }
    }
}

/// What was not shown where a command was run and the Swarm was not read after its end.
pub(crate) fn end_not_seen(fact: &HarnessFact) -> Option<HarnessLack> {
    let is_unseen = matches!(fact.how, HarnessHow::Ran(_)) && !fact.watch.seen_at_end;
    let why =
        || fact.watch.missed.clone().unwrap_or_else(|| "the Swarm was not read after its end".to_owned());
    is_unseen.then(|| HarnessLack::NotSeenAtEnd { why: why() })
}
