//! A user's own entries, read from TOML.

use std::collections::BTreeSet;
use std::mem;

use thiserror::Error;

use super::entry::{self, Entry};
use super::matcher::Catalogue;
use crate::record::Record;
use crate::signature::Class;

/// The longest text that is taken: its patterns become an automaton in memory.
const MAX_BYTES: usize = 256 * 1024;
/// The longest id, in characters.
const MAX_ID_CHARS: usize = 64;
/// How much of a bad id an error repeats, in characters.
const SHOWN_CHARS: usize = 80;

/// Why entries of the user's are not taken. One line each: the entry, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CatalogueError {
    /// The text is too long.
    #[error("more than {} bytes; keep the entries that you need", MAX_BYTES)]
    TooLarge,
    /// It is no TOML, or not of the form of entries.
    #[error("line {line}: {reason}")]
    Syntax {
        /// The line, from 1 on.
        line: usize,
        /// What the parser says, one line.
        reason: String,
    },
    /// There is no entry.
    #[error("it has no entry; begin one with [[signature]]")]
    NoEntry,
    /// An id that would not be found again.
    #[error(
        "the id `{given}` is not one: write lower-case letters, digits and hyphens, such as proxy-pool-full"
    )]
    BadId {
        /// What was given, without control characters and cut.
        given: String,
    },
    /// Another entry, or a built-in signature, has this id.
    #[error("{id}: the id is taken; choose another")]
    IdTaken {
        /// The id.
        id: String,
    },
    /// A class that decides where a scan begins.
    #[error("{id}: the class {} decides where a scan begins, and is for built-in signatures; choose another", class.as_str())]
    ReservedClass {
        /// The entry.
        id: String,
        /// Its class.
        class: Class,
    },
    /// An entry that is another one under some condition.
    #[error("{id}: `instead` is for built-in signatures; leave it out")]
    Instead {
        /// The entry.
        id: String,
    },
    /// A text is empty, or of several lines.
    #[error("{id}: `{field}` has to be one line of text")]
    NoLine {
        /// The entry.
        id: String,
        /// The name of the field.
        field: &'static str,
    },
    /// A pattern that would match any record, or nearly any.
    #[error(
        "{id}: each [[signature.pattern]] needs a text in `error` or `message` of four characters or more, or an `exact`, and has none that is empty"
    )]
    NoText {
        /// The entry.
        id: String,
    },
    /// An entry without an example.
    #[error("{id}: `matches` needs a line of a log that the entry matches")]
    NoExample {
        /// The entry.
        id: String,
    },
    /// An example is not matched by its entry.
    #[error("{id}: line {number} of `matches` is {}; mend the pattern or the line", found.as_ref().map_or("not matched".to_owned(), |found| format!("{found} instead")))]
    NotMatched {
        /// The entry.
        id: String,
        /// Which example, from 1 on.
        number: usize,
        /// The signature that it is instead.
        found: Option<&'static str>,
    },
    /// An entry matches what it must not.
    #[error("{id}: line {number} of `matches_not` is matched; narrow the pattern")]
    Matched {
        /// The entry.
        id: String,
        /// Which example, from 1 on.
        number: usize,
    },
}

impl Catalogue {
    /// The built-in catalogue with the entries in a TOML text, whose form is in docs/journal.md.
    ///
    /// An entry hides no built-in finding, and never says whose log it is nor which role its engine has. Entries live until the
    /// process ends, as the built-in ones do: read them once.
    ///
    /// # Errors
    /// If the text is not of that form, an id is taken, a pattern would match anything, or an example does not hold.
    pub fn with_entries(text: &str) -> Result<Self, CatalogueError> {
        if MAX_BYTES < text.len() {
            return Err(CatalogueError::TooLarge);
        }
        let mut entries = entry::read(text).map_err(|error| CatalogueError::syntax(text, &error))?;
        if entries.is_empty() {
            return Err(CatalogueError::NoEntry);
        }
        if MAX_BYTES < entries.iter().map(Entry::repeated_bytes).sum() {
            return Err(CatalogueError::TooLarge);
        }
        check(&entries)?;
        let examples: Vec<Examples> = entries.iter_mut().map(Examples::of).collect();
        let signatures: Vec<_> = entries.into_iter().map(|entry| entry.kept(true)).collect();
        let catalogue = Self::compile(Self::builtin().all(), &signatures);
        for (signature, examples) in signatures.iter().zip(&examples) {
            examples.hold(&catalogue, signature.id)?;
        }
        Ok(catalogue)
    }
}

impl CatalogueError {
    fn syntax(text: &str, error: &toml::de::Error) -> Self {
        let at = error.span().map_or(0, |span| span.start).min(text.len());
        let line = text.get(..at).unwrap_or_default().matches('\n').count() + 1;
        Self::Syntax { line, reason: error.message().replace('\n', ", ") }
    }
}

/// All that can be wrong with entries but their examples.
fn check(entries: &[Entry]) -> Result<(), CatalogueError> {
    let mut ids = BTreeSet::new();
    for entry in entries {
        entry.check()?;
        if Catalogue::builtin().get(&entry.id).is_some() || !ids.insert(&entry.id) {
            return Err(CatalogueError::IdTaken { id: entry.id.clone() });
        }
    }
    Ok(())
}

/// Lines that an entry matches, and lines that it must not match.
#[derive(Debug)]
struct Examples {
    matches: Vec<String>,
    matches_not: Vec<String>,
}

impl Entry {
    fn check(&self) -> Result<(), CatalogueError> {
        if !is_id(&self.id) {
            let given = self.id.chars().filter(|c| !c.is_control()).take(SHOWN_CHARS).collect();
            return Err(CatalogueError::BadId { given });
        }
        let id = || self.id.clone();
        if matches!(self.class, Class::EngineStart | Class::EngineStop | Class::LeaderChange) {
            return Err(CatalogueError::ReservedClass { id: id(), class: self.class });
        }
        if self.instead.is_some() {
            return Err(CatalogueError::Instead { id: id() });
        }
        let texts = [
            ("meaning", Some(&self.meaning)),
            ("remedy", Some(&self.remedy)),
            ("source", Some(&self.source)),
            ("versions", self.versions.as_ref()),
        ];
        let is_bad = |text: &String| text.trim().is_empty() || text.contains(char::is_control);
        if let Some(&(field, _)) = texts.iter().find(|(_, text)| text.is_some_and(is_bad)) {
            return Err(CatalogueError::NoLine { id: id(), field });
        }
        if self.patterns().next().is_none() || !self.patterns().all(|pattern| pattern.is_narrow()) {
            return Err(CatalogueError::NoText { id: id() });
        }
        if self.matches.is_empty() {
            return Err(CatalogueError::NoExample { id: id() });
        }
        Ok(())
    }
}

/// True iff it is of lower-case ASCII letters, digits and single hyphens between them, as `pvcheck explain` takes it.
fn is_id(text: &str) -> bool {
    let is_word = |word: &str| {
        !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    text.len() <= MAX_ID_CHARS && text.split('-').all(is_word)
}

impl Examples {
    fn of(entry: &mut Entry) -> Self {
        Self { matches: mem::take(&mut entry.matches), matches_not: mem::take(&mut entry.matches_not) }
    }

    fn hold(&self, catalogue: &Catalogue, id: &str) -> Result<(), CatalogueError> {
        let found = |line: &String| {
            catalogue.classify(&Record::parse_line(line.as_bytes())).map(|signature| signature.id)
        };
        for (at, line) in self.matches.iter().enumerate() {
            let found = found(line);
            if found != Some(id) {
                return Err(CatalogueError::NotMatched { id: id.to_owned(), number: at + 1, found });
            }
        }
        match self.matches_not.iter().position(|line| found(line) == Some(id)) {
            Some(at) => Err(CatalogueError::Matched { id: id.to_owned(), number: at + 1 }),
            None => Ok(()),
        }
    }
}
