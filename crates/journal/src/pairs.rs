//! `key=value` pairs as logrus writes them, read tolerantly.

use std::borrow::Cow;

/// The `key=value` pairs of a text; words without `=` are skipped.
pub(crate) fn pairs(text: &str) -> impl Iterator<Item = (&str, Cow<'_, str>)> {
    Pairs(text)
}

/// True iff the text begins with a key of logrus' and `=`.
pub(crate) fn starts_with_pair(text: &str) -> bool {
    let key = text.find(|c: char| !(c.is_ascii_alphanumeric() || "._-/".contains(c)));
    key.is_some_and(|end| 0 < end && text[end..].starts_with('='))
}

/// True iff the text is nothing but `key=value` pairs; not true of an empty one.
pub(crate) fn is_all_pairs(text: &str) -> bool {
    let mut rest = text.trim_end_matches(' ');
    if rest.is_empty() {
        return false;
    }
    while !rest.is_empty() {
        if !starts_with_pair(rest) {
            return false;
        }
        let at = rest.find('=').unwrap_or(rest.len());
        rest = value(rest.get(at + 1..).unwrap_or_default()).1.trim_start_matches(' ');
    }
    true
}

/// The `key=value` pairs of a line; words without `=` are skipped.
struct Pairs<'a>(&'a str);

impl<'a> Iterator for Pairs<'a> {
    type Item = (&'a str, Cow<'a, str>);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            self.0 = self.0.trim_start_matches(' ');
            let end = self.0.find(['=', ' '])?;
            let (key, rest) = self.0.split_at(end);
            if let Some(rest) = rest.strip_prefix('=') {
                let (value, rest) = value(rest);
                self.0 = rest;
                return Some((key, value));
            }
            self.0 = rest;
        }
    }
}

fn value(text: &str) -> (Cow<'_, str>, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(' ').unwrap_or(text.len());
        return (Cow::Borrowed(&text[..end]), &text[end..]);
    };
    let end = closing_quote(quoted).unwrap_or(quoted.len());
    (unescape(&quoted[..end]), quoted.get(end + 1..).unwrap_or_default())
}

/// The quote that ends a value: not escaped, and followed by a space or nothing. Engines up to 18.03 passed
/// containerd's lines on without escaping their inner quotes (docker/for-linux issue 231).
fn closing_quote(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 1,
            b'"' if matches!(bytes.get(at + 1), None | Some(b' ')) => return Some(at),
            _ => {}
        }
        at += 1;
    }
    None
}

/// Undoes Go's `strconv.Quote`; an unknown escape stays as it is.
fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.extend_from_slice(&rest.as_bytes()[..at]);
        rest = escape(&rest[at + 1..], &mut out);
    }
    out.extend_from_slice(rest.as_bytes());
    Cow::Owned(
        String::from_utf8(out).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()),
    )
}

/// Writes the character that an escape stands for, and returns the text after it.
fn escape<'a>(rest: &'a str, out: &mut Vec<u8>) -> &'a str {
    let Some(letter) = rest.chars().next() else {
        out.push(b'\\');
        return rest;
    };
    let simple = match letter {
        'a' => 0x07,
        'b' => 0x08,
        'f' => 0x0c,
        'n' => b'\n',
        'r' => b'\r',
        't' => b'\t',
        'v' => 0x0b,
        '\\' | '"' | '\'' => letter as u8,
        'x' => return hex(rest, 2, out),
        'u' => return hex(rest, 4, out),
        'U' => return hex(rest, 8, out),
        _ => {
            out.push(b'\\');
            return rest;
        }
    };
    out.push(simple);
    &rest[1..]
}

fn hex<'a>(rest: &'a str, digits: usize, out: &mut Vec<u8>) -> &'a str {
    let number = rest.get(1..=digits).filter(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let Some(code) = number.and_then(|text| u32::from_str_radix(text, 16).ok()) else {
        out.push(b'\\');
        return rest;
    };
    if digits == 2 {
        // `\x` is one byte, not one character: Go writes bytes that are not UTF-8 this way.
        out.extend(u8::try_from(code));
    } else {
        let mut buffer = [0; 4];
        let character = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
        out.extend_from_slice(character.encode_utf8(&mut buffer).as_bytes());
    }
    &rest[1 + digits..]
}
