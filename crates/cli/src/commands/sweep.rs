//! `pvcheck sweep`.

use std::time::Duration;

use pvcheck_swarm::{Permit, leftover_runs, sweep_run};

use crate::args::{self, Args};
use crate::face::Face;
use crate::failure::Failure;
use crate::session::Session;

pub(crate) async fn run(args: &Args, asked: &args::Apply, face: &Face) -> Result<u8, Failure> {
    let session = Session::open(args).await?;
    let runs = leftover_runs(&session.engine).await?;
    let mut lines = String::new();
    let mut left = false;
    for (run, names) in &runs {
        if asked.apply {
            let permit = Permit::granted_by_operator();
            let swept =
                sweep_run(&session.engine, permit, run, Duration::from_mins(1), &|p| face.show(p)).await?;
            left |= !swept.left.is_empty();
            let rest: String = swept.left.iter().map(|l| format!("\n  left: {l}")).collect();
            lines += &format!(
                "run {run}: removed {} of {}{rest}\n",
                names.len().saturating_sub(swept.left.len()),
                names.len()
            );
        } else {
            lines += &format!("run {run}: would remove {}\n", names.join(", "));
        }
    }
    face.done();
    if runs.is_empty() {
        lines.push_str("nothing of pvcheck is left\n");
    } else if !asked.apply {
        lines.push_str("Nothing was touched; add --apply to do it.\n");
    }
    face.result(&runs, || lines)?;
    Ok(u8::from(left))
}
