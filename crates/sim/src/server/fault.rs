//! Faults of connection and engine that can be injected while it runs.

use std::time::Duration;

/// What goes wrong with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The connection ends without an answer; the call has been carried out.
    Cut,
    /// The connection ends after this many bytes of the body.
    CutBody {
        /// Bytes that still come.
        after_bytes: usize,
    },
    /// The answer comes later; nothing else changes.
    Delay(Duration),
    /// The call is not carried out, and this status is answered with a message.
    Fail {
        /// The HTTP status; one that HTTP does not know becomes 500.
        status: u16,
    },
    /// The call is carried out, and this is answered with status 200 instead of the engine's answer.
    Answer {
        /// The whole body.
        body: &'static str,
    },
    /// The call is not carried out, and this is answered with status 200.
    Pretend {
        /// The whole body.
        body: &'static str,
    },
    /// Status 200, or this one, and a body that never ends. The call is carried out.
    Endless {
        /// The HTTP status.
        status: u16,
    },
    /// The body is whole for HTTP and not for JSON: the first half is sent as if it were all.
    Lie,
    /// Headers and a part of the body come, then nothing more.
    StallBody {
        /// Bytes that still come.
        after_bytes: usize,
    },
    /// Nothing comes at all; the call has been carried out.
    StallHeaders,
}

/// A fault and the calls that it applies to.
///
/// ```
/// use pvcheck_sim::{Fault, FaultRule};
///
/// // The next two lists of tasks fail.
/// let rule = FaultRule::new(Fault::Fail { status: 500 }).method("GET").path("/tasks").times(2);
/// # let _ = rule;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultRule {
    fault: Fault,
    method: Option<String>,
    path: Option<String>,
    left: Option<u32>,
}

impl FaultRule {
    /// A fault for all calls, until it is removed.
    pub fn new(fault: Fault) -> Self {
        Self { fault, method: None, path: None, left: None }
    }

    /// Only for calls with this method.
    #[must_use]
    pub fn method(mut self, method: &str) -> Self {
        self.method = Some(method.to_owned());
        self
    }

    /// Only for calls whose path and query contain this.
    #[must_use]
    pub fn path(mut self, part: &str) -> Self {
        self.path = Some(part.to_owned());
        self
    }

    /// Only for the next so many calls that fit.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.left = Some(times);
        self
    }

    /// The fault for this call if the rule applies to it; each use counts.
    pub(super) fn take(&mut self, method: &str, target: &str) -> Option<Fault> {
        let fits = self.method.as_ref().is_none_or(|wanted| wanted == method)
            && self.path.as_ref().is_none_or(|part| target.contains(part.as_str()));
        if !fits || self.left == Some(0) {
            return None;
        }
        self.left = self.left.map(|left| left - 1);
        Some(self.fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CUT: Fault = Fault::Cut;

    #[test]
    fn a_bare_rule_is_for_every_call_without_end() {
        let mut rule = FaultRule::new(CUT);
        for target in ["/", "/tasks", ""] {
            for method in ["GET", "POST"] {
                assert_eq!(rule.take(method, target), Some(CUT));
            }
        }
    }

    #[test]
    fn method_and_path_have_to_fit_together() {
        let mut rule = FaultRule::new(CUT).method("GET").path("/tasks");
        for (method, target, fits) in [
            ("GET", "/v1.41/tasks?filters=x", true),
            ("GET", "/tasks", true),
            ("POST", "/tasks", false),
            ("get", "/tasks", false),
            ("GET", "/task", false),
        ] {
            assert_eq!(rule.take(method, target).is_some(), fits, "{method} {target}");
        }
    }

    #[test]
    fn only_calls_that_fit_use_a_rule_up() {
        let mut rule = FaultRule::new(CUT).path("/tasks").times(2);
        let taken: Vec<bool> = ["/tasks", "/nodes", "/nodes", "/tasks", "/tasks"]
            .iter()
            .map(|target| rule.take("GET", target).is_some())
            .collect();
        assert_eq!(taken, [true, false, false, true, false]);
        assert_eq!(FaultRule::new(CUT).times(0).take("GET", "/"), None);
    }
}
