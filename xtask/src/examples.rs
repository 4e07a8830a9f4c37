//! The examples of README.md and of the pages in `docs/`, run as they are printed.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

#[cfg(test)]
mod tests;

/// Only these are run: every other command would need an engine of its own, or would change this machine.
const RUN: &str = "pvcheck --engine embedded ";

/// One `$ pvcheck …` line of a `console` block, with what the page prints below it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Example {
    /// Line of the command in its page, counted from 1.
    line: usize,
    command: String,
    /// Empty where the page only promises that the command runs.
    output: String,
    /// 0, unless the output is closed by a line `(exit code N)`.
    code: i32,
}

/// What a command really did.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Printed {
    /// `None` if a signal ended it.
    code: Option<i32>,
    /// stdout, then stderr: what a reader's terminal shows of a command that runs quietly.
    text: String,
}

/// An example whose result is not what its page shows.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mismatch {
    page: String,
    example: Example,
    printed: Printed,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { page, example, printed } = self;
        let ended = printed.code.map_or_else(|| "a signal".to_owned(), |code| format!("exit code {code}"));
        writeln!(f, "{page}:{}: `{}` ended with {ended} and printed", example.line, example.command)?;
        writeln!(f, "{}", printed.text.trim_end())?;
        writeln!(f, "instead of exit code {} and", example.code)?;
        write!(f, "{}", example.output.trim_end())
    }
}

/// What becomes of an example that differs from its page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// It is an error.
    Compare,
    /// The page is rewritten with what was printed.
    Bless,
}

/// Runs every example of every page and compares what it prints with the page, to the letter.
///
/// `program` is the path of this program, read before the first step: the steps build, and cargo replaces the file.
///
/// # Errors
/// If a page cannot be read or written, README.md has no example that is run, or examples differ under
/// [`Mode::Compare`]; then every difference is listed.
pub(crate) fn run(root: &Path, program: &Path, mode: Mode) -> anyhow::Result<()> {
    let mut wrong = Vec::new();
    let mut counts = Vec::new();
    for page in pages(root)? {
        let name = page.strip_prefix(root).unwrap_or(&page).display().to_string();
        let text = std::fs::read_to_string(&page).with_context(|| format!("cannot read {name}"))?;
        let mut done = Vec::new();
        for example in runnable(&text) {
            let printed = try_out(root, program, &example)?;
            done.push((example, printed));
        }
        counts.push((name.clone(), done.len()));
        match mode {
            Mode::Bless => std::fs::write(&page, blessed(&text, &done))
                .with_context(|| format!("cannot write {name}"))?,
            Mode::Compare => {
                wrong.extend(done.into_iter().filter_map(|(e, printed)| difference(&name, e, printed)));
            }
        }
    }
    if counts.iter().any(|(name, count)| name == "README.md" && *count == 0) {
        bail!("README.md has no example that begins with `$ {RUN}`");
    }
    if !wrong.is_empty() {
        let listed = wrong.iter().map(Mismatch::to_string).collect::<Vec<_>>().join("\n\n");
        bail!("{listed}\nIf the new output is right: cargo xtask test --only examples --bless");
    }
    crate::lab::say(&summary(&counts));
    Ok(())
}

/// README.md, then the pages of `docs/` by name. Pages in folders below `docs/` have examples for real engines only.
fn pages(root: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut pages = Vec::new();
    for entry in std::fs::read_dir(root.join("docs")).context("cannot list docs/")? {
        let path = entry.context("cannot list docs/")?.path();
        if path.extension().is_some_and(|extension| extension == "md") {
            pages.push(path);
        }
    }
    pages.sort();
    pages.insert(0, root.join("README.md"));
    Ok(pages)
}

/// Runs one example in the workspace's root, so that its relative paths are those of the repository.
fn try_out(root: &Path, program: &Path, example: &Example) -> anyhow::Result<Printed> {
    // No shell: an example that needed quotes or a pipe would fail here, and could not be run as it stands elsewhere.
    let words = example.command.split_whitespace().skip(1);
    let output = Command::new(program)
        .arg(crate::pvcheck::INSIDE)
        .args(words)
        // Progress depends on the machine's speed; a page shows results.
        .arg("--quiet")
        .current_dir(root)
        .output()
        .with_context(|| format!("cannot run {}", program.display()))?;
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    Ok(Printed { code: output.status.code(), text })
}

/// What differs, if anything does.
fn difference(page: &str, example: Example, printed: Printed) -> Option<Mismatch> {
    // A page leaves the output out where it differs from run to run, such as a time.
    let is_free = example.output.trim().is_empty();
    let same_text = is_free || printed.text.trim_end() == example.output.trim_end();
    if same_text && printed.code == Some(example.code) {
        return None;
    }
    Some(Mismatch { page: page.to_owned(), example, printed })
}

/// The page with what was printed in place of what differs from it. A text that is free stays free.
fn blessed(text: &str, done: &[(Example, Printed)]) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    // From the last to the first, so that the line numbers of the earlier ones stay true.
    for (example, printed) in done.iter().rev() {
        if difference("", example.clone(), printed.clone()).is_none() {
            continue;
        }
        let body = &lines[example.line..];
        let ends = |line: &String| line.starts_with("$ ") || line.starts_with("```");
        let length = body.iter().position(ends).unwrap_or(body.len());
        let code = printed.code.filter(|code| *code != 0).map(|code| format!("(exit code {code})"));
        let new: Vec<String> = printed.text.trim_end().lines().map(str::to_owned).chain(code).collect();
        lines.splice(example.line..example.line + length, new);
    }
    lines.join("\n") + "\n"
}

fn summary(counts: &[(String, usize)]) -> String {
    let total: usize = counts.iter().map(|(_, count)| count).sum();
    let pages = counts.iter().filter(|(_, count)| 0 < *count).count();
    format!("{total} examples of {pages} pages hold")
}

/// The examples of a page that are run.
fn runnable(text: &str) -> Vec<Example> {
    examples(text).into_iter().filter(|example| example.command.starts_with(RUN)).collect()
}

/// All examples of a page: the `$ ` lines of its `console` blocks, with the lines up to the next one.
fn examples(text: &str) -> Vec<Example> {
    let mut found: Vec<Example> = Vec::new();
    let mut inside = false;
    for (n, line) in text.lines().enumerate() {
        if let Some(fence) = line.strip_prefix("```") {
            inside = fence == "console";
        } else if !inside {
            // Prose, or a block in another language.
        } else if let Some(command) = line.strip_prefix("$ ") {
            let (command, output) = (command.to_owned(), String::new());
            found.push(Example { line: n + 1, command, output, code: 0 });
        } else if let Some(example) = found.last_mut() {
            if let Some(code) = exit_code(line) {
                example.code = code;
            } else {
                example.output.push_str(line);
                example.output.push('\n');
            }
        }
    }
    found
}

/// The number of a line `(exit code N)`.
fn exit_code(line: &str) -> Option<i32> {
    line.strip_prefix("(exit code ")?.strip_suffix(')')?.parse().ok()
}
