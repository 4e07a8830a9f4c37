//! Every command that a command line or a script runs, those in the text of a `sh -c` too.

use std::time::Duration;

use crate::evidence::Evidence;
use crate::place::Place;
use crate::python;
use crate::script::{Language, Script};
use crate::shell::{self, DEPTH_LIMIT};
use crate::simple::{self, Again, Simple};
use crate::variables::{Variables, positional};
use crate::wrapper::{Python, python, shell_text, unwrapped};

/// One command.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    /// Its words without what only runs it, such as `timeout 60`.
    pub(crate) words: Vec<String>,
    pub(crate) simple: Simple,
    /// Where it stands, without its arguments.
    pub(crate) evidence: Evidence,
    /// After this time it is ended.
    pub(crate) limit: Option<Duration>,
    /// The folder that it runs in, where that is known.
    pub(crate) folder: Option<String>,
}

/// What a text of Python waits for.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) place: Place,
    pub(crate) evidence: Evidence,
    /// After this time it is ended.
    pub(crate) limit: Option<Duration>,
    pub(crate) bounded: bool,
    pub(crate) any_answer: bool,
}

/// All of them, and what is known once they have run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Runs {
    pub(crate) list: Vec<Run>,
    pub(crate) asked: Vec<Asked>,
    pub(crate) variables: Variables,
    /// Where texts stand that were taken in part for something that they are not.
    pub(crate) unclear: Vec<Evidence>,
}

/// Of a command line of a unit. Of `systemd.service(5)`, "Command lines", `$$` is undone; the rest is as in a shell, so far
/// as it matters here.
pub(crate) fn of_line(line: &str, evidence: &Evidence, known: &Variables, folder: Option<&str>) -> Runs {
    let mut walk = Walk::new(At::Line(evidence), known, folder);
    walk.text(&line.replace("$$", "$"), Again::No, None, DEPTH_LIMIT);
    walk.runs
}

/// Of a script that a unit runs, by this command.
pub(crate) fn of_script(script: &Script, known: &Variables, folder: Option<&str>, by: Option<&Run>) -> Runs {
    let mut walk = Walk::new(At::Script(script), known, folder);
    let (again, bounded) = by.map_or((Again::No, true), |run| (run.simple.again, run.simple.bounded));
    let limit = by.and_then(|run| run.limit);
    match script.language {
        Language::Shell => walk.text(&script.text, again, limit, DEPTH_LIMIT),
        Language::Python => {
            walk.python(&script.text, again, bounded, limit, |ask| Evidence {
                source: script.path.clone(),
                line: Some(ask.line),
                text: ask.call.clone(),
            });
        }
    }
    walk.runs
}

#[derive(Clone, Copy)]
enum At<'a> {
    /// All of the text is on one line.
    Line(&'a Evidence),
    Script(&'a Script),
}

struct Walk<'a> {
    at: At<'a>,
    folder: Option<String>,
    runs: Runs,
}

impl<'a> Walk<'a> {
    fn new(at: At<'a>, known: &Variables, folder: Option<&str>) -> Self {
        let runs = Runs { variables: known.clone(), ..Runs::default() };
        Self { at, folder: folder.map(str::to_owned), runs }
    }

    fn text(&mut self, text: &str, outer: Again, given: Option<Duration>, depth: usize) {
        let read = shell::read(text, &self.runs.variables);
        self.runs.variables = read.variables;
        if !read.whole {
            self.runs.unclear.push(self.all());
        }
        let single = read.commands.len() == 1;
        for mut simple in read.commands {
            simple.again = simple.again.max(outer.inside(single && !simple.is_test(), simple.negated));
            let (words, own) = unwrapped(&simple.words);
            // Of what is repeated it is each try that has this time.
            let own = own.filter(|_| simple.again == Again::No);
            let limit = given.into_iter().chain(own).min();
            let evidence = self.evidence(words, &simple);
            if let Some(inner) = Inner::of(words, &simple).filter(|_| depth != 0) {
                self.inner(&inner, simple.again, &evidence, limit, depth - 1);
                continue;
            }
            let own = |_: &python::Ask| evidence.clone();
            let python = text_of_python(words, &simple);
            let read =
                python.is_some_and(|text| self.python(&text, simple.again, simple.bounded, limit, own));
            if !read {
                self.run(words.to_vec(), simple, evidence, limit);
            }
        }
    }

    /// A script in a script, which is on the line of the command that holds it.
    fn inner(
        &mut self,
        inner: &Inner<'_>,
        again: Again,
        evidence: &Evidence,
        limit: Option<Duration>,
        depth: usize,
    ) {
        let mut known = self.runs.variables.clone();
        if let Some(arguments) = inner.arguments {
            known.retain(|name, _| !name.starts_with(|c: char| c.is_ascii_digit()));
            known.extend(positional(arguments));
        }
        let mut walk = Walk::new(At::Line(evidence), &known, self.folder.as_deref());
        walk.text(&inner.text, again, limit, depth);
        // What a variable is filled in with may be a secret.
        let hidden = walk.runs.list.iter_mut().filter(|_| inner.filled);
        hidden.for_each(|run| run.simple.written.fill("$".to_owned()));
        if !inner.whole {
            self.runs.unclear.push(evidence.clone());
        }
        self.runs.list.append(&mut walk.runs.list);
        self.runs.asked.append(&mut walk.runs.asked);
        self.runs.unclear.append(&mut walk.runs.unclear);
    }

    /// Takes what a text of Python waits for; true iff it can wait for nothing else.
    fn python(
        &mut self,
        text: &str,
        again: Again,
        bounded: bool,
        limit: Option<Duration>,
        evidence: impl Fn(&python::Ask) -> Evidence,
    ) -> bool {
        let reading = python::read(text);
        let again = again.inside(reading.fails, false).is_wait();
        let waits = reading.asks.into_iter().filter(|ask| ask.repeated || again);
        let asked = waits.map(|ask| Asked {
            evidence: evidence(&ask),
            limit,
            bounded: if ask.repeated { ask.bounded } else { bounded },
            any_answer: ask.any_answer,
            place: ask.place,
        });
        self.runs.asked.extend(asked);
        reading.whole
    }

    /// Where all of the text stands.
    fn all(&self) -> Evidence {
        match self.at {
            At::Line(evidence) => evidence.clone(),
            At::Script(script) => {
                Evidence { source: script.path.clone(), line: None, text: "the script".to_owned() }
            }
        }
    }

    fn run(&mut self, words: Vec<String>, simple: Simple, evidence: Evidence, limit: Option<Duration>) {
        if words.first().is_some_and(|word| word == "cd") {
            self.folder = words.get(1).and_then(|to| joined(self.folder.as_deref(), to));
        }
        self.runs.list.push(Run { words, simple, evidence, limit, folder: self.folder.clone() });
    }

    fn evidence(&self, words: &[String], simple: &Simple) -> Evidence {
        match self.at {
            At::Line(evidence) => evidence.clone(),
            At::Script(script) => Evidence {
                source: script.path.clone(),
                line: Some(simple.line),
                text: match words.len().checked_sub(1) {
                    Some(rest) => simple::program(simple.shown(rest)).to_owned(),
                    None => "redirection".to_owned(),
                },
            },
        }
    }
}

/// The text that Python is given, where all of it is known.
fn text_of_python(words: &[String], simple: &Simple) -> Option<String> {
    match python(words)? {
        Python::File(..) => None,
        Python::Input => simple.document.clone(),
        Python::Text(text) => {
            let at = words.iter().position(|word| std::ptr::eq(word.as_str(), text))?;
            (!simple.is_computed(words.len() - 1 - at)).then(|| text.to_owned())
        }
    }
}

/// The text that a command gives to a shell.
struct Inner<'a> {
    text: String,
    /// False iff part of the text is what a command prints.
    whole: bool,
    /// True iff a variable was filled in.
    filled: bool,
    /// What the shell is given besides, if it is another one.
    arguments: Option<&'a [String]>,
}

impl<'a> Inner<'a> {
    fn of(words: &'a [String], simple: &Simple) -> Option<Self> {
        let rest = |at: usize| words.len() - 1 - at;
        let filled = |at: usize| simple.written.iter().rev().nth(rest(at)) != words.get(at);
        let whole = |at: usize| !simple.is_computed(rest(at));
        match words.first()?.as_str() {
            "eval" => {
                let mut all = 1..words.len();
                let is_known = all.clone().all(|at| simple.is_known(rest(at)));
                let text = words[1..].join(" ");
                is_known.then(|| Self { text, whole: true, filled: all.any(filled), arguments: None })
            }
            "trap" => {
                let text = words.get(1).filter(|text| !text.starts_with('-'))?.clone();
                Some(Self { text, whole: whole(1), filled: filled(1), arguments: None })
            }
            _ => {
                let text = shell_text(words)?;
                let at = words.iter().position(|word| std::ptr::eq(word.as_str(), text))?;
                let arguments = words.get(at + 2..).unwrap_or_default();
                Some(Self {
                    text: text.to_owned(),
                    whole: whole(at),
                    filled: filled(at),
                    arguments: Some(arguments),
                })
            }
        }
    }
}

/// An absolute path; `None` for a relative one in a folder that is not known, and where a variable is not known.
pub(crate) fn joined(folder: Option<&str>, path: &str) -> Option<String> {
    if path.is_empty() || path.contains('$') {
        return None;
    }
    if path.starts_with('/') {
        return Some(path.to_owned());
    }
    let path = path.strip_prefix("./").unwrap_or(path);
    Some(format!("{}/{path}", folder?.trim_end_matches('/')))
}
