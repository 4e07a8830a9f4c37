//! A run of the guard: look, decide, and with `--apply` act once and prove that it helped.

use std::path::Path;

use pvcheck_gates::GuardConfig;
use pvcheck_swarm::{ConnectError, unfinished_run};
use thiserror::Error;

use crate::acting::Acting;
use crate::collect::{blind, collect, look_until_served};
use crate::file::{StateError, StateFile, read_state};
use crate::memory::{Memory, Outcome};
use crate::options::{GuardOptions, Look};
use crate::page::call;
use crate::report::{Done, Guard, GuardFacts, judge};
use crate::signs::{Ahead, Now};
use crate::table::Answer;
use crate::ways::NoDrain;

/// An interrupted cure is finished, what is left is drained, and a cure is done: each once, and nothing more in one run.
const MOST_ACTS: usize = 3;

/// Why the guard could not look or act.
#[derive(Debug, Error)]
pub enum GuardError {
    /// The file of what it remembers.
    #[error(transparent)]
    State(#[from] StateError),
}

/// Looks and decides. It changes nothing, unless it is to count by a census.
///
/// # Errors
/// If the file of what the guard remembers cannot be read or understood, or is of another Swarm.
pub async fn watch(look: Look<'_>, options: GuardOptions<'_>) -> Result<Guard, GuardError> {
    // Read before anything is asked: without it nothing that follows would mean anything.
    let mut memory = read_state(options.state, None)?;
    let facts = seen(look, options, &memory, false).await;
    if facts.swarm.is_some() {
        memory = read_state(options.state, facts.swarm.as_deref())?;
    }
    Ok(judge(options.config, &facts, &memory))
}

/// Looks, decides, and does what was decided: at most a drain and one cure. What is begun is written down first, so that a guard
/// that is killed at any point does not do it twice. A caller that drops the future sweeps its run; an interrupted cure is
/// finished by the next run.
///
/// # Errors
/// If the file of what the guard remembers is held, damaged, of another Swarm or cannot be written.
pub async fn act(look: Look<'_>, options: GuardOptions<'_>) -> Result<Guard, GuardError> {
    let file = StateFile::hold(options.state)?;
    let mut memory = file.read(None)?;
    let mut done = Vec::new();
    let mut drained = false;
    let mut report = loop {
        let facts = seen(look, options, &memory, drained).await;
        if facts.swarm.is_some() {
            file.read(facts.swarm.as_deref())?;
        }
        remember(&mut memory, &facts);
        file.write(&memory)?;
        let judged = judge(options.config, &facts, &memory);
        if judged.signs.ahead == Ahead::Far {
            // For the next decision: this one was made.
            memory.far = Some(facts.at);
        }
        // Once: one that cannot be finished now is for the next run, and for a person.
        if judged.answer == Answer::Finish && done.iter().any(|one: &Done| one.rung.is_none()) {
            break judged;
        }
        let mut acting = Acting { look, options, file: &file, memory: &mut memory, facts: &facts };
        match (judged.answer, judged.answer.rung()) {
            (Answer::Finish, _) => done.push(acting.finish().await?),
            (_, Some(rung)) => done.push(acting.one(rung, judged.row).await?),
            (_, None) => break judged,
        }
        // What is left after a drain is left for a reason; and a cure is the end, whether it helped or not.
        drained |= judged.answer == Answer::Drain;
        let is_cure = !matches!(judged.answer, Answer::Drain | Answer::Finish);
        if is_cure || MOST_ACTS <= done.len() {
            break judged;
        }
    };
    if !done.is_empty() {
        report.after = Some(look_until_served(look.op.engine, look.patience).await);
    }
    (report.applied, report.done) = (true, done);
    called(&mut report, options.config, &mut memory).await;
    file.write(&memory)?;
    Ok(report)
}

/// What is left where no manager answers: the Swarm is unseen, and a guard that is to act calls a person. It changes nothing, and
/// an interrupted cure stays for a run that has an engine.
///
/// # Errors
/// As [`watch`], and as [`act`] if it is to act.
pub async fn unreached(
    why: &ConnectError,
    apply: bool,
    reclaim_state: &Path,
    options: GuardOptions<'_>,
) -> Result<Guard, GuardError> {
    let facts = blind(why.to_string(), unfinished_run(reclaim_state));
    if !apply {
        return Ok(judge(options.config, &facts, &read_state(options.state, None)?));
    }
    let file = StateFile::hold(options.state)?;
    let mut memory = file.read(None)?;
    let mut report = judge(options.config, &facts, &memory);
    report.applied = true;
    called(&mut report, options.config, &mut memory).await;
    file.write(&memory)?;
    Ok(report)
}

async fn seen(look: Look<'_>, options: GuardOptions<'_>, memory: &Memory, drained: bool) -> GuardFacts {
    let mut facts = collect(look, memory).await;
    let often = || (!memory.may_drain(options.config, facts.at)).then_some(NoDrain::Often);
    facts.ways.no_drain = facts.ways.no_drain.or(drained.then_some(NoDrain::Done)).or_else(often);
    facts
}

/// What a look adds to what the guard remembers.
fn remember(memory: &mut Memory, facts: &GuardFacts) {
    if facts.swarm.is_some() {
        memory.swarm.clone_from(&facts.swarm);
    }
    if facts.full.sign == Now::NotFull {
        memory.well = Some(facts.at);
    }
    for network in &facts.guarded {
        if let Ok(counted) = network.counted {
            memory.count(&network.id, counted);
        }
    }
}

/// Calls a person where the table says so, where the guard is blind, and after every act that did not help. A cure that cannot
/// be finished is tried again by each run, and like a row it is no new call each time.
async fn called(report: &mut Guard, config: &GuardConfig, memory: &mut Memory) {
    let vain = report.done.iter().find(|done| done.end.outcome != Outcome::Helped);
    let (row, why) = match vain {
        Some(done) => (if done.rung.is_none() { "unfinished" } else { "in-vain" }, done.to_string()),
        None if report.calls() => (report.row, report.because.to_owned()),
        None => return,
    };
    let at = report.at;
    if vain.is_none_or(|done| done.rung.is_none()) && !memory.calls(config, row, at) {
        return;
    }
    let names = report.full.names().join(", ");
    let about = report.full.unknown.as_ref().unwrap_or(&names);
    let about = if about.is_empty() { String::new() } else { format!(" ({about})") };
    let page = call(config.page.as_ref(), format!("pvcheck guard: {why}{about}")).await;
    // One that did not arrive is tried again by the next run.
    if page.arrived() {
        memory.called.insert(row.to_owned(), at);
    }
    report.page = Some(page);
}
