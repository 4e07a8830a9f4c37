//! Rules of routers, as Traefik reads them from labels: a part of its language.

/// When a router takes a request: alternatives, each of them conditions that must all hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    alternatives: Vec<Vec<Condition>>,
    /// Length of the text: of several rules that fit, Traefik takes the longest (its documentation, "Priority").
    pub(crate) length: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Condition {
    Host(Vec<String>),
    Path(Vec<String>),
    PathPrefix(Vec<String>),
}

impl Rule {
    /// Reads `Host`, `Path` and `PathPrefix`, joined by `&&` and `||` without parentheses around them. `None` for
    /// anything else: Traefik makes no router of a rule that it does not understand.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let alternatives = split(text, "||")
            .into_iter()
            .map(|alternative| split(alternative, "&&").into_iter().map(Condition::parse).collect())
            .collect::<Option<_>>()?;
        Some(Self { alternatives, length: text.len() })
    }

    /// True iff it takes a request for this host (without a port) and path.
    pub(crate) fn takes(&self, host: &str, path: &str) -> bool {
        self.alternatives.iter().any(|all| all.iter().all(|condition| condition.holds(host, path)))
    }

    /// A host that it takes, for one who wants to ask it; `None` if it names none.
    pub(crate) fn host(&self) -> Option<&str> {
        self.alternatives.iter().flatten().find_map(|condition| match condition {
            Condition::Host(hosts) => hosts.first().map(String::as_str),
            Condition::Path(_) | Condition::PathPrefix(_) => None,
        })
    }
}

impl Condition {
    fn parse(text: &str) -> Option<Self> {
        let (name, rest) = text.trim().split_once('(')?;
        let values = split(rest.strip_suffix(')')?, ",").into_iter().map(unquoted).collect::<Option<_>>()?;
        match name.trim() {
            "Host" => Some(Self::Host(values)),
            "Path" => Some(Self::Path(values)),
            "PathPrefix" => Some(Self::PathPrefix(values)),
            _ => None,
        }
    }

    fn holds(&self, host: &str, path: &str) -> bool {
        match self {
            Self::Host(hosts) => hosts.iter().any(|own| own.eq_ignore_ascii_case(host)),
            Self::Path(paths) => paths.iter().any(|own| own == path),
            Self::PathPrefix(prefixes) => prefixes.iter().any(|own| path.starts_with(own)),
        }
    }
}

/// The parts between a separator that is not within quotes.
fn split<'a>(text: &'a str, separator: &str) -> Vec<&'a str> {
    let (mut parts, mut from, mut quote) = (Vec::new(), 0, None);
    for (at, c) in text.char_indices() {
        match quote {
            Some(open) if open == c => quote = None,
            None if matches!(c, '`' | '"') => quote = Some(c),
            // `from <= at`: the second character of a separator begins none.
            None if from <= at && text[at..].starts_with(separator) => {
                parts.push(&text[from..at]);
                from = at + separator.len();
            }
            Some(_) | None => {}
        }
    }
    parts.push(&text[from..]);
    parts
}

fn unquoted(text: &str) -> Option<String> {
    let text = text.trim();
    let inner = ['`', '"'].iter().find_map(|quote| text.strip_prefix(*quote)?.strip_suffix(*quote))?;
    (!inner.is_empty() && !inner.contains(['`', '"'])).then(|| inner.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_paths_decide() {
        for (rule, host, path, taken) in [
            ("Host(`a.test`)", "a.test", "/", true),
            ("Host(`a.test`)", "A.Test", "/x", true),
            ("Host(`a.test`)", "b.test", "/", false),
            ("Host(`a.test`, `b.test`)", "b.test", "/", true),
            ("Host(`a.test`) || Host(\"b.test\")", "b.test", "/", true),
            ("Host(`a.test`)&&PathPrefix(`/api`)", "a.test", "/api/version", true),
            ("Host(`a.test`) && PathPrefix(`/api`)", "a.test", "/", false),
            ("Host(`a.test`) && Path(`/api`) || Host(`c.test`)", "c.test", "/", true),
            ("Path(`/a||b`)", "x", "/a||b", true),
        ] {
            assert_eq!(Rule::parse(rule).unwrap().takes(host, path), taken, "{rule}: {host}{path}");
        }
    }

    #[test]
    fn what_is_not_understood_is_no_rule() {
        for rule in [
            "",
            "Host",
            "Host()",
            "Host(a.test)",
            "Host(`a.test`",
            "Host(``)",
            "!Host(`a.test`)",
            "(Host(`a.test`))",
            "HostRegexp(`.*`)",
            "Host(`a.test`) &&",
            "Host(`a.test`) | Host(`b.test`)",
        ] {
            assert_eq!(Rule::parse(rule), None, "{rule:?}");
        }
    }

    #[test]
    fn a_rule_names_a_host_where_it_has_one() {
        assert_eq!(Rule::parse("Path(`/`) || Host(`b.test`)").unwrap().host(), Some("b.test"));
        assert_eq!(Rule::parse("Path(`/`)").unwrap().host(), None);
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[HostPah(){}`\"|&,. é]{0,40}") {
            let _ = Rule::parse(&text);
        }
    }
}
