//! The lines of a text of Python, as words, strings and marks. No grammar: only what stands where.

/// A part of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// A name, a keyword or a number.
    Name(String),
    /// Any other character.
    Mark(char),
    /// A string; `None` where its text is not all of it, as with `f"…"` or an escape.
    Text(Option<String>),
}

/// What statements that have a block begin with.
const BLOCKS: [&str; 11] =
    ["class", "def", "elif", "else", "except", "finally", "for", "if", "try", "while", "with"];

/// A line of the grammar, which may go on over several of the text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) indent: usize,
    /// The parts, each with its line of the text, from 1.
    pub(crate) parts: Vec<(Part, usize)>,
}

impl Line {
    pub(crate) fn name(&self, at: usize) -> Option<&str> {
        match self.parts.get(at) {
            Some((Part::Name(name), _)) => Some(name),
            _ => None,
        }
    }

    pub(crate) fn text(&self, at: usize) -> Option<&str> {
        match self.parts.get(at) {
            Some((Part::Text(text), _)) => text.as_deref(),
            _ => None,
        }
    }

    pub(crate) fn is_mark(&self, at: usize, mark: char) -> bool {
        matches!(self.parts.get(at), Some((Part::Mark(own), _)) if *own == mark)
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        (0..self.parts.len()).filter_map(|at| self.name(at))
    }

    /// The keyword of a statement that has a block; empty for any other.
    pub(crate) fn keyword(&self) -> &str {
        let first = self.name(usize::from(self.name(0) == Some("async"))).unwrap_or_default();
        if BLOCKS.contains(&first) { first } else { "" }
    }

    fn is_compound(&self) -> bool {
        !self.keyword().is_empty()
    }

    /// True iff it imports something.
    pub(crate) fn is_import(&self) -> bool {
        matches!(self.name(0), Some("from" | "import"))
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.names().any(|own| own == name)
    }

    /// True iff the two characters stand there one after the other, as in `!=`.
    pub(crate) fn has_marks(&self, first: char, second: char) -> bool {
        (1..self.parts.len()).any(|at| self.is_mark(at - 1, first) && self.is_mark(at, second))
    }
}

/// The lines, and whether every string and bracket is closed and no string runs anything. What follows `if x:` on its line
/// is a line of its own, indented further.
pub(crate) fn lines(text: &str) -> (Vec<Line>, bool) {
    let (line, lines) = (Line::default(), Vec::new());
    let mut lexer = Lexer { rest: text, number: 1, open: 0, line, lines, runs_in_text: false };
    let whole = lexer.run();
    lexer.end_line();
    (lexer.lines, whole && lexer.open == 0 && !lexer.runs_in_text)
}

struct Lexer<'a> {
    rest: &'a str,
    number: usize,
    /// How many brackets are open.
    open: usize,
    line: Line,
    lines: Vec<Line>,
    /// True iff there is a string such as `f"{call()}"`.
    runs_in_text: bool,
}

impl Lexer<'_> {
    fn run(&mut self) -> bool {
        self.indent();
        while let Some(c) = self.rest.chars().next() {
            match c {
                '\n' => {
                    self.skip(1);
                    self.number += 1;
                    if self.open == 0 {
                        self.end_line();
                        self.indent();
                    }
                }
                '#' => self.skip(self.rest.find('\n').unwrap_or(self.rest.len())),
                // A line that goes on.
                '\\' if self.rest.starts_with("\\\n") => {
                    self.skip(2);
                    self.number += 1;
                }
                '"' | '\'' => {
                    if !self.string("") {
                        return false;
                    }
                }
                _ if c.is_alphanumeric() || c == '_' => {
                    let end = self.rest.find(|c: char| !c.is_alphanumeric() && c != '_');
                    let name = &self.rest[..end.unwrap_or(self.rest.len())];
                    self.skip(name.len());
                    if !self.rest.starts_with(['"', '\'']) {
                        self.push(Part::Name(name.to_owned()));
                    } else if !self.string(name) {
                        return false;
                    }
                }
                ';' if self.open == 0 => {
                    self.skip(1);
                    self.next_line(0);
                }
                ':' if self.open == 0 && self.line.is_compound() && !self.rest.starts_with(":=") => {
                    self.skip(1);
                    self.push(Part::Mark(':'));
                    self.next_line(1);
                }
                _ => {
                    match c {
                        '(' | '[' | '{' => self.open += 1,
                        ')' | ']' | '}' => self.open = self.open.saturating_sub(1),
                        _ => {}
                    }
                    self.skip(c.len_utf8());
                    if !c.is_whitespace() {
                        self.push(Part::Mark(c));
                    }
                }
            }
        }
        true
    }

    fn skip(&mut self, bytes: usize) {
        self.rest = &self.rest[bytes..];
    }

    fn push(&mut self, part: Part) {
        self.line.parts.push((part, self.number));
    }

    /// A tab goes on to the next eighth column (the language's reference, "Indentation").
    fn indent(&mut self) {
        while let Some(c) = self.rest.chars().next().filter(|c| matches!(c, ' ' | '\t')) {
            let column = self.line.indent;
            self.line.indent = if c == ' ' { column + 1 } else { (column / 8 + 1) * 8 };
            self.skip(1);
        }
    }

    /// Begins another line on the same one of the text, this much further in.
    fn next_line(&mut self, further: usize) {
        let indent = self.line.indent + further;
        self.end_line();
        self.line.indent = indent;
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        if !line.parts.is_empty() {
            self.lines.push(line);
        }
    }

    /// A string behind its prefix; false if it is not closed.
    fn string(&mut self, prefix: &str) -> bool {
        let quote = &self.rest[..1];
        let triple = quote.repeat(3);
        let end: &str = if self.rest.starts_with(&triple) { &triple } else { quote };
        let (line, inside) = (self.number, &self.rest[end.len()..]);
        let Some(length) = closing(inside, end) else { return false };
        let text = &inside[..length];
        let is_filled = prefix.contains(['F', 'T', 'f', 't']) && text.contains('{');
        // A quote of the same kind in `{…}` ends the text too early.
        let is_cut = text.matches('{').count() != text.matches('}').count();
        self.runs_in_text |= is_filled && (is_cut || text.contains('('));
        let plain = prefix.chars().all(|c| matches!(c, 'R' | 'U' | 'r' | 'u')) && !text.contains('\\');
        self.number += text.matches('\n').count();
        self.rest = &inside[length + end.len()..];
        self.line.parts.push((Part::Text(plain.then(|| text.to_owned())), line));
        true
    }
}

/// Where a string ends.
fn closing(text: &str, end: &str) -> Option<usize> {
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        if text[at..].starts_with(end) {
            return Some(at);
        }
        if c == '\n' && end.len() == 1 {
            return None;
        }
        at += c.len_utf8();
        if c == '\\' {
            at += text[at..].chars().next().map_or(0, char::len_utf8);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_text_is_split_into_its_lines() {
        let text =
            "a('b', # c\n  r\"d\")\nif x:\n\ty = f'z' + \"\"\"1\n2\"\"\"; e('\\n') \\\n  .f\n\twith g: h; i";
        let (lines, whole) = lines(text);
        let shown = |line: &Line| {
            let parts = line.parts.iter().map(|(part, number)| match part {
                Part::Name(name) => format!("{name}:{number}"),
                Part::Mark(mark) => mark.to_string(),
                Part::Text(text) => format!("{text:?}:{number}"),
            });
            (line.indent, parts.collect::<Vec<_>>().join(" "))
        };
        let shown: Vec<(usize, String)> = lines.iter().map(shown).collect();
        let expected = [
            (0, r#"a:1 ( Some("b"):1 , Some("d"):2 )"#),
            (0, "if:3 x:3 :"),
            (8, r#"y:4 = None:4 + Some("1\n2"):4"#),
            (8, "e:5 ( None:5 ) . f:6"),
            (8, "with:7 g:7 :"),
            (9, "h:7"),
            (9, "i:7"),
        ];
        assert_eq!(shown, expected.map(|(indent, text)| (indent, text.to_owned())));
        assert!(whole);
    }

    #[test]
    fn what_is_left_open_is_not_whole() {
        for text in ["a(", "'a", "'a\nb'", "\"\"\"a\"\"", "a = 'b\\'"] {
            assert!(!lines(text).1, "{text}");
        }
    }

    #[test]
    fn a_string_that_calls_is_not_whole() {
        for text in ["f'{a()}'", "Rf\"{a(1)}\"", "t'''{a()}'''", "f\"{a[\"b\"](c)}\""] {
            assert!(!lines(text).1, "{text}");
        }
        for text in ["f'{a}'", "'{a()}'", "f'a (b)'", "f'{a}' + b('(')"] {
            assert!(lines(text).1, "{text}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in any::<String>(), likely in "[a-z'\"\\\\(){}#:\n\t ]{0,40}") {
            lines(&text);
            lines(&likely);
        }
    }
}
