//! What a text of Python waits for: addresses that stand as literals in calls of well-known libraries, and in a loop that
//! such a call ends by its success. Anything else may wait for anything.

use std::collections::BTreeSet;

use crate::place::Place;
use crate::python_lines::{Line, lines};
use crate::python_loops::{Blocks, Way, decides};

/// What was read of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reading {
    pub(crate) asks: Vec<Ask>,
    /// True iff nothing else in it can wait, as far as its words tell.
    pub(crate) whole: bool,
    /// True iff it fails where a call fails, and nowhere else: it handles no exception and has no status of its own.
    pub(crate) fails: bool,
}

/// A call that asks for something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ask {
    pub(crate) place: Place,
    /// The function's name.
    pub(crate) call: String,
    /// From 1.
    pub(crate) line: usize,
    /// True iff it is made again until it succeeds.
    pub(crate) repeated: bool,
    /// True iff it is not repeated without end.
    pub(crate) bounded: bool,
    /// True iff any answer will do, an error's too.
    pub(crate) any_answer: bool,
}

/// Modules of which importing alone does nothing.
const MODULES: [&str; 14] = [
    "contextlib",
    "datetime",
    "http",
    "json",
    "logging",
    "os",
    "random",
    "re",
    "requests",
    "socket",
    "ssl",
    "sys",
    "time",
    "urllib",
];

/// Functions that wait for nothing but time, and methods of answers.
const HARMLESS: [&str; 40] = [
    "Exception",
    "RuntimeError",
    "SystemExit",
    "TimeoutError",
    "_create_unverified_context",
    "basicConfig",
    "bool",
    "close",
    "create_default_context",
    "debug",
    "decode",
    "endswith",
    "error",
    "exit",
    "flush",
    "format",
    "getLogger",
    "getcode",
    "getresponse",
    "info",
    "int",
    "isinstance",
    "json",
    "len",
    "load",
    "loads",
    "lower",
    "monotonic",
    "print",
    "raise_for_status",
    "range",
    "read",
    "setdefaulttimeout",
    "settimeout",
    "sleep",
    "socket",
    "startswith",
    "str",
    "strip",
    "time",
];

/// Functions that ask for something, and that are no names of anything else.
const ASKING: [&str; 5] = ["HTTPConnection", "HTTPSConnection", "connect_ex", "create_connection", "urlopen"];

/// Words that look like the name of a function where a bracket follows them.
const KEYWORDS: [&str; 14] = [
    "and", "assert", "await", "del", "elif", "except", "for", "if", "in", "is", "not", "or", "return",
    "while",
];

/// What a text says that looks at an answer's status.
const OF_STATUS: [&str; 6] = ["code", "getcode", "ok", "raise_for_status", "status", "status_code"];

/// What a call is.
enum Called {
    Asks(Place),
    Harmless,
    Unknown,
}

/// The most calls whose loops are looked at.
const ASKS_LIMIT: usize = 64;

/// Reads a text. Never fails: what is not understood leaves it not whole.
pub(crate) fn read(text: &str) -> Reading {
    let (lines, closed) = lines(text);
    let blocks = Blocks::new(&lines);
    let path = requested(&lines);
    let looks_at_status = lines.iter().any(|line| line.names().any(|name| OF_STATUS.contains(&name)));
    let mut reading = Reading {
        asks: Vec::new(),
        whole: closed
            && lines.iter().all(|line| imports_known(line) && hands_on_nothing(line, blocks.functions())),
        fails: !lines.iter().any(decides),
    };
    let requests: Vec<usize> = (0..lines.len()).filter(|at| requests(&lines[*at])).collect();
    for (number, line) in lines.iter().enumerate() {
        for call in calls(line) {
            // Their failure is an exception, whatever the answer would be.
            let raises = matches!(call.name, "connect" | "create_connection" | "urlopen");
            // What is made once may be asked again and again.
            let is_connection = matches!(call.name, "HTTPConnection" | "HTTPSConnection");
            let is_apart = |at: &usize| !blocks.is_repeated_with(number, *at);
            reading.whole &= !is_connection || !requests.iter().any(is_apart);
            match called(line, &call, blocks.functions(), path) {
                // A name that is no longer what it is elsewhere.
                Called::Harmless if call.of.is_empty() && lines.iter().any(|line| binds(line, call.name)) => {
                    reading.whole = false;
                }
                Called::Harmless => {}
                Called::Unknown => reading.whole = false,
                Called::Asks(_) if reading.asks.len() == ASKS_LIMIT => reading.whole = false,
                Called::Asks(place) => {
                    let (repeated, bounded) = match blocks.way(number) {
                        Way::Success { bounded } => (true, bounded),
                        Way::Once => (false, true),
                        Way::Unclear => {
                            reading.whole = false;
                            continue;
                        }
                    };
                    let any_answer = !raises && !looks_at_status;
                    let (call, line) = (call.name.to_owned(), line.parts[call.open].1);
                    reading.asks.push(Ask { place, call, line, repeated, bounded, any_answer });
                }
            }
        }
    }
    reading
}

/// A call on a line.
struct Call<'a> {
    name: &'a str,
    /// What stands in front of the name's dot; empty for none.
    of: &'a str,
    /// Where its bracket opens.
    open: usize,
}

fn calls(line: &Line) -> impl Iterator<Item = Call<'_>> {
    let defined = usize::from(line.name(0) == Some("async"));
    (1..line.parts.len()).filter_map(move |open| {
        if !line.is_mark(open, '(') {
            return None;
        }
        // What another call returns is called, or a part of something.
        if line.is_mark(open - 1, ')') || line.is_mark(open - 1, ']') {
            return Some(Call { name: "", of: "", open });
        }
        let name = line.name(open - 1).filter(|name| !KEYWORDS.contains(name))?;
        let is_definition = open == defined + 2 && matches!(line.keyword(), "class" | "def");
        let of = match open.checked_sub(3).filter(|_| line.is_mark(open - 2, '.')) {
            Some(at) => line.name(at).unwrap_or("()"),
            None => "",
        };
        (!is_definition).then_some(Call { name, of, open })
    })
}

fn called(line: &Line, call: &Call<'_>, own: &BTreeSet<&str>, path: Option<&str>) -> Called {
    let first = call.open + 1;
    let asks = |place: Option<Place>| place.map_or(Called::Unknown, Called::Asks);
    match call.name {
        "urlopen" => {
            let inner = line.name(first) == Some("Request") || line.name(first + 4) == Some("Request");
            let request = (first..first + 6).find(|at| inner && line.is_mark(*at, '('));
            asks(url(line, request.map_or(first, |open| open + 1)))
        }
        "Request" if url(line, first).is_some() => Called::Harmless,
        "get" | "head" | "post" | "put" => match url(line, first) {
            // A value of a dictionary.
            None if is_key(line, first) && !matches!(call.of, "" | "requests") => Called::Harmless,
            place => asks(place),
        },
        "connect" | "connect_ex" | "create_connection" => asks(address(line, first)),
        "HTTPConnection" | "HTTPSConnection" => asks(connection(line, call, path)),
        "request" => {
            // Of a connection, which is asked for where it is made.
            let is_path = argument(line, first + 2).is_some_and(|path| path.starts_with('/'));
            match url(line, first + 2) {
                None if is_path && is_key(line, first) && !matches!(call.of, "" | "requests") => {
                    Called::Harmless
                }
                place => asks(place),
            }
        }
        name if HARMLESS.contains(&name) || own.contains(name) => Called::Harmless,
        _ => Called::Unknown,
    }
}

/// A text that is an argument of its own, and no part of one.
fn argument(line: &Line, at: usize) -> Option<&str> {
    let ends = line.is_mark(at + 1, ',') || line.is_mark(at + 1, ')');
    // What a shell would fill in is not known.
    line.text(at).filter(|text| ends && !text.contains(['$', '{', '%']))
}

/// True iff it is an argument that is no address.
fn is_key(line: &Line, at: usize) -> bool {
    argument(line, at).is_some_and(|text| !text.contains("://"))
}

fn url(line: &Line, at: usize) -> Option<Place> {
    let text = argument(line, at)?;
    (text.starts_with("http://") || text.starts_with("https://")).then(|| text.parse().ok())?
}

/// `("HOST", PORT)`.
fn address(line: &Line, at: usize) -> Option<Place> {
    let host = argument(line, at + 1).filter(|_| line.is_mark(at, '('))?;
    let port = line.name(at + 3).filter(|_| line.is_mark(at + 2, ',') && line.is_mark(at + 4, ')'))?;
    format!("tcp://{host}:{port}").parse().ok()
}

/// `"HOST"`, `"HOST:PORT"`, `"HOST", PORT` or `"HOST", port=PORT`, and what is requested of it.
fn connection(line: &Line, call: &Call<'_>, path: Option<&str>) -> Option<Place> {
    let first = call.open + 1;
    let host = argument(line, first)?;
    let at = if line.name(first + 2) == Some("port") { first + 4 } else { first + 2 };
    let given = line.name(at).filter(|_| line.is_mark(first + 1, ',') && !line.is_mark(at + 1, '='));
    let port = match given {
        Some(port) => format!(":{}", port.parse::<u16>().ok()?),
        None => String::new(),
    };
    let scheme = if call.name == "HTTPSConnection" { "https" } else { "http" };
    format!("{scheme}://{host}{port}{}", path.unwrap_or("/")).parse().ok()
}

/// True iff something is asked of a connection on the line.
fn requests(line: &Line) -> bool {
    calls(line).any(|call| matches!(call.name, "getresponse" | "request"))
}

/// True iff the line gives a meaning to a name: by `NAME =`, `for NAME`, `as NAME` or as what a function is given.
fn binds(line: &Line, name: &str) -> bool {
    let takes = line.has("def") || line.has("lambda");
    (0..line.parts.len()).filter(|at| line.name(*at) == Some(name)).any(|at| {
        let is_part = at.checked_sub(1).is_some_and(|before| line.is_mark(before, '.'));
        let is_set = (line.is_mark(at + 1, '=') && !line.is_mark(at + 2, '='))
            || (line.is_mark(at + 1, ':') && line.is_mark(at + 2, '='));
        let follows = at.checked_sub(1).is_some_and(|before| {
            matches!(line.name(before), Some("as" | "for" | "lambda"))
                || (takes && ['(', ',', '*'].iter().any(|mark| line.is_mark(before, *mark)))
        });
        !is_part && (is_set || follows)
    })
}

/// False iff the line hands on a function instead of calling it: who calls it then, and how often, is not known.
fn hands_on_nothing(line: &Line, own: &BTreeSet<&str>) -> bool {
    let is_function = |at: &usize| {
        let name = line.name(*at).unwrap_or_default();
        own.contains(name) || ASKING.contains(&name)
    };
    let mut functions = (0..line.parts.len()).filter(is_function);
    line.is_import() || functions.all(|at| line.is_mark(at + 1, '('))
}

/// The path of `request("GET", PATH)`.
fn requested(lines: &[Line]) -> Option<&str> {
    lines.iter().find_map(|line| {
        let call = calls(line).find(|call| call.name == "request")?;
        argument(line, call.open + 3).filter(|path| path.starts_with('/'))
    })
}

fn imports_known(line: &Line) -> bool {
    // Under another name it is not known again.
    if line.is_import() && line.has("as") {
        return false;
    }
    let known = |name: Option<&str>| name.is_some_and(|name| MODULES.contains(&name));
    match line.name(0) {
        Some("from") => known(line.name(1)) && !(0..line.parts.len()).any(|at| line.is_mark(at, '*')),
        Some("import") => {
            known(line.name(1))
                && (2..line.parts.len()).all(|at| !line.is_mark(at, ',') || known(line.name(at + 1)))
        }
        _ => !line.has("import"),
    }
}

#[cfg(test)]
mod tests;
