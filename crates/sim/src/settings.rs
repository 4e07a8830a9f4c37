//! What can be chosen about the modelled engine.

use std::time::Duration;

use pvcheck_ipam::Subnet;

/// An engine release, as far as it shows in answers and behaviour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Engine {
    /// Version text, as `/version` has it.
    pub version: &'static str,
    /// Newest API that it speaks: the N of `1.N`.
    pub api_minor: u32,
    /// Oldest API that it speaks: the N of `1.N`.
    pub min_api_minor: u32,
}

impl Engine {
    /// 20.10.24, API 1.41: Debian 12's.
    pub const V20_10: Self = Self { version: "20.10.24", api_minor: 41, min_api_minor: 12 };
    /// 26.1.5, API 1.45.
    pub const V26_1: Self = Self { version: "26.1.5", api_minor: 45, min_api_minor: 24 };
    /// 28.5.2, API 1.51: the last without `Status.IPAM`.
    pub const V28_5: Self = Self { version: "28.5.2", api_minor: 51, min_api_minor: 24 };
    /// 29.0.0, API 1.52: the first with `Status.IPAM` (moby PR 50946).
    pub const V29_0: Self = Self { version: "29.0.0", api_minor: 52, min_api_minor: 44 };
    /// 29.7.2, API 1.55.
    pub const V29_7: Self = Self { version: "29.7.2", api_minor: 55, min_api_minor: 44 };

    /// All of them, oldest first.
    pub const ALL: [Self; 5] = [Self::V20_10, Self::V26_1, Self::V28_5, Self::V29_0, Self::V29_7];

    /// The first two numbers of the version, as in `20.10`.
    pub fn series(self) -> &'static str {
        let end = self.version.rmatch_indices('.').next().map_or(self.version.len(), |(at, _)| at);
        self.version.get(..end).unwrap_or(self.version)
    }

    /// First number of the version; 0 if there is none.
    pub fn major(self) -> u32 {
        self.version.split('.').next().and_then(|word| word.parse().ok()).unwrap_or(0)
    }

    /// True iff a new network takes the lowest free subnet of the pool (27 and later, moby PR 47768) instead
    /// of the one behind the last that was handed out.
    pub fn reuses_subnets(self) -> bool {
        self.major() >= 27
    }

    /// True iff it shows the beginning of a container's own id among its aliases on a network (up to API 1.44; read off 20.10.24
    /// and 28.5.2).
    pub fn lists_own_id_among_aliases(self) -> bool {
        self.api_minor < 45
    }

    /// True iff the tasks of a job end with its service. 20.10 leaves them, also those that run or wait, with their
    /// addresses until its next start as the leader (moby #42789; mended by swarmkit PR 3112).
    pub fn ends_tasks_of_removed_jobs(self) -> bool {
        self.major() >= 23
    }
}

/// How long things take in the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timings {
    /// From an accepted call to its effect in allocator and orchestrator. Real engines need some ms, so a
    /// service that was just created has no VIP yet; 0 makes effects immediate.
    pub allocation: Duration,
    /// From a task's addresses to its node.
    pub schedule: Duration,
    /// From a task's node to its running container.
    pub start: Duration,
    /// From the request to stop to the end of the container, unless the service has the label
    /// `pvcheck.sim.stop_ms`.
    pub stop: Duration,
    /// From the end of a task with the desired state `remove` to its deletion (swarmkit
    /// `taskreaper`: batches of 250 ms).
    pub reap: Duration,
    /// How long a node waits for its load balancer's address before it rejects the task (moby
    /// `waitNodeAttachmentsTimeout`: 30 s).
    pub attachment_wait: Duration,
    /// How long a down node's tasks keep their addresses (swarmkit `defaultNodeDownPeriod`: 24 h).
    pub node_down: Duration,
    /// Age of the last retry at which any event retries what is unallocated (swarmkit `retryInterval`: 5 min).
    pub retry: Duration,
}

impl Default for Timings {
    /// Fast but in proportion: 20 ms to schedule, 60 ms to start, 200 ms to stop; immediate allocation.
    fn default() -> Self {
        Self {
            allocation: Duration::ZERO,
            schedule: Duration::from_millis(20),
            start: Duration::from_millis(60),
            stop: Duration::from_millis(200),
            reap: Duration::from_millis(250),
            attachment_wait: Duration::from_secs(30),
            node_down: Duration::from_hours(24),
            retry: Duration::from_mins(5),
        }
    }
}

/// Label of a service (or of its containers) with the time in ms that its tasks take to stop.
pub(crate) const STOP_LABEL: &str = "pvcheck.sim.stop_ms";

/// Label of a service (or of its containers) with the time in ms after which its running containers end
/// successfully by themselves.
pub(crate) const FINISH_LABEL: &str = "pvcheck.sim.finish_ms";

/// Label of a service with a subnet: a container of it that has no address there exits with an error as it starts.
pub(crate) const NEEDS_LABEL: &str = "pvcheck.sim.needs_subnet";

/// Label of a service with the status that its containers answer requests with; 200 without it.
pub(crate) const ANSWER_LABEL: &str = "pvcheck.sim.answer";

/// Label, with the value `true`, of the service that is the world's router.
pub(crate) const ROUTER_LABEL: &str = "pvcheck.sim.router";

/// All settings of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The engine that is modelled.
    pub engine: Engine,
    /// Times.
    pub timings: Timings,
    /// Pools that networks without a subnet of their own come from.
    pub default_addr_pool: Vec<Subnet>,
    /// Prefix of such a network, up to 29.
    pub subnet_size: u8,
    /// True iff `Status.IPAM` has upstream's traps (local numbers for a full id; no look-up by name while some
    /// network is unallocated). `false` models an engine in which they are fixed.
    pub ipam_traps: bool,
    /// Finished tasks that are kept per slot (`TaskHistoryRetentionLimit`).
    pub task_history: usize,
    /// Log lines that are kept; older ones are dropped.
    pub log_lines: usize,
    /// Where the ids begin: the same seed gives the same ids, and with them the same order of lists.
    pub seed: u64,
}

impl Default for Settings {
    /// Engine 20.10.24 with Swarm's defaults: /24 networks from 10.0.0.0/8, five finished tasks per slot.
    fn default() -> Self {
        Self {
            engine: Engine::V20_10,
            timings: Timings::default(),
            default_addr_pool: Subnet::around([10, 0, 0, 0].into(), 8).into_iter().collect(),
            subnet_size: 24,
            ipam_traps: true,
            task_history: 5,
            log_lines: 20_000,
            seed: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_release_has_a_series_of_its_own() {
        assert_eq!(Engine::ALL.map(Engine::series), ["20.10", "26.1", "28.5", "29.0", "29.7"]);
    }
}
