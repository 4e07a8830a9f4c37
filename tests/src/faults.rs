//! Faults that a proxy puts into the calls of a command to a real engine.

use std::time::Duration;

use pvcheck_lab::{Fault, FaultRule};

use crate::long;

/// [`Fault::Reset`] is that of an engine that is gone: it is for every later call, too.
pub const BREAKS: [Fault; 17] = [
    Fault::Answer { body: "{}" },
    Fault::Cut,
    Fault::Pretend { body: "" },
    Fault::Answer { body: "<html><body>502 Bad Gateway</body></html>" },
    Fault::Fail { status: 404 },
    Fault::FailAfter { status: 500 },
    Fault::Answer { body: "[{}]" },
    Fault::Reset,
    Fault::Pretend { body: "null" },
    Fault::Endless { status: 200 },
    Fault::CutBody { after_bytes: 10 },
    Fault::NoLeader,
    Fault::Pretend { body: "<html></html>" },
    Fault::Endless { status: 500 },
    Fault::OutOfSequence,
    Fault::Answer { body: "" },
    Fault::Restart { down: Duration::from_millis(300) },
];

/// The rule for one call, counted from 0, or for all from it on.
pub fn rule((call, fault): (usize, Fault)) -> FaultRule {
    let first = call as u64 + 1;
    let rule = FaultRule::new(fault).from(first);
    if fault == Fault::Reset { rule } else { rule.times(1) }
}

/// How many cases there are of an operation: some in short rounds, in long ones a tenth of what the embedded engine is
/// given (`every_fault` in `crates/swarm/tests` and `crates/gates/tests`). A real engine takes its time to stop a task,
/// and a removal asks for its tasks some hundred times, so that a case at each call would be the same one over and over.
#[derive(Clone, Copy, Debug)]
pub struct Cases {
    /// In the short round.
    pub short: usize,
    /// In the long one.
    pub long: usize,
}

/// Cases spread evenly over the calls of a command, each with the next break; of these the share of one lane.
pub fn spread(cases: Cases, (lane, lanes): (usize, usize)) -> impl Fn(usize) -> Vec<(usize, Fault)> {
    move |calls| {
        let runs = if long() { cases.long } else { cases.short };
        let case = |i: usize| (i * calls / runs, BREAKS[i % BREAKS.len()]);
        (0..runs).map(case).skip(lane).step_by(lanes).collect()
    }
}
