//! The futures of the operations can be spawned: an embedder's runtime has more than one thread.

use std::time::Duration;

use pvcheck_swarm::{
    CensusOptions, Engine, Operation, Permit, ReclaimOptions, RemovalOptions, RunId, census, reclaim,
    remove_stacks, resume_reclaim, silent, sweep_run, wait_running,
};

fn spawnable(_: impl Send) {}

/// Compiled, and so far as it runs no future is ever polled.
#[tokio::test]
async fn every_operation_can_be_spawned() {
    let _ = |engine: &Engine, options: &ReclaimOptions<'_>| {
        let run = RunId::unique();
        let op = Operation::new(engine, Permit::granted_by_operator(), &run, &silent);
        spawnable(census(op, "n", &CensusOptions::default()));
        spawnable(remove_stacks(op, &[], &RemovalOptions::default()));
        spawnable(sweep_run(op, Duration::ZERO));
        spawnable(wait_running(engine, &[], Duration::ZERO));
        spawnable(reclaim(op, &[], options));
        spawnable(resume_reclaim(op, &[], options));
    };
}
