//! `pvcheck gate list`.

use pvcheck_gates::{Config, Gate, OwnGate};
use serde::Serialize;

use crate::args::Args;
use crate::failure::{DONE, Failure};
use crate::printer::Printer;
use crate::report::Document;
use crate::session::{config, has_config};

/// The list as JSON.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct List {
    gates: Vec<Listed>,
}

impl Document for List {
    const KIND: &'static str = "gates";
}

/// A gate in the list.
#[derive(Serialize, schemars::JsonSchema)]
struct Listed {
    name: String,
    about: String,
    changes_something: bool,
    /// The ids of its checks: of the catalogue, or of the configuration where the gate is from there.
    checks: Vec<String>,
    #[serde(skip)]
    takes_a_probe: bool,
}

impl Listed {
    fn built_in(gate: Gate) -> Self {
        Self {
            name: gate.name().to_owned(),
            about: gate.about().to_owned(),
            changes_something: gate.changes_something(),
            checks: gate.check_ids().map(str::to_owned).collect(),
            takes_a_probe: gate.takes_a_probe(),
        }
    }

    fn own(gate: &OwnGate<'_>) -> Self {
        Self {
            name: gate.name().to_owned(),
            about: gate.about().to_owned(),
            changes_something: gate.changes_something(),
            checks: gate.check_ids(),
            takes_a_probe: gate.takes_a_probe(),
        }
    }

    fn line(&self, width: usize) -> String {
        let needs = match (self.changes_something, self.takes_a_probe) {
            (true, _) => "needs --apply",
            (false, true) => "changes nothing, unless --probe asks for a census",
            (false, false) => "changes nothing",
        };
        format!("{:<width$}  {}; {needs}\n", self.name, self.about)
    }
}

pub(super) fn run(args: &Args, printer: &Printer) -> Result<u8, Failure> {
    // The list is of use without a configuration, so that only one that is there is read.
    let config: Option<Config> = has_config(args).then(|| config(args)).transpose()?;
    let own = config.as_ref().map(|config| OwnGate::all(config, None)).transpose()?.unwrap_or_default();
    let built_in = Gate::ALL.map(Listed::built_in).into_iter();
    let list = List { gates: built_in.chain(own.iter().map(Listed::own)).collect() };
    printer.done();
    let width = list.gates.iter().map(|gate| gate.name.len()).max().unwrap_or(0);
    printer.result(&list, || list.gates.iter().map(|gate| gate.line(width)).collect())?;
    Ok(DONE)
}
