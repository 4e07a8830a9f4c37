//! What a Rust file imports: its paths through the crate, without comments, literals and test-only code.

/// A path through the crate that a file names, and the inline module that contains it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Import {
    /// Names of the inline modules around it, outermost first; usually none.
    pub(crate) within: Vec<String>,
    /// Its words as written, such as `crate`, `census`, `run`.
    pub(crate) path: Vec<String>,
    /// True iff a `use` names it: only there may the first word be a child module.
    pub(crate) by_use: bool,
}

/// What is known of one file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Source {
    pub(crate) imports: Vec<Import>,
    /// Modules in files of their own that are declared for tests only.
    pub(crate) test_modules: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    /// `::`, one token, so that a path cannot be taken for the `:` of a type.
    Separator,
    Sign(char),
}

impl Token {
    fn is(&self, word: &str) -> bool {
        matches!(self, Self::Word(w) if w == word)
    }
}

/// Reads one file.
pub(crate) fn read(text: &str) -> Source {
    let mut source = Source::default();
    let tokens = without_tests(&tokens(&code(text)), &mut source.test_modules);
    let mut within = Vec::new();
    // The depth at which each inline module opened, so that its closing brace is recognised.
    let mut opened = Vec::new();
    let (mut at, mut depth) = (0, 0);
    while at < tokens.len() {
        match &tokens[at..] {
            [Token::Word(word), Token::Word(name), Token::Sign('{'), ..] if word == "mod" => {
                within.push(name.clone());
                opened.push(depth);
                depth += 1;
                at += 3;
                continue;
            }
            [Token::Sign('{'), ..] => depth += 1,
            [Token::Sign('}'), ..] => {
                depth -= 1;
                if opened.last() == Some(&depth) {
                    opened.pop();
                    within.pop();
                }
            }
            [Token::Word(word), ..] if word == "use" => {
                let length = tokens[at..].iter().position(|t| *t == Token::Sign(';'));
                let end = length.map_or(tokens.len(), |length| at + length);
                let paths = use_tree(&tokens[at + 1..end]);
                source.imports.extend(paths.into_iter().map(|path| import(&within, path, true)));
                at = end;
                continue;
            }
            rest => {
                let path = inline_path(rest);
                if 1 < path.len() {
                    at += 2 * path.len() - 1;
                    source.imports.push(import(&within, path, false));
                    continue;
                }
            }
        }
        at += 1;
    }
    source
}

fn import(within: &[String], path: Vec<String>, by_use: bool) -> Import {
    Import { within: within.to_vec(), path, by_use }
}

/// The paths of a use tree: `a::{b, c::{self, d}}` gives `a::b`, `a::c`, `a::c::d`. A path that begins with `::` is one
/// of another crate and gives none.
fn use_tree(tokens: &[Token]) -> Vec<Vec<String>> {
    let mut prefix = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        match token {
            Token::Separator if at == 0 => return Vec::new(),
            Token::Separator => {}
            Token::Sign('{') => {
                let branches = branches(&tokens[at + 1..]);
                let paths = branches.into_iter().flat_map(use_tree);
                return paths.map(|path| joined(&prefix, path)).collect();
            }
            // A new name for the same thing.
            Token::Word(word) if word == "as" => break,
            Token::Word(word) => prefix.push(word.clone()),
            // A glob imports from the module named so far, which may be the whole prefix of the branch above.
            Token::Sign(_) => return vec![prefix],
        }
    }
    if prefix.is_empty() { Vec::new() } else { vec![prefix] }
}

/// `self` at the end of a branch is the module itself.
fn joined(prefix: &[String], path: Vec<String>) -> Vec<String> {
    let path = if path == ["self"] && !prefix.is_empty() { Vec::new() } else { path };
    prefix.iter().cloned().chain(path).collect()
}

/// The parts between the commas up to the brace that closes them.
fn branches(tokens: &[Token]) -> Vec<&[Token]> {
    let (mut parts, mut start, mut depth) = (Vec::new(), 0, 0);
    for (at, token) in tokens.iter().enumerate() {
        match token {
            Token::Sign('{') => depth += 1,
            Token::Sign('}') if depth == 0 => {
                parts.push(&tokens[start..at]);
                break;
            }
            Token::Sign('}') => depth -= 1,
            Token::Sign(',') if depth == 0 => {
                parts.push(&tokens[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts
}

/// A path in code that begins with `crate` or `super`; empty if none begins here.
fn inline_path(tokens: &[Token]) -> Vec<String> {
    let mut path = Vec::new();
    for pair in tokens.chunks(2) {
        let [Token::Word(word), rest @ ..] = pair else { break };
        if path.is_empty() && word != "crate" && word != "super" {
            break;
        }
        path.push(word.clone());
        if rest != [Token::Separator] {
            break;
        }
    }
    path
}

/// Takes out every item that only tests see. `modules` gets the names of those that are in files of their own.
fn without_tests(tokens: &[Token], modules: &mut Vec<String>) -> Vec<Token> {
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let (inner, start) = match &tokens[at..] {
            [Token::Sign('#'), Token::Sign('['), ..] => (false, at + 2),
            [Token::Sign('#'), Token::Sign('!'), Token::Sign('['), ..] => (true, at + 3),
            _ => {
                kept.push(tokens[at].clone());
                at += 1;
                continue;
            }
        };
        let end = start + closing(&tokens[start..]);
        let is_for_tests = is_cfg_test(&tokens[start..end]);
        if !is_for_tests {
            // An attribute may name a path, such as the parser of an argument.
            kept.extend_from_slice(&tokens[at..tokens.len().min(end + 1)]);
            at = end + 1;
        } else if inner {
            // `#![cfg(test)]`: the rest of the file.
            break;
        } else {
            at = after_attributes(tokens, end + 1);
            if let [Token::Word(word), Token::Word(name), Token::Sign(';'), ..] = unqualified(&tokens[at..])
                && word == "mod"
            {
                modules.push(name.clone());
            }
            at += item_length(&tokens[at..]);
        }
    }
    kept
}

/// Index of the sign that closes the group in which the tokens begin.
fn closing(tokens: &[Token]) -> usize {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate() {
        match token {
            Token::Sign('(' | '[' | '{') => depth += 1,
            Token::Sign(')' | ']' | '}') if depth == 0 => return at,
            Token::Sign(')' | ']' | '}') => depth -= 1,
            _ => {}
        }
    }
    tokens.len()
}

/// True iff an attribute compiles its item for tests only: `cfg(test)`, or `cfg(all(…))` with `test` among its parts.
fn is_cfg_test(attribute: &[Token]) -> bool {
    match attribute {
        [word, Token::Sign('('), rest @ .., Token::Sign(')')] if word.is("cfg") => needs_test(rest),
        _ => false,
    }
}

fn needs_test(predicate: &[Token]) -> bool {
    match predicate {
        [word] => word.is("test"),
        [word, Token::Sign('('), rest @ .., Token::Sign(')')] if word.is("all") => {
            let mut rest = rest;
            while !rest.is_empty() {
                let mut depth = 0;
                let comma = rest.iter().position(|token| {
                    depth += i32::from(*token == Token::Sign('(')) - i32::from(*token == Token::Sign(')'));
                    depth == 0 && *token == Token::Sign(',')
                });
                let end = comma.unwrap_or(rest.len());
                if needs_test(&rest[..end]) {
                    return true;
                }
                rest = rest.get(end + 1..).unwrap_or_default();
            }
            false
        }
        _ => false,
    }
}

/// Further attributes of the same item.
fn after_attributes(tokens: &[Token], mut at: usize) -> usize {
    while let [Token::Sign('#'), Token::Sign('['), rest @ ..] = &tokens[at..] {
        at += 2 + closing(rest) + 1;
    }
    at
}

/// An item without its visibility.
fn unqualified(item: &[Token]) -> &[Token] {
    match item {
        [word, Token::Sign('('), rest @ ..] if word.is("pub") => {
            rest.get(closing(rest) + 1..).unwrap_or_default()
        }
        [word, rest @ ..] if word.is("pub") => rest,
        _ => item,
    }
}

/// How many tokens an item has. A field or variant ends with its comma, an import with its semicolon (its braces are no
/// body), everything else with its semicolon or its body.
fn item_length(item: &[Token]) -> usize {
    const ITEMS: [&str; 14] = [
        "async",
        "const",
        "enum",
        "extern",
        "fn",
        "impl",
        "macro_rules",
        "mod",
        "static",
        "struct",
        "trait",
        "type",
        "unsafe",
        "use",
    ];
    let bare = unqualified(item);
    let is_use = bare.first().is_some_and(|word| word.is("use"));
    let is_item = bare.first().is_some_and(|token| ITEMS.iter().any(|word| token.is(word)));
    let mut depth = 0;
    for (at, token) in item.iter().enumerate() {
        match token {
            Token::Sign('(' | '[' | '{') => depth += 1,
            // The group around a last field without a comma.
            Token::Sign(')' | ']' | '}') if depth == 0 => return at,
            Token::Sign(sign @ (')' | ']' | '}')) => {
                depth -= 1;
                if depth == 0 && *sign == '}' && is_item && !is_use {
                    return at + 1;
                }
            }
            Token::Sign(';') if depth == 0 => return at + 1,
            Token::Sign(',') if depth == 0 && !is_item => return at + 1,
            _ => {}
        }
    }
    item.len()
}

fn tokens(code: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut chars = code.chars().peekable();
    while let Some(c) = chars.next() {
        if c.is_alphanumeric() || c == '_' {
            let mut word = String::from(c);
            while let Some(c) = chars.next_if(|c| c.is_alphanumeric() || *c == '_') {
                word.push(c);
            }
            tokens.push(Token::Word(word));
        } else if c == ':' && chars.next_if_eq(&':').is_some() {
            tokens.push(Token::Separator);
        } else if !c.is_whitespace() {
            tokens.push(Token::Sign(c));
        }
    }
    tokens
}

/// The text with comments, strings and characters blanked out.
fn code(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let after_word = out.chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_');
        let skipped = match c {
            '/' => comment(rest),
            '"' => string(rest),
            'r' | 'b' | 'c' if !after_word => prefixed(rest),
            '\'' => character(rest),
            _ => 0,
        };
        if skipped == 0 {
            out.push(c);
            rest = &rest[c.len_utf8()..];
        } else {
            out.push(' ');
            rest = &rest[skipped..];
        }
    }
    out
}

/// Length in bytes of the comment that begins here, 0 if none does. Block comments nest.
fn comment(text: &str) -> usize {
    if text.starts_with("//") {
        return text.find('\n').unwrap_or(text.len());
    }
    if !text.starts_with("/*") {
        return 0;
    }
    let (mut depth, mut at) = (0, 0);
    loop {
        let rest = &text[at..];
        let step = if rest.starts_with("/*") {
            depth += 1;
            2
        } else if rest.starts_with("*/") {
            depth -= 1;
            2
        } else {
            rest.chars().next().map_or(0, char::len_utf8)
        };
        at += step;
        if depth == 0 || step == 0 {
            return at;
        }
    }
}

/// Length of a string that begins here with its quote.
fn string(text: &str) -> usize {
    // The quote that opens it does not end it.
    let mut escaped = true;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Length of a literal with a prefix (`r"…"`, `br#"…"#`, `b"…"`, `c"…"`, `b'…'`), 0 if this is a word.
fn prefixed(text: &str) -> usize {
    let letters = text.bytes().take_while(|b| matches!(b, b'r' | b'b' | b'c')).count();
    let hashes = text[letters..].bytes().take_while(|b| *b == b'#').count();
    let (prefix, body) = (&text[..letters], &text[letters + hashes..]);
    match body.chars().next() {
        Some('"') if prefix.ends_with('r') => {
            let end = format!("\"{}", "#".repeat(hashes));
            let length = body[1..].find(&end).map_or(body.len(), |at| 1 + at + end.len());
            letters + hashes + length
        }
        Some('"') if hashes == 0 => letters + string(body),
        Some('\'') if prefix == "b" && hashes == 0 => letters + character(body),
        _ => 0,
    }
}

/// Length of a character literal that begins here; 0 for a lifetime.
fn character(text: &str) -> usize {
    let mut chars = text.char_indices().skip(1);
    match chars.next() {
        Some((_, '\\')) => {
            // What is escaped may be the quote.
            chars.next();
            chars.find(|(_, c)| *c == '\'').map_or(text.len(), |(at, _)| at + 1)
        }
        Some(_) => match chars.next() {
            Some((at, '\'')) => at + 1,
            _ => 0,
        },
        None => 0,
    }
}
