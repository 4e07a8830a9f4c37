//! Waits that stand in what a unit starts.

use std::time::Duration;

use crate::evidence::Evidence;
use crate::place::Place;
use crate::probe::probes;
use crate::runs::{Asked, Run, Runs};
use crate::simple::Again;

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
    /// True iff any answer will do, an error's too.
    pub(crate) any_answer: bool,
    /// True iff the command gives up by itself at some time.
    pub(crate) bounded: bool,
}

/// The waits of these commands. A loop that asks twice waits once.
pub(crate) fn waits(runs: &Runs) -> Vec<Found> {
    let mut found = Vec::new();
    for one in runs.list.iter().flat_map(of_run).chain(runs.asked.iter().map(of_python)) {
        if !found.contains(&one) {
            found.push(one);
        }
    }
    found
}

fn of_run(run: &Run) -> impl Iterator<Item = Found> {
    let probes = probes(&run.words, &run.simple).into_iter();
    probes.map(|probe| {
        let own = probe.limit.filter(|_| run.simple.again == Again::No);
        let limit = run.limit.into_iter().chain(own).min();
        Found {
            place: probe.place,
            evidence: run.evidence.clone(),
            limit,
            starts: probe.starts,
            any_answer: probe.any_answer,
            bounded: limit.is_some() || (run.simple.again != Again::No && run.simple.bounded),
        }
    })
}

fn of_python(asked: &Asked) -> Found {
    Found {
        place: asked.place.clone(),
        evidence: asked.evidence.clone(),
        limit: asked.limit,
        starts: false,
        any_answer: asked.any_answer,
        bounded: asked.bounded || asked.limit.is_some(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runs;
    use crate::script::{Language, Script};
    use crate::variables::Variables;

    fn shown(found: &[Found]) -> Vec<String> {
        let limit =
            |found: &Found| found.limit.map(|limit| format!(" {}s", limit.as_secs())).unwrap_or_default();
        found.iter().map(|found| format!("{} {}{}", found.evidence, found.place, limit(found))).collect()
    }

    fn of_line(line: &str) -> Vec<String> {
        let evidence = Evidence { source: "u".to_owned(), line: Some(7), text: "ExecStart=".to_owned() };
        shown(&waits(&runs::of_line(line, &evidence, &Variables::new(), None)))
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
        let [asked, path] = ["/opt/x.sh"; 2].map(str::to_owned);
        let script = Script { asked, path, text: text.to_owned(), language: Language::Shell };
        let found = waits(&runs::of_script(&script, &Variables::new(), None, None));
        assert_eq!(
            shown(&found),
            ["curl (/opt/x.sh:6) https://h.example/health", "systemctl (/opt/x.sh:10) late.service"]
        );
        assert_eq!((found[0].starts, found[1].starts), (false, true));
    }
}
