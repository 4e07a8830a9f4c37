//! What a harness says, if it says all that counts.

use crate::harness_facts::{HarnessFact, ResultFile, ResultSaid};
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
