//! Sequences one after the other on a real engine, next to the model.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::fmt;
use std::io::Write as _;
use std::ops::Range;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use proptest::test_runner::{Config, RngSeed, TestCaseError, TestError, TestRunner};
use proptest_state_machine::ReferenceStateMachine as _;
use pvcheck_sim::Engine;

use crate::log;
use crate::operation::Operation;
use crate::real::Real;
use crate::seen::Seen;
use crate::side::{Book, Result, Side as _};
use crate::world::{Machine, World, last_look};

/// The most differences that a run looks for.
const MOST: usize = 6;
/// Sequences between two lines of progress.
const CHUNK: usize = 20;

/// Lines of the real engine that a difference shows.
const SAID: usize = 4;

/// What a run is to do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) engine: Engine,
    pub(crate) sequences: usize,
    pub(crate) steps: usize,
    pub(crate) seed: u64,
    /// The share of sequences that run containers.
    pub(crate) running: f64,
    pub(crate) managers: usize,
}

thread_local! {
    /// The engine that is modelled, the share of sequences that run containers, and the weight of restarts: a state
    /// machine's states come from nowhere else.
    pub(crate) static SETTINGS: Cell<(Engine, f64, u32)> = const { Cell::new((Engine::V20_10, 0.0, 1)) };
}

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) sequences: usize,
    pub(crate) steps: usize,
    /// Sequences that ended early and do not count: a task was gone before the network whose removal should have met it.
    pub(crate) inconclusive: usize,
    /// Without the search for the shortest sequence.
    pub(crate) elapsed: Duration,
    pub(crate) differences: Vec<String>,
}

impl Tally {
    pub(crate) fn add(&mut self, other: Self) {
        self.sequences += other.sequences;
        self.steps += other.steps;
        self.inconclusive += other.inconclusive;
        self.elapsed = self.elapsed.max(other.elapsed);
        self.differences.extend(other.differences);
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sequences, steps, inconclusive, elapsed, differences } = self;
        let rate = *sequences as f64 / elapsed.as_secs_f64().max(0.001);
        write!(f, "{sequences} sequences, {steps} steps, {rate:.2} sequences/s, ")?;
        write!(f, "{} differences, {inconclusive} inconclusive", differences.len())
    }
}

/// Runs the plan on a real engine.
pub(crate) fn run(name: &str, real: &mut Real, plan: Plan) -> Result<Tally> {
    SETTINGS.set((plan.engine, plan.running, if plan.managers == 1 { 1 } else { 4 }));
    let lane =
        RefCell::new(Lane { real, tally: Tally::default(), number: 0, shrinking: false, broken: None });
    let mut chunk = 0;
    // Most sequences come to their end; where few do, something is wrong with the machine.
    let most_given_up = plan.sequences + 10;
    while lane.borrow().tally.sequences < plan.sequences
        && lane.borrow().tally.differences.len() < MOST
        && lane.borrow().tally.inconclusive <= most_given_up
    {
        let left = plan.sequences - lane.borrow().tally.sequences;
        let seed = plan.seed.wrapping_add(chunk);
        let difference = one_chunk(&lane, seed, left.min(CHUNK), plan.steps..plan.steps + 1);
        if let Some(broken) = lane.borrow_mut().broken.take() {
            return Err(broken);
        }
        let mut lane = lane.borrow_mut();
        if let Some(difference) = difference {
            let _ = writeln!(std::io::stdout(), "{name}: DIFFERENCE {difference}");
            lane.tally.differences.push(difference);
        }
        let line = format!("{name}: {}", lane.tally);
        // Who reads no output misses nothing but this line.
        let _ = writeln!(std::io::stdout(), "{line}");
        chunk += 1;
    }
    let tally = lane.into_inner().tally;
    if tally.sequences < plan.sequences && tally.differences.len() < MOST {
        return Err(format!("too few sequences came to their end: {tally}"));
    }
    Ok(tally)
}

/// The first difference of some sequences, shrunk.
fn one_chunk(lane: &RefCell<Lane<'_>>, seed: u64, cases: usize, steps: Range<usize>) -> Option<String> {
    let config = Config {
        cases: u32::try_from(cases).unwrap_or(u32::MAX),
        failure_persistence: None,
        max_shrink_iters: 150,
        max_shrink_time: 60_000,
        rng_seed: RngSeed::Fixed(seed),
        ..Config::default()
    };
    let strategy = Machine::sequential_strategy(steps.start..=steps.start);
    let outcome = TestRunner::new(config).run(&strategy, |(world, operations, counter)| {
        let mut lane = lane.borrow_mut();
        // There is a counter until the first difference; what follows makes its sequence shorter, and counts for nothing.
        lane.shrinking = counter.is_none();
        let outcome = lane.sequence(world, &operations, || {
            if let Some(counter) = &counter {
                counter.fetch_add(1, Ordering::SeqCst);
            }
        });
        match outcome {
            Ok(None) => Ok(()),
            Ok(Some(difference)) => Err(TestCaseError::fail(difference)),
            Err(broken) => {
                lane.broken = Some(broken);
                Ok(())
            }
        }
    });
    match outcome {
        Ok(()) => None,
        Err(TestError::Fail(reason, (world, operations, _))) => {
            let operations: Vec<String> = operations.iter().map(|one| format!("    {one:?}")).collect();
            Some(format!("(seed {seed}, {world:?}):\n{}\n{reason}", operations.join("\n")))
        }
        Err(TestError::Abort(reason)) => Some(format!("no sequence could be made: {reason}")),
    }
}

struct Lane<'a> {
    real: &'a mut Real,
    tally: Tally,
    number: usize,
    shrinking: bool,
    broken: Option<String>,
}

impl Lane<'_> {
    /// One sequence on both sides; the first difference, if there is one.
    fn sequence(
        &mut self,
        mut world: World,
        operations: &[Operation],
        applied: impl Fn(),
    ) -> Result<Option<String>> {
        self.number += 1;
        let since = Instant::now();
        let number = u8::try_from(self.number % 251).unwrap_or(0);
        let mut book = Book { prefix: format!("q{}-", self.number), number, ..Book::default() };
        let (mut difference, mut inconclusive) = (None, false);
        for operation in operations {
            applied();
            world = world.perform(operation);
            match self.step(&mut book, &world, operation)? {
                Step::Same => self.tally.steps += usize::from(!self.shrinking),
                Step::Unlike(text) => difference = Some(format!("after {operation:?}:\n{text}")),
                Step::Inconclusive => inconclusive = true,
            }
            if difference.is_some() || inconclusive {
                break;
            }
        }
        self.tally.inconclusive += usize::from(inconclusive && !self.shrinking);
        if difference.is_none() && !inconclusive {
            difference = self.last_look(&mut book, world)?;
        }
        self.clean(&book)?;
        self.tally.elapsed += if self.shrinking { Duration::ZERO } else { since.elapsed() };
        self.tally.sequences += usize::from(!self.shrinking && !inconclusive);
        Ok(difference)
    }

    /// Every network's free addresses, and with them what leaked.
    fn last_look(&mut self, book: &mut Book, mut world: World) -> Result<Option<String>> {
        for operation in last_look(&world) {
            world = world.perform(&operation);
            if let Step::Unlike(text) = self.step(book, &world, &operation)? {
                return Ok(Some(format!("in what is free at the end, {operation:?}:\n{text}")));
            }
        }
        Ok(None)
    }

    fn step(&mut self, book: &mut Book, world: &World, operation: &Operation) -> Result<Step> {
        let answers = operation.perform(self.real, book)?;
        let told: Vec<_> = answers.iter().map(|answer| book.told(answer)).collect();
        let expected: Vec<_> = world.answers.iter().map(|answer| world.book.told(answer)).collect();
        if told != expected {
            return Ok(Step::Unlike(format!("  answers: real {told:?}\n          model {expected:?}")));
        }
        if matches!(operation, Operation::ServiceThenNetwork(..))
            && (self.real.tasks_left == 0) != (world.tasks_left == 0)
        {
            return Ok(Step::Inconclusive);
        }
        let patience = match (world.runs, self.shrinking) {
            (true, false) => 180,
            (true, true) => 60,
            (false, false) => 10,
            (false, true) => 3,
        };
        self.until_same(book, world, Duration::from_secs(patience))
    }

    /// Waits until the real engine shows what the model shows.
    fn until_same(&mut self, book: &Book, world: &World, patience: Duration) -> Result<Step> {
        let expected = world.seen.counted(&world.counted);
        let mut signatures = BTreeSet::new();
        let since = Instant::now();
        loop {
            let seen = Seen::of(self.real, book)?.counted(&world.counted);
            signatures.extend(self.real.signatures()?);
            if seen == expected && world.has_logged(&signatures) {
                self.real.lines();
                return Ok(Step::Same);
            }
            if patience < since.elapsed() {
                let said = self.real.lines();
                return Ok(Step::Unlike(unlike(&seen, &expected, &signatures, &world.signatures, &said)));
            }
            let pause = if since.elapsed() < Duration::from_millis(50) { 1 } else { 10 };
            std::thread::sleep(Duration::from_millis(pause));
        }
    }

    /// Removes all of a sequence's objects, and waits until they are gone.
    fn clean(&mut self, book: &Book) -> Result<()> {
        for id in book.service_ids.keys() {
            self.real.call("DELETE", &format!("/services/{id}"), None)?;
        }
        let since = Instant::now();
        loop {
            let left = Seen::of(self.real, book)?.services;
            // 20.10 keeps the tasks of removed jobs (moby #42789).
            if left
                .values()
                .flat_map(|service| service.tasks.keys())
                .all(|(_, desired, _)| desired == "complete")
            {
                break;
            }
            pause(since, &format!("the tasks of {left:?}"))?;
        }
        for id in book.network_ids.keys() {
            self.real.call("DELETE", &format!("/networks/{id}"), None)?;
        }
        while !Seen::of(self.real, book)?.networks.is_empty() {
            pause(since, "a sequence's networks")?;
        }
        self.real.signatures().map(drop)
    }
}

fn pause(since: Instant, what: &str) -> Result<()> {
    if Duration::from_mins(1) < since.elapsed() {
        return Err(format!("{what} do not go"));
    }
    std::thread::sleep(Duration::from_millis(5));
    Ok(())
}

enum Step {
    Same,
    Unlike(String),
    Inconclusive,
}

fn unlike(
    real: &Seen,
    model: &Seen,
    real_signatures: &BTreeSet<String>,
    model_signatures: &BTreeSet<String>,
    said: &[String],
) -> String {
    let mut lines = Vec::new();
    if real.networks != model.networks {
        lines.push(format!("  networks: real {:?}, model {:?}", real.networks, model.networks));
    }
    let numbers: BTreeSet<_> = real.services.keys().chain(model.services.keys()).collect();
    for number in numbers {
        let (one, other) = (real.services.get(number), model.services.get(number));
        if one != other {
            lines.push(format!("  s{number}: real  {one:?}\n      model {other:?}"));
        }
    }
    if real_signatures != model_signatures {
        lines.push(format!("  logged: real {real_signatures:?}\n          model {model_signatures:?}"));
        let unlike = |line: &&String| {
            let found = log::signatures(std::iter::once(line.as_str()));
            found.iter().any(|id| !model_signatures.contains(id))
        };
        lines.extend(said.iter().filter(unlike).take(SAID).map(|line| format!("    {line}")));
    }
    lines.join("\n")
}
