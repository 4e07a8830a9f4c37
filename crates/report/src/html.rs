//! Markup in the making: what is written here is markup, and whatever comes from elsewhere is escaped.

use std::fmt::{self, Display, Write};

use jiff::Timestamp;

/// A page, or a part of one. Markup can only be a literal of this crate, so that no text from outside becomes any.
#[derive(Debug, Default)]
pub(crate) struct Html {
    text: String,
    /// How many boxes were opened that scroll by themselves.
    boxes: u32,
}

impl Html {
    /// Appends markup.
    pub(crate) fn raw(&mut self, markup: &'static str) -> &mut Self {
        self.text.push_str(markup);
        self
    }

    /// Appends a text, escaped for an element and for an attribute in double quotes.
    pub(crate) fn show(&mut self, text: impl Display) -> &mut Self {
        // Writing to a String cannot fail.
        let _ = write!(Escaping(&mut self.text), "{text}");
        self
    }

    /// Appends a sentence of the catalogue, in which backticks stand around code.
    pub(crate) fn prose(&mut self, text: &str) -> &mut Self {
        for (at, part) in text.split('`').enumerate() {
            match at % 2 {
                0 => self.show(part),
                _ => self.raw("<code>").show(part).raw("</code>"),
            };
        }
        self
    }

    /// Appends a time to the second; to the nanosecond it is in its attribute.
    pub(crate) fn time(&mut self, at: Timestamp) -> &mut Self {
        let second = at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        self.raw("<time datetime=\"").show(at).raw("\">").show(second).raw("</time>")
    }

    /// Appends a number with thousands set apart.
    pub(crate) fn number(&mut self, n: u64) -> &mut Self {
        let digits = n.to_string();
        for (at, digit) in digits.chars().enumerate() {
            if 0 < at && (digits.len() - at).is_multiple_of(3) {
                self.text.push(',');
            }
            self.text.push(digit);
        }
        self
    }

    /// Opens a box of its own for what is wide: it scrolls by itself, also with the keyboard. Its label has a number, because
    /// two boxes of one name could not be told apart in a list of regions.
    pub(crate) fn scroll(&mut self, label: impl Display) -> &mut Self {
        self.boxes += 1;
        let number = self.boxes;
        self.raw("<div class=scroll tabindex=0 role=region aria-label=\"").show(label);
        self.raw(" (").show(number).raw(")\">")
    }

    /// The text.
    pub(crate) fn finish(self) -> String {
        self.text
    }
}

struct Escaping<'a>(&'a mut String);

impl Write for Escaping<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            match c {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                '\n' | '\t' => self.0.push(c),
                c if is_unseen(c) => self.0.push(char::REPLACEMENT_CHARACTER),
                c => self.0.push(c),
            }
        }
        Ok(())
    }
}

/// True iff the character is not shown, or makes a reader see others in another order (Unicode's `Bidi_Control`).
fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(text: &str) -> String {
        let mut html = Html::default();
        html.show(text);
        html.finish()
    }

    #[test]
    fn markup_quotes_and_what_is_not_seen_is_escaped() {
        assert_eq!(shown("</script><script>"), "&lt;/script&gt;&lt;script&gt;");
        assert_eq!(shown("\" onload='x' &amp;"), "&quot; onload=&#39;x&#39; &amp;amp;");
        assert_eq!(shown("a\0b\x1b[31m\u{202e}c\u{9f}"), "a\u{fffd}b\u{fffd}[31m\u{fffd}c\u{fffd}");
        assert_eq!(shown("two\nlines\tand ä → ✓"), "two\nlines\tand ä → ✓");
    }

    #[test]
    fn numbers_are_set_apart_by_thousands() {
        let text = |n: u64| {
            let mut html = Html::default();
            html.number(n);
            html.finish()
        };
        assert_eq!(
            [0, 999, 1000, 65_533, 4_294_967_296].map(text),
            ["0", "999", "1,000", "65,533", "4,294,967,296"]
        );
    }

    #[test]
    fn what_stands_in_backticks_is_code_and_a_time_is_shown_to_the_second() {
        let mut html = Html::default();
        html.prose("`a<b` frees; `c").raw(" ").time(Timestamp::new(0, 5).expect("in range"));
        let time = "<time datetime=\"1970-01-01T00:00:00.000000005Z\">1970-01-01T00:00:00Z</time>";
        assert_eq!(html.finish(), format!("<code>a&lt;b</code> frees; <code>c</code> {time}"));
    }

    proptest! {
        #[test]
        fn nothing_that_is_shown_is_markup(text in any::<String>()) {
            let shown = shown(&text);
            prop_assert!(!shown.contains(['<', '>', '"', '\'']));
            prop_assert!(shown.chars().all(|c| matches!(c, '\n' | '\t') || !is_unseen(c)));
            let read = shown.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&#39;", "'");
            let visible: String = text.chars().map(|c| if is_unseen(c) && !matches!(c, '\n' | '\t') { '\u{fffd}' } else { c }).collect();
            prop_assert_eq!(read.replace("&amp;", "&"), visible);
        }
    }
}
