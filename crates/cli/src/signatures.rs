//! What the catalogue of log signatures knows of an error that a task shows.

use pvcheck_audit::KnownError;
use pvcheck_journal::{Catalogue, Record};

/// The signature of this error; `None` if the catalogue does not know it.
///
/// The engine logs a task's error in the same words, so an error is looked up as a line of its own.
pub(crate) fn known(error: &str) -> Option<KnownError> {
    let signature = Catalogue::builtin().classify(&Record::parse_line(error.as_bytes()))?;
    Some(KnownError {
        signature: signature.id.to_owned(),
        meaning: signature.meaning.to_owned(),
        remedy: signature.remedy.to_owned(),
        is_finding: signature.class.is_finding(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_tasks_are_known_by_the_words_of_the_log() {
        for (error, expected) in [
            ("Pool overlaps with other one on this address space", Some("pool-overlap")),
            (
                "invalid pool request: Pool overlaps with other one on this address space",
                Some("pool-overlap"),
            ),
            (
                "node is missing network attachments, ip addresses may be exhausted",
                Some("attachments-missing"),
            ),
            ("task: non-zero exit (3)", None),
            ("", None),
        ] {
            assert_eq!(known(error).map(|k| k.signature).as_deref(), expected, "{error}");
        }
    }
}
