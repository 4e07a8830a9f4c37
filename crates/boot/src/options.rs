//! Options of a command line.

/// True iff the option is there, alone or with a value after `=`.
pub(crate) fn has(words: &[String], option: &str) -> bool {
    let is_it = |word: &String| {
        word.strip_prefix(option).is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
    };
    words.iter().any(is_it)
}

/// What follows the first of the options that is there.
pub(crate) fn value<'a>(words: &'a [String], options: &[&str]) -> Option<&'a str> {
    values(words, options).into_iter().next()
}

/// What follows each of the options: the next word, the text after `=`, or for a letter the rest of the word.
pub(crate) fn values<'a>(words: &'a [String], options: &[&str]) -> Vec<&'a str> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(word) = words.get(at) {
        at += 1;
        for option in options {
            match word.strip_prefix(*option) {
                Some("") => {
                    found.extend(words.get(at).map(String::as_str));
                    at += 1;
                }
                Some(rest) if option.starts_with("--") => found.extend(rest.strip_prefix('=')),
                Some(rest) => found.push(rest),
                None => continue,
            }
            break;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_follow_their_options() {
        let words: Vec<String> =
            "-p 1 --port=2 -p3 --port 4 --portable x -p".split(' ').map(str::to_owned).collect();
        assert_eq!(values(&words, &["--port", "-p"]), ["1", "2", "3", "4"]);
        assert_eq!(value(&words, &["--port"]), Some("2"));
        assert!(has(&words, "--port") && !has(&words, "--por") && !has(&words, "-x"));
    }
}
