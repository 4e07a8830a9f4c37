//! What a single command of a shell waits for.

use std::time::Duration;

use crate::name::UnitName;
use crate::options::{has, value};
use crate::place::Place;
use crate::simple::{Again, Simple, is_network, is_test, program};
use crate::systemctl::{self, Call};
use crate::wrapper::span;

/// How long `wait-for-it` and `wait-for` wait where nothing else is said (their own help).
const WAIT_FOR_IT_DEFAULT: Duration = Duration::from_secs(15);

/// What a command waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Probe {
    pub(crate) place: Place,
    /// After this time it gives up.
    pub(crate) limit: Option<Duration>,
    /// True iff it starts the unit that it waits for.
    pub(crate) starts: bool,
    /// True iff any answer will do, an error's too.
    pub(crate) any_answer: bool,
}

impl Probe {
    fn of(place: Place) -> Self {
        Self { place, limit: None, starts: false, any_answer: false }
    }
}

/// Everything that the command waits for: by itself, or because it is repeated until it succeeds, or until it fails on what
/// a unit may hold on to that has begun.
pub(crate) fn probes(words: &[String], simple: &Simple) -> Vec<Probe> {
    let repeated = simple.again.is_wait();
    let mut found: Vec<Probe> =
        simple.targets.iter().filter(|_| repeated).filter_map(|target| device(target)).collect();
    let Some((first, rest)) = words.split_first() else { return found };
    let name = program(first);
    let by_itself = waits_by_itself(name, rest);
    match name {
        "systemctl" => found.extend(of_systemctl(rest, repeated)),
        "curl" if repeated || by_itself => found.extend(of_curl(rest, simple.is_read)),
        "wget" if repeated || by_itself => found.extend(urls(rest).map(Probe::of)),
        _ if repeated && is_network(name) => found.extend(of_nc(rest)),
        "wait-for" | "wait-for-it" | "wait-for-it.sh" | "wait-for.sh" => found.extend(of_wait_for_it(rest)),
        _ if repeated && is_test(name) => found.extend(of_test(rest)),
        "docker" if repeated && asks_engine(rest, simple) => found.extend(ENGINE.parse().ok().map(Probe::of)),
        "docker" | "docker-compose" => found.extend(of_docker(name, rest)),
        _ if repeated && READERS.contains(&name) => found.extend(of_reader(rest)),
        _ => {}
    }
    // A lock that is there is given up by nobody who waits for this unit.
    let gone = simple.again == Again::UntilItFails && may_be_held(name, rest);
    let asked = if is_test(name) { "test" } else { program(simple.shown(rest.len())) };
    found.extend(gone.then(|| command(&[asked])).flatten());
    // Such as `curl "$URL"`, where the text does not set the URL: a wait, and nothing says for what.
    let asks = repeated && !QUIET.contains(&name) && !READERS.contains(&name);
    let unknown = found.is_empty() && (asks || by_itself);
    // Its arguments may hold a secret.
    found.extend(unknown.then(|| command(&[program(simple.shown(rest.len()))])).flatten());
    found
}

/// True iff what the command asks for may be there before the unit that ends it has started: anything but an address, or a
/// unit that is active.
fn may_be_held(name: &str, words: &[String]) -> bool {
    let verb = words.iter().find(|word| !word.starts_with('-'));
    let asks_unit = name == "systemctl" && verb.is_some_and(|verb| verb == "is-active");
    if is_network(name) || asks_unit {
        return false;
    }
    match name {
        _ if is_test(name) => of_test(words).is_some(),
        _ if READERS.contains(&name) => of_reader(words).next().is_some(),
        _ => !QUIET.contains(&name),
    }
}

/// True iff the command is run to wait, in no loop.
fn waits_by_itself(name: &str, words: &[String]) -> bool {
    match name {
        "curl" => has(words, "--retry") && retries_refused(words),
        "wget" => has(words, "--retry-connrefused"),
        "dockerize" | "inotifywait" | "wait-for" | "wait-for-it" | "wait-for-it.sh" | "wait-for.sh"
        | "wait-on" | "wait4x" => true,
        _ => false,
    }
}

/// Commands that read files: whether they succeed depends on who writes these.
const READERS: [&str; 9] = ["awk", "cat", "egrep", "fgrep", "grep", "head", "jq", "sed", "tail"];

/// The files that are read. Those of the kernel are written by no unit.
fn of_reader(words: &[String]) -> impl Iterator<Item = Probe> {
    let of_kernel = |word: &str| ["/dev/", "/proc/", "/sys/"].iter().any(|folder| word.starts_with(folder));
    let files = words.iter().skip_while(|word| word.starts_with('-'));
    let files = files.filter(move |word| word.starts_with('/') && !of_kernel(word));
    files.filter_map(|word| word.parse().ok()).map(Probe::of)
}

/// Commands whose success says nothing about another unit.
const QUIET: &[&str] = &[
    "((", ".", ":", "[", "[[", "alias", "basename", "break", "case", "cd", "chgrp", "chmod", "chown",
    "continue", "cp", "cut", "date", "declare", "dirname", "echo", "eval", "exec", "exit", "export", "expr",
    "false", "getopts", "hash", "id", "install", "kill", "let", "ln", "local", "logger", "mapfile", "mkdir",
    "mktemp", "mv", "printf", "pwd", "read", "readonly", "return", "rm", "rmdir", "seq", "set", "shift",
    "shopt", "sleep", "sort", "source", "sync", "tee", "test", "touch", "tr", "trap", "true", "type",
    "typeset", "ulimit", "umask", "uname", "uniq", "unset", "usleep", "wait", "wc",
];

/// Without one of these curl takes a refused connection for final (`curl(1)`, `--retry`).
fn retries_refused(words: &[String]) -> bool {
    has(words, "--retry-all-errors") || has(words, "--retry-connrefused")
}

fn urls(words: &[String]) -> impl Iterator<Item = Place> {
    let urls = words.iter().filter(|word| word.starts_with("http://") || word.starts_with("https://"));
    urls.filter_map(|word| word.parse().ok())
}

/// Without `--fail` curl succeeds whatever the status is (`curl(1)`); where its output is read, that decides.
fn of_curl(words: &[String], is_read: bool) -> Vec<Probe> {
    let any_answer = !is_read && !words.iter().any(|word| fails(word));
    let socket = value(words, &["--unix-socket", "--abstract-unix-socket"]);
    let places = match socket {
        Some(path) => format!("unix://{path}").parse().ok().into_iter().collect(),
        None => urls(words).collect::<Vec<Place>>(),
    };
    places.into_iter().map(|place| Probe { any_answer, ..Probe::of(place) }).collect()
}

/// True iff the word has `--fail`, or `-f` among its letters before one that takes the rest of the word for its value.
fn fails(word: &str) -> bool {
    if let Some(long) = word.strip_prefix("--") {
        return matches!(long, "fail" | "fail-early" | "fail-with-body");
    }
    let letters = word.strip_prefix('-').unwrap_or_default();
    letters.chars().take_while(|c| !"AbcCdDeEFhHKmoPQrtTuUwxXyYz".contains(*c)).any(|c| c == 'f')
}

/// The last two words that are neither options nor their values are host and port. A socket accepts connections as soon as
/// its file is there.
fn of_nc(words: &[String]) -> Option<Probe> {
    let with_value = ["-i", "-p", "-q", "-s", "-w", "-G", "-X", "-x"];
    let mut plain = Vec::new();
    let mut words_left = words.iter();
    while let Some(word) = words_left.next() {
        if with_value.contains(&word.as_str()) {
            words_left.next();
        } else if !word.starts_with('-') {
            plain.push(word.as_str());
        }
    }
    let unix =
        words.iter().any(|word| word.starts_with('-') && !word.starts_with("--") && word.contains('U'));
    let place = match plain[..] {
        [.., path] if unix => path.to_owned(),
        [host, port] => format!("tcp://{host}:{port}"),
        _ => return None,
    };
    place.parse().ok().map(Probe::of)
}

/// `HOST:PORT`, `-h HOST -p PORT` or `--host=HOST --port=PORT`; what follows `--` runs afterwards.
fn of_wait_for_it(words: &[String]) -> Option<Probe> {
    let end = words.iter().position(|word| word == "--").unwrap_or(words.len());
    let words = &words[..end];
    let options = value(words, &["--host", "-h"]).zip(value(words, &["--port", "-p"]));
    let text = if let Some((host, port)) = options {
        format!("tcp://{host}:{port}")
    } else {
        let word = words.iter().find(|word| !word.starts_with('-') && word.contains(':'))?;
        if word.contains("://") { word.clone() } else { format!("tcp://{word}") }
    };
    let place = text.parse().ok()?;
    let limit = match value(words, &["--timeout", "-t"]) {
        Some(text) => span(text),
        None => Some(WAIT_FOR_IT_DEFAULT),
    };
    Some(Probe { limit, ..Probe::of(place) })
}

fn of_test(words: &[String]) -> Option<Probe> {
    let place = words.windows(2).find_map(|pair| match pair[0].as_str() {
        "-S" | "-d" | "-e" | "-f" | "-p" | "-r" | "-s" if pair[1].starts_with('/') => pair[1].parse().ok(),
        // A relative path, or one that is not known.
        "-S" | "-d" | "-e" | "-f" | "-p" | "-r" | "-s" if pair[1] != "]" => {
            command(&["test"]).map(|c| c.place)
        }
        _ => None,
    });
    place.map(Probe::of)
}

/// `/dev/tcp/HOST/PORT` of bash.
fn device(target: &str) -> Option<Probe> {
    let (host, port) = target.strip_prefix("/dev/tcp/")?.split_once('/')?;
    let place = format!("tcp://{host}:{port}").parse().ok();
    place.map(Probe::of).or_else(|| command(&["redirection"]))
}

fn of_systemctl(words: &[String], repeated: bool) -> Vec<Probe> {
    let asks = repeated || has(words, "--wait");
    match systemctl::call(words) {
        Some(Call::Starts(units)) => {
            let starts = |unit: UnitName| Probe { starts: true, ..Probe::of(Place::Unit(unit)) };
            units.into_iter().map(starts).collect()
        }
        Some(Call::Asks(units)) if asks => {
            units.into_iter().map(|unit| Probe::of(Place::Unit(unit))).collect()
        }
        Some(Call::AsksBoot) if asks => vec![Probe::of(Place::BootFinished)],
        Some(Call::Unclear { starts }) if starts || asks => command(&["systemctl"]).into_iter().collect(),
        _ => Vec::new(),
    }
}

/// The socket that `docker` asks where nothing else is said (docker's documentation, "Daemon socket option").
const ENGINE: &str = "unix:///run/docker.sock";

/// True iff the command succeeds as soon as the engine answers. Where its output is read, more may be asked for.
fn asks_engine(words: &[String], simple: &Simple) -> bool {
    let filtered = words.iter().any(|word| word.starts_with('-') || word.contains("{{"));
    let verbs: Vec<&str> = words.iter().take(2).map(String::as_str).collect();
    let alone = matches!(verbs[..], ["info" | "ps" | "version", ..] | ["system", "info"]);
    alone && !filtered && !simple.is_read
}

/// `docker wait` returns once containers have stopped, `docker compose up --wait` once they are healthy; which they are
/// is in the names of the former and in a file for the latter.
fn of_docker(name: &str, words: &[String]) -> Option<Probe> {
    let plain: Vec<&str> = words.iter().map(String::as_str).filter(|word| !word.starts_with('-')).collect();
    let first = *plain.first()?;
    let compose = name == "docker-compose" || first == "compose";
    let at = plain.iter().position(|word| matches!(*word, "up" | "wait"))?;
    let mut shown = vec!["docker"];
    shown.extend(compose.then_some("compose"));
    match plain[at] {
        "wait" if at == 0 || compose || first == "container" => {
            shown.push("wait");
            shown.extend(plain.get(at + 1));
        }
        "up" if compose && has(words, "--wait") => shown.extend(["up", "--wait"]),
        _ => return None,
    }
    command(&shown)
}

fn command(words: &[&str]) -> Option<Probe> {
    format!("command:{}", words.join(" ")).parse().ok().map(Probe::of)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wrapper::unwrapped;

    fn found(text: &str, again: Again) -> Vec<String> {
        let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        let simple = Simple {
            words: words.clone(),
            written: words.clone(),
            targets: Vec::new(),
            document: None,
            line: 1,
            again,
            negated: false,
            is_read: false,
            bounded: true,
        };
        let (words, limit) = unwrapped(&words);
        let shown = probes(words, &simple).into_iter().map(|probe| {
            let limit = limit.or(probe.limit).map(|limit| format!(" {}s", limit.as_secs()));
            format!(
                "{}{}{}",
                if probe.starts { "start " } else { "" },
                probe.place,
                limit.unwrap_or_default()
            )
        });
        shown.collect()
    }

    #[test]
    fn what_is_repeated_until_it_succeeds_is_waited_for() {
        for (text, place) in [
            ("curl -fsS --max-time 5 -o /dev/null https://h.example/x?t=s3cret", "https://h.example/x"),
            ("curl -f --unix-socket /run/docker.sock http://localhost/_ping", "unix:///run/docker.sock"),
            ("wget -qO- http://h:81/", "http://h:81/"),
            ("nc -z -w 2 db 5432", "tcp://db:5432"),
            ("nc -zU /run/x.sock", "/run/x.sock"),
            ("test -e /run/ready", "/run/ready"),
            ("[ -S /run/x.sock ]", "/run/x.sock"),
            ("[[ -f /run/ready ]]", "/run/ready"),
            ("systemctl is-active --quiet docker", "docker.service"),
            ("systemctl is-system-running", "boot:finished"),
            ("curl -fs $URL", "command:curl"),
            ("$CHECK x", "command:a command"),
            ("test -e relative", "command:test"),
            ("[ -f $READY ]", "command:test"),
            ("grep -q ok /run/state", "/run/state"),
            ("systemctl status a", "a.service"),
            ("systemctl list-jobs", "command:systemctl"),
            ("pgrep dockerd", "command:pgrep"),
            ("docker info", "unix:///run/docker.sock"),
            ("docker info --format {{.Swarm}}", "command:docker"),
            ("timeout 5 /usr/bin/pg_isready --password s3cret", "command:pg_isready 5s"),
        ] {
            assert_eq!(found(text, Again::UntilItSucceeds), [place], "{text}");
        }
        for text in ["[ -n x ]", "grep -q x", "grep -q x /proc/mounts", "sleep 1", "shift", "((", "exit 1"] {
            assert_eq!(found(text, Again::UntilItSucceeds), Vec::<String>::new(), "{text}");
            assert_eq!(found(text, Again::Polled), Vec::<String>::new(), "{text}");
        }
        for text in ["pg_isready -h db", "docker inspect -f {{.State.Health.Status}} x"] {
            assert_eq!(found(text, Again::Polled).len(), 1, "{text}");
        }
    }

    #[test]
    fn what_may_be_held_by_a_unit_that_has_begun_is_a_command_that_has_to_end() {
        for (text, place) in [
            ("[ -e /run/migrate.lock ]", "command:test"),
            ("test ! -e relative", "command:test"),
            ("pgrep -x apt", "command:pgrep"),
            ("/usr/bin/fuser /var/lib/dpkg/lock", "command:fuser"),
            ("systemctl list-jobs", "command:systemctl"),
            ("grep -q x /run/state", "command:grep"),
            ("mytool s3cret", "command:mytool"),
        ] {
            assert_eq!(found(text, Again::UntilItFails), [place], "{text}");
        }
        for text in [
            "curl http://h/",
            "nc -z h 1",
            "systemctl --quiet is-active a",
            "[ $n -lt 3 ]",
            "grep -q x",
            "sleep 1",
            "getopts nrAV opt",
        ] {
            assert_eq!(found(text, Again::UntilItFails), Vec::<String>::new(), "{text}");
        }
    }

    #[test]
    fn curl_takes_any_answer_without_fail() {
        for (word, expected) in [
            ("-fsS", true),
            ("-sf", true),
            ("--fail", true),
            ("-of", false),
            ("-s", false),
            ("--first", false),
        ] {
            assert_eq!(fails(word), expected, "{word}");
        }
    }

    #[test]
    fn some_commands_wait_by_themselves() {
        for (text, place) in [
            ("curl --retry 30 --retry-connrefused http://h/", "http://h/"),
            ("wget --retry-connrefused http://h/", "http://h/"),
            ("/opt/wait-for-it.sh db:5432 -t 30 -- run x:1", "tcp://db:5432 30s"),
            ("wait-for-it -h db -p 5432", "tcp://db:5432 15s"),
            ("wait-for-it --host=db --port=5432 --timeout=0", "tcp://db:5432"),
            ("wait-for-it $DB:5432", "command:wait-for-it"),
            ("wait-for-it tcp://u:s3cret@db:5432", "command:wait-for-it"),
            ("curl --retry 60 --retry-connrefused -fsS $URL", "command:curl"),
            ("dockerize -wait tcp://db:5432", "command:dockerize"),
            ("systemctl start $UNIT", "command:systemctl"),
            ("systemctl start a", "start a.service"),
            ("systemctl is-system-running --wait", "boot:finished"),
            ("systemctl is-active --wait a", "a.service"),
            ("docker wait migrate", "command:docker wait migrate"),
            ("docker-compose wait db", "command:docker compose wait db"),
            ("docker compose -f x.yml up -d --wait", "command:docker compose up --wait"),
            ("env A=1 timeout -k 5 60 systemctl start a", "start a.service 60s"),
        ] {
            assert_eq!(found(text, Again::No), [place], "{text}");
        }
        for text in [
            "curl http://h/",
            "curl --retry 3 http://h/",
            "wget http://h/",
            "nc -z h 1",
            "test -e /x",
            "systemctl is-active a",
            "docker run x wait",
            "mytool",
        ] {
            assert_eq!(found(text, Again::No), Vec::<String>::new(), "{text}");
        }
    }
}
