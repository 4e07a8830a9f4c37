//! What a foreign guard would do, by its text: a pure function.

use std::sync::LazyLock;

use pvcheck_gates::Verdict;
use regex::Regex;

use super::lines::{Line, bare, lines, uses};
use super::reads::{Read, holders, reads, shown as shown_words};
use super::report::{Acts, ForeignAdvice, ForeignFault, ForeignGuard, Looks, Shown};
use super::samples::{SAMPLES, Sample};

macro_rules! pattern {
    ($name:ident, $text:expr) => {
        static $name: LazyLock<Regex> =
            LazyLock::new(|| Regex::new($text).expect("a pattern of this file, which its tests compile"));
    };
}

pattern!(
    RESTART,
    r#"\bsystemctl\s+(?:--?\S+\s+)*(?:try-)?restart\s+(?:--?\S+\s+)*dockerd?(?:\.service)?(?:[\s;'"`)&|]|$)|\b(?:service\s+|/etc/init\.d/)dockerd?\s+restart\b"#
);
pattern!(REBOOT, r"(?:^|[;&|(]|\bsudo\s|\bsystemctl\s)\s*(?:reboot|shutdown\s+-r)\b");
pattern!(PRUNE, r"\bdocker\s+(?:network|system)\s+prune\b");
pattern!(PVCHECK, r"\bpvcheck\s+(?:reclaim|guard)\b.*--apply\b");
pattern!(HANDED, r"\bdocker\s+node\s+demote\b");
pattern!(ABOVE, r#"(?:-gt|-ge|>=?)\s*"?(\d{1,9})\b"#);
// Before an act: it is only said.
pattern!(SAID, r#"(?:^|[;&|(`'"{]|\b(?:then|do|else|sudo)\s)\s*(?:echo|printf|logger|log|say)\b[^;&|]*$"#);
// Whether the count is more than none is another question.
pattern!(OTHERWISE, r"\s(-eq|-lt|-le|==|!=|=)\s|\(\([^)]*(<=?|==|!=)");
pattern!(COMPARES, r"^\s*(?:if|elif|while|\[|\(\(|test)\b|\[\[?\s|\(\(");
pattern!(
    STALE,
    r"(?i)\buntil\s+(?:that|this|it|(?:the|a)\s+[\w\s/-]{1,40}?)\s+(?:lands?|is\s+(?:done|merged|deployed|live|fixed|in\s+place))|\btemporary\s+(?:guard|workaround|safety\s+net)|\bstop-?gap\b"
);

/// What the guard in this text would do. Nothing is run.
pub fn check_foreign(file: &str, text: &str) -> ForeignGuard {
    let lines = lines(text);
    let reads = reads(&lines);
    let acts = acts(&lines);
    let fires_on: Vec<Shown> = SAMPLES.iter().map(|sample| shown(&reads, sample)).collect();
    let faults = faults(&lines, &reads, &acts, &fires_on);
    let verdict = if faults.iter().any(|fault| !fault.is_unknown()) {
        Verdict::Fail
    } else if faults.is_empty() {
        Verdict::Pass
    } else {
        Verdict::Unknown
    };
    ForeignGuard {
        file: file.to_owned(),
        verdict,
        fires_again: fires_again(&reads),
        advice: advice(text, &reads, &acts, &fires_on),
        reads: reads.into_iter().map(|read| read.told).collect(),
        acts,
        fires_on,
        faults,
    }
}

/// Whether it fires on this line: whether one of its reads finds it.
fn shown(reads: &[Read], sample: &Sample) -> Shown {
    let by = |read: &Read| -> Option<bool> {
        if read.by_priority {
            return Some(false);
        }
        let each: Vec<Option<bool>> = read.greps.iter().map(|grep| grep.finds(sample.line)).collect();
        if each.contains(&Some(false)) {
            Some(false)
        } else if each.is_empty() || each.contains(&None) {
            None
        } else {
            Some(true)
        }
    };
    let all: Vec<Option<bool>> = reads.iter().map(by).collect();
    let fires = if all.contains(&Some(true)) {
        Some(true)
    } else if all.is_empty() || all.contains(&None) {
        None
    } else {
        Some(false)
    };
    Shown { signature: sample.signature.to_owned(), wanted: sample.wanted, fires }
}

fn acts(lines: &[Line]) -> Vec<Acts> {
    let of = |line: &Line| {
        let kinds: [(&LazyLock<Regex>, &'static str); 5] = [
            (&RESTART, "restart"),
            (&REBOOT, "reboot"),
            (&PRUNE, "prune"),
            (&PVCHECK, "pvcheck"),
            (&HANDED, "hand-over"),
        ];
        let done =
            |pattern: &Regex| pattern.find_iter(&line.text).any(|act| !is_said(&line.text, act.start()));
        let found = kinds.into_iter().filter(|(pattern, _)| done(pattern));
        found.map(|(_, what)| Acts { line: line.number, what }).collect::<Vec<_>>()
    };
    lines.iter().flat_map(of).collect()
}

/// True iff what stands at this place is a word of an `echo`.
fn is_said(text: &str, at: usize) -> bool {
    SAID.is_match(&text[..at]) || SAID.is_match(&bare(text)[..at])
}

fn fires_again(reads: &[Read]) -> Option<bool> {
    let again = |read: &Read| match read.told.looks {
        Looks::Back { .. } | Looks::ToBoot | Looks::ToBeginning => Some(true),
        Looks::ToEngineStart | Looks::ToLastTime => Some(false),
        Looks::Untold { .. } => None,
    };
    let all: Vec<Option<bool>> = reads.iter().map(again).collect();
    if all.contains(&Some(true)) {
        Some(true)
    } else if all.is_empty() || all.contains(&None) {
        None
    } else {
        Some(false)
    }
}

fn faults(lines: &[Line], reads: &[Read], acts: &[Acts], fires_on: &[Shown]) -> Vec<ForeignFault> {
    if reads.is_empty() {
        return vec![ForeignFault::NoLog];
    }
    let mut found = Vec::new();
    let which = |fires: Option<bool>| -> Vec<String> {
        let wanted = fires_on.iter().filter(|one| one.wanted && one.fires == fires);
        wanted.map(|one| one.signature.clone()).collect()
    };
    let searches = reads.iter().any(|read| !read.greps.is_empty());
    if searches {
        let (misses, untold) = (which(Some(false)), which(None));
        if !misses.is_empty() {
            found.push(ForeignFault::Misses { signatures: misses });
        }
        if !untold.is_empty() {
            found.push(ForeignFault::Untold { signatures: untold });
        }
    }
    for read in reads {
        found.extend(of_read(read));
    }
    found.extend(lines.iter().filter_map(|line| threshold(line, reads)));
    found.extend(otherwise(lines));
    if !acts.iter().any(|act| act.what != "prune") {
        found.push(ForeignFault::NoCure);
    }
    found
}

fn of_read(read: &Read) -> Vec<ForeignFault> {
    let line = read.told.line;
    let mut found = Vec::new();
    if read.greps.is_empty() {
        found.push(ForeignFault::NoPattern { line });
    }
    if read.by_priority {
        found.push(ForeignFault::Priority { line });
    }
    if let Some(words) = &read.narrowed {
        found.push(ForeignFault::UntoldRead { line, words: words.clone() });
    }
    match &read.told.looks {
        Looks::Back { seconds } => found.push(ForeignFault::FixedWindow { line, seconds: *seconds }),
        Looks::ToBoot | Looks::ToBeginning => found.push(ForeignFault::NoWindow { line }),
        Looks::Untold { since } => found.push(ForeignFault::UntoldWindow { line, since: since.clone() }),
        Looks::ToEngineStart | Looks::ToLastTime => {}
    }
    found.extend(read.open.iter().map(|of| ForeignFault::FailureIsZero { line, of }));
    found
}

/// Comparisons of what was read or counted that do not ask whether there is more than none.
fn otherwise(lines: &[Line]) -> Vec<ForeignFault> {
    let holders = holders(lines);
    let is_of_it = |text: &str| {
        let named = |name: &String| uses(text, name) || (text.contains("((") && text.contains(name.as_str()));
        text.contains("journalctl") || holders.iter().any(named)
    };
    let asked = lines.iter().filter(|line| COMPARES.is_match(&line.text) && is_of_it(&line.text));
    let found = asked.filter_map(|line| {
        let found = OTHERWISE.captures(&line.text)?;
        let words = found.get(1).or_else(|| found.get(2))?.as_str().to_owned();
        Some(ForeignFault::UntoldComparison { line: line.number, words })
    });
    found.collect()
}

/// A comparison of what was counted with more than none.
fn threshold(line: &Line, reads: &[Read]) -> Option<ForeignFault> {
    let first = reads.iter().map(|read| read.told.line).min()?;
    let above =
        ABOVE.captures(&line.text).filter(|_| first <= line.number && COMPARES.is_match(&line.text))?;
    let number: u64 = above[1].parse().ok()?;
    let operator = above.get(0)?.as_str();
    let above = if operator.starts_with("-ge") || operator.starts_with(">=") {
        number.checked_sub(1)?
    } else {
        number
    };
    (0 < above).then_some(ForeignFault::Threshold { line: line.number, above })
}

fn advice(text: &str, reads: &[Read], acts: &[Acts], fires_on: &[Shown]) -> Vec<ForeignAdvice> {
    let mut found: Vec<ForeignAdvice> = STALE
        .find_iter(text)
        .map(|words| ForeignAdvice::Stale {
            line: text[..words.start()].matches('\n').count() as u64 + 1,
            words: shown_words(&words.as_str().split_whitespace().collect::<Vec<_>>().join(" ")),
        })
        .collect();
    let dropped = reads.iter().filter(|read| read.drops_errors);
    found.extend(dropped.map(|read| ForeignAdvice::ErrorsDropped { line: read.told.line }));
    let prunes = acts.iter().filter(|act| act.what == "prune");
    found.extend(prunes.map(|act| ForeignAdvice::PruneFreesNothing { line: act.line }));
    let also = fires_on.iter().filter(|one| !one.wanted && one.fires == Some(true));
    let also: Vec<String> = also.map(|one| one.signature.clone()).collect();
    if !also.is_empty() {
        found.push(ForeignAdvice::AlsoFiresOn { signatures: also });
    }
    found
}

#[cfg(test)]
mod tests;
