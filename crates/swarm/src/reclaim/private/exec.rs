//! Running a program within a time limit.

use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

use crate::reclaim::helper_error::HelperError;

/// Longest time for a helper program, and for the private engine to start or end.
pub(super) const LIMIT: Duration = Duration::from_secs(30);

pub(super) async fn run(command: Command) -> Result<Output, HelperError> {
    run_within(command, LIMIT).await
}

/// Runs a program to its end, or kills it when `limit` is over.
///
/// # Errors
/// If it cannot be run, takes longer, or ends with another status than 0; the error has the start of its standard error.
pub(crate) async fn run_within(mut command: Command, limit: Duration) -> Result<Output, HelperError> {
    let program = command.as_std().get_program().display().to_string();
    command.stdin(Stdio::null()).kill_on_drop(true);
    let ended = timeout(limit, command.output()).await;
    let output = match ended {
        Ok(Ok(output)) => output,
        Ok(Err(source)) => return Err(HelperError::NotRun { program, source }),
        Err(_) => return Err(HelperError::TooLong { program, limit }),
    };
    if output.status.success() {
        return Ok(output);
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().chars().take(300).collect::<String>();
    Err(HelperError::Failed { program, status: output.status, said })
}
