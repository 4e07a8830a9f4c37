//! The catalogue of log signatures, with a user's own, and what it knows of an error that a task shows.

use std::path::Path;

use pvcheck_audit::KnownError;
use pvcheck_journal::{Catalogue, Record};

use crate::failure::Failure;
use crate::files;

/// The built-in catalogue, with the entries of a file where one is named.
///
/// # Errors
/// If the file cannot be read, or an entry is not taken; the line names the file and the entry.
pub(crate) fn catalogue(file: Option<&Path>) -> Result<&'static Catalogue, Failure> {
    let Some(file) = file else { return Ok(Catalogue::builtin()) };
    let text = files::read(file, "--catalogue")?;
    let with_entries = Catalogue::with_entries(&text)
        .map_err(|error| Failure::usage(format!("{}: {error}", file.display())))?;
    // A command reads it once, and needs it to its end.
    Ok(Box::leak(Box::new(with_entries)))
}

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
