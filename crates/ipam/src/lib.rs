//! Address arithmetic for Docker Swarm overlay networks: what fits, what collides, what has leaked, and how long the
//! free addresses last.
//!
//! Every function is pure: it takes facts that another crate collected. Nothing here does I/O, reads a clock or talks
//! to an engine. Addresses are IPv4 only, as Swarm's are.
//!
//! ```
//! use pvcheck_ipam::{Capacity, CensusFacts, Index, PlanRequest, Reservations, Subnet, plan_subnet, reconcile};
//!
//! // What has leaked: neither handed out in one turn of the serial allocator nor owned.
//! let proxy = Subnet::parse("10.0.1.0/28")?;
//! let facts = CensusFacts {
//!     capacity: Capacity::of(proxy),
//!     handed_out: proxy.net().hosts().filter(|addr| addr.octets()[3] > 5).collect(),
//!     owned_before: [[10, 0, 1, 2].into(), [10, 0, 1, 3].into()].into(),
//!     owned_after: [[10, 0, 1, 2].into(), [10, 0, 1, 3].into()].into(),
//!     load_balancers_unnamed: 0,
//!     busy: [].into(),
//! };
//! let report = reconcile(&facts);
//! assert_eq!((report.usable, report.leaked), (13, 2));
//!
//! // Where a larger network can go, and why not elsewhere.
//! let taken = Reservations::from_json(
//!     r#"[{"net": "10.0.0.0/24", "owner": "ingress", "source": "docker"},
//!         {"net": "172.17.0.0/16", "owner": "docker0", "source": "docker"}]"#,
//! )?;
//! let request = PlanRequest {
//!     prefer: vec![Subnet::parse("10.0.0.0/16")?, Subnet::parse("10.10.0.0/16")?],
//!     ..PlanRequest::default()
//! };
//! let plan = plan_subnet(&request, &Index::new(taken.list))?;
//! assert_eq!((plan.chosen.to_string().as_str(), plan.usable), ("10.10.0.0/16", 65_533));
//! assert_eq!(plan.rejected[0].to_string(), "10.0.0.0/16 contains 10.0.0.0/24 of ingress (docker)");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod bitmap;
mod block_index;
mod capacity;
mod collide;
mod demand;
mod fill;
mod forecast;
mod leaks;
mod plan;
mod rate;
mod render;
mod reservations;
mod ring;
mod space;
mod subnet;
mod workload;

pub use capacity::{AllocatorStatus, Capacity, CapacityError, Pool, Pressure, Threshold, Thresholds, Usage};
pub use collide::{Collision, Index, Reservation};
pub use demand::{
    Demand, Endpoint, Headroom, LoadBalancers, Mode, NetworkKind, Order, Service, Site, Slack, Update,
};
pub use fill::{Filling, Misfit, UpdateRisk, Want};
pub use forecast::{Exhaustion, Forecast, Observation, forecast};
pub use leaks::{CensusFacts, LeakReport, confirm, reconcile};
pub use plan::{Conflict, Note, Plan, PlanError, PlanRequest, Reason, Rejection, Strategy, plan_subnet};
pub use rate::{CyclesLeft, LeakRate, RateError};
pub use render::{Declaration, NetworkName, NetworkNameError};
pub use reservations::{Duplicate, Reservations, ReservationsError};
pub use ring::{Ring, RingError};
pub use subnet::{Overlap, Subnet, SubnetError};
pub use workload::Workload;
