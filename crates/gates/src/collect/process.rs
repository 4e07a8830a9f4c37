//! A command of the host that is run to its end, with everything in its process group.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use pvcheck_audit::without_values;
use pvcheck_journal::redact;
use ring::digest::{Context, SHA256};
use rustix::process::Signal;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::digest::hex;
use crate::harness_facts::HarnessEnd;
use crate::process_group::ProcessGroup;

/// The most that is kept of an output, from its end: what went wrong is there.
const KEPT_BYTES: usize = 64 << 10;
/// Between the request to end and the kill.
const GRACE: Duration = Duration::from_secs(5);
/// How long what was printed may take to arrive after the end.
const DRAIN: Duration = Duration::from_secs(2);

/// What is run.
pub(super) struct Run<'a> {
    /// Program and words.
    pub(super) command: &'a [String],
    /// The variables that it has, and no other.
    pub(super) env: &'a [(String, String)],
    /// The folder in which it runs.
    pub(super) folder: &'a Path,
    pub(super) limit: Duration,
}

/// Runs a command to its end. When its time is over its process group is asked to end, and killed; killed is also what it
/// leaves in that group, and all of it when the future is dropped.
pub(super) async fn run(what: Run<'_>, output: Output) -> (HarnessEnd, Output) {
    let mut command = Command::new(what.command.first().map_or("", String::as_str));
    command.args(what.command.iter().skip(1)).env_clear().envs(what.env.iter().cloned());
    let here = Path::new(".");
    command.current_dir(if what.folder.as_os_str().is_empty() { here } else { what.folder });
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let (mut child, group) = match ProcessGroup::start(&mut command) {
        Ok(started) => started,
        Err(error) => return (HarnessEnd::NotStarted { why: error.to_string() }, output),
    };
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let output = RefCell::new(output);
    let end = {
        let mut reading = Box::pin(async {
            tokio::join!(read(out, &output), read(err, &output));
        });
        let mut is_read = false;
        let ended = timeout(what.limit, exit(&mut child, &mut reading, &mut is_read)).await;
        if ended.is_err() {
            group.send(Signal::TERM);
            // Whether it obeys or not, it is killed below.
            let _ = timeout(GRACE, exit(&mut child, &mut reading, &mut is_read)).await;
        }
        drop(group);
        if !is_read {
            let _ = timeout(DRAIN, reading).await;
        }
        match ended {
            Err(_) => HarnessEnd::Late { seconds: what.limit.as_secs() },
            Ok(Err(error)) => HarnessEnd::NotStarted { why: error.to_string() },
            Ok(Ok(status)) => status.code().map_or(HarnessEnd::Signal, |code| HarnessEnd::Code { code }),
        }
    };
    (end, output.into_inner())
}

/// Waits for the end, and reads meanwhile: a full pipe would hold the command up.
async fn exit(
    child: &mut Child,
    reading: &mut (impl Future<Output = ()> + Unpin),
    is_read: &mut bool,
) -> std::io::Result<ExitStatus> {
    loop {
        tokio::select! {
            status = child.wait() => return status,
            () = &mut *reading, if !*is_read => *is_read = true,
        }
    }
}

async fn read(from: Option<impl AsyncRead + Unpin>, output: &RefCell<Output>) {
    let Some(mut from) = from else { return };
    let (mut buffer, mut lines) = (vec![0; 8 << 10], Lines::default());
    // A pipe that cannot be read any more is one that has ended.
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        lines.push(&buffer[..read], &mut output.borrow_mut());
    }
    lines.end(&mut output.borrow_mut());
}

/// Bytes of one pipe, cut into lines.
#[derive(Default)]
struct Lines {
    begun: Vec<u8>,
    /// True iff the line under way is too long to be kept.
    is_long: bool,
}

impl Lines {
    fn push(&mut self, bytes: &[u8], output: &mut Output) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            if KEPT_BYTES < self.begun.len() + part.len() {
                // Of a part of a line nobody knows whether it is a part of a secret.
                (self.is_long, self.begun) = (true, Vec::new());
            }
            if !self.is_long {
                self.begun.extend_from_slice(part);
            }
            if part.ends_with(b"\n") {
                self.end(output);
            }
        }
    }

    fn end(&mut self, output: &mut Output) {
        let line = std::mem::take(&mut self.begun);
        if std::mem::take(&mut self.is_long) {
            output.line("[a line of more than 64 KiB]");
        } else if !line.is_empty() {
            output.line(String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r']));
        }
    }
}

/// What a command printed, without what may be a secret: the last lines, and the digest of all of them.
pub(super) struct Output {
    /// Values that are in no line, the longest first.
    secrets: Vec<String>,
    in_key: bool,
    kept: VecDeque<String>,
    kept_bytes: usize,
    all: Context,
}

impl Output {
    /// An output in which none of these values stands.
    pub(super) fn without(values: impl IntoIterator<Item = String>) -> Self {
        let mut secrets: Vec<String> = Vec::new();
        for value in values {
            // A value of several lines, such as a key, is printed line by line.
            secrets.extend(value.lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()));
        }
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        secrets.dedup();
        Self { secrets, in_key: false, kept: VecDeque::new(), kept_bytes: 0, all: Context::new(&SHA256) }
    }

    fn line(&mut self, line: &str) {
        let line = self.redacted(line);
        self.all.update(line.as_bytes());
        self.all.update(b"\n");
        self.kept_bytes += line.len() + 1;
        self.kept.push_back(line);
        while KEPT_BYTES < self.kept_bytes {
            let Some(first) = self.kept.pop_front() else { break };
            self.kept_bytes -= first.len() + 1;
        }
    }

    fn redacted(&mut self, line: &str) -> String {
        if self.in_key {
            self.in_key = !line.contains("-----END ");
            return "[redacted]".to_owned();
        }
        self.in_key =
            line.contains("-----BEGIN ") && line.contains("KEY-----") && !line.contains("-----END ");
        let mut line = line.to_owned();
        for secret in &self.secrets {
            line = line.replace(secret.as_str(), "[redacted]");
        }
        // Control characters would move the cursor of whoever reads the report in a terminal.
        without_values(&redact(&line)).replace(|c: char| c.is_control() && c != '\t', "")
    }

    /// The last lines, and the digest of all lines in hex.
    pub(super) fn finish(self) -> (Vec<String>, String) {
        (self.kept.into(), hex(self.all.finish().as_ref()))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    async fn script(text: &str, limit: Duration, secrets: &[&str]) -> (HarnessEnd, Vec<String>) {
        let command = ["sh", "-c", text].map(str::to_owned);
        let env = [("PATH".to_owned(), std::env::var("PATH").expect("one"))];
        let output = Output::without(secrets.iter().map(|secret| (*secret).to_owned()));
        let (end, output) =
            run(Run { command: &command, env: &env, folder: Path::new(""), limit }, output).await;
        let (lines, digest) = output.finish();
        assert_eq!(digest.len(), 64);
        (end, lines)
    }

    const LONG: Duration = Duration::from_mins(1);

    #[tokio::test]
    async fn the_end_of_what_it_printed_is_kept_without_secrets() {
        let text = "echo one; echo s3cret-a >&2; echo DB_PASSWORD=s3cret-b; echo url https://u:s3cret-c@h/; \
                    echo '-----BEGIN PRIVATE KEY-----'; echo s3cret-d; echo '-----END PRIVATE KEY-----'; echo last; exit 3";
        let (end, lines) = script(text, LONG, &["s3cret-a"]).await;
        assert_eq!(end, HarnessEnd::Code { code: 3 });
        let all = lines.join("\n");
        assert!(all.contains("one") && all.contains("last") && !all.contains("s3cret"), "{all}");
    }

    #[tokio::test]
    async fn a_long_output_is_cut_at_a_line_and_a_long_line_is_left_out() {
        let text = "i=0; while [ $i -lt 9000 ]; do echo 'a line of this length'; i=$((i+1)); done; \
                    head -c 200000 /dev/zero | tr '\\0' x; echo; echo the end";
        let (end, lines) = script(text, LONG, &[]).await;
        assert_eq!(end, HarnessEnd::Code { code: 0 });
        let bytes: usize = lines.iter().map(|line| line.len() + 1).sum();
        assert!(bytes <= KEPT_BYTES && KEPT_BYTES / 2 < bytes, "{bytes}");
        assert_eq!(lines[lines.len() - 2..], ["[a line of more than 64 KiB]", "the end"]);
    }

    /// Its child ignores the request to end, and would hold the pipe for a minute.
    #[tokio::test]
    async fn at_its_limit_its_whole_group_is_killed() {
        let since = Instant::now();
        let folder = tempfile::tempdir().expect("a folder");
        let pid = folder.path().join("pid");
        let text =
            format!("(trap '' TERM; echo $$ > /dev/null; exec sleep 60) & echo $! > {}; wait", pid.display());
        let (end, _) = script(&text, Duration::from_secs(1), &[]).await;
        assert_eq!(end, HarnessEnd::Late { seconds: 1 });
        assert!(since.elapsed() < Duration::from_secs(30), "{:?}", since.elapsed());
        let pid = std::fs::read_to_string(&pid).expect("written").trim().to_owned();
        let state = || std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let is_gone = |state: &str| state.is_empty() || state.contains(") Z ");
        while !is_gone(&state()) {
            assert!(since.elapsed() < LONG, "it still runs: {}", state());
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_was_not_started() {
        let command = ["/nonexistent/pvcheck".to_owned()];
        let what = Run { command: &command, env: &[], folder: Path::new(""), limit: LONG };
        let (end, _) = run(what, Output::without([])).await;
        assert!(matches!(end, HarnessEnd::NotStarted { .. }), "{end:?}");
    }
}
