//! The order of a set of units edge by edge, so that it can be compared with what systemd says of them.

use serde::{Deserialize, Serialize};

use crate::graph::loaded;
use crate::name::UnitName;
use crate::order::{Names, Order, orders};
use crate::read::UnitSet;

/// `from` begins only when `to` has started, where both are started.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Edge {
    /// The later unit, by its own name.
    pub from: UnitName,
    /// The earlier unit, by its own name.
    pub to: UnitName,
    /// The line, or the rule of systemd's, that orders them.
    pub why: String,
}

/// Every order that the units of the set have, each once and sorted. Also that of units which nothing starts, and after
/// units that are not in the set: [`crate::analyse`] leaves those out, systemd lists them.
pub fn edges(set: &UnitSet) -> Vec<Edge> {
    let units = loaded(set);
    let names = Names::new(units.iter().map(|loaded| &loaded.unit));
    let found = orders(&units, &names).into_iter();
    let edge = |order: Order| Edge { from: order.unit, to: order.after, why: order.evidence.to_string() };
    let mut edges: Vec<Edge> = found.map(edge).collect();
    edges.sort();
    edges
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unit::Unit;

    #[test]
    fn an_edge_has_both_units_and_what_orders_them_also_of_units_that_nothing_starts() {
        let unit = |name: &str, text: &str| Unit::parse(name, text).unwrap().0;
        let set = UnitSet::whole(vec![
            unit("a.service", "[Unit]\nDefaultDependencies=no\nAfter=gone.service"),
            unit("a.timer", "[Unit]\nDefaultDependencies=no"),
        ]);
        let own: Vec<Edge> =
            edges(&set).into_iter().filter(|edge| edge.from.as_str() == "a.service").collect();
        let told: Vec<(&str, &str)> = own.iter().map(|edge| (edge.to.as_str(), edge.why.as_str())).collect();
        let expected = [
            ("a.timer", "activated by a.timer (systemd.timer(5), implicit dependencies)"),
            ("gone.service", "After=gone.service (a.service:3)"),
            ("system.slice", "After=system.slice (systemd.slice(5))"),
        ];
        assert_eq!(told, expected);
    }
}
