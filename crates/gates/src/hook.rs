//! Commands of the host around a change of the Swarm.

use std::process::Stdio;
use std::time::{Duration, Instant};

use pvcheck_audit::without_values;
use serde::Serialize;
use tokio::io::AsyncReadExt as _;
use tokio::process::Command;
use tokio::time::timeout;

use crate::config::HookConfig;
use crate::process_group::ProcessGroup;

/// The most that is kept of a command's output, from its end: what went wrong is there.
const KEPT_BYTES: usize = 8 << 10;

/// What a command did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HookReport {
    /// Its program; its words may hold secrets.
    pub program: String,
    /// Why it did not do what it should; `null` if it ended with 0.
    pub failure: Option<HookFailure>,
    /// The end of what it printed, without values of variables.
    pub output: String,
    /// How long it took, in ms.
    pub elapsed_ms: u64,
}

/// Why a command did not do what it should.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum HookFailure {
    /// It ended with another code than 0; `None` if a signal ended it.
    Ended {
        /// The code.
        code: Option<i32>,
    },
    /// It did not end in time, and was killed.
    Late {
        /// Its time, in seconds.
        seconds: u64,
    },
    /// It was killed with pvcheck, which was told to stop.
    Interrupted,
    /// It could not be started.
    NotStarted {
        /// Why.
        why: String,
    },
}

impl std::fmt::Display for HookReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let program = &self.program;
        match &self.failure {
            None => write!(f, "{program} ended with 0 after {} ms", self.elapsed_ms),
            Some(HookFailure::Ended { code: Some(code) }) => write!(f, "{program} ended with {code}"),
            Some(HookFailure::Ended { code: None }) => write!(f, "{program} was ended by a signal"),
            Some(HookFailure::Late { seconds }) => {
                write!(f, "{program} did not end within {seconds} s and was killed")
            }
            Some(HookFailure::Interrupted) => {
                write!(f, "{program} was killed, since pvcheck was interrupted")
            }
            Some(HookFailure::NotStarted { why }) => write!(f, "{program} could not be started: {why}"),
        }
    }
}

impl HookReport {
    /// The report of a command that was killed with pvcheck.
    pub fn interrupted(hook: &HookConfig) -> Self {
        let program = hook.command.first().cloned().unwrap_or_default();
        Self { program, failure: Some(HookFailure::Interrupted), output: String::new(), elapsed_ms: 0 }
    }
}

/// Runs a command to its end. It is killed, with all that it started, when its time is over, and when the future is dropped.
pub async fn run_hook(hook: &HookConfig) -> HookReport {
    let since = Instant::now();
    let program = hook.command.first().cloned().unwrap_or_default();
    let (failure, output) = run(&program, hook).await;
    let elapsed_ms = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
    HookReport { program, failure, output: without_values(&output), elapsed_ms }
}

async fn run(program: &str, hook: &HookConfig) -> (Option<HookFailure>, String) {
    let mut command = Command::new(program);
    command.args(hook.command.iter().skip(1));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let (mut child, group) = match ProcessGroup::start(&mut command) {
        Ok(started) => started,
        Err(error) => return (Some(HookFailure::NotStarted { why: error.to_string() }), String::new()),
    };
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let mut kept = (Vec::new(), Vec::new());
    let ended = {
        let all = async {
            let ((), (), ended) = tokio::join!(tail(out, &mut kept.0), tail(err, &mut kept.1), child.wait());
            ended
        };
        timeout(Duration::from_secs(hook.timeout_s), all).await
    };
    match ended {
        Ok(_) => group.let_go(),
        Err(_) => drop(group),
    }
    let output = [kept.0, kept.1].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    let failure = match ended {
        Err(_) => Some(HookFailure::Late { seconds: hook.timeout_s }),
        Ok(Err(error)) => Some(HookFailure::NotStarted { why: error.to_string() }),
        Ok(Ok(status)) if status.success() => None,
        Ok(Ok(status)) => Some(HookFailure::Ended { code: status.code() }),
    };
    (failure, output)
}

/// Reads to the end, and keeps the end.
async fn tail(from: Option<impl tokio::io::AsyncRead + Unpin>, kept: &mut Vec<u8>) {
    let Some(mut from) = from else { return };
    let mut buffer = vec![0; KEPT_BYTES];
    // A pipe that cannot be read any more is one that has ended.
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        kept.extend_from_slice(&buffer[..read]);
        let over = kept.len().saturating_sub(KEPT_BYTES);
        if 0 < over {
            // To the end of the line: of half a line nobody knows whether it is a value.
            let line =
                kept[over..].iter().position(|byte| *byte == b'\n').map_or(kept.len(), |at| over + at + 1);
            kept.drain(..line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hook(script: &str, timeout_s: u64) -> HookConfig {
        HookConfig { command: ["sh", "-c", script].map(str::to_owned).to_vec(), timeout_s }
    }

    #[tokio::test]
    async fn what_a_command_did_is_on_record_without_values() {
        let done = run_hook(&hook("echo built; echo API_TOKEN=canary-7f3 >&2", 60)).await;
        assert_eq!(done.failure, None);
        assert!(done.output.contains("built") && !done.output.contains("canary-7f3"), "{}", done.output);
        let failed = run_hook(&hook("exit 3", 60)).await;
        assert_eq!(failed.to_string(), "sh ended with 3");
        let none = HookConfig { command: vec!["/nonexistent/pvcheck".into()], timeout_s: 1 };
        assert!(matches!(run_hook(&none).await.failure, Some(HookFailure::NotStarted { .. })));
    }

    /// A shell's child would go on for a minute.
    #[tokio::test]
    async fn what_a_late_command_started_is_killed_with_it() {
        let since = Instant::now();
        let folder = tempfile::tempdir().expect("a folder");
        let pid = folder.path().join("pid");
        let script = format!("sleep 60 & echo $! > {}; wait", pid.display());
        let late = run_hook(&hook(&script, 1)).await;
        assert_eq!(late.failure, Some(HookFailure::Late { seconds: 1 }));
        let pid = std::fs::read_to_string(&pid).expect("written").trim().to_owned();
        let state = || std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let is_gone = |state: &str| state.is_empty() || state.contains(") Z ");
        while !is_gone(&state()) {
            assert!(since.elapsed() < Duration::from_secs(30), "it still runs: {}", state());
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn one_that_does_not_end_is_killed_and_a_long_output_is_cut() {
        let late = run_hook(&hook("while :; do sleep 0.05; done", 0)).await;
        assert_eq!(late.failure, Some(HookFailure::Late { seconds: 0 }));
        let long = run_hook(&hook("head -c 100000 /dev/zero | tr '\\0' x; echo; echo the end", 60)).await;
        assert!(
            long.output.len() <= 2 * KEPT_BYTES && long.output.ends_with("the end\n"),
            "{}",
            long.output.len()
        );
    }
}
