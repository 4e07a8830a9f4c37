//! Calling a person.

use pvcheck_gates::{HookConfig, HookReport, run_hook};
use serde::Serialize;

/// How a person was called.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Page {
    /// What was said.
    pub text: String,
    /// The command that was run; `null` if the configuration names none.
    pub command: Option<HookReport>,
}

impl Page {
    /// True iff the command was run and ended with 0.
    pub fn arrived(&self) -> bool {
        self.command.as_ref().is_some_and(|command| command.failure.is_none())
    }
}

/// Runs the command of `[guard] page` with the text as its last word. Its own words may hold secrets, and are in no report, as
/// what it prints.
pub(crate) async fn call(page: Option<&HookConfig>, text: String) -> Page {
    let Some(page) = page else { return Page { text, command: None } };
    let mut words = page.command.clone();
    words.push(text.clone());
    let mut command = run_hook(&HookConfig { command: words, timeout_s: page.timeout_s }).await;
    // What it printed may have its words: curl and wget say the address that they ask, with its token.
    command.output.clear();
    Page { text, command: Some(command) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_text_is_the_last_word_and_no_other_word_is_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let heard = folder.path().join("heard");
        let script = format!("printf %s \"$2\" > {}; echo \"$1\"; echo \"* GET /$1\" >&2", heard.display());
        let command = ["sh", "-c", &script, "sh", "token-canary-8a1"].map(str::to_owned).to_vec();
        let page = call(Some(&HookConfig { command, timeout_s: 60 }), "proxy is full".into()).await;
        assert!(page.arrived(), "{page:?}");
        assert_eq!(std::fs::read_to_string(heard).expect("it was written"), "proxy is full");
        assert!(!serde_json::to_string(&page).expect("JSON").contains("canary"));
        let nobody = call(None, "proxy is full".into()).await;
        assert!(!nobody.arrived() && nobody.command.is_none());
    }
}
