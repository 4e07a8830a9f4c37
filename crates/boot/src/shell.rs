//! Which commands of a shell's text are repeated until they succeed.
//!
//! It is as much of the grammar as that takes: loops are followed, everything else is a list of commands. A function's
//! body counts where it is called, or where it stands if nothing calls it by its name.

use std::collections::{BTreeMap, BTreeSet};

use crate::functions::{self, Function};
use crate::grammar::Parser;
use crate::loops::Raw;
use crate::simple::{Again, COMPUTED, Simple, is_network, program};
use crate::variables::{VALUE_LIMIT_BYTES, Variables, assignment, filled, positional};
use crate::words::{End, Word};

/// How deep commands in commands are looked into.
pub(crate) const DEPTH_LIMIT: usize = 4;

/// The most calls of functions that are followed: functions that call functions must not grow without end.
const CALLS_LIMIT: usize = 256;

/// What is in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Text {
    /// The commands in their order, those in `$(…)` after the one that holds them.
    pub(crate) commands: Vec<Simple>,
    /// The variables that were known before, and those that the text sets.
    pub(crate) variables: Variables,
    /// False iff part of it was taken for something that it is not.
    pub(crate) whole: bool,
}

/// The commands of a text, with `known` as what variables are before it runs.
pub(crate) fn read(text: &str, known: &Variables) -> Text {
    let mut reader = Reader { variables: known.clone(), whole: true, ..Reader::default() };
    // A function may leave something in the background, and what calls it wait for that.
    let outer = Outer { joins: Parser::parse(text).joins, ..Outer::default() };
    reader.read(text, At::From(1), outer, DEPTH_LIMIT);
    // One that is called by no name that can be seen, as `retry 5 NAME` does, counts all the same.
    let uncalled: Vec<Function> = reader
        .functions
        .iter()
        .filter(|(name, _)| !reader.called.contains(*name))
        .map(|(_, function)| function.clone())
        .collect();
    for function in uncalled {
        reader.positional(&[]);
        reader.read(&function.body, At::From(function.line), outer, DEPTH_LIMIT - 1);
    }
    Text { commands: reader.found, variables: reader.variables, whole: reader.whole }
}

#[derive(Default)]
struct Reader {
    variables: Variables,
    functions: BTreeMap<String, Function>,
    called: BTreeSet<String>,
    calls: usize,
    found: Vec<Simple>,
    whole: bool,
}

/// Where a text stands in the one that is read.
#[derive(Clone, Copy)]
enum At {
    /// It begins on this line.
    From(usize),
    /// All of it is on this line: it is in a word.
    On(usize),
}

impl At {
    fn line(self, line: usize) -> usize {
        match self {
            Self::From(first) => first + line - 1,
            Self::On(all) => all,
        }
    }
}

/// What holds for all of a text because of what runs it.
#[derive(Clone, Copy)]
struct Outer {
    again: Again,
    negated: bool,
    is_read: bool,
    bounded: bool,
    /// True iff the script waits somewhere for what it runs in the background.
    joins: bool,
}

impl Default for Outer {
    fn default() -> Self {
        Self { again: Again::No, negated: false, is_read: false, bounded: true, joins: false }
    }
}

impl Reader {
    fn read(&mut self, text: &str, at: At, outer: Outer, depth: usize) {
        let (text, functions) = functions::split(text);
        let moved = |function: Function| Function { line: at.line(function.line), ..function };
        self.functions.extend(functions.into_iter().map(|(name, function)| (name, moved(function))));
        let mut parser = Parser::parse(&text);
        self.whole &= parser.is_whole();
        self.sleep_in_functions(&mut parser);
        let single = parser.found.len() == 1;
        for mut command in parser.found {
            // What runs in the background delays nothing, unless the text waits for it later.
            if !outer.joins && command.is_in_background(&parser.loops) {
                continue;
            }
            let again = command.again(&parser.loops);
            let own = Outer {
                again: again.max(outer.again.inside(single && !command.is_test(), command.negated)),
                negated: outer.negated != command.negated,
                is_read: outer.is_read || command.piped,
                bounded: outer.bounded && command.bounded(again, &parser.loops),
                joins: outer.joins,
            };
            let line = at.line(command.line());
            let inner: Vec<String> =
                command.words.iter_mut().flat_map(|w| std::mem::take(&mut w.inner)).collect();
            self.add(&command, line, own, depth);
            for text in inner.iter().filter(|_| depth != 0) {
                // Of a command in `$(…)` it is not the success that ends the loop, but what it prints.
                let again = match own.again {
                    Again::No => Again::No,
                    Again::UntilItFails if command.is_test() && is_silent_of_absence(text) => {
                        Again::UntilItFails
                    }
                    _ => Again::Polled,
                };
                self.read(text, At::On(line), Outer { again, is_read: true, ..own }, depth - 1);
            }
        }
    }

    /// A loop that calls a function sleeps if a function does: which one sleeps is not looked at. `f() { a; }; b` stays in the
    /// text, with `f` in front of a bracket that is closed.
    fn sleep_in_functions(&self, parser: &mut Parser) {
        let is_inline = |raw: &&Raw| raw.words.len() == 1 && matches!(raw.then, End::Closed | End::Opened);
        let inline: BTreeSet<&str> = parser.found.iter().filter(is_inline).map(Raw::name).collect();
        let mut bodies = self.functions.values().map(|function| &function.body);
        let sleeps = bodies.any(|body| body.contains("sleep"))
            || (!inline.is_empty() && parser.found.iter().any(|raw| program(raw.name()) == "sleep"));
        if !sleeps {
            return;
        }
        let calls = |raw: &&Raw| self.functions.contains_key(raw.name()) || inline.contains(raw.name());
        for (index, _) in parser.found.iter().filter(calls).flat_map(|raw| &raw.within) {
            parser.loops[*index].sleeps = true;
        }
    }

    fn add(&mut self, command: &Raw, line: usize, outer: Outer, depth: usize) {
        let is_assignment = |word: &&Word| assignment(&word.text).is_some();
        let all = command.words.as_slice();
        let (set, words) = match all.first().map(|word| word.text.as_str()) {
            // They set variables too, behind options and among names, and run nothing.
            Some("declare" | "export" | "local" | "readonly" | "typeset") => (all, &[][..]),
            _ => all.split_at(all.iter().take_while(is_assignment).count()),
        };
        for word in set.iter().filter(|_| words.is_empty()) {
            let Some((name, value)) = assignment(&word.text) else { continue };
            let value = filled(value, &self.variables);
            // What comes out of a command is not known, nor is then what was known before.
            if word.computed || value.is_empty() || value.len() > VALUE_LIMIT_BYTES {
                self.variables.remove(name);
            } else {
                self.variables.insert(name.to_owned(), value);
            }
        }
        if words.is_empty() && command.targets.is_empty() {
            return;
        }
        let written = |word: &Word| if word.computed { COMPUTED.to_owned() } else { word.text.clone() };
        let written: Vec<String> = words.iter().map(written).collect();
        let words: Vec<String> = words.iter().map(|word| filled(&word.text, &self.variables)).collect();
        let targets = command.targets.iter().map(|word| filled(&word.text, &self.variables)).collect();
        let document = command.document.as_ref().filter(|document| !document.computed);
        let document = document.map(|document| {
            let text = document.text.clone();
            if document.quoted { text } else { filled(&text, &self.variables) }
        });
        let call = words.first().and_then(|name| Some((name.clone(), self.functions.get(name)?.clone())));
        if let Some((name, function)) = call.filter(|_| depth != 0 && self.calls < CALLS_LIMIT) {
            self.called.insert(name);
            self.calls += 1;
            let before = self.positional(&words[1..]);
            self.read(&function.body, At::From(function.line), outer, depth - 1);
            self.positional(&before);
            return;
        }
        let Outer { again, negated, is_read, bounded, .. } = outer;
        self.found.push(Simple { words, written, targets, document, line, again, negated, is_read, bounded });
    }

    /// Sets the arguments, and returns those that were set before.
    fn positional(&mut self, arguments: &[String]) -> Vec<String> {
        let before: Vec<String> =
            (1..10).map_while(|number| self.variables.remove(&number.to_string())).collect();
        self.variables.extend(positional(arguments));
        before
    }
}

/// True iff the text is one command of which it is known what it prints where nothing is there: nothing, or that a unit is
/// not active. An error that is printed along is something.
fn is_silent_of_absence(text: &str) -> bool {
    let found = Parser::parse(text).found;
    let [command] = found.as_slice() else { return false };
    let word = |at: usize| command.words.get(at).map_or("", |word| program(&word.text));
    let asks = is_network(word(0)) || (word(0) == "systemctl" && word(1) == "is-active");
    asks && command.targets.iter().all(|target| target.text == "/dev/null")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn commands(text: &str) -> Vec<Simple> {
        read(text, &Variables::new()).commands
    }

    /// The commands that are run again, `*` in front of those whose success ends the loop and `-` of those whose failure does,
    /// with their lines.
    fn again(text: &str) -> Vec<String> {
        let again = commands(text).into_iter().filter(|simple| simple.again != Again::No);
        let shown = again.map(|simple| {
            let mark = match simple.again {
                Again::UntilItFails => "-",
                Again::UntilItSucceeds => "*",
                Again::No | Again::Polled => "",
            };
            format!("{mark}{}:{}", simple.words.join(" "), simple.line)
        });
        shown.filter(|text| !text.starts_with("sleep")).collect()
    }

    #[test]
    fn loops_repeat_what_decides_on_their_end() {
        for (text, expected) in [
            ("until curl -fs http://h/; do sleep 1; done; a", &["*curl -fs http://h/:1"][..]),
            ("while ! nc -z h 1\ndo\n sleep 1\ndone", &["*nc -z h 1:1"]),
            ("while true; do sleep 1; done; curl http://h/", &[]),
            ("while read x; do curl $x; sleep 1; done", &[]),
            ("while false; do sleep 1; done", &[]),
            ("until ! test -e /x; do sleep 1; done", &["-test -e /x:1"]),
            ("until [ ! -e /x ]; do sleep 1; done", &["-[ ! -e /x ]:1"]),
            ("while [ ! -e /x ]; do sleep 1; done", &["*[ ! -e /x ]:1"]),
            ("while nc -z h 1; do sleep 1; done", &["-nc -z h 1:1"]),
            ("while nc -z h 1; do a; done", &["-nc -z h 1:1"]),
            ("while [ $ok -eq 0 ]; do curl h && ok=1; sleep 1; done", &["[ $ok -eq 0 ]:1", "curl h:1"]),
            ("until [ $c = 200 ]; do c=$(curl h); sleep 1; done", &["*[ $c = 200 ]:1", "curl h:1"]),
            ("while [ \"$(curl h)\" = 000 ]; do sleep 1; done", &["*[  = 000 ]:1", "curl h:1"]),
            ("a() { until b; do sleep 1; done & }; a; wait", &["*b:1"]),
            ("while ! a | b; do :; done", &["*a:1", "*b:1"]),
            ("a\nuntil [ \"$(b c)\" = 200 ]; do :; done", &["*[  = 200 ]:2", "b c:2"]),
            ("for i in 1 2; do\n curl h && break\n sleep 1\ndone", &["curl h:2", "break:2"]),
            ("for i in 1 2; do curl h; sleep 1; done", &[]),
            ("while true; do curl h && break; done", &["curl h:1", "break:1"]),
            ("until [ \"$ok\" = 1 ]; do curl h && ok=1; done", &["*[ $ok = 1 ]:1", "curl h:1"]),
            (
                "until [ $ok ]; do for u in a b; do curl $u || { a; sleep 1; }; done; done",
                &["*[ $ok ]:1", "curl $u:1", "a:1"],
            ),
            ("p() { sleep 5; }; for i in 1 2; do curl h && break; p; done", &["curl h:1", "break:1", "p:1"]),
            ("p() { sleep 5; }\nfor i in 1 2; do curl h && break; p; done", &["curl h:2", "break:2"]),
            (
                "for i in 1 2; do curl h && break; busybox sleep 1; done",
                &["curl h:1", "break:1", "busybox sleep 1:1"],
            ),
            ("for i in 1 2; do a $i || exit 1; done", &[]),
            ("while read x; do a $x || exit 1; done", &[]),
            ("for i in 1 2; do curl h && break; done", &[]),
            ("until a; do for x in 1; do b; done; done; done; c", &["*a:1"]),
            ("until a; do sleep 1; done &\nb", &[]),
            ("(until a; do sleep 1; done) >/dev/null 2>&1 &\nb", &[]),
            ("until a; do sleep 1; done &\nb; wait", &["*a:1"]),
            ("until a; do b & done", &["*a:1"]),
        ] {
            assert_eq!(again(text), expected, "{text}");
        }
    }

    #[test]
    fn what_ends_a_loop_by_failing_is_told_from_what_ends_it_by_succeeding() {
        for (text, expected) in [
            ("while ! nc -z h 1; do sleep 1; done", &["*nc -z h 1:1"][..]),
            ("until ! nc -z h 1; do sleep 1; done", &["-nc -z h 1:1"]),
            ("while ! ! a; do sleep 1; done", &["-a:1"]),
            ("while ! (a); do sleep 1; done", &["*a:1"]),
            ("while ! { a && b; } 2>/dev/null; do sleep 1; done", &["*a:1", "*b:1", "-:1"]),
            ("until ! (a || ! b); do sleep 1; done", &["-a:1", "*b:1"]),
            (
                "while a &&
 ! b
do sleep 1; done",
                &["-a:1", "*b:2"],
            ),
            // Only the last list of a condition decides; what stands before it may have left what that looks at.
            ("while a; ! b; do sleep 1; done", &["a:1", "*b:1"]),
            ("while a -o x; [ \"$(b x)\" != ok ]; do sleep 1; done", &["a -o x:1", "*[  != ok ]:1", "b x:1"]),
            ("while a | grep -q x; do sleep 1; done", &["a:1", "-grep -q x:1"]),
            ("while [ \"$(a)\" = 200 ]; do sleep 1; done", &["-[  = 200 ]:1", "a:1"]),
            ("while [ \"$(curl a)\" = 200 ]; do sleep 1; done", &["-[  = 200 ]:1", "-curl a:1"]),
            ("until [ -z \"$(curl a 2>/dev/null)\" ]; do sleep 1; done", &["-[ -z  ]:1", "-curl a:1"]),
            ("until [ -z \"$(curl a 2>&1)\" ]; do sleep 1; done", &["-[ -z  ]:1", "curl a:1"]),
            ("until [ \"$(curl a)\" = 0 ]; do sleep 1; done", &["*[  = 0 ]:1", "curl a:1"]),
            ("while [ \"$(a)\" = 503 ]; do :; done", &["[  = 503 ]:1", "a:1"]),
            ("while [ \"$(a)\" = 503 ]; do sleep 1; done", &["[  = 503 ]:1", "a:1"]),
            ("while [ \"$(a | b)\" = 200 ]; do sleep 1; done", &["-[  = 200 ]:1", "a:1", "b:1"]),
            ("while [ -e /x ]; do sleep 1; done", &["-[ -e /x ]:1"]),
            ("while (( $(a) != 200 )); do sleep 1; done", &["((:1", "a:1"]),
            ("while echo $(a); do sleep 1; done", &["-echo :1", "a:1"]),
            ("until [ \"$(a)\" ]; do sleep 1; done", &["*[  ]:1", "a:1"]),
        ] {
            assert_eq!(again(text), expected, "{text}");
        }
    }

    #[test]
    fn what_leaves_a_loop_in_its_body_says_what_the_loop_waits_for() {
        let of_a = |text: &str| {
            let found = again(&format!("while true; do {text}; sleep 1; done"));
            let of_a = found.iter().find(|shown| shown.trim_start_matches('-').starts_with("a:"));
            of_a.map(|shown| shown.starts_with('-'))
        };
        for text in [
            "a && break",
            "if a; then break; fi",
            "if a; then echo up; exit 0; fi",
            "if ! a; then :; else break; fi",
            "! a || break",
            "a && { echo up; break; }",
            "a || { sleep 1; continue; }; break",
            "if ! a; then sleep 1; continue; fi; break",
            // It gives up at some time, and waits until then.
            "a && break; [ $n -gt 9 ] && exit 1",
            "a || { [ $n -lt 9 ] && continue; exit 1; }; break",
            "if ! a; then if [ $n -gt 9 ]; then exit 1; fi; continue; fi; break",
            "a || break; b && break",
            "if a; then break; else break; fi",
            "a; [ $? -ne 0 ] && break",
            "(a || break)",
            "x=$(a); case $x in 200) break;; esac",
        ] {
            assert_eq!(of_a(text), Some(false), "{text}");
        }
        for text in [
            "a || break",
            "a || exit 1",
            "! a && break",
            "if ! a; then break; fi",
            "if a; then sleep 1; else break; fi",
            "a || { echo gone; break; }",
            "a && b || break",
            "{ a; } || break",
        ] {
            assert_eq!(of_a(text), Some(true), "{text}");
        }
        for (text, expected) in [
            ("while :; do [ \"$(a)\" = 200 ] && break; sleep 1; done", "a:1"),
            ("while :; do [ \"$(nc a)\" = 200 ] || break; sleep 1; done", "-nc a:1"),
            ("while :; do [ \"$(nc a)\" != 200 ] && break; sleep 1; done", "-nc a:1"),
            ("while :; do if [ \"$(nc a)\" = 000 ]; then break; fi; sleep 1; done", "-nc a:1"),
        ] {
            assert!(again(text).iter().any(|shown| shown == expected), "{text}: {:?}", again(text));
        }
        let file = "while :; do [ -e /x ] || { sleep 1; continue; }; break; done";
        assert_eq!(again(file)[0], "[ -e /x ]:1");
    }

    #[test]
    fn a_function_that_may_turn_its_answer_round_is_taken_for_a_wait() {
        for (text, expected) in [
            ("f() { a; }\nwhile f; do sleep 1; done", "-a:1"),
            ("f() { a; }\nwhile ! f; do sleep 1; done", "*a:1"),
            ("f() { ! a; }\nwhile f; do sleep 1; done", "*a:1"),
            ("f() { ! a; }\nuntil f; do sleep 1; done", "-a:1"),
            ("f() { if a; then return 1; fi; }\nwhile f; do sleep 1; done", "a:1"),
            ("f() { [ ! -e /x ]; }\nwhile f; do sleep 1; done", "[ ! -e /x ]:1"),
            ("f() { a || return 1; }\nuntil f; do sleep 1; done", "*a:1"),
        ] {
            assert_eq!(again(text)[0], expected, "{text}");
        }
    }

    #[test]
    fn what_runs_in_the_background_is_left_out() {
        let words =
            |text: &str| commands(text).into_iter().flat_map(|simple| simple.words).collect::<Vec<_>>();
        assert_eq!(words("a & b && c"), ["b", "c"]);
        assert_eq!(words("a & b; wait"), ["a", "b", "wait"]);
    }

    #[test]
    fn variables_of_the_text_are_filled_in() {
        let text = "H=h.example U=https://$H/x\nP=$(port)\nA=1 curl \"$U\" ${H:-x}:$P $NONE ${NONE:-x}";
        let words: Vec<_> = commands(text).into_iter().map(|simple| simple.words.join(" ")).collect();
        assert_eq!(words, ["port", "curl https://h.example/x h.example:$P $NONE ${NONE:-x}"]);
        let text = "U=http://h/\nU=\"http://$(host)/\"\nV=(a b)\ncurl $U $V";
        let words: Vec<_> = commands(text).into_iter().map(|simple| simple.words.join(" ")).collect();
        assert_eq!(words, ["host", "curl $U $V"]);
    }

    #[test]
    fn functions_count_where_they_are_called_with_their_arguments() {
        let text = "wait_for() {\n  until curl -fs \"$1\"; do sleep 1; done\n}\nlater() {\n  b $1\n}\n\
                    wait_for http://h/\nwait_for \"http://$2/\"\n";
        let known = positional(&["x".to_owned(), "i".to_owned()]).collect();
        let found: Vec<_> = read(text, &known)
            .commands
            .iter()
            .map(|simple| format!("{}:{}", simple.words.join(" "), simple.line))
            .filter(|text| !text.starts_with("sleep"))
            .collect();
        assert_eq!(found, ["curl -fs http://h/:2", "curl -fs http://i/:2", "b $1:5"]);
        let endless = "a() { a; a; }\nb() { a; a; b; }\nb\n";
        assert!(commands(endless).len() < 2 * CALLS_LIMIT);
    }

    #[test]
    fn a_loop_that_counts_or_has_another_way_out_is_bounded() {
        for (text, bounded) in [
            ("until a; do sleep 1; done", false),
            ("while ! a; do sleep 1; [ $n -gt 9 ] && exit 1; done", true),
            ("while true; do a && break; sleep 1; done", false),
            ("while true; do a && break; test $n -gt 9 && exit 1; sleep 1; done", true),
            ("for i in 1 2; do a && break; sleep 1; done", true),
            ("while [ $i -lt 9 ]; do a && break; sleep 1; done", true),
            ("until [ \"$(a)\" = 200 ]; do sleep 1; done", false),
            ("f() { until a; do sleep 1; done; }\nf", false),
            ("a", true),
        ] {
            let found =
                commands(text).into_iter().find(|simple| simple.words.first().is_some_and(|w| w == "a"));
            assert_eq!(found.map(|simple| simple.bounded), Some(bounded), "{text}");
        }
    }

    #[test]
    fn groups_and_lists_without_end_are_read() {
        let nested = format!("while ! {}a{}; do sleep 1; done", "{ ! ".repeat(2_000), "; }".repeat(2_000));
        assert!(again("while ! { ! { ! a; }; }; do sleep 1; done")[0].starts_with('*'));
        assert_eq!(commands(&nested).iter().filter(|simple| simple.words == ["a"]).count(), 1);
        let long = format!("while true; do {}sleep 1; done", "a && break && ".repeat(10_000));
        assert_eq!(commands(&long).len(), 20_002);
    }

    #[test]
    fn patterns_are_no_commands() {
        let text = "case $1 in\n  start|go) a ;;\n  stop) (b); c ;;\n  *) d\nesac\ne";
        let words: Vec<_> = commands(text).into_iter().map(|simple| simple.words.join(" ")).collect();
        assert_eq!(words, ["case $1", "a", "b", "c", "d", "e"]);
    }

    #[test]
    fn what_is_read_is_told_from_what_only_succeeds() {
        let read: Vec<bool> = commands("a | b; c $(d)").iter().map(|simple| simple.is_read).collect();
        assert_eq!(read, [true, false, false, true]);
    }

    proptest! {
        #[test]
        fn never_panics(
            text in any::<String>(),
            likely in "(until|while|for|do|done|!|if|a=\\$b|\\$\\(|\\)|sleep 1|break|curl|[;|&\n'\"`]| ){0,40}",
        ) {
            commands(&text);
            commands(&likely);
        }
    }
}
