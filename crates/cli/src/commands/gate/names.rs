//! Names of gates on command lines that run none.

use pvcheck_gates::{Gate, NoSuchGate, OwnGateError};

use crate::args::Args;
use crate::failure::Failure;
use crate::session::{config, has_config};

/// The name, if it is a gate's: of one that comes with pvcheck, or of one of the configuration.
///
/// # Errors
/// If there is no such gate, with the names of all, or if the configuration cannot be read.
pub(crate) fn existing<'a>(args: &Args, name: &'a str) -> Result<&'a str, Failure> {
    if name.parse::<Gate>().is_ok() {
        return Ok(name);
    }
    let own = own(args)?;
    if own.iter().any(|gate| gate == name) {
        return Ok(name);
    }
    Err(OwnGateError::from(NoSuchGate { name: name.to_owned(), own }).into())
}

/// The names of all gates, in the order in which they are to be run.
///
/// # Errors
/// If the configuration cannot be read.
pub(crate) fn all(args: &Args) -> Result<Vec<String>, Failure> {
    let built_in = Gate::ALL.iter().map(ToString::to_string);
    Ok(built_in.chain(own(args)?).collect())
}

/// The gates of the configuration, if there is one.
fn own(args: &Args) -> Result<Vec<String>, Failure> {
    if !has_config(args) {
        return Ok(Vec::new());
    }
    Ok(config(args)?.gates.iter().map(|gate| gate.name.clone()).collect())
}
