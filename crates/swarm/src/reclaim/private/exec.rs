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

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[tokio::test]
    async fn a_program_that_succeeds_returns_its_output() {
        assert_eq!(run(shell("echo out; echo err >&2")).await.unwrap().stdout, b"out\n");
    }

    #[tokio::test]
    async fn a_program_that_fails_returns_status_and_the_start_of_its_errors() {
        let error = run(shell("printf '%0400d' 7 >&2; exit 3")).await.unwrap_err();
        let HelperError::Failed { program, status, said } = error else { panic!("{error}") };
        assert_eq!((program.as_str(), status.code(), said.len()), ("sh", Some(3), 300));
    }

    #[tokio::test]
    async fn a_program_that_is_missing_is_named() {
        let error = run(Command::new("/no/such/program")).await.unwrap_err();
        assert!(
            matches!(&error, HelperError::NotRun { program, .. } if program == "/no/such/program"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn a_program_that_takes_too_long_is_killed() {
        let dir = tempfile::tempdir().unwrap();
        let pid = dir.path().join("pid");
        let script = format!("echo $$ >{0}.new; mv {0}.new {0}; exec sleep 600", pid.display());
        // Long enough for a shell to start on a busy machine.
        let limit = Duration::from_secs(3);
        let error = run_within(shell(&script), limit).await.unwrap_err();
        assert!(matches!(error, HelperError::TooLong { limit: given, .. } if given == limit), "{error}");
        let pid: u32 = std::fs::read_to_string(pid).unwrap().trim().parse().unwrap();
        let ended = crate::engine::wait_until!(LIMIT, async {
            // Killed, it may stay a zombie until the runtime has read its status.
            super::super::process::Process::of(pid).is_none().then_some(())
        });
        assert!(ended.is_some(), "{pid} runs on");
    }
}
