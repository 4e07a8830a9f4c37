//! Address arithmetic for Docker Swarm overlay networks.

mod axis;
mod bits;
mod capacity;
mod collide;
mod demand;
mod fill;
mod leaks;
mod rate;
mod reservations;
mod ring;
mod subnet;

pub use capacity::{
    AllocatorStatus, Capacity, CapacityError, Occupancy, Pool, Pressure, Threshold, Thresholds, Usage,
};
pub use collide::{Collision, Index, Reservation};
pub use demand::{
    Demand, Endpoint, Headroom, LoadBalancers, Mode, NetworkKind, Order, Room, Service, Site, Update,
};
pub use fill::{Filling, Misfit, UpdateRisk, Want};
pub use leaks::{CensusFacts, LeakReport, confirm, reconcile};
pub use rate::{Conclusion, CyclesLeft, DaysLeft, LeakRate, RateError};
pub use reservations::{Duplicate, Reservations, ReservationsError};
pub use ring::{Ring, RingError};
pub use subnet::{Overlap, Subnet, SubnetError};
