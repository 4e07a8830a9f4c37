//! The README's examples, run as they stand.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail};

/// One `$ pvcheck …` line of a `console` block, with the output that stands below it.
#[derive(Debug, PartialEq, Eq)]
struct Example {
    line: usize,
    command: String,
    output: String,
}

/// Runs every example that needs no engine of its own, and compares what it prints with what stands there.
///
/// Only lines that begin with `$ pvcheck --engine embedded` are run: the others change a machine. `program` is this
/// program's path, asked for before anything was built: cargo may have put another file in its place since.
pub(crate) fn run(root: &Path, program: &Path) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(root.join("README.md")).context("cannot read README.md")?;
    let examples: Vec<_> =
        examples(&text).into_iter().filter(|e| e.command.starts_with("pvcheck --engine embedded")).collect();
    if examples.is_empty() {
        bail!("README.md has no example that runs on the embedded engine");
    }
    for example in &examples {
        try_out(root, program, example)?;
    }
    crate::lab::say(&format!("{} examples of README.md hold", examples.len()));
    Ok(())
}

fn try_out(root: &Path, program: &Path, example: &Example) -> anyhow::Result<()> {
    let words: Vec<&str> = example.command.split_whitespace().skip(1).collect();
    let output = Command::new(program)
        .arg(crate::pvcheck::INSIDE)
        .args(words)
        .arg("--quiet")
        .current_dir(root)
        .output()
        .with_context(|| format!("cannot run {}", program.display()))?;
    let printed = String::from_utf8_lossy(&output.stdout);
    // An empty block promises only that the command runs.
    let same = example.output.trim().is_empty() || printed.trim_end() == example.output.trim_end();
    if output.status.code().is_none_or(|code| code != 0) || !same {
        bail!(
            "README.md:{}: `{}` ended with {} and printed\n{printed}{}instead of\n{}",
            example.line,
            example.command,
            output.status,
            String::from_utf8_lossy(&output.stderr),
            example.output
        );
    }
    Ok(())
}

fn examples(text: &str) -> Vec<Example> {
    let mut found: Vec<Example> = Vec::new();
    let mut inside = false;
    for (n, line) in text.lines().enumerate() {
        if let Some(fence) = line.strip_prefix("```") {
            inside = fence == "console";
        } else if !inside {
        } else if let Some(command) = line.strip_prefix("$ ") {
            found.push(Example { line: n + 1, command: command.to_owned(), output: String::new() });
        } else if let Some(example) = found.last_mut() {
            example.output.push_str(line);
            example.output.push('\n');
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_and_their_output_are_told_apart() {
        let text =
            "text\n```console\n$ pvcheck a\nout 1\nout 2\n$ pvcheck b\n```\n$ no\n```rust\n$ no\n```\n";
        let expected = [
            Example { line: 3, command: "pvcheck a".into(), output: "out 1\nout 2\n".into() },
            Example { line: 6, command: "pvcheck b".into(), output: String::new() },
        ];
        assert_eq!(examples(text), expected);
    }
}
