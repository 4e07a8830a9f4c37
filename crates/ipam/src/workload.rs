//! A workload in four numbers, and the prefix that holds it.

use serde::{Deserialize, Serialize};

/// Services of one shape on one network, and how much they are to grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Workload {
    /// VIP services.
    pub services: u64,
    /// Tasks of each.
    pub replicas: u64,
    /// Nodes, each of which takes one load-balancer address.
    pub nodes: u64,
    /// Growth to plan for, in per cent: 100 is twice as much.
    #[serde(default)]
    pub growth_percent: u64,
}

/// The widest and the narrowest prefix that a plan chooses: a /31 cannot hold a VIP and a task.
pub(crate) const PREFIXES: std::ops::RangeInclusive<u8> = 1..=30;

impl Workload {
    /// Addresses that it takes once grown, while every service is updated one task at a time: for each service a VIP,
    /// its tasks and one more task, and for each node a load balancer.
    pub fn needed(&self) -> u64 {
        let each = u128::from(self.replicas) + 1 + u128::from(self.replicas > 0);
        let now = u128::from(self.services).saturating_mul(each).saturating_add(self.nodes.into());
        let grown = now.saturating_mul(100 + u128::from(self.growth_percent)).div_ceil(100);
        u64::try_from(grown).unwrap_or(u64::MAX)
    }

    /// The narrowest prefix with so many usable addresses; `None` if not even a /1 has them.
    pub fn prefix(&self) -> Option<u8> {
        PREFIXES.rev().find(|prefix| usable(*prefix) >= self.needed())
    }
}

/// Usable addresses of a prefix of [`PREFIXES`].
pub(crate) fn usable(prefix: u8) -> u64 {
    (1_u64 << (32 - u32::from(prefix))) - 3
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{LoadBalancers, NetworkKind, Service, Site, Subnet};

    #[test]
    fn prefixes_of_workloads() {
        let prefix = |services, replicas, nodes, growth_percent| {
            Workload { services, replicas, nodes, growth_percent }.prefix()
        };
        // 4 × 3 + 1 = 13 fill a /28 exactly; one service more does not fit.
        assert_eq!(prefix(4, 1, 1, 0), Some(28));
        assert_eq!(prefix(5, 1, 1, 0), Some(27));
        assert_eq!(prefix(4, 1, 1, 1), Some(27));
        assert_eq!(prefix(84, 1, 1, 0), Some(24));
        assert_eq!(prefix(84, 1, 2, 0), Some(23));
        assert_eq!(prefix(0, 0, 0, 0), Some(30));
        // Without replicas a service is a VIP, and nothing of it is updated.
        assert_eq!((prefix(13, 0, 0, 0), prefix(14, 0, 0, 0)), (Some(28), Some(27)));
        assert_eq!(prefix(u64::MAX, u64::MAX, u64::MAX, u64::MAX), None);
    }

    proptest! {
        /// Without growth it is what the demand of such services is at the peak.
        #[test]
        fn needed_is_the_demand_at_the_peak(services in 0_usize..20, replicas in 1_u64..5, nodes in 1_u64..5) {
            let list: Vec<_> = (0..services).map(|at| Service::new(format!("s{at}"), replicas)).collect();
            let site = Site { kind: NetworkKind::Overlay, nodes, load_balancers: LoadBalancers::Eager };
            let workload = Workload { services: services as u64, replicas, nodes, growth_percent: 0 };
            prop_assert_eq!(workload.needed(), site.demand(&list, 0).peak_all.total());
        }

        #[test]
        fn usable_agrees_with_subnets(prefix in PREFIXES) {
            prop_assert_eq!(usable(prefix), Subnet::around([10, 0, 0, 0].into(), prefix).unwrap().usable());
        }
    }
}
