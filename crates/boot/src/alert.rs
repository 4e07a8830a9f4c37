//! Alerts that commands leave as files.

use crate::runs::Run;
use crate::simple::program;

/// The file that a command writes to where alerts are, going by the path: such as `/var/lib/ci/alerts/proxy.json`.
pub(crate) fn alert_of(run: &Run) -> Option<String> {
    let writes = |word: &String| matches!(program(word), "cp" | "install" | "mv" | "tee" | "touch");
    let named = run.words.iter().skip(1).filter(|_| run.words.first().is_some_and(writes));
    let mut paths = run.simple.targets.iter().chain(named);
    let is_alert = |path: &&String| path.starts_with('/') && path.to_ascii_lowercase().contains("alert");
    paths.find(is_alert).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Evidence;
    use crate::runs::of_line;
    use crate::variables::Variables;

    #[test]
    fn a_file_among_alerts_is_found() {
        let evidence = Evidence { source: "u".to_owned(), line: None, text: String::new() };
        for (line, path) in [
            ("/bin/sh -c 'echo bad > /var/lib/ci/alerts/proxy.json'", Some("/var/lib/ci/alerts/proxy.json")),
            ("/bin/sh -c 'D=/srv/Alerts; x | tee -a $D/a'", Some("/srv/Alerts/a")),
            ("/bin/touch /run/alert", Some("/run/alert")),
            ("/bin/cat /run/alert", None),
            ("/bin/touch alert /run/x", None),
        ] {
            let runs = of_line(line, &evidence, &Variables::new(), None);
            assert_eq!(runs.list.iter().find_map(alert_of).as_deref(), path, "{line}");
        }
    }
}
