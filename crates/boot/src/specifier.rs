//! The specifiers of a unit that depend on its name alone.

use crate::name::{UnitName, unescape};

/// The text with its specifiers filled in; `None` if it holds one that depends on the host (`%H`, `%m`), or if it is
/// the text of a template, which has no instance to fill in (`systemd.unit(5)`, "Specifiers").
pub(crate) fn fill(text: &str, unit: &UnitName) -> Option<String> {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((plain, after)) = rest.split_once('%') {
        filled.push_str(plain);
        let mut letters = after.chars();
        let value = match letters.next()? {
            '%' => "%".to_owned(),
            'n' => unit.to_string(),
            'N' => unit.stem().to_owned(),
            'p' => unit.prefix().to_owned(),
            'P' => unescape(unit.prefix()),
            'i' => unit.instance()?.to_owned(),
            'I' => unescape(unit.instance()?),
            'j' => last_part(unit.prefix()).to_owned(),
            'J' => unescape(last_part(unit.prefix())),
            _ => return None,
        };
        filled.push_str(&value);
        rest = letters.as_str();
    }
    filled.push_str(rest);
    Some(filled)
}

fn last_part(prefix: &str) -> &str {
    prefix.rsplit_once('-').map_or(prefix, |(_, last)| last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn specifiers_of_the_name_are_filled_in() {
        let unit: UnitName = r"wg-quick@my\x2dnet.service".parse().unwrap();
        for (text, filled) in [
            ("vpn-%i-ready.target", Some(r"vpn-my\x2dnet-ready.target")),
            ("/srv/%I", Some("/srv/my-net")),
            ("%n %N", Some(r"wg-quick@my\x2dnet.service wg-quick@my\x2dnet")),
            ("%p %j 100%%", Some("wg-quick quick 100%")),
            ("%H.service", None),
            ("%", None),
        ] {
            assert_eq!(fill(text, &unit).as_deref(), filled, "{text}");
        }
        assert_eq!(fill("%i", &"a.service".parse().unwrap()), None);
    }
}
