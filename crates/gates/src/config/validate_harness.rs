//! What the types of a `[[harness]]` leave open.

use std::collections::BTreeSet;

use super::error::ConfigFault;
use super::harness::{HarnessConfig, MOST_LEVEL, Tier};
use super::harness_fault::{HarnessFault, MOST_SECONDS};
use super::tables::Config;

/// What is wrong with the harnesses of a configuration.
pub(super) fn faults(config: &Config) -> impl Iterator<Item = ConfigFault> {
    config.harnesses.iter().flat_map(|harness| {
        let of = |fault| ConfigFault::Harness { name: harness.name.clone(), fault };
        faults_of(config, harness).into_iter().map(of)
    })
}

fn faults_of(config: &Config, harness: &HarnessConfig) -> Vec<HarnessFault> {
    let mut found = Vec::new();
    match harness.command.as_deref() {
        Some([]) => found.push(HarnessFault::NoWords),
        Some([program, ..]) if program.is_empty() => found.push(HarnessFault::NoProgram),
        Some(_) => {}
        None => {
            let given = [("env", !harness.env.is_empty()), ("timeout_s", harness.timeout_s.is_some())];
            let given = given.into_iter().filter(|(_, is_given)| *is_given);
            found.extend(given.map(|(field, _)| HarnessFault::OfCommand { field }));
        }
    }
    if harness.command.is_some() && harness.since.is_some() {
        found.push(HarnessFault::SinceOfRun);
    }
    let unfit = harness.env.iter().filter(|name| !is_variable(name));
    let name = |name: &String| name.split('=').next().unwrap_or_default().to_owned();
    found.extend(unfit.map(|unfit| HarnessFault::NoVariable { name: name(unfit) }));
    if !(1..=MOST_SECONDS).contains(&harness.seconds()) {
        found.push(HarnessFault::Timeout { given: harness.seconds() });
    }
    if MOST_LEVEL < harness.level {
        found.push(HarnessFault::Level { given: harness.level });
    }
    let distinct: BTreeSet<Tier> = harness.tiers.iter().copied().collect();
    if harness.tiers.is_empty() || distinct.len() != harness.tiers.len() {
        found.push(HarnessFault::Tiers);
    }
    let is_here = |name: &str| config.overlays.iter().any(|overlay| overlay.name == name);
    if !config.network_of(harness).is_some_and(is_here) {
        found.push(HarnessFault::Overlay);
    }
    found
}

fn is_variable(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
    name.chars().all(fits) && name.starts_with(|c: char| !c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &str) -> Result<Config, String> {
        let text = format!(
            "[overlay]\nname = \"proxy\"\nsubnet = \"10.10.0.0/24\"\n[[harness]]\nname = \"shop\"\nresult = \"r.json\"\n{lines}\n"
        );
        Config::parse("pvcheck.toml", &text).map_err(|error| error.to_string())
    }

    #[test]
    fn all_tiers_on_the_first_overlay_are_asked_for_where_nothing_is_said() {
        let config = read("").expect("sound");
        let harness = &config.harnesses[0];
        assert_eq!((harness.tiers.as_slice(), config.network_of(harness)), (&Tier::ALL[..], Some("proxy")));
        assert_eq!((harness.seconds(), harness.level, harness.is_offered()), (1800, 0, true));
    }

    #[test]
    fn since_is_a_time_or_a_date_in_quotes_or_not() {
        for since in ["\"2026-06-13\"", "2026-06-13", "2026-06-13T00:00:00Z", "\"2026-06-13T02:00:00+02:00\""]
        {
            let config = read(&format!("since = {since}")).expect(since);
            let at = config.harnesses[0].since.map(|at| at.to_string());
            assert_eq!(at.as_deref(), Some("2026-06-13T00:00:00Z"), "{since}");
        }
    }

    #[test]
    fn what_is_wrong_is_one_line_that_names_the_harness_and_the_field() {
        for (lines, words) in [
            ("command = [\"\"]", "`command` begins with an empty word"),
            ("command = []", "`command` is empty; name the program"),
            ("env = [\"CI_TOKEN\"]", "`env` is for a command, and it has none"),
            ("timeout_s = 60", "`timeout_s` is for a command, and it has none"),
            ("command = [\"x\"]\nsince = 2026-06-13", "`since` is for a result that is offered"),
            ("command = [\"x\"]\nenv = [\"CI_TOKEN=hunter2\"]", "`CI_TOKEN` in `env` is no name"),
            ("command = [\"x\"]\nenv = [\"1X\"]", "`1X` in `env`"),
            ("command = [\"x\"]\ntimeout_s = 0", "`timeout_s` is 0; give 1 to 86400"),
            ("level = 6", "`level` is 6; give 0 to 5"),
            ("tiers = []", "at least one tier"),
            ("tiers = [\"install\", \"install\"]", "each once"),
            ("tiers = [\"instal\"]", "pvcheck.toml:7:"),
            ("overlay = false", "no overlay of the configuration"),
            ("overlay = \"other\"", "no overlay of the configuration"),
            ("since = \"yesterday\"", "pvcheck.toml:7:"),
            ("[[harness]]\nname = \"shop\"\nresult = \"x\"", "[[harness]] `shop` is there twice"),
        ] {
            let error = read(lines).expect_err(lines);
            assert!(
                error.contains(words) && !error.contains('\n') && !error.contains("hunter2"),
                "{lines}: {error}"
            );
        }
    }
}
