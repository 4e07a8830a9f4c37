//! A text as the simple commands of a shell, as far as that can be told without running it.
//!
//! Not a parser of any one language: a script, a Nix string with a script in it, and the line of a unit file all are to give
//! their commands. What is quoted or substituted is looked at once more as commands of its own, since it may be run.

/// A word of a command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Word {
    /// Its text, without quotes; expansions stand as they are written.
    pub(super) text: String,
    /// True iff it has an expansion, so that the text is not what a program gets.
    pub(super) expands: bool,
    /// The line on which it begins, from 1.
    pub(super) line: u64,
}

/// Words up to a separator.
pub(super) type Command = Vec<Word>;

/// How deep quotes and substitutions are followed.
const DEPTH: usize = 4;

/// The commands of a text, and of what is quoted or substituted in it.
pub(super) fn commands(text: &str) -> Vec<Command> {
    let mut all = Vec::new();
    let mut texts = vec![(text.to_owned(), 1)];
    for _ in 0..=DEPTH {
        let mut inner = Vec::new();
        for (text, line) in texts {
            let mut scanner = Scanner::new(&text, line);
            scanner.run();
            all.append(&mut scanner.commands);
            inner.append(&mut scanner.inner);
        }
        texts = inner;
    }
    all
}

struct Scanner {
    chars: Vec<char>,
    at: usize,
    line: u64,
    word: Option<Word>,
    /// The next word is where output goes, and no argument.
    redirects: bool,
    command: Command,
    commands: Vec<Command>,
    /// Texts that may be commands of their own, with their lines.
    inner: Vec<(String, u64)>,
}

impl Scanner {
    fn new(text: &str, line: u64) -> Self {
        Self {
            chars: text.chars().collect(),
            at: 0,
            line,
            word: None,
            redirects: false,
            command: Command::new(),
            commands: Vec::new(),
            inner: Vec::new(),
        }
    }

    fn run(&mut self) {
        while let Some(c) = self.next() {
            match c {
                '\\' => match self.next() {
                    None | Some('\n') => {}
                    Some(literal) => self.push(literal),
                },
                '#' if self.word.is_none() => self.skip_while(|c| c != '\n'),
                '/' if self.word.is_none() && self.peek() == Some('*') => self.skip_comment(),
                '\'' | '"' => self.quoted(c),
                '$' | '`' => self.expansion(c),
                '>' | '<' => self.redirection(),
                ';' | '|' | '&' | '(' | ')' | '\n' => self.end_command(),
                c if c.is_whitespace() => self.end_word(),
                c => self.push(c),
            }
        }
        self.end_command();
    }

    fn next(&mut self) -> Option<char> {
        let c = self.chars.get(self.at).copied()?;
        self.at += 1;
        self.line += u64::from(c == '\n');
        Some(c)
    }

    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn skip_while(&mut self, is_in: impl Fn(char) -> bool) {
        while self.peek().is_some_and(&is_in) {
            self.next();
        }
    }

    /// A comment of Nix. One that does not end, or has no blank at its beginning, is a pattern of a shell.
    fn skip_comment(&mut self) {
        let rest = &self.chars[self.at + 1..];
        let is_comment = rest.first().is_some_and(|c| c.is_whitespace() || *c == '*');
        match rest.windows(2).position(|two| two == ['*', '/']).filter(|_| is_comment) {
            Some(length) => {
                let end = self.at + length + 3;
                while self.at < end && self.next().is_some() {}
            }
            None => self.push('/'),
        }
    }

    fn word(&mut self) -> &mut Word {
        let line = self.line;
        self.word.get_or_insert_with(|| Word { line, ..Word::default() })
    }

    fn push(&mut self, c: char) {
        self.word().text.push(c);
    }

    /// What is between two quotes. A quote that is never closed is a letter: of a sentence, or of a name in Nix.
    fn quoted(&mut self, quote: char) {
        let (begin, line) = (self.at, self.line);
        let Some(end) = self.closing(quote) else { return self.push(quote) };
        let text: String = self.chars[begin..end].iter().collect();
        // `''` alone is where a string of Nix begins or ends, and an empty word in a shell: neither is an argument here.
        if !text.is_empty() {
            let word = self.word();
            word.expands |= quote == '"' && text.contains(['$', '`']);
            word.text.push_str(&if quote == '"' { text.replace("\\\"", "\"") } else { text.clone() });
            self.keep(&text, line);
        }
        while self.at <= end {
            self.next();
        }
    }

    /// Where a quote that was opened here is closed.
    fn closing(&self, quote: char) -> Option<usize> {
        let mut at = self.at;
        while let Some(c) = self.chars.get(at) {
            match *c {
                c if c == quote => return Some(at),
                '\\' if quote == '"' => at += 2,
                _ => at += 1,
            }
        }
        None
    }

    /// `$NAME`, `${…}`, `$(…)`, `` `…` ``.
    fn expansion(&mut self, first: char) {
        let (begin, line) = (self.at, self.line);
        let inner = match (first, self.peek()) {
            ('`', _) => {
                self.chars[begin..].iter().position(|c| *c == '`').map(|length| (begin, begin + length))
            }
            (_, Some(open @ ('(' | '{'))) => self.balanced(open).map(|end| (begin + 1, end)),
            _ => None,
        };
        self.word().expands = true;
        self.push(first);
        if let Some((from, end)) = inner {
            let text: String = self.chars[from..end].iter().collect();
            self.keep(&text, line);
            while self.at <= end {
                if let Some(c) = self.next() {
                    self.push(c);
                }
            }
        }
    }

    /// Where the bracket that stands here is closed.
    fn balanced(&self, open: char) -> Option<usize> {
        let close = if open == '(' { ')' } else { '}' };
        let mut depth = 0_u64;
        for (n, c) in self.chars[self.at..].iter().enumerate() {
            depth += u64::from(*c == open);
            depth = depth.saturating_sub(u64::from(*c == close));
            if depth == 0 {
                return Some(self.at + n);
            }
        }
        None
    }

    fn keep(&mut self, text: &str, line: u64) {
        if text.contains("network") && text.contains(char::is_whitespace) {
            self.inner.push((text.to_owned(), line));
        }
    }

    /// `>file`, `2>&1`, `<<EOF`: neither it nor its target is an argument.
    fn redirection(&mut self) {
        if self.word.as_ref().is_some_and(|word| word.text.chars().all(|c| c.is_ascii_digit())) {
            self.word = None;
        }
        self.end_word();
        self.skip_while(|c| matches!(c, '>' | '<' | '&' | '|' | '-'));
        self.redirects = true;
    }

    fn end_word(&mut self) {
        if let Some(word) = self.word.take()
            && !std::mem::take(&mut self.redirects)
        {
            self.command.push(word);
        }
    }

    fn end_command(&mut self) {
        self.end_word();
        self.redirects = false;
        if !self.command.is_empty() {
            self.commands.push(std::mem::take(&mut self.command));
        }
    }
}
