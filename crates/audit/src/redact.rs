//! Taking values out of an engine's messages.

/// An engine's error with the value of every `NAME=VALUE` and every join token taken out: it may quote a container's
/// environment or its command line.
pub fn without_values(error: &str) -> String {
    let word = |word: &str| match word.split_once('=') {
        Some((name, value)) if !value.is_empty() => format!("{name}=[redacted]"),
        // Tokens stand alone, as in the command line of a failed join.
        _ if word.contains("SWMTKN-") || word.contains("SWMKEY-") => "[redacted]".to_owned(),
        _ => word.to_owned(),
    };
    error.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_keeps_no_value_and_no_token() {
        let kept = without_values("cannot start: env DB_PASSWORD=hunter2: join --token SWMTKN-1-abc at = x");
        assert_eq!(kept, "cannot start: env DB_PASSWORD=[redacted] join --token [redacted] at = x");
    }
}
