//! A question to an index allocates nothing, whatever the answer.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking too")]

use std::hint::black_box;
use std::net::Ipv4Addr;

use allocation_counter::measure;
use pvcheck_ipam::{Index, Reservation, Subnet};

fn subnet(text: &str) -> Subnet {
    Subnet::parse(text).unwrap()
}

/// A /28 in every /20 of 10.0.0.0/8 but the last sixteen, each twice, and one around the first half.
fn index() -> Index {
    let small = (0_u32..4_080).flat_map(|at| {
        let net = Subnet::around(Ipv4Addr::from(0x0A00_0000 + (at << 12)), 28).unwrap();
        ["a", "b"].map(|owner| Reservation::new(net.net(), owner, "test"))
    });
    Index::new(small.chain([Reservation::new(subnet("10.0.0.0/9").net(), "wide", "test")]).collect())
}

fn allocations(of: impl FnOnce()) -> u64 {
    measure(of).count_total
}

#[test]
fn questions_allocate_nothing() {
    let index = index();
    let (private, quiet) = (subnet("10.0.0.0/8"), subnet("10.255.0.0/16"));
    let named =
        |asked: Subnet| index.conflicts(asked).filter(|(item, _)| !black_box(&item.owner).is_empty()).count();
    // The counts show that the questions were answered, not optimised away.
    assert_eq!(named(private), 8_161);
    let none = |what: &str, question: &dyn Fn()| assert_eq!(allocations(question), 0, "{what}");
    none("all conflicts", &|| assert_eq!(named(private), 8_161));
    none("one conflict", &|| assert_eq!(named(subnet("10.1.1.0/24")), 1));
    none("no conflict", &|| assert_eq!(named(quiet), 0));
    none("is it free", &|| assert!(!index.is_free(private) && index.is_free(quiet)));
    none("how many", &|| assert_eq!(index.count_conflicts(private), 8_161));
    none("the first free", &|| assert_eq!(index.first_free(private, 16), Some(quiet)));
    none("none free", &|| assert_eq!(index.first_free(private, 9), None));
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocations(|| drop(black_box(Box::new(7)))), 1);
}
