//! The files that a configuration names, looked at.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::config::{Config, LogPlace, NodeLog};

/// A file that the configuration names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NamedFile {
    /// Where it is named, such as `[journal] file`.
    pub field: String,
    /// Its path.
    pub path: PathBuf,
    /// What was seen of it.
    pub state: FileState,
}

/// What was seen of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum FileState {
    /// It is there, and a regular file.
    There,
    /// It is there, and a folder, a pipe or a device.
    NotAFile,
    /// It is not there.
    NotThere,
    /// It could not be looked at, and why.
    NotSeen(String),
}

/// What was seen of the files and variables that a configuration names. No credential is in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ConfigFiles {
    /// The files that its checks read. A lock file of `[window]` need not be there, and neither need reports.
    pub named: Vec<NamedFile>,
    /// What is wrong with what its routes need (authorities, credentials, client certificates) and with its own signatures. One
    /// line each.
    pub material: Vec<String>,
}

/// Looks at the files, and reads what the routes need and the signatures.
pub fn look_at_files(config: &Config) -> ConfigFiles {
    let file = |field: String, path: PathBuf| NamedFile { state: state_of(&path), field, path };
    let mut named = Vec::new();
    for overlay in &config.overlays {
        for (field, path) in
            [("declared", &overlay.creation.declared), ("deployed", &overlay.creation.deployed)]
        {
            let field = format!("[overlay.creation] {field} of `{}`", overlay.name);
            named.extend(path.as_ref().map(|path| file(field, config.file(path))));
        }
    }
    named.extend(config.journal.file.iter().map(|path| file("[journal] file".to_owned(), config.file(path))));
    for NodeLog { node, place } in &config.journal.nodes {
        if let LogPlace::File(path) = place {
            named.push(file(format!("[[journal.node]] file of `{node}`"), config.file(path)));
        }
    }
    named.extend(
        config.team_guard().iter().map(|guard| file("[guard] file".to_owned(), config.file(&guard.file))),
    );
    for harness in &config.harnesses {
        let of = |what: &str| format!("[[harness]] {what} of `{}`", harness.name);
        match harness.words().first() {
            // It writes its result itself.
            Some(program) if program.contains('/') => {
                named.push(file(of("command"), config.file(Path::new(program))));
            }
            Some(_) => {}
            None => named.push(file(of("result"), config.file(&harness.result))),
        }
    }
    let mut material: Vec<String> = config.material_errors().iter().map(ToString::to_string).collect();
    material.extend(config.catalogue().err().map(|error| error.to_string()));
    ConfigFiles { named, material }
}

fn state_of(path: &Path) -> FileState {
    match std::fs::metadata(path) {
        Ok(about) if about.is_file() => FileState::There,
        Ok(_) => FileState::NotAFile,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            FileState::NotThere
        }
        Err(error) => FileState::NotSeen(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_there_or_is_none_or_is_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("log");
        assert_eq!(state_of(&file), FileState::NotThere);
        std::fs::write(&file, "").expect("a file");
        assert_eq!(state_of(&file), FileState::There);
        assert_eq!(state_of(folder.path()), FileState::NotAFile);
        assert_eq!(state_of(&file.join("below")), FileState::NotThere);
        let long = folder.path().join("x".repeat(300));
        assert!(matches!(state_of(&long), FileState::NotSeen(_)));
    }

    #[test]
    fn the_file_of_a_guard_is_looked_at() {
        let folder = tempfile::tempdir().expect("a folder");
        let text = "[overlay]\nname = \"proxy\"\nsubnet = \"10.10.0.0/24\"\n\
                    [guard]\nfile = \"run.sh\"\ncontains = ['a']\n";
        let config = Config::of_file(&folder.path().join("pvcheck.toml"), text).expect("sound");
        let seen = || {
            let named = look_at_files(&config).named;
            named.into_iter().map(|named| (named.field, named.state)).collect::<Vec<_>>()
        };
        assert_eq!(seen(), [("[guard] file".to_owned(), FileState::NotThere)]);
        std::fs::write(folder.path().join("run.sh"), "").expect("a file");
        assert_eq!(seen(), [("[guard] file".to_owned(), FileState::There)]);
    }

    #[test]
    fn a_harness_needs_its_program_or_the_result_that_is_offered() {
        let of = |line: &str| {
            let text = format!(
                "[overlay]\nname = \"proxy\"\nsubnet = \"10.10.0.0/24\"\n\
                 [[harness]]\nname = \"shop\"\nresult = \"none.json\"\n{line}\n"
            );
            let config = Config::parse("pvcheck.toml", &text).expect("sound");
            let named = look_at_files(&config).named;
            named.into_iter().map(|named| (named.field, named.state)).collect::<Vec<_>>()
        };
        let missing = |what: &str| vec![(format!("[[harness]] {what} of `shop`"), FileState::NotThere)];
        assert_eq!(of(""), missing("result"));
        assert_eq!(of("command = [\"./none.sh\"]"), missing("command"));
        assert!(of("command = [\"sh\", \"./none.sh\"]").is_empty());
    }
}
