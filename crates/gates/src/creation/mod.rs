//! Which subnet a file creates a network with: read out of shell scripts, Nix modules, unit files and Compose files.
//!
//! A pure reader: nothing is run, and what only running it would tell is unknown.

mod activation;
mod compose;
mod fact;
mod shell;
mod words;

use std::path::Path;

pub use activation::Activation;
pub(crate) use fact::subnet_of;
pub use fact::{Asked, Column, ColumnError, CreateLine, CreationFacts, Place, Places};

/// The lines of this file that create this network, in their order. `path` tells the file's form by its name.
///
/// # Errors
/// If it is a Compose file and no YAML; the text is one line with the place.
pub(crate) fn create_lines(path: &Path, text: &str, network: &str) -> Result<Vec<CreateLine>, String> {
    let ends_with = |end: &str| path.extension().is_some_and(|given| given.eq_ignore_ascii_case(end));
    if ends_with("yml") || ends_with("yaml") {
        return compose::create_lines(text, network);
    }
    Ok(shell::create_lines(text, network))
}
