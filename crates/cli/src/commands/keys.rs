//! `pvcheck keys`.

use std::path::PathBuf;

use pvcheck_ledger::{PublicKey, new_key};
use serde::Serialize;

use crate::args::{Keys, KeysCommand};
use crate::failure::{DONE, Failure};
use crate::printer::Printer;
use crate::report::Document;

/// A key that was made, without its private part.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct Made {
    private: PathBuf,
    public: PathBuf,
    public_key: PublicKey,
}

impl Document for Made {
    const KIND: &'static str = "keys";
}

pub(crate) fn run(asked: &Keys, printer: &Printer) -> Result<u8, Failure> {
    let KeysCommand::New(asked) = &asked.what;
    let made = new_key(&asked.file)?;
    let made = Made { private: made.private, public: made.public, public_key: made.key };
    printer.done();
    printer.result(&made, || {
        let (private, public) = (made.private.display(), made.public.display());
        format!("private  {private} (for its owner alone)\npublic   {public}\n         {}\n", made.public_key)
    })?;
    Ok(DONE)
}
