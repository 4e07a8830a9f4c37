//! A page of TOML that grows from top to bottom.

use toml::Value;

/// A page of TOML. Values are written by the TOML writer, and no comment can end before its line does.
#[derive(Default)]
pub(super) struct Page {
    text: String,
}

/// One table: its comments, its name, its fields. Either all of it counts or, as comments, none.
pub(super) struct Table {
    comments: Vec<String>,
    head: String,
    fields: Vec<Field>,
}

struct Field {
    line: String,
    is_off: bool,
}

impl Page {
    /// Lines of comment.
    pub(super) fn comment(&mut self, text: &str) {
        self.text.extend(commented(text));
    }

    /// Lines of comment, apart from what is before them.
    pub(super) fn note(&mut self, text: &str) {
        self.text += "\n";
        self.comment(text);
    }

    /// A heading.
    pub(super) fn heading(&mut self, title: &str, about: &str) {
        self.note(&format!("--- {title} ---"));
        self.comment(about);
    }

    /// A table that counts.
    pub(super) fn table(&mut self, table: Table) {
        self.write(table, false);
    }

    /// A table as comments, with the reason in front.
    pub(super) fn table_off(&mut self, because: &str, table: Table) {
        self.write(table.about(because.to_owned()), true);
    }

    fn write(&mut self, table: Table, is_off: bool) {
        let Table { comments, head, fields } = table;
        self.text += "\n";
        for comment in &comments {
            self.comment(comment);
        }
        let line = |line: &str, is_off: bool| -> String {
            if is_off { commented(line).collect() } else { format!("{line}\n") }
        };
        self.text += &line(&head, is_off);
        for field in &fields {
            self.text += &line(&field.line, is_off || field.is_off);
        }
    }

    pub(super) fn text(self) -> String {
        self.text
    }
}

impl Table {
    /// A table of this head, such as `[[service]]`.
    pub(super) fn new(head: &str) -> Self {
        Self { comments: Vec::new(), head: head.to_owned(), fields: Vec::new() }
    }

    /// With a comment in front.
    pub(super) fn about(mut self, comment: String) -> Self {
        self.comments.push(comment);
        self
    }

    /// With a field.
    pub(super) fn field(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.fields.push(Field { line: format!("{name} = {}", value.into()), is_off: false });
        self
    }

    /// With a field as a comment.
    pub(super) fn field_off(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.fields.push(Field { line: format!("{name} = {}", value.into()), is_off: true });
        self
    }
}

/// The text as comments. TOML allows no control character in them (TOML 1.0.0, "Comment"), and a line break would end one.
fn commented(text: &str) -> impl Iterator<Item = String> {
    let plain = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    let line = move |line: &str| {
        format!("# {}", line.chars().map(plain).collect::<String>()).trim_end().to_owned() + "\n"
    };
    text.split('\n').map(line)
}

/// A text of the Swarm's inside of a comment: on one line.
pub(super) fn inline(text: &str) -> String {
    text.replace('\n', "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_text_is_a_value_or_a_comment_and_nothing_else(name in any::<String>(), comment in any::<String>()) {
            let table = || {
                let made = Table::new("[[service]]").about(inline(&comment)).field("name", name.as_str());
                made.field_off("other", comment.as_str())
            };
            let mut page = Page::default();
            page.comment(&comment);
            page.table_off(&comment, table());
            page.table(table());
            let read: toml::Table = toml::from_str(&page.text()).expect("TOML");
            prop_assert_eq!(read.len(), 1);
            let services = read["service"].as_array().expect("an array");
            prop_assert_eq!(services.len(), 1);
            prop_assert_eq!(services[0].as_table().map(toml::Table::len), Some(1));
            prop_assert_eq!(services[0]["name"].as_str(), Some(name.as_str()));
        }
    }
}
