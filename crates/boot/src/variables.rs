//! The variables of a shell's text.

use std::collections::BTreeMap;

/// Variables whose values are known, by their names; the arguments of a script by their numbers.
pub(crate) type Variables = BTreeMap<String, String>;

/// The longest value of a variable that is filled in: values made of values must not grow without end.
pub(crate) const VALUE_LIMIT_BYTES: usize = 256;

/// The text with `$NAME` and `${NAME}` replaced where they are known.
pub(crate) fn filled(text: &str, variables: &Variables) -> String {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((plain, after)) = rest.split_once('$') {
        filled.push_str(plain);
        let braced = after.strip_prefix('{').and_then(|braced| braced.split_once('}'));
        let (name, behind) = braced.unwrap_or_else(|| {
            // `$12` is `$1` and a 2.
            let number = usize::from(after.starts_with(|c: char| c.is_ascii_digit()));
            let end = after.find(|c: char| !is_of_name(c)).unwrap_or(after.len());
            after.split_at(if number == 1 { 1 } else { end })
        });
        // `${NAME:-DEFAULT}` and `${NAME:?MESSAGE}` of a name that is known.
        let name = name.split_once([':', '-', '?']).map_or(name, |(name, _)| name);
        if let Some(value) = variables.get(name) {
            filled.push_str(value);
        } else {
            filled.push('$');
            filled.push_str(&after[..after.len() - behind.len()]);
        }
        rest = behind;
    }
    filled.push_str(rest);
    filled
}

/// Arguments as the variables `1` to `9`.
pub(crate) fn positional(arguments: &[String]) -> impl Iterator<Item = (String, String)> {
    let numbered = arguments.iter().take(9).enumerate();
    numbered
        .filter(|(_, value)| value.len() <= VALUE_LIMIT_BYTES)
        .map(|(index, value)| ((index + 1).to_string(), value.clone()))
}

/// The name and value of `NAME=VALUE`.
pub(crate) fn assignment(word: &str) -> Option<(&str, &str)> {
    let (name, value) = word.split_once('=')?;
    let valid = name.starts_with(|c: char| !c.is_ascii_digit()) && name.chars().all(is_of_name);
    valid.then_some((name, value))
}

fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}
