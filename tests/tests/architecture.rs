//! ARCHITECTURE.md against the tree: every file that it names exists, and its walks have no step back.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use pvcheck_tests::Outcome;

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// Paths in backticks: what has a slash and neither blanks nor placeholders, or ends as a file of the tree does.
fn paths(text: &str) -> Vec<&str> {
    let quoted = text.split('`').skip(1).step_by(2);
    quoted.filter(|word| is_path(word)).collect()
}

fn is_path(word: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-');
    let is_file = [".rs", ".md", ".toml"].iter().any(|end| word.ends_with(end));
    word.chars().all(plain) && (word.contains('/') || is_file) && !word.starts_with("GATE")
}

/// The files of each walk, in order.
fn walks(text: &str) -> Vec<Vec<&str>> {
    let section = text.split("\n## ").find(|section| section.starts_with("A walk")).unwrap_or_default();
    section.split("\n### ").skip(1).map(steps).collect()
}

fn steps(walk: &str) -> Vec<&str> {
    let numbered = walk.lines().filter(|line| line.starts_with(|c: char| c.is_ascii_digit()));
    numbered.map(|line| paths(line).first().copied().unwrap_or_default()).collect()
}

fn twice<'a>(steps: &[&'a str]) -> Vec<&'a str> {
    let mut left = BTreeSet::new();
    steps.iter().copied().filter(|step| !left.insert(*step)).collect()
}

#[test]
fn every_file_that_is_named_exists() -> Outcome {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md"))?;
    let named = paths(&text);
    assert!(named.len() > 80, "paths are not found any more: {named:?}");
    let missing: Vec<_> = named.into_iter().filter(|path| !root().join(path).exists()).collect();
    assert!(missing.is_empty(), "ARCHITECTURE.md names what is not there: {missing:?}");
    Ok(())
}

#[test]
fn a_walk_begins_at_the_command_line_and_has_no_step_back() -> Outcome {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md"))?;
    let walks = walks(&text);
    assert_eq!(walks.len(), 2, "one census and one gate run: {walks:?}");
    for steps in walks {
        assert_eq!(steps.first(), Some(&"crates/cli/src/main.rs"), "{steps:?}");
        let is_source = |step: &&str| Path::new(step).extension().is_some_and(|end| end == "rs");
        assert!(steps.iter().all(is_source), "a step without its file: {steps:?}");
        assert_eq!(twice(&steps), [] as [&str; 0], "steps back");
    }
    Ok(())
}

#[test]
fn what_is_no_path_is_not_taken_for_one() {
    let text = "`cargo xtask lab` `Seen::Unknown` `GATE.md` `census` but `docs/leaks.md`, `crates/a/` and `deny.toml`";
    assert_eq!(paths(text), ["docs/leaks.md", "crates/a/", "deny.toml"]);
    assert_eq!(steps("title\n1. `a/b.rs` does `x/y.rs`.\n2. `c/d.rs`\n   `e/f.rs`"), ["a/b.rs", "c/d.rs"]);
    assert_eq!(twice(&["a", "b", "a"]), ["a"]);
}
