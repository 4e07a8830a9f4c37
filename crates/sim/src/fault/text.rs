//! Rules as text: `GET /tasks: status 500, times 2`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::SignedDuration;

use super::kind::Fault;
use super::rule::{FaultRule, WHOLE};

const METHODS: [&str; 5] = ["GET", "HEAD", "POST", "PUT", "DELETE"];

/// Bodies that something that is no engine answers with, by the word for each.
const FORMS: [(&str, &str); 5] =
    [("nothing", ""), ("null", "null"), ("{}", "{}"), ("[{}]", "[{}]"), ("html", "<html></html>")];

/// How a kind of fault is made of the word behind its name.
#[derive(Clone, Copy, Debug)]
enum Make {
    Plain(Fault),
    Status(fn(u16) -> Fault),
    Bytes(fn(usize) -> Fault),
    Time(fn(Duration) -> Fault),
    Form(fn(&'static str) -> Fault),
}

/// Each kind's name, and how it is made.
const KINDS: [(&str, Make); 18] = [
    ("status", Make::Status(|status| Fault::Fail { status })),
    ("status-after", Make::Status(|status| Fault::FailAfter { status })),
    ("reset", Make::Plain(Fault::Reset)),
    ("reset-after", Make::Plain(Fault::Cut)),
    ("stall", Make::Plain(Fault::StallHeaders)),
    ("stall-body", Make::Bytes(|after_bytes| Fault::StallBody { after_bytes })),
    ("slow", Make::Time(Fault::Delay)),
    ("cut-body", Make::Bytes(|after_bytes| Fault::CutBody { after_bytes })),
    ("half-json", Make::Plain(Fault::Lie)),
    ("length", Make::Bytes(|announced| Fault::WrongLength { announced: announced as u64 })),
    ("endless", Make::Status(|status| Fault::Endless { status })),
    ("partial", Make::Plain(Fault::Partial)),
    ("lost-events", Make::Plain(Fault::LoseEvents)),
    ("answer", Make::Form(|body| Fault::Answer { body })),
    ("pretend", Make::Form(|body| Fault::Pretend { body })),
    ("no-leader", Make::Plain(Fault::NoLeader)),
    ("out-of-sequence", Make::Plain(Fault::OutOfSequence)),
    ("restart", Make::Time(|down| Fault::Restart { down })),
];

impl Make {
    /// What stands behind the name, for people.
    fn value(self) -> &'static str {
        match self {
            Self::Plain(_) => "",
            Self::Status(_) => " STATUS",
            Self::Bytes(_) => " BYTES",
            Self::Time(_) => " DURATION",
            Self::Form(_) => " nothing|null|{}|[{}]|html",
        }
    }

    fn read(self, word: &str) -> Option<Fault> {
        match self {
            Self::Plain(fault) => word.is_empty().then_some(fault),
            Self::Status(make) => word.parse().ok().filter(|s| (200..=599).contains(s)).map(make),
            Self::Bytes(make) => word.parse().ok().map(make),
            Self::Time(make) => duration(word).map(make),
            Self::Form(make) => FORMS.iter().find(|(name, _)| *name == word).map(|(_, body)| make(body)),
        }
    }
}

/// Why a text is no rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FaultProblem {
    /// Nothing separates the calls from what happens to them.
    NoColon,
    /// A second method, or a second part of a path.
    TwoPlaces,
    /// No kind of fault has this name.
    UnknownKind,
    /// The kind is known, and what stands behind it is not right.
    Value {
        /// How it is written.
        form: String,
    },
    /// No clause of a rule is written so.
    Clause,
}

/// A text that is no rule. It names the place in it and what may stand there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("fault `{text}`, at `{at}`: {problem}; for example `GET /tasks: status 500, times 2`")]
pub struct FaultError {
    /// The whole text.
    pub text: String,
    /// The part that is wrong.
    pub at: String,
    /// What is wrong with it.
    pub problem: FaultProblem,
}

impl fmt::Display for FaultProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoColon => f.write_str("a colon has to separate the calls from their fault"),
            Self::TwoPlaces => f.write_str("calls are one method, one part of a path, both, or `any`"),
            Self::UnknownKind => {
                let kinds: Vec<String> =
                    KINDS.iter().map(|(name, make)| format!("{name}{}", make.value())).collect();
                write!(f, "no such kind of fault; there are {}", kinds.join(", "))
            }
            Self::Value { form } => write!(f, "this kind is written `{form}`"),
            Self::Clause => f.write_str(
                "behind the kind may stand `nth N`, `from N`, `times N`, `chance P` (0.1 or 10%) and `seed N`, each once",
            ),
        }
    }
}

impl FromStr for FaultRule {
    type Err = FaultError;

    /// Reads `[METHOD] [PATH]: KIND [VALUE], CLAUSE, …`; `any` instead of method and path is every call.
    fn from_str(text: &str) -> Result<Self, FaultError> {
        let wrong =
            |at: &str, problem| FaultError { text: text.to_owned(), at: at.trim().to_owned(), problem };
        // The last one: a path may have a colon, what stands behind it has none.
        let (calls, what) = text.rsplit_once(':').ok_or_else(|| wrong(text, FaultProblem::NoColon))?;
        let mut clauses = what.split(',').map(str::trim);
        let kind = clauses.next().unwrap_or_default();
        let mut rule = Self::new(fault(kind).map_err(|problem| wrong(kind, problem))?);
        place(&mut rule, calls).ok_or_else(|| wrong(calls, FaultProblem::TwoPlaces))?;
        let mut names = Vec::new();
        for clause in clauses {
            let (name, value) = clause.split_once(' ').unwrap_or((clause, ""));
            // `nth` says both where it begins and how often.
            let says: &[&str] = if name == "nth" { &["from", "times"] } else { &[name] };
            let is_new = !says.iter().any(|name| names.contains(name));
            names.extend(says.iter().copied());
            let read = if is_new { limit(rule, name, value.trim()) } else { None };
            rule = read.ok_or_else(|| wrong(clause, FaultProblem::Clause))?;
        }
        Ok(rule)
    }
}

fn fault(text: &str) -> Result<Fault, FaultProblem> {
    let (name, value) = text.split_once(' ').unwrap_or((text, ""));
    let (name, make) = KINDS.iter().find(|(known, _)| *known == name).ok_or(FaultProblem::UnknownKind)?;
    make.read(value.trim()).ok_or_else(|| FaultProblem::Value { form: format!("{name}{}", make.value()) })
}

/// Reads which calls a rule is for; `None` if there are two methods or paths, or nothing at all.
fn place(rule: &mut FaultRule, calls: &str) -> Option<()> {
    if calls.trim() == "any" {
        return Some(());
    }
    for word in calls.split_whitespace() {
        let capitals = word.to_ascii_uppercase();
        let slot = if METHODS.contains(&capitals.as_str()) { &mut rule.method } else { &mut rule.path };
        let is_method = METHODS.contains(&capitals.as_str());
        if slot.is_some() || word == "any" {
            return None;
        }
        *slot = Some(if is_method { capitals } else { word.to_owned() });
    }
    (rule.method.is_some() || rule.path.is_some()).then_some(())
}

fn limit(rule: FaultRule, name: &str, value: &str) -> Option<FaultRule> {
    let count = || value.parse::<u64>().ok().filter(|n| 0 < *n);
    match name {
        "nth" => Some(rule.nth(count()?)),
        "from" => Some(rule.from(count()?)),
        "times" => Some(rule.times(count()?.try_into().ok()?)),
        "chance" => {
            let seed = rule.seed;
            Some(rule.chance(millionths(value)?, seed))
        }
        "seed" => {
            let chance = rule.chance;
            Some(rule.chance(chance, value.parse().ok()?))
        }
        _ => None,
    }
}

/// A share such as `0.1` or `10%` in millionths.
fn millionths(text: &str) -> Option<u32> {
    let (number, whole) = match text.strip_suffix('%') {
        Some(number) => (number, 100.0),
        None => (text, 1.0),
    };
    let share = number.trim().parse::<f64>().ok()? / whole;
    if !(0.0..=1.0).contains(&share) {
        return None;
    }
    // Within the range, so what is rounded fits.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let rounded = (share * f64::from(WHOLE)).round() as u32;
    Some(rounded)
}

fn duration(text: &str) -> Option<Duration> {
    text.parse::<SignedDuration>().ok()?.try_into().ok()
}

fn shown(time: Duration) -> String {
    SignedDuration::try_from(time).map_or_else(|_| format!("{time:?}"), |time| format!("{time:#}"))
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let form = |body: &str| {
            FORMS
                .iter()
                .find(|(_, known)| *known == body)
                .map_or(body.to_owned(), |(name, _)| (*name).to_owned())
        };
        match self {
            Self::Fail { status } => write!(f, "status {status}"),
            Self::FailAfter { status } => write!(f, "status-after {status}"),
            Self::Reset => f.write_str("reset"),
            Self::Cut => f.write_str("reset-after"),
            Self::StallHeaders => f.write_str("stall"),
            Self::StallBody { after_bytes } => write!(f, "stall-body {after_bytes}"),
            Self::Delay(time) => write!(f, "slow {}", shown(*time)),
            Self::CutBody { after_bytes } => write!(f, "cut-body {after_bytes}"),
            Self::Lie => f.write_str("half-json"),
            Self::WrongLength { announced } => write!(f, "length {announced}"),
            Self::Endless { status } => write!(f, "endless {status}"),
            Self::Partial => f.write_str("partial"),
            Self::LoseEvents => f.write_str("lost-events"),
            Self::Answer { body } => write!(f, "answer {}", form(body)),
            Self::Pretend { body } => write!(f, "pretend {}", form(body)),
            Self::NoLeader => f.write_str("no-leader"),
            Self::OutOfSequence => f.write_str("out-of-sequence"),
            Self::Restart { down } => write!(f, "restart {}", shown(*down)),
        }
    }
}

impl fmt::Display for FaultRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let calls: Vec<&str> = [&self.method, &self.path].into_iter().flatten().map(String::as_str).collect();
        let calls = if calls.is_empty() { "any".to_owned() } else { calls.join(" ") };
        write!(f, "{calls}: {}", self.fault)?;
        if self.from != 1 {
            write!(f, ", from {}", self.from)?;
        }
        if let Some(times) = self.times {
            write!(f, ", times {times}")?;
        }
        if self.chance != WHOLE {
            write!(f, ", chance {}", f64::from(self.chance) / f64::from(WHOLE))?;
        }
        if self.seed != 0 {
            write!(f, ", seed {}", self.seed)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> FaultRule {
        text.parse().unwrap_or_else(|e| panic!("{e}"))
    }

    #[test]
    fn texts_are_rules() {
        let fail = FaultRule::new(Fault::Fail { status: 500 });
        for (text, rule) in [
            ("any: status 500", fail.clone()),
            ("GET: status 500", fail.clone().method("GET")),
            ("get /tasks: status 500, times 2", fail.clone().method("GET").path("/tasks").times(2)),
            ("/images/a:1: status 500, nth 3", fail.clone().path("/images/a:1").nth(3)),
            (" attachment :status 500 ,from 3", fail.clone().path("attachment").from(3)),
            ("any: status 500, chance 10%, seed 7", fail.clone().chance(100_000, 7)),
            ("any: status 500, seed 7, chance 0.25", fail.chance(250_000, 7)),
            ("POST: slow 200ms", FaultRule::new(Fault::Delay(Duration::from_millis(200))).method("POST")),
            ("any: restart 2s", FaultRule::new(Fault::Restart { down: Duration::from_secs(2) })),
            ("any: answer nothing", FaultRule::new(Fault::Answer { body: "" })),
            ("any: length 9", FaultRule::new(Fault::WrongLength { announced: 9 })),
        ] {
            assert_eq!(read(text), rule, "{text}");
            assert_eq!(read(&rule.to_string()), rule, "{rule}");
        }
    }

    #[test]
    fn what_is_no_rule_is_one_line_that_names_the_place() {
        for (text, at, words) in [
            ("status 500", "status 500", "colon"),
            (
                "any: statsu 500",
                "statsu 500",
                "no such kind of fault; there are status STATUS, status-after STATUS, reset,",
            ),
            ("any:", "", "no such kind"),
            ("any: status", "status", "`status STATUS`"),
            ("any: status 42", "status 42", "`status STATUS`"),
            ("any: reset 5", "reset 5", "`reset`"),
            ("any: slow 5", "slow 5", "`slow DURATION`"),
            ("any: slow -5s", "slow -5s", "`slow DURATION`"),
            ("any: answer x", "answer x", "nothing|null"),
            ("GET POST: reset", "GET POST", "one method"),
            ("/a /b: reset", "/a /b", "one part of a path"),
            ("any /b: reset", "any /b", "`any`"),
            (": reset", "", "`any`"),
            ("any: reset, nth 0", "nth 0", "`nth N`"),
            ("any: reset, sometimes", "sometimes", "`chance P`"),
            ("any: reset, chance 2", "chance 2", "`chance P`"),
            ("any: reset, chance NaN", "chance NaN", "`chance P`"),
            ("any: reset, times 1, times 2", "times 2", "each once"),
            ("any: reset, nth 1, from 2", "from 2", "each once"),
        ] {
            let error = text.parse::<FaultRule>().expect_err(text);
            assert_eq!(error.at, at, "{text}");
            let line = error.to_string();
            assert!(line.contains(words) && line.contains(text) && !line.contains('\n'), "{line}");
        }
    }

    fn any_fault() -> impl Strategy<Value = Fault> {
        let value = prop_oneof![
            (200u64..600).prop_map(|n| n.to_string()),
            (0u64..100_000).prop_map(|n| format!("{n}ms")),
            prop::sample::select(FORMS.map(|(name, _)| name.to_owned()).to_vec()),
            Just(String::new()),
        ];
        let kind = prop::sample::select(KINDS.to_vec().into_iter().map(|(_, make)| make).collect::<Vec<_>>());
        (kind, value).prop_filter_map("a value of its kind", |(make, value)| make.read(&value))
    }

    proptest! {
        #[test]
        fn a_rule_is_read_back_as_it_was(
            fault in any_fault(), from in 1u64..9, times in proptest::option::of(1u32..9), chance in 0..=WHOLE, seed in any::<u64>(),
        ) {
            let mut rule = FaultRule::new(fault).path("/x").from(from).chance(chance, seed);
            rule.times = times;
            prop_assert_eq!(read(&rule.to_string()), rule);
        }

        #[test]
        fn no_text_panics(text in ".{0,60}") {
            let _ = text.parse::<FaultRule>();
        }
    }
}
