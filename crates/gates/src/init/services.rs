//! The services of a Swarm as those of a configuration.

use std::collections::BTreeSet;

use pvcheck_audit::{EndpointMode, Network, Service, ServiceMode, Snapshot, Task};

use super::page::{Page, Table, inline};
use crate::config::TasksWanted;
use crate::judge::Run;

/// Writes them. Returns how many count, and how many do not.
pub(super) fn write(page: &mut Page, snapshot: &Snapshot, overlays: &[&Network]) -> (u64, u64) {
    page.heading(
        "Services that must run",
        "As many tasks as the service asks for; `replicas = N` fails where it asks for another number, `at_least = N` where fewer\n\
         run. `stack = \"NAME\"` in the place of `name`, or `*` in a name, is about several. With `overlay` its tasks, and its\n\
         virtual address if it has one, must have addresses there.",
    );
    let mut services: Vec<&Service> = snapshot.services.iter().filter(|s| s.run.is_none()).collect();
    services.sort_by(|a, b| (&a.stack, &a.name).cmp(&(&b.stack, &b.name)));
    let (mut names, mut count, mut left_out) = (BTreeSet::new(), 0, 0);
    for service in services {
        let run = Run::of(snapshot, service);
        let of =
            service.stack.as_ref().map_or_else(String::new, |stack| format!("Stack {}: ", inline(stack)));
        let table = Table::new("[[service]]").about(format!("{of}{}.", run.tally()));
        let table = table.field("name", service.name.as_str());
        let table = match home(snapshot, service, overlays) {
            Some(network) => table.field("overlay", network.name.as_str()),
            None => table,
        };
        let because = match service.mode {
            ServiceMode::Replicated(0) => Some("Left out: it asks for no task."),
            _ if service.name.is_empty() || !names.insert(&service.name) => {
                Some("Left out: another service has this name, or it has none.")
            }
            _ => None,
        };
        if let Some(because) = because {
            page.table_off(because, table);
            left_out += 1;
            continue;
        }
        let is_down = !run.faults(TasksWanted::AsAsked).is_empty();
        let table = if is_down {
            table.about("It does not run as it should at the moment.".to_owned())
        } else {
            table
        };
        page.table(table);
        count += 1;
    }
    (count, left_out)
}

/// The first of these overlays on which all of its tasks, and its virtual address if it has one, have an address.
fn home<'a>(snapshot: &Snapshot, service: &Service, overlays: &[&'a Network]) -> Option<&'a Network> {
    let tasks: Vec<&Task> = snapshot.running_tasks(&service.id).collect();
    let is_home = |network: &&&Network| {
        let vip = service.vips.iter().any(|vip| vip.network == network.id && vip.address.is_some());
        let on = |task: &&Task| task.addresses_on(&network.id).next().is_some();
        (vip || service.endpoint == EndpointMode::Dnsrr) && !tasks.is_empty() && tasks.iter().all(on)
    };
    overlays.iter().find(is_home).copied()
}
