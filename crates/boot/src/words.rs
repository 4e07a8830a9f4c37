//! The words of a shell's text, with the line that each begins on.

use std::iter::Peekable;
use std::str::Chars;

/// A word without its quotes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Word {
    pub(crate) text: String,
    /// The commands of its `$(…)` and backticks, which leave nothing in `text`.
    pub(crate) inner: Vec<String>,
    /// From 1.
    pub(crate) line: usize,
    /// True iff part of it is quoted, so that it is no word of the grammar.
    pub(crate) quoted: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    Word(Word),
    /// The file of a redirection.
    Target(Word),
    /// A command ends.
    End(End),
}

/// What follows a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Nothing waits for it: `&`.
    Background,
    /// A bracket closes, of a subshell or of a pattern of `case`.
    Closed,
    /// A bracket opens.
    Opened,
    /// The next one reads its output.
    Piped,
    /// The next one, or nothing.
    Plain,
}

/// Splits a text as a shell does. Never fails: what is left open ends with the text.
pub(crate) fn tokens(text: &str) -> Vec<Token> {
    let mut lexer = Lexer {
        chars: text.chars().peekable(),
        line: 1,
        tokens: Vec::new(),
        word: None,
        next_is: Next::Word,
        heredocs: Vec::new(),
    };
    while let Some(c) = lexer.next() {
        lexer.take(c);
    }
    lexer.end_word();
    lexer.end_command(End::Plain);
    lexer.tokens
}

/// What the next word is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Heredoc,
    Target,
    Word,
}

struct Lexer<'a> {
    chars: Peekable<Chars<'a>>,
    line: usize,
    tokens: Vec<Token>,
    word: Option<Word>,
    next_is: Next,
    /// The ends of the documents that begin at the next line.
    heredocs: Vec<String>,
}

impl Lexer<'_> {
    fn next(&mut self) -> Option<char> {
        let next = self.chars.next()?;
        self.line += usize::from(next == '\n');
        Some(next)
    }

    fn skip(&mut self, wanted: char) -> bool {
        self.chars.next_if_eq(&wanted).is_some()
    }

    fn take(&mut self, c: char) {
        match c {
            ' ' | '\t' | '\r' => self.end_word(),
            '\n' => {
                self.end_word();
                self.end_command(End::Plain);
                self.skip_heredocs();
            }
            '#' if self.word.is_none() => self.skip_comment(),
            '|' => {
                self.end_word();
                let end = if self.skip('|') { End::Plain } else { End::Piped };
                self.end_command(end);
            }
            // `&>` redirects.
            '&' if self.chars.peek() == Some(&'>') => self.end_word(),
            '&' => {
                self.end_word();
                let end = if self.skip('&') { End::Plain } else { End::Background };
                self.end_command(end);
            }
            ';' | '(' | ')' => {
                self.end_word();
                self.end_command(match c {
                    '(' => End::Opened,
                    ')' => End::Closed,
                    _ => End::Plain,
                });
            }
            '<' | '>' => self.redirection(c),
            '\'' => self.single_quoted(),
            '"' => self.double_quoted(),
            '\\' => self.escaped(),
            '$' => self.dollar(),
            '`' => self.backticks(),
            _ => self.push(c),
        }
    }

    fn word(&mut self) -> &mut Word {
        let line = self.line;
        self.word.get_or_insert_with(|| Word { line, ..Word::default() })
    }

    fn push(&mut self, c: char) {
        self.word().text.push(c);
    }

    fn end_word(&mut self) {
        let Some(word) = self.word.take() else { return };
        match self.next_is {
            Next::Heredoc => self.heredocs.push(word.text),
            Next::Target => self.tokens.push(Token::Target(word)),
            Next::Word => self.tokens.push(Token::Word(word)),
        }
        self.next_is = Next::Word;
    }

    fn end_command(&mut self, end: End) {
        self.next_is = Next::Word;
        self.tokens.push(Token::End(end));
    }

    fn skip_comment(&mut self) {
        while self.chars.next_if(|c| *c != '\n').is_some() {}
    }

    /// Texts that are fed to commands are no commands.
    fn skip_heredocs(&mut self) {
        for end in std::mem::take(&mut self.heredocs) {
            loop {
                let mut line = String::new();
                let mut complete = false;
                while let Some(c) = self.next() {
                    if c == '\n' {
                        complete = true;
                        break;
                    }
                    line.push(c);
                }
                if !complete || line.trim_start_matches('\t') == end {
                    break;
                }
            }
        }
    }

    fn redirection(&mut self, c: char) {
        // `2>` names a descriptor.
        let is_number = |word: &Word| !word.quoted && word.text.bytes().all(|b| b.is_ascii_digit());
        if self.word.as_ref().is_some_and(is_number) {
            self.word = None;
        } else {
            self.end_word();
        }
        if c == '<' && self.skip('<') {
            // `<<<` is followed by the text itself.
            self.next_is = if self.skip('<') { Next::Target } else { Next::Heredoc };
            self.skip('-');
            return;
        }
        for more in ['>', '&', '|'] {
            self.skip(more);
        }
        self.next_is = Next::Target;
    }

    fn escaped(&mut self) {
        match self.next() {
            Some('\n') | None => {}
            Some(c) => {
                self.word().quoted = true;
                self.push(c);
            }
        }
    }

    fn single_quoted(&mut self) {
        self.word().quoted = true;
        while let Some(c) = self.next() {
            if c == '\'' {
                break;
            }
            self.push(c);
        }
    }

    fn double_quoted(&mut self) {
        self.word().quoted = true;
        while let Some(c) = self.next() {
            match c {
                '"' => break,
                '\\' => self.escaped(),
                '$' => self.dollar(),
                '`' => self.backticks(),
                _ => self.push(c),
            }
        }
    }

    fn dollar(&mut self) {
        if self.skip('(') {
            let inner = self.balanced();
            // `$((…))` is arithmetic.
            if inner.starts_with('(') {
                self.word();
            } else {
                self.word().inner.push(inner);
            }
        } else {
            self.push('$');
            if self.chars.peek() == Some(&'{') {
                while let Some(c) = self.next() {
                    self.push(c);
                    if c == '}' {
                        break;
                    }
                }
            }
        }
    }

    fn backticks(&mut self) {
        let mut inner = String::new();
        while let Some(c) = self.next() {
            match c {
                '`' => break,
                '\\' => inner.extend(self.next()),
                _ => inner.push(c),
            }
        }
        self.word().inner.push(inner);
    }

    /// The text up to the bracket that closes; brackets in quotes do not count.
    fn balanced(&mut self) -> String {
        let mut inner = String::new();
        let mut open = 1_usize;
        let mut quote = None;
        while let Some(c) = self.next() {
            match (c, quote) {
                ('\'' | '"', None) => quote = Some(c),
                (_, Some(end)) if c == end => quote = None,
                ('(', None) => open += 1,
                (')', None) => open -= 1,
                _ => {}
            }
            if open == 0 {
                break;
            }
            inner.push(c);
        }
        inner
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The words, with `;`, `|` or `&` where a command ends, and `>` before a file.
    fn shown(text: &str) -> String {
        let shown = tokens(text).into_iter().map(|token| match token {
            Token::Word(word) => format!("{}{}", word.text, word.inner.concat()),
            Token::Target(word) => format!(">{}", word.text),
            Token::End(End::Background) => "&".to_owned(),
            Token::End(End::Piped) => "|".to_owned(),
            Token::End(End::Closed) => ")".to_owned(),
            Token::End(End::Opened) => "(".to_owned(),
            Token::End(End::Plain) => ";".to_owned(),
        });
        shown.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_text_is_split_as_a_shell_does() {
        for (text, words) in [
            ("a  b;c", "a b ; c ;"),
            ("a 'b c' \"d $E\" f\\ g", "a b c d $E f g ;"),
            ("a | b || c && d & e", "a | b ; c ; d & e ;"),
            ("a # b\nc#d", "a ; c#d ;"),
            ("a >/dev/null 2>&1 <f", "a >/dev/null >1 >f ;"),
            ("a &>f", "a >f ;"),
            ("a \"$(b \"c)\")\" `d`", "a b \"c)\" d ;"),
            ("a ${B:-c d} $((1 + 2))", "a ${B:-c d}  ;"),
            ("a <<EOF b\nuntil x\nEOF\nc", "a b ; c ;"),
            ("a <<-'E'\nx\n\tE\nc", "a ; c ;"),
            ("a \\\n b", "a b ;"),
            ("(a; b) && c", "( a ; b ) ; c ;"),
        ] {
            assert_eq!(shown(text), words, "{text}");
        }
    }

    #[test]
    fn each_word_knows_its_line() {
        let lines: Vec<usize> = tokens("a \\\nb\n\n'c\nd' e")
            .into_iter()
            .filter_map(|token| match token {
                Token::Word(word) => Some(word.line),
                _ => None,
            })
            .collect();
        assert_eq!(lines, [1, 2, 4, 5]);
    }

    proptest! {
        #[test]
        fn never_panics(text in any::<String>(), likely in "[a-z'\"$(){}<>|&;`\\\\\n# ]{0,60}") {
            prop_assert!(matches!(tokens(&text).last(), Some(Token::End(_))));
            tokens(&likely);
        }
    }
}
