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
    let (mut quote, mut depth, mut chars) = (None, 0_u32, text.chars().peekable());
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some('\''), '\'') | (Some('"'), '"') => quote = None,
            (Some('\''), _) => {}
            (_, '\\') => {
                chars.next();
            }
            (None, '\'' | '"') => quote = Some(c),
            (_, '$') if chars.peek() == Some(&'(') => {
                chars.next();
                depth += 1;
            }
            (_, ')') => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    quote.is_some() || 0 < depth
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
    fn a_quote_of_prose_swallows_nothing() {
        let prose = "it doesn't end\n".to_owned() + &"x\n".repeat(40) + "grep -c 'a'\n";
        let found = texts(&prose);
        assert_eq!((found.len(), found[0].1.as_str()), (42, "it doesn't end"));
        assert_eq!(found[41], (42, "grep -c 'a'".to_owned()));
    }
}
