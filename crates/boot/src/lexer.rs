//! Splits a shell's text into words.

use std::iter::Peekable;
use std::str::Chars;

use crate::words::{End, Token, Tokens, Word};

/// How deep arrays, arithmetic and documents in one another are looked into.
const DEPTH_LIMIT: usize = 4;

/// Splits a text as a shell does. Never fails: what is left open ends with the text.
pub(crate) fn tokens(text: &str) -> Tokens {
    tokens_within(text, DEPTH_LIMIT)
}

/// `depth` says how many more texts in texts are split: more leave the text not understood.
fn tokens_within(text: &str, depth: usize) -> Tokens {
    let mut lexer = Lexer {
        chars: text.chars().peekable(),
        line: 1,
        tokens: Vec::new(),
        word: None,
        next_is: Next::Word,
        heredocs: Vec::new(),
        whole: true,
        depth,
    };
    while let Some(c) = lexer.next() {
        lexer.take(c);
    }
    lexer.end_word();
    lexer.end_command(End::Plain);
    Tokens { whole: lexer.whole && lexer.heredocs.is_empty(), list: lexer.tokens }
}

/// True iff the first bracket closes at the end: `((a) && (b))` are two subshells in one, and no arithmetic.
fn is_in_brackets(text: &str) -> bool {
    let Some(inner) = text.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) else { return false };
    let mut open = 0_usize;
    inner.chars().all(|c| {
        let closes = c == ')' && open == 0;
        match c {
            '(' => open += 1,
            ')' => open = open.saturating_sub(1),
            _ => {}
        }
        !closes
    })
}

/// True iff the word is `NAME=` or `NAME+=`: a bracket behind it opens an array.
fn opens_array(word: &Word) -> bool {
    let name = word.text.strip_suffix('=').map(|name| name.strip_suffix('+').unwrap_or(name));
    let is_name =
        |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    !word.quoted && name.is_some_and(is_name)
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
    /// The ends of the documents that begin at the next line, each with the place of its token.
    heredocs: Vec<(Word, usize)>,
    whole: bool,
    depth: usize,
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
                // A list goes on behind its `&&` and `||`, and a pipe behind its `|`.
                if !matches!(self.tokens.last(), Some(Token::End(End::And | End::Or | End::Piped))) {
                    self.end_command(End::Plain);
                }
                self.skip_heredocs();
            }
            '#' if self.word.is_none() => self.skip_comment(),
            '|' => {
                self.end_word();
                let end = if self.skip('|') { End::Or } else { End::Piped };
                self.end_command(end);
            }
            // `&>` redirects.
            '&' if self.chars.peek() == Some(&'>') => self.end_word(),
            '&' => {
                self.end_word();
                let end = if self.skip('&') { End::And } else { End::Background };
                self.end_command(end);
            }
            '(' if self.word.as_ref().is_some_and(opens_array) => self.array(),
            '(' if self.begins_command() && self.chars.peek() == Some(&'(') => self.arithmetic(),
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
            '$' if self.skip('\'') => self.ansi_quoted(),
            '$' => self.dollar(),
            '`' => self.backticks(),
            _ => self.push(c),
        }
    }

    /// True iff no word of the command was read yet.
    fn begins_command(&self) -> bool {
        let is_keyword = |word: &Word| {
            !word.quoted
                && matches!(
                    word.text.as_str(),
                    "!" | "do" | "elif" | "else" | "for" | "if" | "then" | "until" | "while" | "{"
                )
        };
        self.word.is_none()
            && match self.tokens.last() {
                None | Some(Token::End(_)) => true,
                Some(Token::Word(word)) => is_keyword(word),
                Some(Token::Document(_) | Token::Target(_)) => false,
            }
    }

    /// The elements of an array are no commands; what stands in their `$(…)` is.
    fn array(&mut self) {
        let elements = self.balanced();
        let commands = self.commands_in(&elements);
        let word = self.word();
        word.computed = true;
        word.inner.extend(commands);
    }

    /// `((…))` is one command. Its second bracket is the next character.
    fn arithmetic(&mut self) {
        self.word();
        let inner = self.balanced();
        self.whole &= is_in_brackets(&inner);
        let commands = self.substituted(&inner);
        let word = self.word();
        word.text.push_str("((");
        word.inner.extend(commands);
        self.end_word();
    }

    /// The commands of `$(…)` in a text that is otherwise none of the shell's grammar.
    fn substituted(&mut self, text: &str) -> Vec<String> {
        self.commands_in(&format!("\"{}\"", text.replace('"', "")))
    }

    fn commands_in(&mut self, text: &str) -> Vec<String> {
        let Some(depth) = self.depth.checked_sub(1) else {
            self.whole = false;
            return Vec::new();
        };
        let found = tokens_within(text, depth);
        self.whole &= found.whole;
        found.inner()
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
            Next::Heredoc => {
                self.heredocs.push((word, self.tokens.len()));
                self.tokens.push(Token::Document(Word::default()));
            }
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

    /// Texts that are fed to commands are no commands, but what stands in their `$(…)` is.
    fn skip_heredocs(&mut self) {
        for (end, place) in std::mem::take(&mut self.heredocs) {
            let mut text = String::new();
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
                if line.trim_start_matches('\t') == end.text {
                    break;
                }
                if !complete {
                    self.whole = false;
                    break;
                }
                text.push_str(&line);
                text.push('\n');
            }
            let inner = if end.quoted { Vec::new() } else { self.substituted(&text) };
            if let Some(Token::Document(document)) = self.tokens.get_mut(place) {
                let (quoted, computed) = (end.quoted, !inner.is_empty());
                *document = Word { text, inner: Vec::new(), line: end.line, quoted, computed };
            }
            if !inner.is_empty() {
                self.tokens.push(Token::Word(Word {
                    text: ":".to_owned(),
                    inner,
                    line: end.line,
                    ..Word::default()
                }));
                self.end_command(End::Plain);
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
                return;
            }
            self.push(c);
        }
        self.whole = false;
    }

    /// `$'…'`, in which a quote can be escaped. Which character an escape stands for does not matter here.
    fn ansi_quoted(&mut self) {
        self.word().quoted = true;
        while let Some(c) = self.next() {
            match c {
                '\'' => return,
                '\\' => self.escaped(),
                _ => self.push(c),
            }
        }
        self.whole = false;
    }

    fn double_quoted(&mut self) {
        self.word().quoted = true;
        while let Some(c) = self.next() {
            match c {
                '"' => return,
                '\\' => self.escaped(),
                '$' => self.dollar(),
                '`' => self.backticks(),
                _ => self.push(c),
            }
        }
        self.whole = false;
    }

    fn dollar(&mut self) {
        if self.skip('(') {
            // The word begins here, not where the bracket closes.
            self.word();
            let inner = self.balanced();
            // `$((…))` is arithmetic.
            let inner = if is_in_brackets(&inner) { self.substituted(&inner) } else { vec![inner] };
            let word = self.word();
            word.computed = true;
            word.inner.extend(inner);
        } else {
            self.push('$');
            if self.chars.peek() == Some(&'{') {
                self.braced();
            }
        }
    }

    fn braced(&mut self) {
        while let Some(c) = self.next() {
            // `${A:-$(…)}` runs commands.
            if c == '$' && self.skip('(') {
                let inner = self.balanced();
                let word = self.word();
                word.computed = true;
                word.inner.push(inner);
                continue;
            }
            self.push(c);
            if c == '}' {
                return;
            }
        }
        self.whole = false;
    }

    fn backticks(&mut self) {
        self.word();
        let mut inner = String::new();
        let mut closed = false;
        while let Some(c) = self.next() {
            match c {
                '`' => {
                    closed = true;
                    break;
                }
                '\\' => inner.extend(self.next()),
                _ => inner.push(c),
            }
        }
        self.whole &= closed;
        let word = self.word();
        word.computed = true;
        word.inner.push(inner);
    }

    /// The text up to the bracket that closes; brackets in quotes do not count.
    fn balanced(&mut self) -> String {
        let mut inner = String::new();
        let mut open = 1_usize;
        let mut quote = None;
        while let Some(c) = self.next() {
            match (c, quote) {
                ('\\', None | Some('"')) => {
                    inner.push(c);
                    inner.extend(self.next());
                    continue;
                }
                ('\'' | '"', None) => quote = Some(c),
                (_, Some(end)) if c == end => quote = None,
                ('(', None) => open += 1,
                (')', None) => open -= 1,
                _ => {}
            }
            if open == 0 {
                return inner;
            }
            inner.push(c);
        }
        self.whole = false;
        inner
    }
}

#[cfg(test)]
mod tests;
