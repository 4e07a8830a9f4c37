//! The systemd journal through the journalctl program.

use std::io;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::Stdio;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};

use super::decode::Decoder;
use super::error::SourceError;
use super::lines;
use super::mark::Mark;
use super::reading::{Limits, ReadFrom, Reading, Sink};
use crate::entry;
use crate::incomplete::Incomplete;
use crate::record::Record;
use crate::redact::redact;

const STDERR_BYTES: u64 = 8 * 1024;
/// What root logs is in the system's journal files.
const OF_ROOT: &str = "_UID=0";

/// The systemd journal, read by `journalctl -o json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Journalctl {
    /// The program; a bare `journalctl` is searched on the PATH.
    pub program: PathBuf,
    /// The engine's unit.
    pub unit: String,
    /// More arguments, such as `--directory=DIR` or `--machine=NAME`.
    #[serde(default)]
    pub args: Vec<String>,
}

impl Journalctl {
    /// The journal of that unit of this host.
    pub fn unit(unit: impl Into<String>) -> Self {
        Self { program: "journalctl".into(), unit: unit.into(), args: Vec::new() }
    }

    /// Runs another program instead of `journalctl`.
    #[must_use]
    pub fn program(mut self, program: impl Into<PathBuf>) -> Self {
        self.program = program.into();
        self
    }

    pub(super) fn describe(&self) -> String {
        let mut words = format!("journal of unit {}", self.unit);
        for arg in &self.args {
            words.push(' ');
            words.push_str(arg);
        }
        redact(&words).into_owned()
    }

    pub(super) async fn mark(&self, limits: &Limits) -> Result<Mark, SourceError> {
        let mut reading = Reading { source: self.describe(), ..Reading::default() };
        let mut mark = Mark::Empty;
        let mut sink = |record: Record| {
            if let Some(cursor) = record.cursor {
                mark = Mark::Cursor { cursor };
            }
            ControlFlow::Continue(())
        };
        let args = ["--lines=1".to_owned()];
        let read = self.run(&args, limits, &mut reading, &mut sink);
        match tokio::time::timeout(limits.deadline, read).await {
            Ok(done) => done.map(|()| mark),
            Err(_) => Err(SourceError::NoMark {
                source_name: self.describe(),
                after_ms: u64::try_from(limits.deadline.as_millis()).unwrap_or(u64::MAX),
            }),
        }
    }

    pub(super) async fn read(
        &self,
        from: &ReadFrom,
        limits: &Limits,
        reading: &mut Reading,
        sink: &mut Sink<'_>,
    ) -> Result<(), SourceError> {
        match from {
            ReadFrom::Beginning | ReadFrom::Mark(Mark::Empty) => self.run(&[], limits, reading, sink).await,
            // Whole seconds, which every version accepts; the caller drops records that are too early.
            ReadFrom::Time(at) => {
                self.run(&[format!("--since=@{}", at.as_second())], limits, reading, sink).await
            }
            ReadFrom::Mark(Mark::Cursor { cursor }) => self.after(cursor, limits, reading, sink).await,
            ReadFrom::Mark(Mark::Offset { .. }) => {
                Err(SourceError::WrongMark { source_name: self.describe() })
            }
        }
    }

    /// With `--after-cursor`, journalctl silently starts at the nearest entry if the cursor's own entry is gone. So
    /// the marked entry itself is requested: it comes first if it still exists.
    async fn after(
        &self,
        cursor: &str,
        limits: &Limits,
        reading: &mut Reading,
        sink: &mut Sink<'_>,
    ) -> Result<(), SourceError> {
        let (mut is_first, mut is_gone, mut marked) = (true, false, 0);
        let mut rest = |record: Record| {
            let is_marked = std::mem::take(&mut is_first) && record.cursor.as_deref() == Some(cursor);
            if is_marked {
                marked = 1;
                return ControlFlow::Continue(());
            }
            is_gone = marked == 0;
            sink(record)
        };
        let done = self.run(&[format!("--cursor={cursor}")], limits, reading, &mut rest).await;
        is_gone |= marked == 0;
        reading.records -= marked;
        if is_gone {
            reading.incomplete.push(Incomplete::MarkGone);
        }
        done
    }

    async fn run(
        &self,
        args: &[String],
        limits: &Limits,
        reading: &mut Reading,
        sink: &mut Sink<'_>,
    ) -> Result<(), SourceError> {
        let not_run = |source| SourceError::Program { program: self.program.clone(), source };
        let unit = [format!("--unit={}", self.unit)];
        let mut child = self.command(unit.iter().chain(args)).spawn().map_err(not_run)?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let (Some(stdout), Some(stderr)) = (stdout, stderr) else {
            return Err(not_run(io::ErrorKind::BrokenPipe.into()));
        };
        let before = reading.incomplete.len();
        let said = tokio::spawn(first_bytes(stderr));
        lines::pour(stdout, Decoder::plain(), limits, reading, sink).await.map_err(not_run)?;
        if before < reading.incomplete.len() {
            // Reading stopped at a limit while journalctl may still be writing: dropping the child kills it.
            said.abort();
            return Ok(());
        }
        let said = said.await.unwrap_or_default();
        self.judge(&mut child, &said, reading).await
    }

    /// True iff the journal has an entry of root's, whatever the unit, from that moment or before, so that entries of the
    /// engine's unit from then on are all there: journald removes whole files of all units, the oldest first
    /// (journald.conf(5)). What users other than root log may be in files of their own, which are kept longer.
    pub(super) async fn reaches(&self, at: Timestamp, limits: &Limits) -> bool {
        let Ok(mut child) = self.command(std::iter::once(&OF_ROOT.to_owned())).stderr(Stdio::null()).spawn()
        else {
            return false;
        };
        let Some(stdout) = child.stdout.take() else { return false };
        let mut first = None;
        let mut sink = |record: Record| {
            first = record.at;
            ControlFlow::Break(Incomplete::Failed { error: "one is enough".into() })
        };
        let (mut reading, decoder) = (Reading::default(), Decoder::plain());
        let read = lines::pour(stdout, decoder, limits, &mut reading, &mut sink);
        // Whatever fails leaves `first` empty, and the scan incomplete. Dropping the child ends it.
        let _ = tokio::time::timeout(limits.deadline, read).await;
        first.is_some_and(|first| first <= at)
    }

    fn command<'a>(&self, args: impl Iterator<Item = &'a String>) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(["--output=json", "--all", "--no-pager"])
            .arg(format!("--output-fields={}", entry::FIELDS))
            .args(args)
            .args(&self.args)
            // The hints on stderr are matched in English.
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    /// Zero records are believed only from a journalctl that ended well and saw everything.
    async fn judge(&self, child: &mut Child, said: &[u8], reading: &mut Reading) -> Result<(), SourceError> {
        let said = String::from_utf8_lossy(said);
        let not_run = |source| SourceError::Program { program: self.program.clone(), source };
        let status = child.wait().await.map_err(not_run)?;
        // systemd src/shared/journal-util.c prints these where the user sees only their own messages, or no journal
        // file.
        // journalctl exits with 0 although it shows only a part, so the exit status alone proves nothing.
        let is_hidden =
            ["not seeing messages from other users", "insufficient permissions", "Permission denied"]
                .iter()
                .any(|hint| said.contains(hint));
        if is_hidden && reading.records == 0 {
            return Err(SourceError::JournalNotAllowed { unit: self.unit.clone() });
        }
        if is_hidden {
            reading.incomplete.push(Incomplete::NotAllowed);
        }
        // A journal file that is truncated, corrupted or of a newer systemd is left out (the same source).
        if let Some(line) = said.lines().find(|line| line.contains("ignoring file")) {
            reading.incomplete.push(Incomplete::Failed { error: redact(line).into_owned() });
        }
        if status.success() {
            return Ok(());
        }
        let message = redact(said.lines().next().unwrap_or("no message on stderr")).into_owned();
        if reading.records == 0 {
            return Err(SourceError::Journalctl {
                program: self.program.clone(),
                status: status.to_string(),
                message,
            });
        }
        reading.incomplete.push(Incomplete::Failed { error: message });
        Ok(())
    }
}

/// Keeps the beginning and reads the rest too, so that the program never waits for a full pipe.
async fn first_bytes(mut input: impl AsyncRead + Unpin) -> Vec<u8> {
    let mut kept = Vec::new();
    // A stderr that cannot be read must not cost the records, which came by stdout.
    let _ = (&mut input).take(STDERR_BYTES).read_to_end(&mut kept).await;
    let _ = tokio::io::copy(&mut input, &mut tokio::io::sink()).await;
    kept
}
