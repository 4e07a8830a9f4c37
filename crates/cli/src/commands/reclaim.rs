//! `pvcheck reclaim`.

use jiff::Timestamp;
use jiff::civil::Time;
use jiff::tz::TimeZone;
use pvcheck_swarm::{
    Engine, LeakCount, Operation, Permit, Reclaim, ReclaimError, ReclaimOptions, ReclaimPlan, RunId, Wish,
    plan_reclaim, put_copy_back, reclaim, reclaim_facts, resume_reclaim, unfinished_reclaim,
};

use crate::args::{self, Args};
use crate::failure::{DONE, Failure, INTERRUPTED, Outcome};
use crate::printer::Printer;
use crate::report::many;
use crate::session::{PATIENCE, Session, guarded, holder, interrupted};

pub(crate) async fn run(args: &Args, asked: &args::Reclaim, printer: &Printer) -> Result<u8, Failure> {
    if asked.restore_copy {
        let done = put_copy_back(&asked.state).await?;
        printer.result(&done, || {
            let aside = done.set_aside.as_ref();
            let aside = aside.map_or_else(String::new, |dir| format!("; what was there is in {}", dir.display()));
            format!("{} is as before the first step{aside}\nStart the engine, then run pvcheck reclaim --resume.\n", done.restored.display())
        })?;
        return Ok(DONE);
    }
    let options = options(asked);
    if asked.resume {
        return resume(args, asked, &options, printer).await;
    }
    if asked.apply
        && let Some(file) = unfinished_reclaim(&options.state)
    {
        // The Swarm may have lost its quorum, or this manager its role: no call is made, not even by a sweep.
        return Err(ReclaimError::Unfinished { file }.into());
    }
    let session = Session::open(args, printer).await?;
    let mut others = Vec::new();
    for host in &asked.helper {
        others.push(Engine::connect(host).await?);
    }
    if !asked.apply {
        let facts = reclaim_facts(&session.engine, &others).await?;
        let plan = plan_reclaim(&facts, options.wish);
        printer.done();
        printer.result(&plan, || planned(&plan))?;
        return Ok(plan.code());
    }
    apply(&session.engine, &others, &options, printer).await
}

pub(super) fn options(asked: &args::Reclaim) -> ReclaimOptions<'static> {
    let now = Timestamp::now().to_zoned(TimeZone::UTC).time();
    let in_window = asked.window.is_some_and(|(from, to)| is_within(now, from, to));
    ReclaimOptions {
        networks: asked.networks.clone(),
        wish: Wish {
            only: asked.strategy.0,
            restart_allowed: asked.now || in_window,
            busy_allowed: asked.now,
        },
        state: asked.state.clone(),
        holder: holder(),
        break_lock: asked.break_lock.clone(),
        restart_command: asked.restart_command.clone(),
        force_new_cluster: asked.force_new_cluster,
        hook: &|_| {},
    }
}

/// True iff `now` is in the window, its end excluded. A window whose end is before its start goes over midnight.
fn is_within(now: Time, from: Time, to: Time) -> bool {
    if from <= to { from <= now && now < to } else { from <= now || now < to }
}

pub(super) async fn apply(
    engine: &Engine,
    others: &[Engine],
    options: &ReclaimOptions<'_>,
    printer: &Printer,
) -> Result<u8, Failure> {
    let (permit, run) = (Permit::granted_by_operator(), RunId::unique());
    let watch = |p| printer.show(p);
    let op = Operation::new(engine, permit, &run, &watch);
    let work = async {
        let steps = reclaim(op, others, options);
        tokio::select! {
            done = Box::pin(steps) => Ok(done?),
            name = interrupted() => Err(Failure::interrupted(format!("interrupted ({name}); the Swarm is as it was"))),
        }
    };
    let outcome = match Box::pin(work).await {
        // Finish the steps before the run is swept: a sweep needs a leader. A second signal ends this process.
        Err(failure) if failure.code == INTERRUPTED && unfinished_reclaim(&options.state).is_some() => {
            printer.note("pvcheck: interrupted, restoring the managers first");
            match Box::pin(resume_reclaim(op, others, options)).await {
                Ok(_) => Err(failure),
                Err(error) => {
                    Err(Failure::not_done(format!("interrupted; {error}; run `pvcheck reclaim --resume`")))
                }
            }
        }
        outcome => outcome,
    };
    let done = guarded(op, printer, async { outcome }).await?;
    printer.done();
    printer.result(&done, || text(&done))?;
    Ok(done.code())
}

async fn resume(
    args: &Args,
    asked: &args::Reclaim,
    options: &ReclaimOptions<'_>,
    printer: &Printer,
) -> Result<u8, Failure> {
    let session = Session::reach(args, printer).await?;
    let mut others = Vec::new();
    for host in &asked.helper {
        match Engine::reach(host, PATIENCE).await {
            Ok(engine) => others.push(engine),
            // Its failure may be what ended the earlier run, so it must not end this one as well.
            Err(error) => printer.note(&format!("pvcheck: going on without {host}: {error}")),
        }
    }
    let (permit, watch) = (Permit::granted_by_operator(), |p| printer.show(p));
    let run = RunId::unique();
    let op = Operation::new(&session.engine, permit, &run, &watch);
    let done = Box::pin(resume_reclaim(op, &others, options)).await?;
    printer.done();
    printer.result(&done, || text(&done))?;
    Ok(done.code())
}

fn planned(plan: &ReclaimPlan) -> String {
    let mut lines = Vec::new();
    for refused in &plan.refused {
        lines.push(format!("not {}: {}", refused.strategy.as_str(), refused.reason));
    }
    if let Some(strategy) = plan.strategy {
        lines.push(format!("would reclaim by {}, if a census finds leaked addresses:", strategy.as_str()));
        let steps = plan.steps.iter().enumerate();
        lines.extend(steps.map(|(n, s)| format!("  {:2}. {:<10} {}", n + 1, s.step.as_str(), s)));
        lines.extend(plan.risks.iter().map(|r| format!("  at risk: {r}")));
    } else {
        lines.push("no strategy is possible".to_owned());
    }
    lines.push("Nothing was touched; add --apply to do it.".to_owned());
    lines.join("\n") + "\n"
}

fn text(done: &Reclaim) -> String {
    let mut lines = Vec::new();
    let number = |n: Option<u64>| n.map_or_else(|| "unknown".to_owned(), |n| n.to_string());
    let after = |network: &str| done.after.iter().find(|c| c.network == network);
    for LeakCount { network, leaked, .. } in &done.before {
        lines.push(match after(network) {
            Some(now) => {
                format!("{network}: {} leaked before, {} now", number(*leaked), number(now.leaked))
            }
            None => format!("{network}: {} leaked", number(*leaked)),
        });
    }
    match done.strategy {
        None => lines.push("nothing is leaked: nothing was touched".to_owned()),
        Some(strategy) => lines.push(format!(
            "by {}{} in {:.1} s; {} ran before, {}",
            strategy.as_str(),
            if done.resumed { ", begun by an earlier process," } else { "" },
            done.elapsed_ms as f64 / 1000.0,
            many(done.tasks, "task"),
            if done.changed.is_empty() {
                "nothing else has changed".to_owned()
            } else {
                many(done.changed.len() as u64, "change")
            }
        )),
    }
    lines.extend(done.changed.iter().map(|c| format!("changed: {c}")));
    lines.extend(done.notes.iter().map(|n| format!("note: {n}")));
    let reasons = done.after.iter().filter_map(|c| c.reason.as_ref().map(|r| (&c.network, r)));
    lines.extend(reasons.map(|(network, reason)| format!("{network}: {reason}")));
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_may_go_over_midnight() {
        let time = |h, m| jiff::civil::time(h, m, 0, 0);
        assert!(is_within(time(2, 0), time(2, 0), time(4, 0)));
        assert!(!is_within(time(4, 0), time(2, 0), time(4, 0)));
        assert!(is_within(time(23, 30), time(23, 0), time(1, 0)));
        assert!(is_within(time(0, 30), time(23, 0), time(1, 0)));
        assert!(!is_within(time(12, 0), time(23, 0), time(1, 0)));
    }
}
