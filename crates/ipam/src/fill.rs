//! Which part of a workload is the first to get no address.
//! No command uses this yet; it is meant for `pvcheck audit --what-if`.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::capacity::Usage;
use crate::demand::{Order, Service, Site};

/// What an address was wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Want {
    /// The service's VIP.
    Vip,
    /// One of its tasks, counted from 1.
    Task {
        /// Which one.
        number: u64,
        /// Of how many.
        of: u64,
    },
    /// The load balancer of a node on which one of its tasks starts.
    LoadBalancer,
}

/// The first part of a workload that does not fit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Misfit {
    /// The service.
    pub service: String,
    /// What of it got no address.
    pub want: Want,
    /// Addresses that there were to begin with.
    pub available: u64,
}

/// How far a list of services gets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Filling {
    /// Services that have everything, in the order given.
    pub complete: Vec<String>,
    /// What is held at the end, the incomplete service's part included.
    pub used: Usage,
    /// The first thing not to fit; `None` if everything does.
    pub misfit: Option<Misfit>,
}

/// An update for which fewer addresses are free than its new tasks need.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct UpdateRisk {
    /// The service.
    pub service: String,
    /// Start-first hangs, stop-first only waits.
    pub order: Order,
    /// Addresses that the update wants on top.
    pub wanted: u64,
    /// Addresses that are left.
    pub left: u64,
}

impl UpdateRisk {
    /// True iff the update would never end: with start-first and not a single address left, the old task waits
    /// for the new one, and the new one for an address.
    pub fn hangs(&self) -> bool {
        self.order == Order::StartFirst && self.left == 0
    }
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { service, available, .. } = self;
        match self.want {
            Want::Vip => write!(f, "service {service} gets no VIP, so its tasks stay in New")?,
            Want::Task { number, of } => {
                write!(f, "task {number} of {of} of service {service} gets no address and stays in New")?;
            }
            Want::LoadBalancer => write!(
                f,
                "a node that starts a task of service {service} gets no load balancer, so the task is rejected"
            )?,
        }
        write!(f, ": all {available} addresses are taken")
    }
}

impl fmt::Display for UpdateRisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { service, wanted, left, .. } = self;
        let outcome = if self.hangs() {
            "it would never end, because start-first frees nothing before the new task runs"
        } else {
            "it goes on more slowly, as old tasks give their addresses back"
        };
        write!(f, "an update of service {service} wants {wanted} more and {left} are left: {outcome}")
    }
}

impl Site {
    /// Lays services on `available` free addresses, one service after the other, and stops at the first
    /// address that is missing. Each takes its VIP, then its tasks, then the load balancers of nodes that got
    /// their first task, which is the order of Swarm's allocator. Nodes are filled as widely as can be.
    pub fn fill(&self, available: u64, services: &[Service]) -> Filling {
        let mut used = Usage { load_balancers: self.balancers(0).min(available), ..Usage::default() };
        let mut complete = vec![];
        for service in services {
            if let Some(want) = self.place(available, &mut used, service) {
                let misfit = Misfit { service: service.name.clone(), want, available };
                return Filling { complete, used, misfit: Some(misfit) };
            }
            complete.push(service.name.clone());
        }
        Filling { complete, used, misfit: None }
    }

    /// Updates that lack addresses, of services that all have what they need at rest.
    pub fn update_risks(&self, left: u64, services: &[Service]) -> Vec<UpdateRisk> {
        services
            .iter()
            .map(|service| UpdateRisk {
                service: service.name.clone(),
                order: service.update.order,
                wanted: self.extra(service),
                left,
            })
            .filter(|risk| risk.wanted > risk.left)
            .collect()
    }

    /// Takes what one service needs; says what is missing.
    fn place(&self, available: u64, used: &mut Usage, service: &Service) -> Option<Want> {
        let left = |used: &Usage| available.saturating_sub(used.total());
        if self.vips(service) > left(used) {
            return Some(Want::Vip);
        }
        used.vips += self.vips(service);
        let of = self.tasks(service);
        // Tasks are allocated one by one, so those that fit hold their address although the service stays incomplete.
        let fitting = of.min(left(used));
        used.tasks += fitting;
        if fitting < of {
            return Some(Want::Task { number: fitting + 1, of });
        }
        let wanted = self.balancers(used.tasks).saturating_sub(used.load_balancers);
        let fitting = wanted.min(left(used));
        used.load_balancers += fitting;
        (fitting < wanted).then_some(Want::LoadBalancer)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::demand::{LoadBalancers, NetworkKind, Update};

    fn site(nodes: u64) -> Site {
        Site { kind: NetworkKind::Overlay, nodes, load_balancers: LoadBalancers::Lazy }
    }

    fn services(count: usize, replicas: u64) -> Vec<Service> {
        (1..=count).map(|number| Service::new(format!("s{number}"), replicas)).collect()
    }

    /// Measured on real engines: in a /28 the sixth service fits and the seventh gets no VIP.
    #[test]
    fn the_seventh_service_of_a_28() {
        let filling = site(1).fill(13, &services(9, 1));
        assert_eq!(filling.complete.len(), 6);
        assert_eq!(filling.used.total(), 13);
        let misfit = filling.misfit.unwrap();
        assert_eq!((misfit.service.as_str(), misfit.want), ("s7", Want::Vip));
        assert_eq!(
            misfit.to_string(),
            "service s7 gets no VIP, so its tasks stay in New: all 13 addresses are taken"
        );
        assert_eq!(site(1).fill(13, &services(6, 1)).misfit, None);
    }

    #[test]
    fn tasks_and_load_balancers_can_be_what_is_missing() {
        let filling = site(1).fill(13, &services(1, 13));
        assert_eq!(filling.misfit.as_ref().unwrap().want, Want::Task { number: 13, of: 13 });
        assert_eq!(filling.used, Usage { vips: 1, tasks: 12, ..Usage::default() });
        let filling = site(3).fill(13, &services(1, 10));
        assert_eq!(filling.misfit.as_ref().unwrap().want, Want::LoadBalancer);
        assert_eq!(filling.used.load_balancers, 2);
        // The ingress gives its load balancers to the nodes before any service comes.
        let ingress = Site { kind: NetworkKind::Ingress, ..site(13) };
        let published = Service { publishes: true, ..Service::new("web", 1) };
        assert_eq!(ingress.fill(13, &[published]).misfit.unwrap().want, Want::Vip);
    }

    #[test]
    fn start_first_hangs_on_a_full_network() {
        let mut web = Service::new("web", 3);
        web.update = Update { order: Order::StartFirst, parallelism: 2 };
        let risks = |left| site(1).update_risks(left, std::slice::from_ref(&web));
        assert!(risks(0)[0].hangs());
        assert!(risks(0)[0].to_string().contains("never end"));
        assert!(!risks(1)[0].hangs());
        assert_eq!(risks(2), []);
        web.update.order = Order::StopFirst;
        assert!(!site(1).update_risks(0, &[web])[0].hangs());
    }

    proptest! {
        /// Something is missing exactly when the demand exceeds what there is.
        #[test]
        fn filling_agrees_with_demand(nodes in 1_u64..5, replicas in prop::collection::vec(0_u64..6, 0..8), available in 0_u64..40) {
            let services: Vec<_> =
                replicas.iter().enumerate().map(|(at, n)| Service::new(format!("s{at}"), *n)).collect();
            let filling = site(nodes).fill(available, &services);
            let needed = site(nodes).demand(&services, 0).steady.total();
            prop_assert_eq!(filling.misfit.is_none(), needed <= available);
            prop_assert!(filling.used.total() <= available);
            if filling.misfit.is_some() {
                prop_assert_eq!(filling.used.total(), available);
            } else {
                prop_assert_eq!(filling.used.total(), needed);
            }
        }
    }
}
