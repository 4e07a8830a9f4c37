//! Functions of a shell's text.

use std::collections::BTreeMap;

/// A function's body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Function {
    pub(crate) body: String,
    /// The line of the text that the body begins on, from 1.
    pub(crate) line: usize,
}

/// The text with the bodies of its functions taken out of it, line for line, and the functions by their names. Understood
/// are functions as they are usually written: `NAME() {` or `function NAME {`, and a `}` that is not indented further, or
/// all of it on one line. Others stay in the text.
pub(crate) fn split(text: &str) -> (String, BTreeMap<String, Function>) {
    let lines: Vec<&str> = text.lines().collect();
    let mut functions = BTreeMap::new();
    let mut rest = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(line) = lines.get(at) {
        let Some((name, function, taken)) = function(&lines[at..], at + 1) else {
            rest.push_str(line);
            rest.push('\n');
            at += 1;
            continue;
        };
        functions.insert(name.to_owned(), function);
        rest.push_str(&"\n".repeat(taken));
        at += taken;
    }
    (rest, functions)
}

/// The function that begins on the first line, and how many lines it has.
fn function<'a>(lines: &[&'a str], number: usize) -> Option<(&'a str, Function, usize)> {
    let first = *lines.first()?;
    let (name, behind) = header(first)?;
    // The bracket may stand on the next line.
    let (opened, behind) = match behind.strip_prefix('{') {
        Some(behind) => (0, behind),
        None if behind.is_empty() => (1, lines.get(1)?.trim_start().strip_prefix('{')?),
        None => return None,
    };
    if let Some(body) = behind.trim_end().strip_suffix('}') {
        let function = Function { body: body.to_owned(), line: number + opened };
        return Some((name, function, opened + 1));
    }
    let indent = indent(first);
    let closes = |line: &&str| line.trim_start().starts_with('}') && self::indent(line) <= indent;
    let body = lines.get(opened + 1..)?;
    let length = body.iter().position(closes)?;
    let text = format!("{behind}\n{}", body[..length].join("\n"));
    Some((name, Function { body: text, line: number + opened }, opened + length + 2))
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// The name of the function whose first line it is, and what follows the name and its brackets.
fn header(line: &str) -> Option<(&str, &str)> {
    let line = line.trim_start();
    let (keyword, line) = match line.strip_prefix("function ") {
        Some(rest) => (true, rest.trim_start()),
        None => (false, line),
    };
    let end = line.find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '_' | '-' | '.' | ':'))?;
    let (name, behind) = line.split_at(end);
    let behind = behind.trim_start();
    let brackets = behind.strip_prefix('(').and_then(|rest| rest.trim_start().strip_prefix(')'));
    let behind = match brackets {
        Some(behind) => behind,
        None if keyword => behind,
        None => return None,
    };
    (!name.is_empty()).then_some((name, behind.trim_start()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn functions_are_taken_out_line_for_line() {
        let text =
            "a\nwait_for() {\n  until x; do\n    { y; }\n  done\n}\nfunction b { c; }\nd ()\n{\n  e\n}\nf\n";
        let (rest, functions) = split(text);
        assert_eq!(rest, "a\n\n\n\n\n\n\n\n\n\n\nf\n");
        let found: Vec<_> = functions
            .iter()
            .map(|(name, function)| (name.as_str(), function.line, function.body.trim()))
            .collect();
        let body = "until x; do\n    { y; }\n  done";
        assert_eq!(found, [("b", 7, "c;"), ("d", 9, "e"), ("wait_for", 2, body)]);
    }

    #[test]
    fn what_only_looks_like_one_stays() {
        for text in ["a() (b)\n", "a (b) {\n}\n", "a() {\n  b\n", "echo '() {'\n", "case x in a) b;; esac\n"]
        {
            assert_eq!(split(text), (text.to_owned(), BTreeMap::new()), "{text}");
        }
    }

    proptest! {
        #[test]
        fn keeps_the_number_of_lines(text in r"(a\(\) ?|function b ?|[{}\n]|  |c;?){0,30}") {
            prop_assert_eq!(split(&text).0.lines().count(), text.lines().count());
        }
    }
}
