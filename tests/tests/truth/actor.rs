//! What else is at work on a Swarm while a census is taken. No actor leaks an address by itself.

use std::sync::atomic::{AtomicBool, Ordering};

use pvcheck_lab::Lab;
use pvcheck_swarm::{CensusMethod, CensusOptions, Engine, Host, Operation, Permit, RunId, census, silent};
use pvcheck_tests::docker;
use pvcheck_tests::stacks::{IMAGE, STOPS_AT_ONCE};

use crate::count::{Result, ids, living, unschedulable, until};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Actor {
    CrashLoop,
    Deployments,
    Jobs,
    LeaderChange,
    Nobody,
    OtherCensus,
    Scale,
    WaitingTasks,
}

pub(crate) const ON_ONE_MANAGER: [Actor; 7] = [
    Actor::Nobody,
    Actor::WaitingTasks,
    Actor::CrashLoop,
    Actor::Deployments,
    Actor::OtherCensus,
    Actor::Jobs,
    Actor::Scale,
];

pub(crate) const ON_THREE_MANAGERS: [Actor; 3] = [Actor::Nobody, Actor::LeaderChange, Actor::Deployments];

/// Where an actor acts.
pub(crate) struct Stage<'a> {
    pub(crate) lab: &'a Lab,
    pub(crate) hosts: &'a [Host],
    pub(crate) network: &'a str,
}

impl Actor {
    /// Acts until told to stop, then takes away what it made and waits until its tasks are gone.
    pub(crate) fn act(self, stage: &Stage<'_>, ready: &AtomicBool, over: &AtomicBool) -> Result<()> {
        let (lab, network) = (stage.lab, stage.network);
        self.begin(stage)?;
        ready.store(true, Ordering::Release);
        let outcome = (0_u32..).try_for_each(|n| {
            if over.load(Ordering::Acquire) {
                return Err(None);
            }
            self.step(stage, n).map_err(Some)
        });
        // After a change of the leader a manager needs a moment before it answers.
        until(|| Ok(docker(lab, &["node", "ls"]).is_ok()), "the first manager answers")?;
        let names = docker(lab, &["service", "ls", "--format", "{{.Name}}"])?;
        for name in names.lines().filter(|name| name.starts_with("actor-")) {
            remove(lab, name)?;
        }
        if self == Self::WaitingTasks {
            let full = full(network);
            until(|| Ok(docker(lab, &["network", "rm", &full]).is_ok()), "the full network is gone")?;
        }
        match outcome {
            Err(Some(error)) => Err(format!("{self:?}: {error}").into()),
            _ => Ok(()),
        }
    }

    fn begin(self, stage: &Stage<'_>) -> Result<()> {
        let (lab, network) = (stage.lab, stage.network);
        match self {
            Self::CrashLoop => {
                let words = ["--restart-delay", "0s", "--replicas", "2"];
                create(lab, "actor-crash", network, &words, "exit 1")
            }
            Self::Scale => create(lab, "actor-scale", network, &["--replicas", "1"], STOPS_AT_ONCE),
            Self::WaitingTasks => {
                let full = full(network);
                docker(lab, &["network", "create", "-d", "overlay", "--subnet", "10.250.0.0/29", &full])?;
                let words =
                    ["--replicas", "9", "--endpoint-mode", "dnsrr", "--network", network, "--network", &full];
                unschedulable(lab, "actor-waits", &words)?;
                until(|| Ok(ids(lab, "actor-waits")?.len() == 9), "all tasks are made")
            }
            _ => Ok(()),
        }
    }

    fn step(self, stage: &Stage<'_>, n: u32) -> Result<()> {
        let (lab, network) = (stage.lab, stage.network);
        match self {
            Self::Nobody | Self::CrashLoop | Self::WaitingTasks => {
                std::thread::sleep(std::time::Duration::from_millis(20));
                Ok(())
            }
            Self::Deployments => {
                let name = format!("actor-guest-{n}");
                create(lab, &name, network, &["--replicas", "2"], STOPS_AT_ONCE)?;
                remove(lab, &name)
            }
            Self::Jobs => {
                let name = format!("actor-job-{n}");
                create(lab, &name, network, &["--mode", "replicated-job", "--replicas", "2"], "exit 0")?;
                remove(lab, &name)
            }
            Self::Scale => {
                let wanted = format!("actor-scale={}", 1 + n % 4);
                docker(lab, &["service", "scale", "--detach", &wanted]).map(drop)
            }
            Self::OtherCensus => other_census(stage, n),
            Self::LeaderChange => change_leader(stage),
        }
    }
}

fn full(network: &str) -> String {
    format!("full-{network}")
}

fn create(lab: &Lab, name: &str, network: &str, words: &[&str], script: &str) -> Result<()> {
    let create = ["service", "create", "--quiet", "--detach", "--no-resolve-image", "--name", name];
    let run = ["--network", network, IMAGE, "sh", "-c", script];
    docker(lab, &[&create[..], words, &run].concat()).map(drop)
}

/// Removes a service and waits until the tasks that it had are gone.
fn remove(lab: &Lab, name: &str) -> Result<()> {
    let tasks = ids(lab, name)?;
    docker(lab, &["service", "rm", name])?;
    until(|| Ok(living(lab, &tasks)? == 0), "an actor's tasks are gone")
}

/// Another process would do the same; refusals are its business.
fn other_census(stage: &Stage<'_>, n: u32) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let engine = Engine::connect(&stage.hosts[0]).await?;
        let method = if n.is_multiple_of(2) { CensusMethod::Cursor } else { CensusMethod::Bulk };
        let options = CensusOptions {
            deadline: std::time::Duration::from_secs(3),
            method: Some(method),
            ..CensusOptions::default()
        };
        let run = RunId::unique();
        let op = Operation::new(&engine, Permit::granted_by_operator(), &run, &silent);
        drop(census(op, stage.network, &options).await);
        pvcheck_swarm::sweep_run(op, std::time::Duration::from_mins(1)).await.map(drop).map_err(Into::into)
    })
}

/// The leader is demoted by another manager, and promoted again.
fn change_leader(stage: &Stage<'_>) -> Result<()> {
    let lab = stage.lab;
    let node = |manager: usize| -> Result<String> {
        pvcheck_tests::text(lab.command_on(manager, "docker").args(["info", "-f", "{{.Swarm.NodeID}}"]))
    };
    let nodes = (0..stage.hosts.len()).map(node).collect::<Result<Vec<_>>>()?;
    let leader = || -> Result<Option<usize>> {
        let listed = (0..nodes.len()).find_map(|manager| {
            let mut command = lab.command_on(manager, "docker");
            pvcheck_tests::text(command.args(["node", "ls", "--format", "{{.ID}} {{.ManagerStatus}}"])).ok()
        });
        let listed = listed.unwrap_or_default();
        let leader = listed.lines().find(|line| line.ends_with("Leader"));
        Ok(leader.and_then(|line| nodes.iter().position(|id| line.starts_with(id.as_str()))))
    };
    let Some(old) = leader()? else { return Ok(()) };
    let other = (old + 1) % nodes.len();
    let on = |manager: usize, words: &[&str]| {
        pvcheck_tests::text(lab.command_on(manager, "docker").args(words)).map(drop)
    };
    // A manager that is being prepared refuses; the next step tries again.
    if on(other, &["node", "demote", &nodes[old]]).is_err() {
        return Ok(());
    }
    until(|| Ok(leader()?.is_some_and(|now| now != old)), "another manager leads")?;
    let worker = || {
        let mut command = lab.command_on(old, "docker");
        let control = pvcheck_tests::text(command.args(["info", "-f", "{{.Swarm.ControlAvailable}}"]))?;
        Ok(control == "false")
    };
    until(worker, "the old leader is a worker")?;
    until(|| Ok(on(other, &["node", "promote", &nodes[old]]).is_ok()), "it is promoted")?;
    let manager = || Ok(on(old, &["node", "ls"]).is_ok());
    until(manager, "it is a manager again")
}
