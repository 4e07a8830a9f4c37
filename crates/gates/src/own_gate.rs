//! The gates of a configuration's own: which checks their patterns name.

use std::collections::BTreeSet;

use pvcheck_journal::spelled_alike;
use thiserror::Error;

use crate::catalogue::{CheckInfo, Kind, Stage};
use crate::check::{Check, Subjects, checks_of};
use crate::config::{CheckPattern, Config, GateConfig, OverlayConfig, ServiceConfig};
use crate::explain::catalogue;
use crate::gate::{Gate, NoSuchGate};
use crate::need::Need;

/// A gate of the configuration's own, with the checks that its patterns name there.
#[derive(Clone, Debug)]
pub struct OwnGate<'a> {
    pub(crate) config: &'a Config,
    gate: &'a GateConfig,
    /// The overlay that its checks of a renewal are about.
    pub(crate) overlay: Option<&'a OverlayConfig>,
    pub(crate) checks: Vec<OwnCheck<'a>>,
}

/// A check, and whether its gate cannot pass without it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OwnCheck<'a> {
    pub(crate) check: Check<'a>,
    pub(crate) required: bool,
}

/// Why a gate of a configuration cannot be made. One line, which names the gate and what to write.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum OwnGateError {
    /// A pattern names no check of this configuration.
    #[error("[[gate]] `{gate}`: `{pattern}` names no check of this configuration; {}", hint(.near))]
    NothingMatches {
        /// The gate.
        gate: String,
        /// The pattern.
        pattern: String,
        /// The ids that are spelled most alike, at most three.
        near: Vec<String>,
    },
    /// It would pass on nothing.
    #[error("[[gate]] `{gate}` has no required check, so that it could never pass; name one in `checks`")]
    NothingRequired {
        /// The gate.
        gate: String,
    },
    /// It asks what came of a deployment, and has nothing deployed: all of it would pass.
    #[error(
        "[[gate]] `{gate}`: `{check}` is about what is deployed, and no check of the gate deploys anything; name one of `canary.*` or `churn.*` or a harness with a `command` too"
    )]
    NothingDeployed {
        /// The gate.
        gate: String,
        /// The first check that is about a deployment.
        check: String,
    },
    /// There is no gate of this name.
    #[error(transparent)]
    NoSuchGate(#[from] NoSuchGate),
}

/// What to write in place of an id that names nothing.
pub(crate) fn hint(near: &[String]) -> String {
    if near.is_empty() {
        "`pvcheck check list` prints the checks".to_owned()
    } else {
        format!("did you mean {}?", near.join(" or "))
    }
}

impl<'a> OwnGate<'a> {
    /// Every gate of the configuration's own, in its order. `overlay` is the one that checks of a renewal are about; the
    /// configuration's first where it is `None`.
    ///
    /// # Errors
    /// If a pattern of one of them names no check, or one has no required check or is about a deployment that it does not make.
    pub fn all(config: &'a Config, overlay: Option<&'a OverlayConfig>) -> Result<Vec<Self>, OwnGateError> {
        Self::each(config, overlay).collect()
    }

    /// As [`OwnGate::all`], each gate for itself.
    pub(crate) fn each(
        config: &'a Config,
        overlay: Option<&'a OverlayConfig>,
    ) -> impl Iterator<Item = Result<Self, OwnGateError>> {
        config.gates.iter().map(move |gate| Self::new(config, gate, overlay.or(config.overlay())))
    }

    fn new(
        config: &'a Config,
        gate: &'a GateConfig,
        overlay: Option<&'a OverlayConfig>,
    ) -> Result<Self, OwnGateError> {
        let all = possible(config, overlay);
        let mut checks: Vec<OwnCheck<'a>> = Vec::new();
        for (patterns, may_require) in [(&gate.checks, true), (&gate.advisory, false)] {
            for pattern in patterns {
                let mut named = all.iter().filter(|check| names(pattern, **check, config)).peekable();
                if named.peek().is_none() {
                    return Err(nothing_matches(config, gate, pattern, &all));
                }
                for check in named {
                    // What the catalogue has as advisory stays so where it is not named itself.
                    let required = may_require && (pattern.is_exact() || check.info().required);
                    let id = check.id(config);
                    match checks.iter_mut().find(|own| own.check.id(config) == id) {
                        Some(own) => own.required = may_require && (own.required || required),
                        None => checks.push(OwnCheck { check: *check, required }),
                    }
                }
            }
        }
        if !checks.iter().any(|own| own.required) {
            return Err(OwnGateError::NothingRequired { gate: gate.name.clone() });
        }
        let is_deployed = checks.iter().any(|own| own.check.deploys());
        // What is offered is about a deployment of before, and may stand alone.
        let is_about_it =
            |check: Check<'_>| check.info().stage == Stage::Deployment && !matches!(check, Check::Harness(_));
        let about = checks.iter().find(|own| is_about_it(own.check));
        if let Some(own) = about.filter(|_| !is_deployed) {
            return Err(OwnGateError::NothingDeployed {
                gate: gate.name.clone(),
                check: own.check.id(config),
            });
        }
        Ok(Self { config, gate, overlay, checks })
    }

    /// Its name.
    pub fn name(&self) -> &'a str {
        &self.gate.name
    }

    /// What it is about, as the end of a sentence.
    pub fn about(&self) -> &'a str {
        self.gate.about.as_deref().unwrap_or("a gate of the configuration's own")
    }

    /// The ids of its checks, in the order of its report.
    pub fn check_ids(&self) -> Vec<String> {
        self.checks.iter().map(|own| own.check.id(self.config)).collect()
    }

    /// True iff one of its checks is of this row of the catalogue.
    pub fn contains(&self, row: &CheckInfo) -> bool {
        self.checks.iter().any(|own| own.check.kind() == row.kind)
    }

    /// True iff it deploys and removes stacks of its own, and so needs `--apply`.
    pub fn changes_something(&self) -> bool {
        self.has(Stage::Deployment)
    }

    /// True iff it counts leaked addresses, by a census where `--probe` allows one.
    pub fn takes_a_probe(&self) -> bool {
        self.needs(Stage::Control, Need::Leaked)
    }

    /// True iff one of its checks is of this stage.
    pub(crate) fn has(&self, stage: Stage) -> bool {
        self.checks.iter().any(|own| own.check.info().stage == stage)
    }

    /// True iff one of its checks is of this stage and needs this.
    pub(crate) fn needs(&self, stage: Stage, need: Need) -> bool {
        let rows = self.checks.iter().map(|own| own.check.info());
        rows.filter(|row| row.stage == stage).any(|row| row.needs.contains(&need))
    }
}

/// Every check that the configuration can have. Those of a renewal are about one overlay.
fn possible<'a>(config: &'a Config, renewed: Option<&'a OverlayConfig>) -> Vec<Check<'a>> {
    let whole = Subjects::of(config);
    let alone = Subjects { overlays: renewed.map_or(&[], std::slice::from_ref), ..whole };
    let of_renewal = |kind: &Kind| matches!(kind.info().stage, Stage::Plan | Stage::Renewed);
    let kinds: Vec<Kind> = catalogue().map(|row| row.kind).collect();
    kinds
        .chunk_by(|a, b| of_renewal(a) == of_renewal(b))
        .flat_map(|run| checks_of(run, if run.iter().all(of_renewal) { alone } else { whole }))
        .collect()
}

/// True iff the pattern names this check: by its id, or by one that it shares with others.
pub(crate) fn names(pattern: &CheckPattern, check: Check<'_>, config: &Config) -> bool {
    let id = check.id(config);
    // The id of a `[[service]]` by a pattern has its `*`: written as it is, it names that check alone.
    let is_an_id = |service: &ServiceConfig| Check::Service(service).id(config) == pattern.as_str();
    if config.services.iter().any(is_an_id) {
        return id == pattern.as_str();
    }
    pattern.matches(&id) || shared_id(check).is_some_and(|id| pattern.matches(&id))
}

/// The id by which a gate names a check together with others: that of its row, which the checks of several overlays share, or
/// `route.@GROUP`, which those of a group of routes do.
fn shared_id(check: Check<'_>) -> Option<String> {
    match check {
        Check::Route(route) => {
            route.group.as_ref().map(|group| check.info().id.replace("NAME", &format!("@{group}")))
        }
        _ => check.overlay().map(|_| check.info().id.to_owned()),
    }
}

fn nothing_matches(
    config: &Config,
    gate: &GateConfig,
    pattern: &CheckPattern,
    all: &[Check<'_>],
) -> OwnGateError {
    let near = near(pattern, config, all);
    OwnGateError::NothingMatches { gate: gate.name.clone(), pattern: pattern.to_string(), near }
}

/// The ids of these checks that are spelled most like the pattern, at most three.
pub(crate) fn near(pattern: &CheckPattern, config: &Config, all: &[Check<'_>]) -> Vec<String> {
    // Of several overlays' checks the id that they share is the one to suggest.
    let own = |check: &Check<'_>| check.overlay().is_none().then(|| check.id(config));
    let ids: BTreeSet<String> =
        all.iter().flat_map(|check| shared_id(*check).into_iter().chain(own(check))).collect();
    let near = spelled_alike(pattern.as_str().trim_end_matches(".*"), ids.iter().map(String::as_str));
    near.into_iter().map(str::to_owned).collect()
}

/// A gate that was asked for by its name.
#[derive(Clone, Debug)]
pub enum AnyGate<'a> {
    /// One that comes with pvcheck.
    BuiltIn(Gate),
    /// One of the configuration's own.
    Own(OwnGate<'a>),
}

impl<'a> AnyGate<'a> {
    /// The gate of this name.
    ///
    /// # Errors
    /// If there is none; the error names all.
    pub fn named(name: &str, own: &[OwnGate<'a>]) -> Result<Self, OwnGateError> {
        if let Ok(gate) = name.parse() {
            return Ok(Self::BuiltIn(gate));
        }
        let found = own.iter().find(|gate| gate.name() == name);
        let none = || NoSuchGate {
            name: name.to_owned(),
            own: own.iter().map(|gate| gate.name().to_owned()).collect(),
        };
        found.map(|gate| Self::Own(gate.clone())).ok_or_else(|| none().into())
    }

    /// Its name.
    pub fn name(&self) -> &str {
        match self {
            Self::BuiltIn(gate) => gate.name(),
            Self::Own(gate) => gate.name(),
        }
    }

    /// True iff it deploys and removes stacks of its own, and so needs `--apply`.
    pub fn changes_something(&self) -> bool {
        match self {
            Self::BuiltIn(gate) => gate.changes_something(),
            Self::Own(gate) => gate.changes_something(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &str = "[[overlay]]\nname = \"proxy\"\nsubnet = \"10.10.0.0/24\"\n\
        [[overlay]]\nname = \"other\"\nsubnet = \"10.11.0.0/24\"\n\
        [[service]]\nname = \"shop_app\"\n[[service]]\nname = \"shop_db\"\n\
        [[route]]\nname = \"shop\"\nurl = \"https://shop.test/\"\n";

    /// The ids of a gate of these lists, advisory ones in brackets; or the error.
    fn made(lists: &str) -> Result<Vec<String>, String> {
        let text = format!("{TWO}[[gate]]\nname = \"weekly\"\n{lists}\n");
        let config = Config::parse("pvcheck.toml", &text).map_err(|e| e.to_string())?;
        let gates = OwnGate::all(&config, None).map_err(|e| e.to_string())?;
        let said = |own: &OwnCheck<'_>| {
            let id = own.check.id(&config);
            if own.required { id } else { format!("({id})") }
        };
        Ok(gates[0].checks.iter().map(said).collect())
    }

    #[test]
    fn checks_are_named_by_id_by_pattern_and_for_every_overlay() {
        let ids =
            made("checks = [\"route.shop\", \"service.*_db\", \"overlay.leaked\", \"overlay.subnet.other\"]");
        let expected = [
            "route.shop",
            "service.shop_db",
            "overlay.leaked.proxy",
            "overlay.leaked.other",
            "overlay.subnet.other",
        ];
        assert_eq!(ids, Ok(expected.map(str::to_owned).to_vec()));
    }

    #[test]
    fn a_check_in_both_lists_is_advisory_and_one_that_is_named_itself_is_required() {
        let both = made("checks = [\"overlay.*.proxy\"]\nadvisory = [\"overlay.headroom\"]").expect("sound");
        assert_eq!(both[3..], ["(overlay.headroom.proxy)", "(overlay.headroom.other)"].map(str::to_owned));
        let by_pattern = made("checks = [\"swarm.*\", \"services.*\"]").expect("sound");
        assert_eq!(by_pattern, ["swarm.waiting", "(services.unlisted)"]);
        let itself = made("checks = [\"services.*\", \"services.unlisted\"]").expect("sound");
        assert_eq!(itself, ["services.unlisted"]);
    }

    #[test]
    fn what_is_wrong_is_one_line_that_names_gate_and_pattern() {
        for (lists, line) in [
            (
                "checks = [\"overlay.leakd\"]",
                "[[gate]] `weekly`: `overlay.leakd` names no check of this configuration; did you mean overlay.leaked?",
            ),
            ("checks = [\"zzzzzz\"]", "`pvcheck check list` prints the checks"),
            ("checks = []", "has no required check"),
            ("checks = []\nadvisory = [\"overlay.*\"]", "has no required check"),
            ("checks = [\"services.*\"]", "has no required check"),
            ("checks = [\"a b\"]", "not the id of a check"),
        ] {
            let error = made(lists).expect_err(lists);
            assert!(error.contains(line) && !error.contains('\n'), "{lists}: {error}");
        }
    }

    #[test]
    fn a_gate_knows_what_it_needs() {
        let text = |checks: &str| format!("{TWO}[[gate]]\nname = \"weekly\"\nchecks = [{checks}]\n");
        let of = |checks: &str| {
            let config = Config::parse("pvcheck.toml", &text(checks)).expect("sound");
            let gates = OwnGate::all(&config, None).expect("sound");
            (gates[0].changes_something(), gates[0].takes_a_probe())
        };
        assert_eq!(of("\"route.*\""), (false, false));
        assert_eq!(of("\"overlay.headroom\""), (false, true));
        assert_eq!(of("\"route.*\", \"canary.route\""), (true, false));
    }

    /// Nothing was deployed, so that everything is as it was before.
    #[test]
    fn a_gate_about_a_deployment_makes_one() {
        for alone in ["residue", "routes.after", "routes.during", "journal.new"] {
            let canary = "[canary]\nimage = \"busybox:1\"\nurl = \"https://{stack}.test/\"\n";
            let error = made(&format!("checks = [\"{alone}\"]\n{canary}")).expect_err(alone);
            assert!(error.contains(&format!("`{alone}` is about what is deployed")), "{error}");
            // A result that is offered deploys nothing either.
            let harness = "[[harness]]\nname = \"shop\"\nresult = \"shop.json\"\n";
            let both =
                |more: &str| made(&format!("checks = [\"{alone}\", \"harness.shop\"]\n{harness}{more}"));
            let error = both("").expect_err(alone);
            assert!(error.contains(&format!("`{alone}` is about what is deployed")), "{error}");
            assert!(both("command = [\"ci-run\"]\n").is_ok(), "{alone}");
            assert!(made(&format!("checks = [\"harness.shop\"]\n{harness}")).is_ok());
        }
    }
}
