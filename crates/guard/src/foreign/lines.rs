//! A text as the lines that a shell would see: continued lines, quotes and substitutions that go on are one.

/// A logical line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// Where it begins, from 1.
    pub(super) number: u64,
    /// Its text, line breaks as blanks.
    pub(super) text: String,
}

/// The most lines that are taken for one: a quote that is never closed, as in prose, must not swallow the rest of a file.
const MOST: usize = 12;

/// The logical lines of a text, without comments.
pub(super) fn lines(text: &str) -> Vec<Line> {
    let raw: Vec<&str> = text.lines().collect();
    let (mut found, mut at) = (Vec::new(), 0);
    while at < raw.len() {
        let (text, taken) = joined(&raw[at..]);
        if !text.trim_start().starts_with('#') {
            found.push(Line { number: at as u64 + 1, text });
        }
        at += taken;
    }
    found
}

/// The first line with those that go on with it, and how many they are.
fn joined(raw: &[&str]) -> (String, usize) {
    let mut text = String::new();
    for (taken, line) in (1..=MOST).zip(raw) {
        let (line, continued) = match line.strip_suffix('\\') {
            Some(line) => (line, true),
            None => (*line, line.trim_end().ends_with('|')),
        };
        text.push_str(line);
        if !continued && !is_open(&text) {
            return (text, taken);
        }
        text.push(' ');
    }
    // It never ends, so it is no shell: the line stands for itself.
    (raw.first().map_or_else(String::new, |line| (*line).to_owned()), 1)
}

/// True iff a quote or a substitution is begun and not ended.
fn is_open(text: &str) -> bool {
    !scanned(text).1.is_empty()
}

/// What a character of a line stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Within {
    /// `'…'`, of which the shell takes nothing for its own.
    Single,
    /// `"…"`.
    Double,
    /// `$(…)`.
    Substitution,
}

/// How deep a line is after each of its bytes, and what is open at its end, the innermost last.
fn scanned(text: &str) -> (Vec<usize>, Vec<Within>) {
    let (mut depths, mut open) = (Vec::with_capacity(text.len()), Vec::new());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let mut bytes = c.len_utf8();
        match (open.last().copied(), c) {
            (Some(Within::Single), '\'')
            | (Some(Within::Double), '"')
            | (Some(Within::Substitution), ')') => {
                open.pop();
            }
            (Some(Within::Single), _) => {}
            (_, '\\') => bytes += chars.next().map_or(0, char::len_utf8),
            (_, '$') if chars.peek() == Some(&'(') => {
                chars.next();
                bytes += 1;
                open.push(Within::Substitution);
            }
            (Some(Within::Double), _) => {}
            (_, '\'') => open.push(Within::Single),
            (_, '"') => open.push(Within::Double),
            // A parenthesis of its own, so that its end is not taken for that of the substitution.
            (Some(Within::Substitution), '(') => open.push(Within::Substitution),
            _ => {}
        }
        depths.resize(depths.len() + bytes, open.len());
    }
    (depths, open)
}

/// The line with a `_` for each byte that is quoted or substituted: its own words and operators, at the places where they are.
pub(super) fn bare(text: &str) -> String {
    let mut ticked = false;
    let mut own = |(depth, byte): (usize, u8)| {
        ticked ^= byte == b'`' && depth == 0;
        if depth == 0 && !ticked && byte.is_ascii() { char::from(byte) } else { '_' }
    };
    scanned(text).0.into_iter().zip(text.bytes()).map(&mut own).collect()
}

/// The rest of the line from this place to the end of the quote or the substitution in which it stands, and which that is.
pub(super) fn rest_of(text: &str, at: usize) -> (&str, Option<Within>) {
    let open = scanned(&text[..at]).1;
    let depths = scanned(text).0;
    let end = depths[at..].iter().position(|&depth| depth < open.len());
    let end = end.map_or(text.len(), |end| at + end);
    (&text[at..end], open.last().copied())
}

/// True iff the text has what this variable holds.
pub(super) fn uses(text: &str, name: &str) -> bool {
    [format!("${name}"), format!("${{{name}")].iter().any(|used| {
        text.match_indices(used.as_str()).any(|(at, _)| {
            !text[at + used.len()..].starts_with(|next: char| next.is_ascii_alphanumeric() || next == '_')
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<(u64, String)> {
        lines(text).into_iter().map(|line| (line.number, line.text)).collect()
    }

    #[test]
    fn what_goes_on_is_one_line_with_the_number_of_its_first() {
        let text = "# a comment\na=$(ssh host 'x |\n  y')\nb \\\n  c\nd |\n  e\n";
        let expected = [(2, "a=$(ssh host 'x |   y')"), (4, "b    c"), (6, "d |   e")];
        assert_eq!(texts(text), expected.map(|(number, text)| (number, text.to_owned())));
    }

    #[test]
    fn what_is_quoted_or_substituted_is_no_word_of_the_line() {
        assert_eq!(bare(r#"n=$(a "b") || exit"#), "n=_______) || exit");
        assert_eq!(bare("ssh h 'a; b' ; c"), "ssh h _____' ; c");
        assert_eq!(bare("n=`a | b` ; ä"), "n=______` ; __");
        let rest = |text: &'static str| rest_of(text, text.find("log").expect("it has one"));
        assert_eq!(rest("ssh h 'log \"a\" | x' | y"), ("log \"a\" | x", Some(Within::Single)));
        assert_eq!(rest(r#"n="$(log "$s" | x)" | y"#), (r#"log "$s" | x"#, Some(Within::Substitution)));
        assert_eq!(rest("log a | x"), ("log a | x", None));
    }

    proptest::proptest! {
        #[test]
        fn any_line_has_its_bytes(text in "(\\PC|\\$\\(|'|\"|`|\\)){0,60}") {
            proptest::prop_assert_eq!(bare(&text).len(), text.len());
            for (at, _) in text.char_indices() {
                let _ = rest_of(&text, at);
            }
        }
    }

    #[test]
    fn a_quote_of_prose_swallows_nothing() {
        let prose = "it doesn't end\n".to_owned() + &"x\n".repeat(40) + "grep -c 'a'\n";
        let found = texts(&prose);
        assert_eq!((found.len(), found[0].1.as_str()), (42, "it doesn't end"));
        assert_eq!(found[41], (42, "grep -c 'a'".to_owned()));
    }
}
