//! The team's own signatures of the engine's log, which `[journal]` names.

use std::path::PathBuf;

use pvcheck_journal::{Catalogue, CatalogueError};
use thiserror::Error;

use super::load::read_bounded;
use super::tables::Config;

/// Why the file of `[journal] catalogue` is not taken. One line.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EntriesError {
    /// It cannot be read.
    #[error("[journal] catalogue: cannot read {}: {reason}; name another", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// One of its entries is not taken.
    #[error("[journal] catalogue: {}: {fault}", path.display())]
    Entry {
        /// The file.
        path: PathBuf,
        /// The entry, and what to do.
        fault: CatalogueError,
    },
}

impl Config {
    /// The signatures by which the engine's log is judged: the built-in ones, and those of the file that `[journal]` names. A
    /// relative path is relative to the configuration's folder.
    ///
    /// The entries of a file live until the process ends; read them once.
    ///
    /// # Errors
    /// If the file cannot be read, or an entry is not taken.
    pub fn catalogue(&self) -> Result<&'static Catalogue, EntriesError> {
        let Some(file) = &self.journal.catalogue else { return Ok(Catalogue::builtin()) };
        let path = self.file(file);
        let text = match read_bounded(&path) {
            Ok(text) => text,
            Err(reason) => return Err(EntriesError::Unreadable { path, reason }),
        };
        let catalogue =
            Catalogue::with_entries(&text).map_err(|fault| EntriesError::Entry { path, fault })?;
        Ok(Box::leak(Box::new(catalogue)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENTRY: &str = "[[signature]]\nid = \"acme-full\"\nclass = \"exhaustion\"\nplace = \"leader\"\nmeaning = \"m\"\n\
        remedy = \"r\"\nsource = \"s\"\nmatches = ['level=error msg=\"acme: pool p1 is used up\"']\n\
        pattern = [{ message = [\"acme: pool \"] }]\n";

    #[test]
    fn the_file_is_that_of_the_configuration_s_folder_and_its_faults_name_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let of = |journal: &str| {
            let text =
                format!("[overlay]\nname = \"proxy\"\nsubnet = \"10.10.0.0/24\"\n[journal]\n{journal}\n");
            let config = Config::of_file(&folder.path().join("pvcheck.toml"), &text).expect("sound");
            config.catalogue().map(|catalogue| catalogue.get("acme-full").is_some())
        };
        let named = "catalogue = \"own.toml\"";
        assert_eq!(of(""), Ok(false));
        let missing = of(named).expect_err("not there").to_string();
        assert!(
            missing.starts_with("[journal] catalogue: cannot read ") && missing.ends_with("name another"),
            "{missing}"
        );
        std::fs::write(folder.path().join("own.toml"), ENTRY).expect("a file");
        assert_eq!(of(named), Ok(true));
        std::fs::write(folder.path().join("own.toml"), ENTRY.replace("acme-full", "vip-exhausted"))
            .expect("a file");
        let taken = of(named).expect_err("taken").to_string();
        assert!(
            taken.contains("own.toml: vip-exhausted: the id is taken") && !taken.contains('\n'),
            "{taken}"
        );
    }
}
