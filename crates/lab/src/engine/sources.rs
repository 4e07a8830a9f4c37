//! The machine's own package sources, and the same sources for another suite. Formats: sources.list(5).

use std::fs;
use std::path::Path;

/// One archive in the machine's sources, in the format it was written in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Source {
    format: Format,
    /// The line (one-line format) or stanza (deb822) without its suites.
    text: Text,
    /// Where it is.
    uris: Vec<String>,
    /// Its suites.
    suites: Vec<String>,
    /// Its components.
    components: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    OneLine,
    Deb822,
}

/// What stands before and after the suites.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Text {
    before: String,
    after: String,
}

/// A file of sources for apt, with the ending that tells apt its format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SourceFile {
    pub(crate) ending: &'static str,
    pub(crate) text: String,
}

/// All sources of this machine: /etc/apt/sources.list and the files in sources.list.d that apt reads.
pub(crate) fn of_machine() -> Vec<Source> {
    let root = Path::new("/etc/apt");
    let mut files = vec![root.join("sources.list")];
    if let Ok(entries) = fs::read_dir(root.join("sources.list.d")) {
        let mut more: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
        more.sort();
        files.extend(more);
    }
    let mut sources = Vec::new();
    for file in files {
        let Ok(text) = fs::read_to_string(&file) else { continue };
        match file.extension().and_then(|ending| ending.to_str()) {
            Some("list") => sources.extend(parse_one_line(&text)),
            Some("sources") => sources.extend(parse_deb822(&text)),
            _ => {}
        }
    }
    sources
}

/// The sources of the machine's own suite, with its updates.
pub(crate) fn for_own(sources: &[Source], own: &str) -> Vec<SourceFile> {
    let mine = |suite: &&String| suite_base(suite) == own;
    sources
        .iter()
        .filter_map(|source| {
            let suites: Vec<&str> = source.suites.iter().filter(mine).map(String::as_str).collect();
            (!suites.is_empty()).then(|| source.with_suites(&suites))
        })
        .collect()
}

/// The archives of the machine's own suite, asked for another suite instead. Updates and security archives are
/// left out: not every suite has them, and apt refuses a source that is not there.
pub(crate) fn for_suite(sources: &[Source], own: &str, suite: &str) -> Vec<SourceFile> {
    // Third-party archives have suites of their own names; only Debian's main archive has all of them.
    let main = |source: &&Source| {
        source.suites.iter().any(|s| s == own || s == suite) && source.components.iter().any(|c| c == "main")
    };
    let mut files: Vec<SourceFile> = Vec::new();
    for file in sources.iter().filter(main).map(|source| source.with_suites(&[suite])) {
        if !files.contains(&file) {
            files.push(file);
        }
    }
    files
}

/// Where the main archive of the machine's own suite is, which has the other suites as well.
pub(crate) fn main_archive(sources: &[Source], own: &str) -> Option<String> {
    let main = |source: &&Source| {
        source.suites.iter().any(|suite| suite == own) && source.components.iter().any(|c| c == "main")
    };
    sources.iter().find(main)?.uris.first().cloned()
}

fn suite_base(suite: &str) -> &str {
    suite.split(['-', '/']).next().unwrap_or(suite)
}

impl Source {
    fn with_suites(&self, suites: &[&str]) -> SourceFile {
        let Text { before, after } = &self.text;
        match self.format {
            // This format takes one suite per line.
            Format::OneLine => SourceFile {
                ending: "list",
                text: suites.iter().map(|suite| format!("{before} {suite} {after}\n")).collect(),
            },
            Format::Deb822 => SourceFile {
                ending: "sources",
                text: format!("{before}Suites: {}\n{after}", suites.join(" ")),
            },
        }
    }
}

fn parse_one_line(text: &str) -> Vec<Source> {
    text.lines().filter_map(one_line).collect()
}

fn one_line(line: &str) -> Option<Source> {
    let line = line.split('#').next()?.trim();
    let rest = line.strip_prefix("deb").filter(|rest| rest.starts_with([' ', '\t', '[']))?.trim_start();
    let (options, rest) = match rest.strip_prefix('[') {
        Some(rest) => {
            let (options, rest) = rest.split_once(']')?;
            (format!(" [{}]", options.trim()), rest)
        }
        None => (String::new(), rest),
    };
    let mut words = rest.split_ascii_whitespace();
    let (uri, suite) = (words.next()?, words.next()?);
    let components: Vec<String> = words.map(str::to_owned).collect();
    Some(Source {
        format: Format::OneLine,
        text: Text { before: format!("deb{options} {uri}"), after: components.join(" ") },
        uris: vec![uri.to_owned()],
        suites: vec![suite.to_owned()],
        components,
    })
}

fn parse_deb822(text: &str) -> Vec<Source> {
    let mut stanzas = vec![Vec::new()];
    for line in text.lines() {
        if line.trim().is_empty() {
            stanzas.push(Vec::new());
        } else if let (false, Some(stanza)) = (line.starts_with('#'), stanzas.last_mut()) {
            stanza.push(line);
        }
    }
    stanzas.iter().filter_map(|lines| stanza(lines)).collect()
}

/// A stanza of binary packages that is not disabled. Fields may go on over several lines, each begun with a blank.
fn stanza(lines: &[&str]) -> Option<Source> {
    let mut fields: Vec<(String, String)> = Vec::new();
    for line in lines {
        if line.starts_with([' ', '\t']) {
            let (_, value) = fields.last_mut()?;
            value.push('\n');
            value.push_str(line);
        } else {
            let (key, value) = line.split_once(':')?;
            fields.push((key.trim().to_owned(), value.trim().to_owned()));
        }
    }
    let field =
        |name: &str| fields.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str());
    let words = |name: &str| -> Vec<String> {
        field(name).unwrap_or_default().split_ascii_whitespace().map(str::to_owned).collect()
    };
    let off = field("Enabled")
        .is_some_and(|value| ["no", "false", "0"].contains(&value.to_ascii_lowercase().as_str()));
    if off || !words("Types").iter().any(|kind| kind == "deb") {
        return None;
    }
    let (suites, components) = (words("Suites"), words("Components"));
    let kept = fields
        .iter()
        .filter(|(key, _)| !["suites", "types", "enabled"].contains(&key.to_ascii_lowercase().as_str()));
    let after = kept.map(|(key, value)| format!("{key}: {value}\n")).collect();
    Some(Source {
        format: Format::Deb822,
        text: Text { before: "Types: deb\n".to_owned(), after },
        uris: words("URIs"),
        suites,
        components,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LINES: &str = "# comment\n\
        deb http://mirror.test/debian bookworm main contrib # note\n\
        deb [ arch=amd64 signed-by=/k.gpg ] http://mirror.test/debian bookworm-updates main\n\
        deb-src http://mirror.test/debian bookworm main\n\
        deb http://other.test/tool stable tool\n";

    const STANZAS: &str = "Types: deb deb-src\n# an older mirror\nURIs: http://mirror.test/debian\n\
        Suites: bookworm bookworm-updates\nComponents: main\nSigned-By:\n -----BEGIN\n .\n -----END\n\n\
        Types: deb\nURIs: http://mirror.test/security\nSuites: bookworm-security\nComponents: main\n\n\
        Enabled: no\nTypes: deb\nURIs: http://off.test/\nSuites: bookworm\nComponents: main\n";

    #[test]
    fn one_line_for_own_and_for_another_suite() {
        let sources = parse_one_line(LINES);
        assert_eq!(sources.len(), 3);
        let own: String = for_own(&sources, "bookworm").into_iter().map(|file| file.text).collect();
        assert_eq!(
            own,
            "deb http://mirror.test/debian bookworm main contrib\n\
             deb [arch=amd64 signed-by=/k.gpg] http://mirror.test/debian bookworm-updates main\n"
        );
        let sid = for_suite(&sources, "bookworm", "sid");
        assert_eq!(sid.len(), 1);
        assert_eq!(sid[0].text, "deb http://mirror.test/debian sid main contrib\n");
        assert_eq!(sid[0].ending, "list");
    }

    #[test]
    fn deb822_for_own_and_for_another_suite() {
        let sources = parse_deb822(STANZAS);
        assert_eq!(sources.len(), 2);
        let own = for_own(&sources, "bookworm");
        assert_eq!(own.len(), 2);
        assert_eq!(
            own[0].text,
            "Types: deb\nSuites: bookworm bookworm-updates\nURIs: http://mirror.test/debian\n\
             Components: main\nSigned-By: \n -----BEGIN\n .\n -----END\n"
        );
        let trixie = for_suite(&sources, "bookworm", "trixie");
        assert_eq!(trixie.len(), 1);
        assert!(trixie[0].text.contains("Suites: trixie\n") && trixie[0].text.contains("mirror.test/debian"));
        assert_eq!(trixie[0].ending, "sources");
    }

    #[test]
    fn the_main_archive_is_that_of_the_own_suite() {
        for sources in [parse_one_line(LINES), parse_deb822(STANZAS)] {
            assert_eq!(main_archive(&sources, "bookworm").as_deref(), Some("http://mirror.test/debian"));
            assert_eq!(main_archive(&sources, "trixie"), None);
        }
    }

    #[test]
    fn a_machine_without_a_main_archive_offers_nothing() {
        assert!(for_suite(&parse_one_line("deb http://x.test/ y tool"), "bookworm", "sid").is_empty());
    }

    proptest! {
        #[test]
        fn never_panics(text in "(deb|deb-src|Types|Suites|:| |\\[|\\]|#|\n|[a-z/.]|é){0,80}") {
            for sources in [parse_one_line(&text), parse_deb822(&text)] {
                let _ = for_own(&sources, "a");
                let _ = for_suite(&sources, "a", "b");
            }
        }
    }

    #[test]
    fn lines_that_are_no_binary_archive_are_passed_over() {
        for line in [
            "# deb http://x.test/debian bookworm main",
            "deb-src http://x.test/debian bookworm main",
            "debian http://x.test bookworm main",
            "deb",
            "deb [arch=amd64",
            "",
        ] {
            assert!(parse_one_line(line).is_empty(), "{line:?}");
        }
        let tabs = parse_one_line("deb\thttp://x.test/debian\tbookworm\tmain # ours");
        assert_eq!(for_own(&tabs, "bookworm")[0].text, "deb http://x.test/debian bookworm main\n");
    }

    #[test]
    fn updates_and_security_are_of_the_own_suite_and_no_archive_for_another() {
        let text = "deb http://x.test/debian bookworm main\n\
                    deb http://x.test/debian-security bookworm-security main\n\
                    deb http://x.test/tool trixie main\n";
        let sources = parse_one_line(text);
        let own: Vec<String> = for_own(&sources, "bookworm").into_iter().map(|file| file.text).collect();
        assert_eq!(own.len(), 2);
        let sid: Vec<String> =
            for_suite(&sources, "bookworm", "sid").into_iter().map(|file| file.text).collect();
        assert_eq!(sid, ["deb http://x.test/debian sid main\n"]);
    }

    #[test]
    fn an_archive_that_is_named_twice_is_asked_once() {
        let twice = "deb http://x.test/debian bookworm main\ndeb http://x.test/debian bookworm main\n";
        assert_eq!(for_suite(&parse_one_line(twice), "bookworm", "trixie").len(), 1);
    }

    #[test]
    fn a_suite_that_the_machine_lists_itself_is_used_as_it_is_listed() {
        let both = "deb http://a.test/debian bookworm main\ndeb http://b.test/debian trixie main\n";
        let texts: Vec<String> = for_suite(&parse_one_line(both), "bookworm", "trixie")
            .into_iter()
            .map(|file| file.text)
            .collect();
        assert_eq!(
            texts,
            ["deb http://a.test/debian trixie main\n", "deb http://b.test/debian trixie main\n"]
        );
    }
}
