//! How many addresses of one network a workload takes: at rest, and at the peak of an update.
//! No command uses this yet; it is meant for `pvcheck audit --what-if`.

use serde::{Deserialize, Serialize};

use crate::capacity::Usage;

/// Which nodes take a load-balancer endpoint (`lb-<network>`) of a network that is not the ingress. On the
/// ingress it is every node of the Swarm, drained and dead ones too, with every engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum LoadBalancers {
    /// None: up to 17.09 only the ingress has them.
    IngressOnly,
    /// Every node of the Swarm on every network: 17.10 to 18.06 (swarmkit PR 2363).
    Eager,
    /// Every node with a live task on the network: since 18.09 (swarmkit PR 2725).
    Lazy,
}

impl LoadBalancers {
    /// What the leader's engine does, by its version (`28.5.2`, `18.06.3-ce`); `None` if the text does not
    /// begin with two numbers.
    pub fn of_engine(version: &str) -> Option<Self> {
        let mut numbers = version.trim_start_matches('v').split(|c: char| !c.is_ascii_digit());
        let mut number = || numbers.next()?.parse::<u32>().ok();
        let release = (number()?, number()?);
        Some(if release <= (17, 9) {
            Self::IngressOnly
        } else if release <= (18, 6) {
            Self::Eager
        } else {
            Self::Lazy
        })
    }
}

/// What a network is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum NetworkKind {
    /// An overlay that services name in their specification.
    Overlay,
    /// The routing mesh: only services with a published ingress port are on it.
    Ingress,
}

/// How a service is found by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Endpoint {
    /// One virtual address, the default.
    Vip,
    /// DNS round robin: no virtual address.
    Dnsrr,
}

/// How many tasks a service has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// This many; with 0 the service still holds its VIP.
    Replicated(u64),
    /// One on every node.
    Global,
    /// A job with this many tasks at a time. Completed tasks release their address; the VIP stays as long as
    /// the service.
    ReplicatedJob(u64),
    /// A job on every node.
    GlobalJob,
}

/// Which task of a pair comes first in a rolling update.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// The old task is ordered to stop at once.
    StopFirst,
    /// The old task stays until the new one runs.
    StartFirst,
}

/// How a service is updated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Update {
    /// Which task of a pair comes first.
    pub order: Order,
    /// Tasks that are replaced at a time; 0 means all.
    pub parallelism: u64,
}

impl Default for Update {
    /// The engine's: stop-first, one at a time.
    fn default() -> Self {
        Self { order: Order::StopFirst, parallelism: 1 }
    }
}

/// One service, as far as it costs addresses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Service {
    /// Its name, for messages.
    pub name: String,
    /// VIP or DNS round robin.
    pub endpoint: Endpoint,
    /// Number of tasks.
    pub mode: Mode,
    /// How it is updated.
    #[serde(default)]
    pub update: Update,
    /// True iff it publishes a port through the ingress (`mode: host` does not count).
    #[serde(default)]
    pub publishes: bool,
}

impl Service {
    /// A replicated VIP service with the engine's defaults, publishing nothing.
    pub fn new(name: impl Into<String>, replicas: u64) -> Self {
        Self {
            name: name.into(),
            endpoint: Endpoint::Vip,
            mode: Mode::Replicated(replicas),
            update: Update::default(),
            publishes: false,
        }
    }
}

/// The network that a workload is laid on, and the Swarm around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Site {
    /// Overlay or ingress.
    pub kind: NetworkKind,
    /// Nodes of the Swarm.
    pub nodes: u64,
    /// Which of them take a load-balancer endpoint.
    pub load_balancers: LoadBalancers,
}

/// The addresses of one network that a workload takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Demand {
    /// At rest, every task running.
    pub steady: Usage,
    /// While the one service is updated that costs most.
    pub peak_single: Usage,
    /// That service; `None` if no update costs anything.
    pub peak_service: Option<String>,
    /// While all services are updated at once, as `docker stack deploy` may do it.
    pub peak_all: Usage,
}

/// What is left when a demand meets a number of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Slack {
    /// Addresses that are left; 0 if it does not fit.
    pub left: u64,
    /// Addresses that are missing; 0 if it fits.
    pub missing: u64,
}

impl Slack {
    fn of(available: u64, needed: u64) -> Self {
        Self { left: available.saturating_sub(needed), missing: needed.saturating_sub(available) }
    }

    /// True iff everything has its address.
    pub fn fits(&self) -> bool {
        self.missing == 0
    }
}

/// Slack at rest, at the peaks, and after more of the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Headroom {
    /// At rest.
    pub now: Slack,
    /// While the most expensive service is updated.
    pub at_peak: Slack,
    /// While all services are updated at once.
    pub at_peak_all: Slack,
}

/// Addresses by linear parts; load balancers follow from the tasks.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    vips: u64,
    tasks: u64,
    attachments: u64,
    extra_sum: u64,
    extra_max: u64,
}

impl Tally {
    fn plus(self, other: Self, times: u64) -> Self {
        let add = |left: u64, right: u64| left.saturating_add(right.saturating_mul(times));
        Self {
            vips: add(self.vips, other.vips),
            tasks: add(self.tasks, other.tasks),
            attachments: add(self.attachments, other.attachments),
            extra_sum: add(self.extra_sum, other.extra_sum),
            extra_max: if times == 0 { self.extra_max } else { self.extra_max.max(other.extra_max) },
        }
    }
}

impl Site {
    /// What these services and attached containers take of this network.
    ///
    /// Load balancers are counted for the widest spread, because the scheduler decides: one for each
    /// node, or for each task where there are fewer tasks than nodes. At the peak each service has
    /// min(parallelism, tasks) tasks more, in either order, because the replacement is created together with
    /// the order to stop (swarmkit `manager/orchestrator/update/updater.go`, `updateTask`); a job replaces all
    /// its tasks at once.
    pub fn demand(&self, services: &[Service], attachments: u64) -> Demand {
        let tally = self.tally(services, attachments);
        // The load balancers of both peaks follow from the tasks at that peak, so extra tasks are added before they
        // are counted.
        let worst = services.iter().max_by_key(|service| self.extra(service));
        Demand {
            steady: self.usage(tally, 0),
            peak_single: self.usage(tally, tally.extra_max),
            peak_service: worst.filter(|_| tally.extra_max > 0).map(|service| service.name.clone()),
            peak_all: self.usage(tally, tally.extra_sum),
        }
    }

    /// What the workload leaves of `available` addresses: the usable ones, without those that leaked or that
    /// others hold.
    pub fn headroom(&self, available: u64, services: &[Service], attachments: u64) -> Headroom {
        self.room(available, self.tally(services, attachments))
    }

    /// What is left when `stacks` more stacks of one shape join the present services.
    pub fn headroom_after(
        &self,
        available: u64,
        present: &[Service],
        attachments: u64,
        shape: &[Service],
        stacks: u64,
    ) -> Headroom {
        self.room(available, self.tally(present, attachments).plus(self.tally(shape, 0), stacks))
    }

    /// How many more stacks of one shape fit, each with addresses to spare for its most expensive single update;
    /// `None` if there is no limit, because a stack takes nothing of this network.
    pub fn stacks_that_fit(
        &self,
        available: u64,
        present: &[Service],
        attachments: u64,
        shape: &[Service],
    ) -> Option<u64> {
        let fits = |stacks| {
            let room = self.headroom_after(available, present, attachments, shape, stacks);
            room.now.fits() && room.at_peak.fits()
        };
        // A stack that takes anything takes at least one address, and there are at most `available`.
        let (mut fitting, mut beyond) = (0, available.saturating_add(1));
        if fits(beyond) {
            return None;
        }
        while beyond - fitting > 1 {
            let middle = fitting + (beyond - fitting) / 2;
            if fits(middle) { fitting = middle } else { beyond = middle }
        }
        Some(fitting)
    }

    /// True iff a service is on this network at all.
    fn concerns(&self, service: &Service) -> bool {
        self.kind == NetworkKind::Overlay || service.publishes
    }

    /// The VIPs that a service takes: 0 or 1.
    pub(crate) fn vips(&self, service: &Service) -> u64 {
        u64::from(self.concerns(service) && service.endpoint == Endpoint::Vip)
    }

    /// The tasks of a service that run at a time.
    pub(crate) fn tasks(&self, service: &Service) -> u64 {
        match service.mode {
            _ if !self.concerns(service) => 0,
            Mode::Replicated(tasks) | Mode::ReplicatedJob(tasks) => tasks,
            Mode::Global | Mode::GlobalJob => self.nodes,
        }
    }

    /// Tasks that an update adds for a while.
    pub(crate) fn extra(&self, service: &Service) -> u64 {
        let tasks = self.tasks(service);
        match (service.mode, service.update.parallelism) {
            // A job has no rolling update: a new version starts all its tasks anew (swarmkit
            // `manager/orchestrator/jobs`).
            (Mode::ReplicatedJob(_) | Mode::GlobalJob, _) | (_, 0) => tasks,
            (_, parallelism) => parallelism.min(tasks),
        }
    }

    /// Load balancers while so many tasks and attached containers live on the network.
    pub(crate) fn balancers(&self, live: u64) -> u64 {
        match (self.kind, self.load_balancers) {
            (NetworkKind::Ingress, _) | (_, LoadBalancers::Eager) => self.nodes,
            (_, LoadBalancers::Lazy) => live.min(self.nodes),
            (_, LoadBalancers::IngressOnly) => 0,
        }
    }

    fn tally(&self, services: &[Service], attachments: u64) -> Tally {
        // Nothing can be attached to the ingress by hand.
        let attachments = if self.kind == NetworkKind::Ingress { 0 } else { attachments };
        let start = Tally { attachments, ..Tally::default() };
        services.iter().fold(start, |sum, service| {
            let extra = self.extra(service);
            let one = Tally {
                vips: self.vips(service),
                tasks: self.tasks(service),
                attachments: 0,
                extra_sum: extra,
                extra_max: extra,
            };
            sum.plus(one, 1)
        })
    }

    fn usage(&self, tally: Tally, extra: u64) -> Usage {
        let tasks = tally.tasks.saturating_add(extra);
        Usage {
            vips: tally.vips,
            tasks,
            load_balancers: self.balancers(tasks.saturating_add(tally.attachments)),
            attachments: tally.attachments,
        }
    }

    fn room(&self, available: u64, tally: Tally) -> Headroom {
        let room = |extra| Slack::of(available, self.usage(tally, extra).total());
        Headroom { now: room(0), at_peak: room(tally.extra_max), at_peak_all: room(tally.extra_sum) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn site(nodes: u64) -> Site {
        Site { kind: NetworkKind::Overlay, nodes, load_balancers: LoadBalancers::Lazy }
    }

    fn services(count: usize, replicas: u64) -> Vec<Service> {
        (1..=count).map(|number| Service::new(format!("s{number}"), replicas)).collect()
    }

    #[test]
    fn load_balancers_by_engine_version() {
        let of = LoadBalancers::of_engine;
        for version in ["1.13.1", "17.03.2-ce", "17.09.1-ce", "17.06.2-ee-16"] {
            assert_eq!(of(version), Some(LoadBalancers::IngressOnly), "{version}");
        }
        for version in ["17.10.0-ce", "17.12.1-ce", "18.06.3-ce"] {
            assert_eq!(of(version), Some(LoadBalancers::Eager), "{version}");
        }
        for version in ["18.09.0", "20.10.24+dfsg1", "v28.5.2", "29.7.2", "29.0.0-rc.1"] {
            assert_eq!(of(version), Some(LoadBalancers::Lazy), "{version}");
        }
        assert_eq!([of(""), of("dev"), of("29"), of("x.y")], [None; 4]);
    }

    /// Measured: a /28 with one-replica VIP services on one node holds six.
    #[test]
    fn six_services_fill_a_28() {
        let demand = site(1).demand(&services(6, 1), 0);
        assert_eq!(demand.steady, Usage { vips: 6, tasks: 6, load_balancers: 1, attachments: 0 });
        let six = site(1).headroom(13, &services(6, 1), 0);
        assert_eq!(six.now, Slack { left: 0, missing: 0 });
        assert_eq!(six.at_peak, Slack { left: 0, missing: 1 });
        assert_eq!(six.at_peak_all, Slack { left: 0, missing: 6 });
        assert!(!site(1).headroom(13, &services(7, 1), 0).now.fits());
    }

    #[test]
    fn kinds_of_services() {
        let total = |site: Site, service: Service| site.demand(&[service], 0).steady;
        let base = Service::new("s", 4);
        let usage = |vips, tasks, load_balancers| Usage { vips, tasks, load_balancers, attachments: 0 };
        assert_eq!(total(site(3), base.clone()), usage(1, 4, 3));
        assert_eq!(total(site(9), Service { endpoint: Endpoint::Dnsrr, ..base.clone() }), usage(0, 4, 4));
        assert_eq!(total(site(3), Service { mode: Mode::Replicated(0), ..base.clone() }), usage(1, 0, 0));
        assert_eq!(total(site(3), Service { mode: Mode::Global, ..base.clone() }), usage(1, 3, 3));
        assert_eq!(total(site(3), Service { mode: Mode::GlobalJob, ..base.clone() }), usage(1, 3, 3));
        assert_eq!(total(site(3), Service { mode: Mode::ReplicatedJob(2), ..base.clone() }), usage(1, 2, 2));
        let eager = Site { load_balancers: LoadBalancers::Eager, ..site(3) };
        assert_eq!(total(eager, Service { mode: Mode::Replicated(0), ..base.clone() }), usage(1, 0, 3));
        let old = Site { load_balancers: LoadBalancers::IngressOnly, ..site(3) };
        assert_eq!(total(old, base.clone()), usage(1, 4, 0));
        // Executed upstream: an ingress with 2 idle nodes has both load balancers.
        let ingress = Site { kind: NetworkKind::Ingress, ..site(2) };
        assert_eq!(total(ingress, base.clone()), usage(0, 0, 2));
        assert_eq!(total(ingress, Service { publishes: true, ..base }), usage(1, 4, 2));
        assert_eq!(ingress.demand(&[], 5).steady.attachments, 0);
        assert_eq!(
            site(3).demand(&[], 2).steady,
            Usage { attachments: 2, load_balancers: 2, ..usage(0, 0, 0) }
        );
    }

    #[test]
    fn peaks_of_updates() {
        let with = |name: &str, order, parallelism, mode| Service {
            update: Update { order, parallelism },
            mode,
            ..Service::new(name, 0)
        };
        let services = [
            with("one", Order::StopFirst, 1, Mode::Replicated(5)),
            with("all", Order::StartFirst, 0, Mode::Replicated(4)),
            with("idle", Order::StartFirst, 3, Mode::Replicated(0)),
            with("job", Order::StopFirst, 1, Mode::ReplicatedJob(2)),
        ];
        let demand = site(1).demand(&services, 0);
        assert_eq!((demand.steady.tasks, demand.steady.vips), (11, 4));
        assert_eq!((demand.peak_single.tasks, demand.peak_service.as_deref()), (15, Some("all")));
        assert_eq!(demand.peak_all.tasks, 11 + 1 + 4 + 2);
        assert_eq!(site(1).demand(&services[2..3], 0).peak_service, None);
        // The replacement may land on a node that had no task yet.
        let spread = site(9).demand(&services[..1], 0);
        assert_eq!((spread.steady.load_balancers, spread.peak_single.load_balancers), (5, 6));
    }

    #[test]
    fn how_many_stacks_fit() {
        let shape = services(1, 1);
        // 253 = 1 load balancer + 2 for each + 1 for an update.
        assert_eq!(site(1).stacks_that_fit(253, &[], 0, &shape), Some(125));
        assert_eq!(site(1).stacks_that_fit(253, &services(125, 1), 0, &shape), Some(0));
        assert_eq!(site(1).stacks_that_fit(0, &[], 0, &shape), Some(0));
        let off = Site { kind: NetworkKind::Ingress, ..site(1) };
        assert_eq!(off.stacks_that_fit(253, &[], 0, &shape), None);
        let after = site(1).headroom_after(253, &[], 0, &shape, 126);
        assert_eq!(
            (after.now, after.at_peak),
            (Slack { left: 0, missing: 0 }, Slack { left: 0, missing: 1 })
        );
    }

    fn any_service() -> impl Strategy<Value = Service> {
        let mode = prop_oneof![
            (0_u64..6).prop_map(Mode::Replicated),
            Just(Mode::Global),
            (0_u64..6).prop_map(Mode::ReplicatedJob),
            Just(Mode::GlobalJob)
        ];
        let endpoint = prop_oneof![Just(Endpoint::Vip), Just(Endpoint::Dnsrr)];
        (mode, endpoint, any::<bool>(), 0_u64..4).prop_map(|(mode, endpoint, publishes, parallelism)| {
            Service {
                mode,
                endpoint,
                publishes,
                update: Update { order: Order::StopFirst, parallelism },
                ..Service::new("s", 0)
            }
        })
    }

    fn any_site() -> impl Strategy<Value = Site> {
        let kind = prop_oneof![Just(NetworkKind::Overlay), Just(NetworkKind::Ingress)];
        let balancers = prop_oneof![
            Just(LoadBalancers::IngressOnly),
            Just(LoadBalancers::Eager),
            Just(LoadBalancers::Lazy)
        ];
        (kind, balancers, 1_u64..6).prop_map(|(kind, load_balancers, nodes)| Site {
            kind,
            nodes,
            load_balancers,
        })
    }

    proptest! {
        /// N stacks by formula are N stacks counted one by one, and the answer is the largest N that fits.
        #[test]
        fn stacks_by_formula_are_stacks_by_count(
            site in any_site(), present in prop::collection::vec(any_service(), 0..4),
            shape in prop::collection::vec(any_service(), 1..4), attached in 0_u64..4, available in 0_u64..120,
        ) {
            let by_count = |stacks: usize| {
                let mut all = present.clone();
                (0..stacks).for_each(|_| all.extend(shape.iter().cloned()));
                site.headroom(available, &all, attached)
            };
            for stacks in 0..5 {
                let by_formula = site.headroom_after(available, &present, attached, &shape, stacks as u64);
                prop_assert_eq!(by_formula, by_count(stacks));
            }
            let fits = |stacks: u64| {
                let room = by_count(usize::try_from(stacks).unwrap());
                room.now.fits() && room.at_peak.fits()
            };
            match site.stacks_that_fit(available, &present, attached, &shape) {
                Some(stacks) => {
                    prop_assert!(stacks == 0 || fits(stacks));
                    prop_assert!(!fits(stacks + 1));
                }
                None => prop_assert!(fits(available + 1)),
            }
        }

        #[test]
        fn peaks_are_ordered(site in any_site(), services in prop::collection::vec(any_service(), 0..6)) {
            let demand = site.demand(&services, 0);
            prop_assert!(demand.steady.total() <= demand.peak_single.total());
            prop_assert!(demand.peak_single.total() <= demand.peak_all.total());
        }
    }
}
