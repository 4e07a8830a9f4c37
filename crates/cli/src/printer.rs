//! Printing: the result to stdout and nothing else there; progress, notes and errors to stderr.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use pvcheck_audit::EngineKind;
use pvcheck_gates::Style;
use pvcheck_swarm::Progress;
use serde::Serialize;

use crate::args::{Global, Output};
use crate::failure::Failure;
use crate::report::{Document, Envelope};

/// How often a count is printed where there is no terminal to redraw.
const SAY_EVERY: Duration = Duration::from_secs(1);

/// The last line of a result that rests on the embedded engine.
const EMBEDDED: &str = "(embedded engine: a model of a Swarm, no real one was asked)\n";

/// Where results, progress and errors go.
pub(crate) struct Printer {
    output: Output,
    progress: Option<ProgressBar>,
    said: Mutex<(String, Option<Instant>)>,
    quiet: bool,
    /// True once a result rests on the embedded engine.
    embedded: AtomicBool,
    /// Where results are kept instead of being printed.
    kept: Option<Mutex<String>>,
}

impl Printer {
    pub(crate) fn new(global: &Global) -> Self {
        log_to_stderr(global.verbose);
        let bar = (!global.quiet && std::io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::new_spinner();
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        Self {
            output: global.output,
            progress: bar,
            said: Mutex::default(),
            quiet: global.quiet,
            embedded: AtomicBool::new(false),
            kept: None,
        }
    }

    /// Keeps results for [`Printer::kept`] instead of printing them, and shows no progress.
    pub(crate) fn keeping(output: Output) -> Self {
        let kept = Some(Mutex::default());
        Self {
            output,
            progress: None,
            said: Mutex::default(),
            quiet: true,
            embedded: AtomicBool::new(false),
            kept,
        }
    }

    /// The results so far, if they are kept.
    pub(crate) fn kept(self) -> String {
        self.kept.and_then(|kept| kept.into_inner().ok()).unwrap_or_default()
    }

    /// Shows progress: redrawn on a terminal; otherwise a line for each new step, and one a second for counts.
    pub(crate) fn show(&self, progress: Progress) {
        let (text, is_count) = match progress {
            Progress::Step(text) => (text, false),
            Progress::Count { what, done, total } => (format!("{what}: {done} of {total}"), true),
            Progress::Removing { .. } => return,
        };
        if let Some(bar) = &self.progress {
            bar.set_message(text);
        } else if !self.quiet && self.is_news(&text, is_count) {
            self.note(&text);
        }
    }

    fn is_news(&self, text: &str, is_count: bool) -> bool {
        let Ok(mut said) = self.said.lock() else { return true };
        let too_soon = said.1.is_some_and(|at| at.elapsed() < SAY_EVERY);
        if said.0 == text || (is_count && too_soon) {
            return false;
        }
        *said = (text.to_owned(), Some(Instant::now()));
        true
    }

    /// Prints a line to stderr.
    pub(crate) fn note(&self, line: &str) {
        self.paused(|| {
            // If stderr is closed there is no other place to report that.
            let _ = writeln!(anstream::stderr(), "{line}");
        });
    }

    /// Prints a result: its JSON in the envelope, or the text for people.
    pub(crate) fn result<T: Document>(
        &self,
        document: &T,
        text: impl FnOnce() -> String,
    ) -> Result<(), Failure> {
        match self.output {
            Output::Json => self.json(&self.envelope(document)),
            // What has no report of its own in the others is refused before.
            Output::Table
            | Output::Markdown
            | Output::Junit
            | Output::Github
            | Output::Dot
            | Output::Mermaid => self.print(&self.marked(text())),
        }
    }

    /// Notes the engine that results rest on from here on: those of the embedded one say so.
    pub(crate) fn rests_on(&self, engine: EngineKind) {
        self.embedded.fetch_or(engine == EngineKind::Embedded, Ordering::Relaxed);
    }

    /// The engine that results rest on.
    pub(crate) fn engine(&self) -> EngineKind {
        if self.embedded.load(Ordering::Relaxed) { EngineKind::Embedded } else { EngineKind::Real }
    }

    /// A document in its envelope.
    pub(crate) fn envelope<'a, T: Document>(&self, document: &'a T) -> Envelope<'a, T> {
        Envelope::new(document, self.engine())
    }

    /// A text for people, with a last line that says so if it rests on the embedded engine.
    pub(crate) fn marked(&self, text: String) -> String {
        match self.engine() {
            EngineKind::Real => text,
            EngineKind::Embedded => text + EMBEDDED,
        }
    }

    /// Prints JSON as it is: one document in its envelope, or a list of them.
    pub(crate) fn json<T: Serialize>(&self, value: &T) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(value).map_err(Failure::unknown)? + "\n";
        // Without a look for colours: JSON has none, and a large Swarm's is some ten megabytes.
        self.write(&text, std::io::stdout)
    }

    /// Prints to stdout as it is. A closed pipe is not an error: `pvcheck … | head` must not fail.
    pub(crate) fn print(&self, text: &str) -> Result<(), Failure> {
        self.write(text, anstream::stdout)
    }

    fn write<W: Write>(&self, text: &str, stdout: impl FnOnce() -> W) -> Result<(), Failure> {
        if let Some(mut kept) = self.kept.as_ref().and_then(|kept| kept.lock().ok()) {
            kept.push_str(text);
            return Ok(());
        }
        let written = self.paused(|| {
            let mut out = stdout();
            out.write_all(text.as_bytes()).and_then(|()| out.flush())
        });
        match written {
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(Failure::unknown(error)),
            _ => Ok(()),
        }
    }

    pub(crate) fn output(&self) -> Output {
        self.output
    }

    /// Always coloured: anstream strips the colour where stdout is not a terminal or `NO_COLOR` is set.
    pub(crate) fn style() -> Style {
        Style::Coloured
    }

    /// Prints the one line of an error, and returns its exit code.
    pub(crate) fn fail(&self, failure: &Failure) -> ExitCode {
        self.done();
        self.note(&format!("pvcheck: {}", failure.line.replace('\n', " ")));
        ExitCode::from(failure.code)
    }

    /// Clears the progress.
    pub(crate) fn done(&self) {
        if let Some(bar) = &self.progress {
            bar.finish_and_clear();
        }
    }

    fn paused<T>(&self, write: impl FnOnce() -> T) -> T {
        match &self.progress {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }
}

/// bollard logs request bodies at debug level, with environments and secrets in them, so it stays at info.
fn log_to_stderr(verbose: u8) {
    let level = match verbose {
        0 => return,
        1 => "info",
        2 => "debug",
        _ => "trace",
    };
    let filter = format!("{level},bollard=info,hyper=info,h2=info,rustls=info");
    let subscriber =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false);
    // xtask calls `main` in its own process, which may have a subscriber already; the first one stays.
    let _ = subscriber.try_init();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printer() -> Printer {
        Printer {
            output: Output::Table,
            progress: None,
            said: Mutex::default(),
            quiet: true,
            embedded: AtomicBool::new(false),
            kept: None,
        }
    }

    #[test]
    fn a_step_is_news_once_until_another_one_comes() {
        let printer = printer();
        assert!(printer.is_news("deploying", false));
        assert!(!printer.is_news("deploying", false));
        assert!(printer.is_news("removing", false));
        assert!(printer.is_news("deploying", false));
    }

    #[test]
    fn a_count_is_news_at_most_once_a_second_and_never_holds_up_a_step() {
        let printer = printer();
        assert!(printer.is_news("census: 1 of 9", true));
        assert!(!printer.is_news("census: 2 of 9", true));
        assert!(printer.is_news("done", false));
        *printer.said.lock().unwrap() = ("census: 2 of 9".into(), Instant::now().checked_sub(SAY_EVERY));
        assert!(printer.is_news("census: 3 of 9", true));
    }
}
