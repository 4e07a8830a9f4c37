//! Progress reports, and waiting for a condition with a limit. The library itself never prints.

use std::time::{Duration, Instant};

use crate::{Cancel, LabError};

/// One line of progress.
#[derive(Clone, Debug)]
pub struct Progress {
    /// Since [`crate::Lab::up`] was called.
    pub elapsed: Duration,
    /// A lowercase phrase.
    pub message: String,
}

/// Where progress goes. It is called from several threads.
pub type ProgressSink<'a> = &'a (dyn Fn(Progress) + Sync);

/// Passed to everything that takes time: where to report progress, and the flag that ends it.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    sink: ProgressSink<'a>,
    cancel: &'a Cancel,
    started: Instant,
}

impl<'a> Context<'a> {
    pub(crate) fn new(sink: ProgressSink<'a>, cancel: &'a Cancel) -> Self {
        Self { sink, cancel, started: Instant::now() }
    }

    pub(crate) fn report(&self, message: impl Into<String>) {
        (self.sink)(Progress { elapsed: self.started.elapsed(), message: message.into() });
    }

    pub(crate) fn check(&self) -> Result<(), LabError> {
        self.cancel.check()
    }

    /// Polls `probe` until it returns a value. `what` completes "waited in vain until …"; the last
    /// [`Wait::NotYet`] says what was seen instead.
    pub(crate) fn wait<T>(
        &self,
        what: &str,
        limit: Duration,
        mut probe: impl FnMut() -> Result<T, Wait>,
    ) -> Result<T, LabError> {
        let begun = Instant::now();
        let mut pause = Duration::from_millis(2);
        loop {
            self.check()?;
            let seen = match probe() {
                Ok(value) => return Ok(value),
                Err(Wait::Failed(error)) => return Err(error),
                Err(Wait::NotYet(seen)) => seen,
            };
            if limit <= begun.elapsed() {
                return Err(LabError::Timeout { what: what.to_owned(), after: limit, seen });
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(60));
        }
    }
}

/// Why a condition does not hold.
pub(crate) enum Wait {
    /// It may come to hold; this was seen.
    NotYet(String),
    /// It never will.
    Failed(LabError),
}

impl From<LabError> for Wait {
    fn from(error: LabError) -> Self {
        Self::Failed(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_ends_with_the_value_the_failure_the_limit_or_the_cancel() {
        let cancel = Cancel::default();
        let context = Context::new(&|_| {}, &cancel);
        let mut left = 3;
        let value = context.wait("it counts down", Duration::from_secs(5), || {
            left -= 1;
            if left == 0 { Ok("done") } else { Err(Wait::NotYet(left.to_string())) }
        });
        assert_eq!(value.unwrap(), "done");

        let limit = Duration::from_millis(5);
        let never = context.wait::<()>("pigs fly", limit, || Err(Wait::NotYet("walking".into())));
        assert!(matches!(never, Err(LabError::Timeout { seen, .. }) if seen == "walking"));

        let failed = context.wait::<()>("x", limit, || Err(LabError::NotRoot.into()));
        assert!(matches!(failed, Err(LabError::NotRoot)));

        cancel.cancel();
        let gone = context.wait::<()>("x", Duration::from_mins(1), || Err(Wait::NotYet(String::new())));
        assert!(matches!(gone, Err(LabError::Cancelled)));
    }

    #[test]
    fn reports_go_to_the_sink_with_a_time_that_grows() {
        let lines = std::sync::Mutex::new(Vec::new());
        let sink = |progress: Progress| lines.lock().unwrap().push(progress);
        let cancel = Cancel::default();
        let context = Context::new(&sink, &cancel);
        context.report("one");
        context.report(String::from("two"));
        let lines = lines.into_inner().unwrap();
        assert_eq!(lines.iter().map(|line| line.message.as_str()).collect::<Vec<_>>(), ["one", "two"]);
        assert!(lines[0].elapsed <= lines[1].elapsed);
    }

    #[test]
    fn a_condition_that_holds_at_once_is_asked_once_even_without_time() {
        let cancel = Cancel::default();
        let mut asked = 0;
        let value = Context::new(&|_| {}, &cancel).wait("it holds", Duration::ZERO, || {
            asked += 1;
            Ok(7)
        });
        assert_eq!((value.unwrap(), asked), (7, 1));
    }

    #[test]
    fn cancelled_is_cancelled_before_the_first_question() {
        let cancel = Cancel::default();
        let other = cancel.clone();
        other.cancel();
        let context = Context::new(&|_| {}, &cancel);
        let value = context.wait::<()>("x", Duration::from_mins(1), || panic!("asked"));
        assert!(matches!(value, Err(LabError::Cancelled)), "clones share the flag");
        assert!(matches!(context.check(), Err(LabError::Cancelled)));
    }

    #[test]
    fn a_timeout_says_what_was_waited_for_and_what_was_seen() {
        let error = LabError::Timeout {
            what: "every task runs".into(),
            after: Duration::from_secs(90),
            seen: "web, db".into(),
        };
        assert_eq!(error.to_string(), "waited 90 s in vain until every task runs: web, db");
    }
}
