//! What a lab says while it is made. The library itself never prints.

use std::time::{Duration, Instant};

use crate::{Cancel, LabError};

/// One line of progress.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Progress {
    /// Since [`crate::Lab::up`] was called.
    pub elapsed: Duration,
    /// A lowercase phrase.
    pub message: String,
}

/// Where progress goes. It is called from several threads.
pub type ProgressSink<'a> = &'a (dyn Fn(Progress) + Sync);

/// Carried through everything that takes time: where to report to, and whether to go on.
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

    /// Asks again and again until `probe` gives a value. `probe` answers Err with what it saw instead; `what` completes
    /// "waited in vain until …".
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
}
