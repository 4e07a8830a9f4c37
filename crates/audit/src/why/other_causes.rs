//! What keeps a task from running when it is not an address.

use jiff::SignedDuration;

use super::answer::Verdict;
use super::case::{Case, Decision, task_link};
use super::job::JobTasks;
use super::remedy::RemedyKind;
use super::update;
use crate::seen::{Network, NodeState, Service, ServiceMode, Task, TaskState};
use crate::subnets::overlaps;
use crate::waiting::{PATIENCE, has_waited, lacked_balancer};

/// How long a task may take from its node to its start before that is worth a word. Images take their time.
const SLOW: SignedDuration = SignedDuration::from_secs(30);

/// The decision on a task that was asked about, if its own state settles the matter.
pub(crate) fn of_task<'a>(case: &Case<'a>, task: &'a Task) -> Option<Decision<'a>> {
    match task.state {
        // Before everything else: what a node that is down last reported says nothing of now.
        state
            if state.holds_addresses()
                && let Some(host) = down_node(case, task) =>
        {
            Some(on_down_node(case, task, &host))
        }
        _ if task.is_running() => {
            Some(Decision::new(Verdict::Running, format!("{} runs", case.name()), Some(task)))
        }
        TaskState::Complete | TaskState::Shutdown | TaskState::Remove => {
            let summary = format!("{} has ended, as wanted, and holds no address", case.name());
            Some(
                Decision::new(Verdict::Running, summary, Some(task))
                    .link(task_link(task, "it holds no address")),
            )
        }
        TaskState::Failed | TaskState::Orphaned => Some(failed(case, task)),
        // A node that lacked its load balancer is a matter of addresses, and judged as such.
        TaskState::Rejected if !lacked_balancer(task) => Some(failed(case, task)),
        _ if task.is_stopping() => {
            let summary =
                format!("{} is stopping, as wanted, and holds its addresses until it has", case.name());
            let link = task_link(task, "it is told to stop");
            Some(Decision::new(Verdict::Running, summary, Some(task)).link(link))
        }
        _ => None,
    }
}

/// The decision on what has its addresses: whether it runs, and if not, what is known of why.
pub(crate) fn decide<'a>(case: &Case<'a>) -> Decision<'a> {
    let tasks: Vec<&Task> = case.tasks().collect();
    let down = tasks.iter().filter(|t| t.is_wanted()).find_map(|t| down_node(case, t).map(|host| (*t, host)));
    if let Some(service) = case.service.filter(|_| case.task.is_none())
        && let Some(done) = as_wanted(case, service, &tasks, down.is_some())
    {
        return update::judged(case, service, done);
    }
    // A job's task that has completed is still wanted, and needs nothing any more.
    let due = |t: &&Task| t.is_wanted() && t.state.holds_addresses() && t.state != TaskState::Running;
    let wanted = || tasks.iter().copied().filter(due);
    // PENDING with an error is the scheduler's own verdict (`no suitable node`), and needs no waiting.
    if let Some(task) = wanted().find(|t| t.state == TaskState::Pending && !t.error.is_empty()) {
        return update::stuck_at(case, task, unplaced(case, task));
    }
    let ended = tasks.iter().copied().filter(|t| !t.state.holds_addresses() && !t.error.is_empty());
    let newest = ended.max_by_key(|t| (t.since, t.id.clone()));
    // What failed last says more than the task that replaces it, which is young and has no error yet.
    if let Some(task) = newest {
        return update::stuck_at(case, task, failed(case, task));
    }
    if let Some((task, host)) = down {
        return on_down_node(case, task, &host);
    }
    match wanted().min_by_key(|t| (t.state, t.since)) {
        Some(task) => update::stuck_at(case, task, on_its_way(case, task)),
        None => Decision::new(
            Verdict::Unknown,
            format!("{} has no task that is wanted; ask again in some seconds", case.name()),
            tasks.first().copied(),
        ),
    }
}

/// The decision if the service has all the tasks that it wants.
fn as_wanted<'a>(
    case: &Case<'a>,
    service: &Service,
    tasks: &[&'a Task],
    node_down: bool,
) -> Option<Decision<'a>> {
    let runs = |t: &&&Task| t.is_running() && down_node(case, t).is_none();
    let running = tasks.iter().filter(runs).count() as u64;
    let wanted = tasks.iter().filter(|t| t.is_wanted());
    let all_run = || wanted.clone().all(|t| matches!(t.state, TaskState::Running | TaskState::Complete));
    let name = &service.name;
    let summary = match service.mode {
        // It keeps its virtual addresses all the same.
        ServiceMode::Replicated(0) => format!("service {name} wants no task"),
        // A task of an update that does not come up is wanted as well, while the one that it replaces still runs.
        ServiceMode::Replicated(n) if n <= running && all_run() && !node_down => {
            format!("service {name} runs: {running} of {n} tasks")
        }
        // How many nodes are eligible the lists do not say, so the tasks that there are have to do.
        ServiceMode::Global if 0 < running && all_run() && !node_down => {
            format!("service {name} runs: {running} tasks, one per node")
        }
        ServiceMode::Job(mode) if !node_down => {
            JobTasks::of(case.waiting.snapshot, service, mode).as_wanted(name, all_run())?
        }
        _ => return None,
    };
    Some(Decision::new(Verdict::Running, summary, case.task))
}

fn down_node(case: &Case<'_>, task: &Task) -> Option<String> {
    let id = task.node.as_ref().filter(|_| task.state.holds_addresses())?;
    let node = case.waiting.snapshot.nodes.iter().find(|n| n.id == *id)?;
    (node.state == NodeState::Down).then(|| node.hostname.clone())
}

fn on_down_node<'a>(case: &Case<'a>, task: &'a Task, host: &str) -> Decision<'a> {
    let fact = format!(
        "its node {host} is down; until it returns, is removed, or 24 h have passed the task counts as it was last seen, and keeps its addresses"
    );
    let mut decision = Decision::new(
        Verdict::NotAddress,
        format!("{} is not to be reached: node {host} is down", case.name()),
        Some(task),
    )
    .link(task_link(task, &fact));
    decision.remedies = vec![RemedyKind::StartNode { node: host.to_owned() }];
    decision
}

fn unplaced<'a>(case: &Case<'a>, task: &'a Task) -> Decision<'a> {
    let fact = format!("it has its addresses, and no node takes it: {}", task.error);
    let mut decision = Decision::new(
        Verdict::NotAddress,
        format!("{} finds no node: {}", case.name(), task.error),
        Some(task),
    )
    .link(task_link(task, &fact));
    if let Some(service) = case.service {
        let service = service.name.clone();
        decision.remedies = vec![RemedyKind::InspectPlacement { service }, RemedyKind::AdaptNodes];
    }
    decision
}

fn failed<'a>(case: &Case<'a>, task: &'a Task) -> Decision<'a> {
    let error = if task.error.is_empty() { "it left no error" } else { &task.error };
    let word = task.state.word();
    let mut decision = Decision::new(
        Verdict::NotAddress,
        format!(
            "{} does not run, and not for want of an address: its last task {word}: {error}",
            case.name()
        ),
        Some(task),
    )
    .link(task_link(task, error));
    if let Some(service) = case.service {
        decision.remedies = another_subnet(case, service, error);
        let service = || service.name.clone();
        decision.remedies.push(RemedyKind::SeeTaskErrors { service: service() });
        decision.remedies.push(RemedyKind::SeeServiceLog { service: service() });
    }
    decision
}

/// What a node says that has another network with addresses of the task's (moby `libnetwork/ipamapi`).
const POOL_OVERLAPS: &str = "Pool overlaps with other one";

/// The steps to another subnet, if the task was rejected since a network of its service overlaps another one; none where
/// the lists do not show which of several does.
fn another_subnet(case: &Case<'_>, service: &Service, error: &str) -> Vec<RemedyKind> {
    if !error.contains(POOL_OVERLAPS) {
        return Vec::new();
    }
    let snapshot = case.waiting.snapshot;
    let overlapping = overlaps(snapshot, None);
    let is_overlapping = |n: &&&Network| {
        overlapping.iter().any(|o| o.network == n.name || (o.other_is_overlay && o.other == n.name))
    };
    let on = case.waiting.overlays_wanted(service);
    let Some(network) = on.iter().find(is_overlapping) else { return Vec::new() };
    let network = || network.name.clone();
    vec![
        RemedyKind::ChooseSubnet { network: network() },
        RemedyKind::RecreateUnallocated {
            network: network(),
            service: service.name.clone(),
            stack: service.stack.clone(),
        },
    ]
}

/// A task without an error that does not run yet.
fn on_its_way<'a>(case: &Case<'a>, task: &'a Task) -> Decision<'a> {
    // Up to PENDING only the managers are at work, which takes milliseconds; from then on a node pulls and mounts.
    let patience = if task.state <= TaskState::Pending { PATIENCE } else { SLOW };
    let slow = has_waited(case.waiting.snapshot, task.since, patience) == Some(true);
    let word = task.state.word();
    if !slow {
        let summary = format!("{} is on its way ({word}); ask again in some seconds", case.name());
        return Decision::new(Verdict::Unknown, summary, Some(task))
            .link(task_link(task, "it is on its way"));
    }
    // NEW, and yet no network lacks an address for it: the allocator has a reason that the API does not show.
    if task.state == TaskState::New {
        let summary = format!(
            "{} is not allocated, and waits on no network; the leading manager's log has more",
            case.name()
        );
        return Decision::new(Verdict::Unknown, summary, Some(task))
            .link(task_link(task, "it is not allocated"));
    }
    let fact = match task.state {
        TaskState::Ready if waits_for_older(case, task) => {
            "it is prepared, and waits for the task before it, which never had an address and so never stops: Swarm gives up waiting after a minute"
        }
        TaskState::Pending => "it has its addresses, and the scheduler has found no node for it",
        TaskState::Ready => "it is prepared, and waits to be started, as after a failure or in an update",
        _ => "it has its addresses, and its node is still at it: a large image, a volume, a slow start",
    };
    let mut decision = Decision::new(
        Verdict::NotAddress,
        format!("{} has its addresses and is {word}", case.name()),
        Some(task),
    )
    .link(task_link(task, fact));
    if let Some(service) = case.service {
        decision.remedies = vec![RemedyKind::SeeNode { service: service.name.clone() }];
    }
    decision
}

/// An update waits until the old task has stopped, for a minute at most (swarmkit `restart.DefaultOldTaskTimeout`).
fn waits_for_older(case: &Case<'_>, task: &Task) -> bool {
    let same_slot = |t: &&Task| t.service == task.service && t.slot == task.slot && t.id != task.id;
    let mut others = case.waiting.snapshot.tasks.iter().filter(same_slot);
    others.any(|t| t.state == TaskState::New && !t.is_wanted())
}

#[cfg(test)]
mod tests;
