//! A team's guard: its file, and which lines of it the configuration's patterns match.

use std::collections::BTreeSet;
use std::path::Path;

use pvcheck_journal::redact;

use super::text::{NoText, Text, read_text};
use crate::config::{Config, GuardConfig, Pattern};
use crate::digest::sha256;
use crate::guard_facts::{GuardFact, GuardFile, GuardFound, GuardLine, GuardMatch};
use crate::observed::Observed;

/// The longest file that is read.
const MOST_BYTES: u64 = 1 << 20;
/// The most lines that are kept of what matches a pattern.
const MOST_LINES: usize = 8;
/// The longest text that is kept of a line, in characters.
const MOST_CHARS: usize = 240;
/// What stands for a line that may be a part of a secret.
const MASK: &str = "***";

/// Reads the file of `[guard]`; `None` where the configuration has none.
pub(super) async fn read_guard(config: &Config) -> Option<Observed<GuardFact>> {
    let guard = config.team_guard()?;
    Some(Observed::of("file", async { look(&config.file(&guard.file), guard) }).await)
}

fn look(path: &Path, guard: &GuardConfig) -> Result<GuardFact, String> {
    let shown = path.display().to_string();
    let found = match read_text(path, MOST_BYTES) {
        Ok(file) => GuardFound::File(searched(&file, guard)),
        Err(NoText::NotThere(_)) => GuardFound::Nothing,
        Err(error) => return Err(format!("{shown}: {error}")),
    };
    Ok(GuardFact { path: shown, found })
}

fn searched(file: &Text, guard: &GuardConfig) -> GuardFile {
    let text = file.content.as_str();
    let redacted = redact(text);
    let clean: BTreeSet<&str> = redacted.lines().collect();
    let of = |pattern: &Pattern| matching(pattern, text, &clean);
    GuardFile {
        modified: file.modified,
        bytes: text.len() as u64,
        digest: sha256(text),
        contains: guard.contains.iter().map(of).collect(),
        absent: guard.absent.iter().map(of).collect(),
    }
}

fn matching(pattern: &Pattern, text: &str, clean: &BTreeSet<&str>) -> GuardMatch {
    let mut found = (1..).zip(text.lines()).filter(|(_, line)| pattern.matches(line));
    let kept = found.by_ref().take(MOST_LINES);
    let lines = kept.map(|(line, text)| GuardLine { line, text: shown(text, clean) }).collect();
    GuardMatch { pattern: pattern.to_string(), lines, more: found.count() as u64 }
}

/// The line as it may be shown. `clean` has the lines of the whole file without its secrets: one that is not among them is a part of
/// a secret of several lines, such as a key, which no line shows by itself.
fn shown(line: &str, clean: &BTreeSet<&str>) -> String {
    let own = redact(line);
    let kept = if clean.contains(&*own) { own.trim() } else { MASK };
    let mut chars = kept.chars().map(|c| if c.is_control() { ' ' } else { c });
    let text: String = chars.by_ref().take(MOST_CHARS).collect();
    if chars.next().is_some() { format!("{text}…") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CANARY: &str = "pv-canary-7b2c";

    fn guard(lists: &str) -> GuardConfig {
        let text = format!(
            "[overlay]\nname = \"proxy\"\nsubnet = \"10.10.0.0/24\"\n[guard]\nfile = \"run.sh\"\n{lists}\n"
        );
        Config::parse("pvcheck.toml", &text).expect("sound").guard.expect("a guard")
    }

    /// What was found in a file with these bytes.
    fn found(bytes: &[u8], lists: &str) -> Result<GuardFound, String> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("run.sh");
        std::fs::write(&path, bytes).expect("a file");
        look(&path, &guard(lists)).map(|fact| fact.found)
    }

    fn file(text: &str, lists: &str) -> GuardFile {
        match found(text.as_bytes(), lists).expect("a text") {
            GuardFound::File(file) => file,
            GuardFound::Nothing => panic!("it is there"),
        }
    }

    #[test]
    fn each_pattern_has_the_lines_that_match_it() {
        let text = "#!/bin/sh\r\n\tcount=$(grep -c one)\r\nrestart\nrestart again\n";
        let file = file(text, "contains = ['grep', '^restart', 'none']\nabsent = ['again$']");
        let lines = |found: &GuardMatch| {
            found.lines.iter().map(|line| (line.line, line.text.clone())).collect::<Vec<_>>()
        };
        assert_eq!(lines(&file.contains[0]), [(2, "count=$(grep -c one)".to_owned())]);
        assert_eq!(lines(&file.contains[1]), [(3, "restart".to_owned()), (4, "restart again".to_owned())]);
        assert!(file.contains[2].lines.is_empty() && file.contains[2].pattern == "none");
        assert_eq!(lines(&file.absent[0]), [(4, "restart again".to_owned())]);
        assert_eq!((file.bytes, &file.digest), (text.len() as u64, &sha256(text)));
    }

    #[test]
    fn many_lines_are_counted_and_a_long_one_is_shortened() {
        let text = format!("{}\n", "x".repeat(300)).repeat(11);
        let searched = file(&text, "contains = ['x']");
        let found = &searched.contains[0];
        assert_eq!((found.lines.len(), found.more), (8, 3));
        assert_eq!(found.lines[0].text, format!("{}…", "x".repeat(240)));
        let whole = file(&"x".repeat(240), "contains = ['x']");
        assert_eq!(whole.contains[0].lines[0].text.chars().count(), 240);
    }

    #[test]
    fn no_line_has_a_secret_also_where_it_is_of_several_lines() {
        let text = format!(
            "export DB_PASSWORD={CANARY}\n-----BEGIN PRIVATE KEY-----\n{CANARY}\n-----END PRIVATE KEY-----\nok {CANARY}\n"
        );
        let file = file(&text, "contains = ['PASSWORD', 'canary', 'BEGIN']");
        let texts: Vec<&str> =
            file.contains.iter().flat_map(|found| &found.lines).map(|line| line.text.as_str()).collect();
        let ok = format!("ok {CANARY}");
        // The last line has nothing by which it is known as a secret.
        let expected = ["export DB_PASSWORD=***", "export DB_PASSWORD=***", "***", ok.as_str(), "***"];
        assert_eq!(texts, expected);
        let lines: Vec<u64> = file.contains[1].lines.iter().map(|line| line.line).collect();
        assert_eq!(lines, [1, 3, 5], "it was matched as it stands in the file");
    }

    #[test]
    fn a_file_is_there_or_not_or_cannot_be_read() {
        const LISTS: &str = "contains = ['x']";
        let folder = tempfile::tempdir().expect("a folder");
        let of = |path: &Path| look(path, &guard(LISTS)).map(|fact| fact.found);
        let none = folder.path().join("none.sh");
        assert_eq!(of(&none), Ok(GuardFound::Nothing));
        assert!(of(folder.path()).expect_err("a folder").ends_with("it is no file"));
        std::fs::write(&none, "x\n").expect("a file");
        assert!(matches!(of(&none), Ok(GuardFound::File(_))));
        assert_eq!(of(&none.join("below")), Ok(GuardFound::Nothing));
        let lasting = folder.path().join("loop");
        std::os::unix::fs::symlink(&lasting, &lasting).expect("a link");
        assert!(of(&lasting).expect_err("a loop").starts_with(&lasting.display().to_string()));
        assert!(found(b"x\xff\n", LISTS).expect_err("no text").ends_with("it is no UTF-8"));
        let most = usize::try_from(MOST_BYTES).expect("small");
        assert!(matches!(found(&vec![b'x'; most], LISTS), Ok(GuardFound::File(_))));
        let error = found(&vec![b'x'; most + 1], LISTS).expect_err("too long");
        assert!(error.ends_with("it has more than 1 MiB"), "{error}");
    }
}
