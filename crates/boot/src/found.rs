//! Waits that stand in what a unit starts.

use std::time::Duration;

use crate::evidence::Evidence;
use crate::place::Place;
use crate::probe::{self, probes, shell_text, unwrapped};
use crate::shell::{self, Again, DEPTH_LIMIT, Simple};

/// A script that a command runs. It may hold secrets: kept out of JSON, and never printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// The file that was read.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// A wait that a command makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) place: Place,
    /// The command's line, without its arguments.
    pub(crate) evidence: Evidence,
    /// After this time the command gives up.
    pub(crate) limit: Option<Duration>,
    /// True iff the command starts the unit that it waits for.
    pub(crate) starts: bool,
}

/// The waits of a command line of a unit. Of `systemd.service(5)`, "Command lines", `$$` is undone; the rest is as in a
/// shell, so far as it matters here.
pub(crate) fn in_line(line: &str, evidence: &Evidence) -> Vec<Found> {
    let mut search = Search { at: At::Line(evidence), found: Vec::new() };
    search.text(&line.replace("$$", "$"), Again::No, None, DEPTH_LIMIT);
    search.found
}

/// The waits of a script that a unit runs.
pub(crate) fn in_script(script: &Script) -> Vec<Found> {
    let mut search = Search { at: At::Script(script), found: Vec::new() };
    search.text(&script.text, Again::No, None, DEPTH_LIMIT);
    search.found
}

/// The file that a command line runs, if it names one by its absolute path, and whether it is given to a shell.
pub(crate) fn file_of_line(line: &str) -> Option<(String, bool)> {
    let first = shell::commands(line).into_iter().next()?;
    let (words, _) = unwrapped(&first.words);
    probe::file_run(words).map(|(path, given)| (path.to_owned(), given))
}

#[derive(Clone, Copy)]
enum At<'a> {
    /// All of the text is on one line.
    Line(&'a Evidence),
    Script(&'a Script),
}

struct Search<'a> {
    at: At<'a>,
    found: Vec<Found>,
}

impl Search<'_> {
    fn text(&mut self, text: &str, outer: Again, given: Option<Duration>, depth: usize) {
        for mut simple in shell::commands(text) {
            simple.again = simple.again.max(outer);
            let (words, own) = unwrapped(&simple.words);
            // Of what is repeated it is each try that has this time.
            let own = own.filter(|_| simple.again == Again::No);
            let limit = shorter(given, own);
            match shell_text(words).filter(|_| depth != 0) {
                // A script in a script is on the line of the command that holds it.
                Some(inner) => {
                    let evidence = self.evidence(words, &simple);
                    let mut search = Search { at: At::Line(&evidence), found: Vec::new() };
                    search.text(inner, simple.again, limit, depth - 1);
                    self.found.append(&mut search.found);
                }
                None => self.command(words, &simple, limit),
            }
        }
    }

    fn command(&mut self, words: &[String], simple: &Simple, given: Option<Duration>) {
        for found in probes(words, simple) {
            let found = Found {
                place: found.place,
                evidence: self.evidence(words, simple),
                limit: shorter(given, found.limit.filter(|_| simple.again == Again::No)),
                starts: found.starts,
            };
            // A loop that asks twice waits once.
            if !self.found.contains(&found) {
                self.found.push(found);
            }
        }
    }

    fn evidence(&self, words: &[String], simple: &Simple) -> Evidence {
        match self.at {
            At::Line(evidence) => evidence.clone(),
            At::Script(script) => Evidence {
                source: script.path.clone(),
                line: Some(simple.line),
                text: words.first().map_or("redirection", |word| shell::program(word)).to_owned(),
            },
        }
    }
}

fn shorter(one: Option<Duration>, other: Option<Duration>) -> Option<Duration> {
    one.into_iter().chain(other).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(found: &[Found]) -> Vec<String> {
        let limit =
            |found: &Found| found.limit.map(|limit| format!(" {}s", limit.as_secs())).unwrap_or_default();
        found.iter().map(|found| format!("{} {}{}", found.evidence, found.place, limit(found))).collect()
    }

    fn of_line(line: &str) -> Vec<String> {
        let evidence = Evidence { source: "u".to_owned(), line: Some(7), text: "ExecStart=".to_owned() };
        shown(&in_line(line, &evidence))
    }

    #[test]
    fn waits_of_a_command_line_are_found() {
        for (line, expected) in [
            ("/bin/sh -c 'until curl -fs http://h/; do sleep 1; done'", "http://h/"),
            (
                "/usr/bin/timeout 60 bash -euc \"while ! nc -z db 5432; do sleep 1; done\"",
                "tcp://db:5432 60s",
            ),
            ("/bin/bash -c 'until [ \"$$(curl -s http://h/)\" = ok ]; do sleep 1; done'", "http://h/"),
            ("/bin/bash -c 'until (echo > /dev/tcp/db/5432) 2>/dev/null; do sleep 1; done'", "tcp://db:5432"),
            ("/bin/sh -c 'U=http://h; for i in 1 2; do curl $U/x && exit 0; sleep 1; done'", "http://h/x"),
            ("/bin/sh -c 'until timeout 5 curl -fs http://h/; do sleep 1; done'", "http://h/"),
            ("/bin/sh -c 'until sh -c \"test -e /run/x\"; do sleep 1; done'", "/run/x"),
            ("-/usr/local/bin/wait-for-it.sh db:5432 --timeout=30", "tcp://db:5432 30s"),
            ("/bin/systemctl is-system-running --wait", "boot:finished"),
        ] {
            assert_eq!(of_line(line), [format!("ExecStart= (u:7) {expected}")], "{line}");
        }
        for line in
            ["/usr/bin/curl http://h/", "/usr/bin/dockerd -H tcp://h:1", "/bin/sh -c 'echo until; sleep 1'"]
        {
            assert_eq!(of_line(line), Vec::<String>::new(), "{line}");
        }
    }

    #[test]
    fn waits_of_a_script_have_its_line_and_none_of_its_secrets() {
        let text = "#!/bin/sh\nset -eu\nURL=https://h.example/health\n# until curl http://no/\n\
                    deploy --token s3cret\nuntil curl -fsS -H 'Authorization: s3cret' \"$URL?t=s3cret\"\ndo\n  sleep 2\ndone\n\
                    systemctl start late\n";
        let found = in_script(&Script { path: "/opt/x.sh".to_owned(), text: text.to_owned() });
        assert_eq!(
            shown(&found),
            ["curl (/opt/x.sh:6) https://h.example/health", "systemctl (/opt/x.sh:10) late.service"]
        );
        assert_eq!((found[0].starts, found[1].starts), (false, true));
    }

    #[test]
    fn the_file_of_a_command_line_is_found() {
        assert_eq!(file_of_line("-/opt/x.sh a"), Some(("/opt/x.sh".to_owned(), false)));
        assert_eq!(
            file_of_line("/usr/bin/env A=1 /bin/sh -e /opt/x.sh"),
            Some(("/opt/x.sh".to_owned(), true))
        );
        assert_eq!(file_of_line("/bin/sh -c /opt/x.sh"), None);
        assert_eq!(file_of_line(""), None);
    }
}
