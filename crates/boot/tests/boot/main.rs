//! The analysis on the host that the mission is about, and on small worlds made up for one point each.

#[cfg(test)]
mod deadlocks;
#[cfg(test)]
mod gates;
#[cfg(test)]
mod host;
#[cfg(test)]
mod kinds;
#[cfg(test)]
mod own_machine;
#[cfg(test)]
mod reader;
