//! A configuration as a bundle keeps it: enough to judge by, without what may be a secret.

use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::config::{Config, ConfigError};

/// What stands for a value that was left out. It is what a label, a word of a command and a header may be.
const LEFT_OUT: &str = "redacted";

/// A configuration without its comments and without what may be a secret: queries of URLs, words of commands after the
/// program's name, lines for a shell, values of labels and of request headers. No verdict rests on those.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BundledConfig {
    /// The name of its file.
    pub file: String,
    /// SHA-256 of the file, in hex.
    pub digest: String,
    /// What is left of its text.
    pub text: String,
}

impl BundledConfig {
    /// What a bundle keeps of a configuration.
    pub fn of(config: &Config) -> Self {
        // It was read from this text, so that it is TOML, and stays so.
        let mut table: Table = toml::from_str(config.text()).unwrap_or_default();
        leave_out(&mut table);
        let text = toml::to_string(&table).unwrap_or_default();
        Self { file: config.file_name().to_owned(), digest: config.digest().to_owned(), text }
    }

    /// The configuration. Its digest is that of the file.
    ///
    /// # Errors
    /// If the text is no configuration.
    pub fn read(&self) -> Result<Config, ConfigError> {
        Ok(Config::parse(&self.file, &self.text)?.with_digest(&self.digest))
    }
}

fn leave_out(table: &mut Table) {
    for (key, value) in table.iter_mut() {
        match (key.as_str(), &mut *value) {
            ("command", Value::Array(words)) => words_of(words),
            // `[window] commands` has a list of words for each.
            ("commands", Value::Array(commands)) => {
                commands.iter_mut().filter_map(Value::as_array_mut).for_each(|words| words_of(words));
            }
            // A line for a shell: its first word may be `TOKEN=…`.
            ("restart_command", line) => text(line),
            ("labels" | "headers", Value::Table(values)) => {
                values.iter_mut().for_each(|(_, value)| text(value));
            }
            ("url", Value::String(url)) => query(url),
            (_, Value::Table(table)) => leave_out(table),
            (_, Value::Array(values)) => {
                values.iter_mut().filter_map(Value::as_table_mut).for_each(leave_out);
            }
            _ => {}
        }
    }
}

/// Keeps the program.
fn words_of(words: &mut [Value]) {
    words.iter_mut().skip(1).for_each(text);
}

fn text(value: &mut Value) {
    // `{ env = "NAME" }` and `{ file = "PATH" }` say where a secret is, and do not have it.
    if let Value::String(text) = value {
        LEFT_OUT.clone_into(text);
    }
}

fn query(url: &mut String) {
    if let Some(at) = url.find('?') {
        url.truncate(at + 1);
        url.push_str(LEFT_OUT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CANARY: &str = "pv-canary-3f9a";

    #[test]
    fn nothing_that_may_be_a_secret_is_kept_and_the_digest_is_the_file_s() {
        let text = format!(
            "# {CANARY}\n[overlay]\nname = \"proxy\"\nsubnet = \"10.10.0.0/24\"\n\
             [[route]]\nname = \"a\"\nurl = \"https://a.test/x?token={CANARY}\"\n\
             [route.request]\nheaders = {{ \"x-tenant\" = \"{CANARY}\" }}\n\
             [canary]\nimage = \"busybox\"\ncommand = [\"sh\", \"{CANARY}\"]\nurl = \"https://{{stack}}.test/?k={CANARY}\"\n\
             labels = {{ \"a.b\" = \"{CANARY}\" }}\n\
             [churn]\nimage = \"busybox\"\ncommand = [\"sh\", \"{CANARY}\"]\n\
             [window]\ncommands = [[\"systemctl\", \"{CANARY}\"]]\n\
             [guard]\nrestart_command = \"TOKEN={CANARY} restart\"\npage = {{ command = [\"page\", \"{CANARY}\"] }}\n\
             [[renewal.before]]\ncommand = [\"rebuild\", \"{CANARY}\"]\n"
        );
        let whole = Config::parse("somewhere/pvcheck.toml", &text).expect("a configuration");
        let kept = BundledConfig::of(&whole);
        assert!(!kept.text.contains(CANARY) && kept.file == "pvcheck.toml", "{}: {}", kept.file, kept.text);
        let read = kept.read().expect("still a configuration");
        assert_eq!(read.digest(), whole.digest());
        assert_eq!(read.routes[0].url.to_string(), whole.routes[0].url.to_string());
        assert_eq!(read.renewal.before[0].command, ["rebuild", LEFT_OUT]);
        assert_eq!(BundledConfig::of(&read).text, kept.text);
    }
}
