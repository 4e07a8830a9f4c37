//! What a test of a shell's says about a thing when a loop ends by it: that it is there, or that it is gone.

use crate::words::Word;

/// What the end of a loop says about what a command in it asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// It is gone, or never was there: a wait for this is over where nothing starts it.
    Gone,
    /// It is there: this is waited for.
    There,
    /// It may be either.
    Unclear,
}

/// Operators about a file that is there.
const OF_FILES: [&str; 11] = ["-L", "-S", "-d", "-e", "-f", "-h", "-p", "-r", "-s", "-w", "-x"];

/// The meaning of a test that ends a loop by its success or by its failure.
pub(crate) fn meaning(words: &[Word], success: bool) -> Meaning {
    let words = words.get(1..).unwrap_or_default();
    let closed = words.last().is_some_and(|word| matches!(word.text.as_str(), "]" | "]]"));
    let mut words = &words[..words.len() - usize::from(closed)];
    let mut success = success;
    while let Some((_, rest)) = words.split_first().filter(|(first, _)| first.text == "!") {
        (words, success) = (rest, !success);
    }
    let there = if success { Meaning::There } else { Meaning::Gone };
    let gone = if success { Meaning::Gone } else { Meaning::There };
    match words {
        [_] => there,
        [op, _] if op.text == "-n" || OF_FILES.contains(&op.text.as_str()) => there,
        [op, _] if op.text == "-z" => gone,
        [left, op, right] => match op.text.as_str() {
            "=" | "==" | "-eq" => compared(left, right, success),
            "!=" | "-ne" => compared(left, right, !success),
            _ => Meaning::Unclear,
        },
        _ => Meaning::Unclear,
    }
}

/// The meaning of a comparison that ends a loop where both sides are equal, or where they are not.
fn compared(left: &Word, right: &Word, equal: bool) -> Meaning {
    let (value, of) = match (is_known(left), is_known(right)) {
        // `[ "x$(…)" = x200 ]`.
        (false, true) => (right.text.strip_prefix(left.text.split('$').next().unwrap_or_default()), left),
        (true, false) => (Some(left.text.as_str()), right),
        _ => (None, left),
    };
    match (value, equal) {
        (Some(value), true) if is_of_absence(value, of) => Meaning::Gone,
        (_, true) => Meaning::There,
        (Some(value), false) if is_of_absence(value, of) => Meaning::There,
        (Some(value), false) if is_of_presence(value) => Meaning::Gone,
        (_, false) => Meaning::Unclear,
    }
}

fn is_known(word: &Word) -> bool {
    !word.computed && !word.text.contains('$')
}

/// What is printed of a thing that is not there: nothing, no status (`curl(1)`, `http_code`), or that a unit does not run.
fn is_of_absence(value: &str, of: &Word) -> bool {
    let of_unit = || of.inner.iter().all(|text| text.trim_start().starts_with("systemctl "));
    match value {
        "" | "000" => true,
        "failed" | "inactive" | "unknown" => of.computed && of_unit(),
        _ => false,
    }
}

/// What is printed only of a thing that is there. A status that tells of an error is none: a router sends it for what is
/// behind it.
fn is_of_presence(value: &str) -> bool {
    let is_status = value.len() == 3 && value.starts_with(['2', '3']);
    let is_status = is_status && value.bytes().all(|digit| digit.is_ascii_digit());
    is_status || matches!(value, "OK" | "active" | "healthy" | "ok" | "ready" | "running" | "true" | "up")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lexer::tokens;
    use crate::words::Token;

    #[test]
    fn a_test_says_whether_something_is_there() {
        use Meaning::{Gone, There, Unclear};
        for (text, by_success, by_failure) in [
            ("[ -e /run/x ]", There, Gone),
            ("test ! -S /run/x", Gone, There),
            ("[[ ! ! -f /run/x ]]", There, Gone),
            ("[ -z \"$(a)\" ]", Gone, There),
            ("[ -n \"$(a)\" ]", There, Gone),
            ("[ \"$(a)\" ]", There, Gone),
            ("[ \"$(a)\" = 200 ]", There, Gone),
            ("[ 200 -eq \"$(a)\" ]", There, Gone),
            ("[[ $(a) == active ]]", There, Gone),
            ("[ \"x$(a)\" != x200 ]", Gone, There),
            ("[ \"$(a)\" = 000 ]", Gone, There),
            ("[ \"$(a)\" != \"\" ]", There, Gone),
            ("[ \"$(systemctl is-active a)\" = inactive ]", Gone, There),
            ("[ \"$(a)\" = inactive ]", There, Unclear),
            ("[ \"$(a)\" = 0 ]", There, Unclear),
            // Neither the value of a thing that is there, nor that of one that is not.
            ("[ \"$(a)\" = 503 ]", There, Unclear),
            ("[ \"$(a)\" = starting ]", There, Unclear),
            ("[ \"$(a)\" != \"$B\" ]", Unclear, There),
            ("[ \"$(a)\" -gt 3 ]", Unclear, Unclear),
            ("[ -e /x -a \"$(a)\" = 200 ]", Unclear, Unclear),
            ("[", Unclear, Unclear),
        ] {
            let words: Vec<Word> = tokens(text)
                .list
                .into_iter()
                .filter_map(|token| match token {
                    Token::Word(word) => Some(word),
                    _ => None,
                })
                .collect();
            assert_eq!((meaning(&words, true), meaning(&words, false)), (by_success, by_failure), "{text}");
        }
    }
}
