//! Texts from outside on one line.

/// The text without line breaks and control characters: a claim's text must not end a line of a page, nor move a terminal's
/// cursor.
pub(crate) fn one_line(text: &str) -> String {
    let spaced = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>();
    spaced.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The text in Markdown: on one line, without HTML, and without the bar that ends a cell.
pub(crate) fn escaped(text: &str) -> String {
    one_line(text).replace('<', "&lt;").replace('|', "\\|")
}

/// `1 thing` or `n things`.
pub(crate) fn many(n: usize, thing: &str) -> String {
    if n == 1 { format!("1 {thing}") } else { format!("{n} {thing}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_ends_a_line_or_begins_a_comment() {
        assert_eq!(one_line("a\n## DONE\r\n\x1b[2Jb"), "a ## DONE [2Jb");
        assert_eq!(escaped("a|b <!-- x -->\n"), "a\\|b &lt;!-- x -->");
    }
}
