//! The words of a shell's text, with the line that each begins on.

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
    /// True iff part of it is what commands print or arithmetic comes to, so that `text` is not all of it.
    pub(crate) computed: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    /// What a command is given to read: the text of a here-document.
    Document(Word),
    Word(Word),
    /// The file of a redirection.
    Target(Word),
    /// A command ends.
    End(End),
}

/// What follows a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The next one runs if it succeeds: `&&`.
    And,
    /// Nothing waits for it: `&`.
    Background,
    /// A bracket closes, of a subshell or of a pattern of `case`.
    Closed,
    /// A bracket opens.
    Opened,
    /// The next one runs if it fails: `||`.
    Or,
    /// The next one reads its output.
    Piped,
    /// The next one, or nothing.
    Plain,
}

/// What a text consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tokens {
    pub(crate) list: Vec<Token>,
    /// False iff a quote, a bracket or a document is still open where the text ends: what stands behind its beginning was
    /// taken for something that it is not.
    pub(crate) whole: bool,
}

impl Tokens {
    /// The commands in all of its words.
    pub(crate) fn inner(self) -> Vec<String> {
        let inner = self.list.into_iter().flat_map(|token| match token {
            Token::Document(word) | Token::Word(word) | Token::Target(word) => word.inner,
            Token::End(_) => Vec::new(),
        });
        inner.collect()
    }
}
