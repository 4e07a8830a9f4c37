//! A replicated job and a global job run on an overlay of real engines, made with the docker client. Their tasks have the
//! desired state `complete`, which is neither `running` nor a wish to stop: no operation may wait for them to end.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use pvcheck_lab::{Lab, Suite, World};
use pvcheck_swarm::{
    CensusMethod, CensusOptions, Engine, Operation, Permit, RemovalOptions, RunId, StackRemoval, census,
    reclaim_facts, remove_stacks, silent,
};
use pvcheck_tests::stacks::{IMAGE, STOPS_AT_ONCE, STOPS_IN_2_S, Shape, deploy};
use pvcheck_tests::{Outcome, docker, host, lab, pvcheck};
use serde_json::Value;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const NETWORK: &str = "proxy";
/// The addresses of a /24 without network, gateway and broadcast.
const USABLE: u64 = 253;
/// The two jobs, and how many tasks of each run: `--max-concurrent 2` of three, and one per node.
const JOBS: [(&str, u64); 2] = [("batch", 2), ("everywhere", 1)];
/// A quarter of what pvcheck gives tasks to stop. An operation that waits for a job takes longer: these jobs never end.
const PROMPT: Duration = Duration::from_secs(30);

#[tokio::test]
async fn on_bookworm() -> Outcome {
    jobs("jobs::on_bookworm", Suite::Bookworm).await
}

#[tokio::test]
async fn on_trixie() -> Outcome {
    jobs("jobs::on_trixie", Suite::Trixie).await
}

/// Every line is checked, and the error names all that do not hold.
async fn jobs(test: &str, suite: Suite) -> Outcome {
    let Some(lab) = lab(test, Some(suite), World::Empty) else { return Ok(()) };
    let engine = Engine::connect(&host(&lab)).await?;
    let rig = Rig { lab, engine, program: pvcheck()? };
    rig.run_jobs().await?;
    let mut failed = Vec::new();
    let mut check = |line: &str, outcome: Outcome| {
        let said = outcome.as_ref().map_or_else(ToString::to_string, |()| "holds".to_owned());
        writeln!(std::io::stdout(), "{test}: {line}: {said}")?;
        failed.extend(outcome.err().map(|error| format!("{line}: {error}")));
        Ok::<_, std::io::Error>(())
    };
    check("a restart window is not kept busy", rig.window_is_free().await)?;
    check("`why` counts running tasks", rig.why_counts())?;
    check("`audit` counts running tasks", rig.audit_counts())?;
    for method in [CensusMethod::Cursor, CensusMethod::Bulk] {
        check(&format!("the census by {method:?} is complete"), rig.census_is_complete(method).await)?;
    }
    check("`stack rm` of a stack on the same network leaves nothing", rig.neighbour_goes().await)?;
    check("`stack rm` does not wait for a job on its network", rig.host_of_a_job_goes().await)?;
    rig.lab.down()?;
    if failed.is_empty() { Ok(()) } else { Err(failed.join("\n").into()) }
}

struct Rig {
    lab: Lab,
    engine: Engine,
    program: PathBuf,
}

impl Rig {
    /// Makes the network and both jobs, and waits until as many of their tasks run as can.
    async fn run_jobs(&self) -> Outcome {
        let words =
            ["network", "create", "-d", "overlay", "--attachable", "--subnet", "10.91.0.0/24", NETWORK];
        docker(&self.lab, &words)?;
        self.job(
            JOBS[0].0,
            &[NETWORK],
            &["--mode", "replicated-job", "--replicas", "3", "--max-concurrent", "2"],
        )?;
        self.job(JOBS[1].0, &[NETWORK], &["--mode", "global-job"])?;
        for (job, running) in JOBS {
            self.until_running(job, running).await?;
        }
        Ok(())
    }

    /// A job whose tasks end only when they are stopped.
    fn job(&self, name: &str, networks: &[&str], mode: &[&str]) -> Outcome {
        let mut words = vec!["service", "create", "--detach", "--no-resolve-image", "--name", name];
        words.extend(["--restart-condition", "none"]);
        words.extend(networks.iter().flat_map(|n| ["--network", *n]));
        words.extend(mode);
        words.extend([IMAGE, "sh", "-c", STOPS_AT_ONCE]);
        docker(&self.lab, &words).map(drop)
    }

    /// Counted by observed state alone, so that a wrong idea of desired states cannot hide a task from its own test.
    async fn until_running(&self, job: &str, wanted: u64) -> Outcome {
        let since = Instant::now();
        loop {
            let snapshot = self.engine.snapshot().await?;
            let id = snapshot.service_named(job).map(|s| s.id.clone());
            let ours = snapshot.tasks.iter().filter(|t| id.is_some() && t.service == id);
            let running = ours.filter(|t| t.state.word() == "running").count() as u64;
            if running == wanted {
                return Ok(());
            }
            if Duration::from_mins(1) < since.elapsed() {
                return Err(format!("{running} of {wanted} tasks of {job} run").into());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn census_is_complete(&self, method: CensusMethod) -> Outcome {
        let options = CensusOptions { deadline: PROMPT, method: Some(method), ..CensusOptions::default() };
        let run = RunId::unique();
        let op = Operation::new(&self.engine, Permit::granted_by_operator(), &run, &silent);
        let found = census(op, NETWORK, &options).await?;
        // Two VIPs, three tasks and the node's load balancer.
        let owned = JOBS.iter().map(|(_, running)| running + 1).sum::<u64>() + 1;
        let right = found.complete && found.leaked == Some(0) && found.free_and_owned.is_empty();
        let counts = (found.usable, found.owned + found.load_balancers, found.handed_out);
        if right && counts == (USABLE, owned, USABLE - owned) {
            Ok(())
        } else {
            Err(format!("{found:?}").into())
        }
    }

    async fn window_is_free(&self) -> Outcome {
        let facts = reclaim_facts(&self.engine, &[]).await?;
        if facts.moving.is_empty() { Ok(()) } else { Err(format!("{:?} start or stop", facts.moving).into()) }
    }

    /// A stack with a network of its own and the one that the jobs use.
    async fn neighbour_goes(&self) -> Outcome {
        let shape = Shape { shared: NETWORK, replicas: 2, script: STOPS_IN_2_S };
        deploy(&self.lab, &["neighbour".into()], shape)?;
        let removal = self.remove("neighbour").await?;
        let gone = (removal.services, removal.networks) == (1, 1) && removal.left.is_empty();
        if !gone {
            return Err(format!("{removal:?}").into());
        }
        self.census_is_complete(CensusMethod::Cursor).await
    }

    /// A stack whose own network a job uses as well: its services go at once, and the network stays with the job.
    async fn host_of_a_job_goes(&self) -> Outcome {
        let shape = Shape { shared: NETWORK, replicas: 1, script: STOPS_AT_ONCE };
        deploy(&self.lab, &["landlord".into()], shape)?;
        // By its id: Swarm takes no network of another stack by a name that it does not know.
        let id =
            docker(&self.lab, &["network", "ls", "-q", "--no-trunc", "--filter", "name=landlord_internal"])?;
        self.job("guest", &[id.trim()], &["--mode", "replicated-job", "--replicas", "1"])?;
        self.until_running("guest", 1).await?;
        let since = Instant::now();
        let removal = self.remove("landlord").await?;
        let took = since.elapsed();
        let kept = removal.left.len() == 1 && (removal.services, removal.networks) == (1, 0);
        if kept && took < PROMPT { Ok(()) } else { Err(format!("{took:?}: {removal:?}").into()) }
    }

    async fn remove(&self, stack: &str) -> Result<StackRemoval> {
        let run = RunId::unique();
        let op = Operation::new(&self.engine, Permit::granted_by_operator(), &run, &silent);
        let options = RemovalOptions { patience: PROMPT, ..RemovalOptions::default() };
        let removed = remove_stacks(op, &[stack.to_owned()], &options).await?;
        removed.into_iter().next().ok_or_else(|| "nothing is said about the stack".into())
    }

    fn why_counts(&self) -> Outcome {
        for (job, running) in JOBS {
            let why = self.pvcheck(&["why", job])?;
            // The chain begins with the service, and its state says how many of its tasks run.
            let state = why["chain"][0]["state"].as_str().unwrap_or_default();
            let mut numbers = state.split(|c: char| !c.is_ascii_digit());
            if why["verdict"] != "running" || !numbers.any(|n| n == running.to_string()) {
                return Err(format!("{job}, {running} tasks of which run: {why:#}").into());
            }
        }
        Ok(())
    }

    fn audit_counts(&self) -> Outcome {
        let audit = self.pvcheck(&["audit", NETWORK])?;
        let owned = &audit["networks"][0]["owned"];
        let tasks: u64 = JOBS.iter().map(|(_, running)| running).sum();
        if owned["tasks"] == tasks && owned["vips"] == JOBS.len() {
            Ok(())
        } else {
            Err(format!("{owned}").into())
        }
    }

    /// What pvcheck prints as JSON; an exit code that is a verdict is no error.
    fn pvcheck(&self, words: &[&str]) -> Result<Value> {
        let mut command = Command::new(&self.program);
        command.args(words).args(["-o", "json", "--host"]).arg(host(&self.lab).to_string());
        let output = command.output()?;
        serde_json::from_slice(&output.stdout).map_err(|error| {
            format!("{words:?}: {error}: {}", String::from_utf8_lossy(&output.stderr)).into()
        })
    }
}
