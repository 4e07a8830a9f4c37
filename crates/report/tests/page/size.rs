//! How large a page is when every second address is taken.

use std::net::Ipv4Addr;

use pvcheck_audit::{Snapshot, Task, TaskId};
use pvcheck_gates::{LeakFact, Seen};
use pvcheck_swarm::{Census, CensusMethod};

use crate::support::*;

const MIB: usize = 1 << 20;

/// A Swarm in which a task holds every second address from the sixth on: all of one service, or each of its own. And the
/// addresses between them.
async fn alternating(subnet: &str, services: usize) -> (Snapshot, Vec<Ipv4Addr>) {
    let mut model = world(subnet);
    deploy(&mut model, "app", 1);
    let facts = look(model, false).await;
    let mut snapshot = facts.snapshot.known().expect("seen").clone();
    let network = snapshot.overlay("proxy").expect("made").clone();
    let template = snapshot.tasks.iter().find(|task| task.service.is_some()).expect("one").clone();
    let all: Vec<Ipv4Addr> = network.capacity().expect("allocated").usable_addresses().skip(5).collect();
    let (taken, left): (Vec<_>, Vec<_>) = all.iter().enumerate().partition(|(n, _)| n % 2 == 0);
    for (n, address) in &taken {
        let mut task: Task = template.clone();
        task.id = TaskId::new(format!("{n:025}"));
        task.attachments = vec![(network.id.clone(), vec![**address])];
        if 1 < services {
            let mut service = snapshot.services[0].clone();
            service.id = pvcheck_audit::ServiceId::new(format!("service-{n:05}"));
            service.name = format!("ghos-{n:06}_ci_commoninternet_net_app-{n:05}");
            service.vips.clear();
            task.service = Some(service.id.clone());
            snapshot.services.push(service);
        }
        snapshot.tasks.push(task);
    }
    (snapshot, left.into_iter().map(|(_, address)| *address).collect())
}

/// A complete census by which all of these addresses are leaked.
fn all_leaked(subnet: &str, usable: u64, leaked: Vec<Ipv4Addr>) -> LeakFact {
    let number = leaked.len() as u64;
    let census = Census {
        network: "proxy".into(),
        subnet: subnet.into(),
        usable,
        handed_out: 0,
        owned: usable - number,
        load_balancers: 0,
        leaked: Some(number),
        leaked_addresses: leaked,
        leaked_or_load_balancers: Vec::new(),
        local_load_balancer: None,
        free_and_owned: Vec::new(),
        method: CensusMethod::Cursor,
        complete: true,
        reason: None,
        elapsed_ms: 5,
    };
    LeakFact { overlay: "proxy".into(), census: Seen::Known(census) }
}

async fn bytes(subnet: &str, services: usize) -> usize {
    let (snapshot, left) = alternating(subnet, services).await;
    let usable = snapshot.overlay("proxy").expect("there").usable();
    let facts = facts(snapshot, known("allocator", vec![all_leaked(subnet, usable, left)]));
    let config = config(subnet);
    page_of(&config, m1(&config, facts), None).len()
}

#[tokio::test]
async fn a_24_with_every_second_address_taken_makes_a_page_below_1_mib() {
    for services in [1, 2] {
        let bytes = bytes("10.20.0.0/24", services).await;
        println!("a /24: {bytes} bytes");
        assert!(20_000 < bytes && bytes < MIB, "{bytes}");
    }
}

#[tokio::test]
async fn a_16_with_every_second_address_taken_makes_a_page_below_4_mib() {
    for services in [1, 2] {
        let bytes = bytes("10.20.0.0/16", services).await;
        println!("a /16: {bytes} bytes");
        assert!(MIB < bytes && bytes < 4 * MIB, "{bytes}");
    }
}
