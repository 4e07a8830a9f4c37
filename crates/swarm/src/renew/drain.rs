//! The wait before a network is removed.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use pvcheck_audit::{NetworkId, Task};

use super::attached::host;
use super::error::RenewalError;
use super::member::Member;
use super::settle::Lists;
use super::strategy::RenewalStrategy;
use super::work::{LOOK, Work};
use crate::engine::{Pace, wait_until};

/// How long a node that is down is waited for: longer than an engine takes to start again.
const BACK: Duration = Duration::from_mins(1);
/// Names that an error has, at most.
const NAMED: usize = 8;

/// What holds addresses of a network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Holders {
    tasks: u64,
    /// Of them, those on nodes that are down.
    lost: u64,
    /// Services, and containers that were attached by hand.
    names: BTreeSet<String>,
    /// The host names of the nodes that are down.
    down: BTreeSet<String>,
}

fn holders(lists: &Lists, network: &NetworkId) -> Holders {
    let mut found = Holders::default();
    let holds = |task: &&Task| task.is_attached_to(network) && task.state.holds_addresses();
    for task in lists.tasks.iter().filter(holds) {
        found.tasks += 1;
        let on = task.node.as_ref().map(|node| host(&lists.nodes, node));
        if let Some(on) = on.clone().filter(|_| lists.is_down(task)) {
            found.lost += 1;
            found.down.insert(on);
        }
        let service = task.service.as_ref();
        let name = service.and_then(|id| lists.services.iter().find(|s| s.id == *id)).map(|s| s.name.clone());
        found.names.insert(name.unwrap_or_else(|| match service {
            Some(_) => "a service that is gone".to_owned(),
            None => format!("a container on {}", on.unwrap_or_else(|| "a node".to_owned())),
        }));
    }
    found
}

impl Work<'_> {
    /// Waits until no task holds an address of the network: one that ends after the network is gone loses its addresses
    /// on its other networks (the second road to L1 in docs/leaks.md).
    pub(super) async fn drain(&self, id: &NetworkId) -> Result<(), RenewalError> {
        let (mut held, mut looks, mut failed) = (Holders::default(), 0, None);
        let (record, mut lost_since) = (&self.journal.record, None::<Instant>);
        let back = BACK.min(self.patience);
        let drained = wait_until!(Pace::new(self.patience).every(LOOK), async {
            let lists = match self.lists().await {
                Ok(lists) => lists,
                Err(error) => {
                    failed = Some(error);
                    return None;
                }
            };
            failed = None;
            held = holders(&lists, id);
            let used = lists.services.iter().any(|service| service.networks.contains(id));
            let watched = match is_watched(&lists, record.strategy, &record.members) {
                Ok(watched) => watched,
                Err(error) => return Some(Err(error)),
            };
            // One list may lack a task.
            looks = if held.tasks == 0 && !used && !watched { looks + 1 } else { 0 };
            if 1 < looks {
                return Some(Ok(()));
            }
            // Its tasks are seen to end when the node is back, or removed, or after a day.
            let lost = 0 < held.lost && held.lost == held.tasks;
            if lost && lost_since.is_none() {
                self.op.say(format!("waiting for {}, which is down", named(&held.down)));
            }
            lost_since = lost_since.filter(|_| lost).or(lost.then(Instant::now));
            lost_since.is_some_and(|since| back <= since.elapsed()).then(|| Err(self.lost(&held)))
        });
        match (drained, failed) {
            (Some(outcome), _) => outcome,
            (None, Some(error)) => Err(error.into()),
            (None, None) if 0 < held.lost => Err(self.lost(&held)),
            (None, None) => Err(RenewalError::NotDrained {
                network: self.journal.record.network.clone(),
                tasks: held.tasks,
                of: held.names.into_iter().take(NAMED).collect(),
                seconds: self.patience.as_secs(),
            }),
        }
    }

    fn lost(&self, held: &Holders) -> RenewalError {
        RenewalError::NodeDown {
            nodes: held.down.iter().cloned().collect(),
            tasks: held.lost,
            network: self.journal.record.network.clone(),
        }
    }
}

/// True iff Swarm watches an update that it may take back, and with it the service's networks. By `bridge`, where nothing is
/// unreachable meanwhile, any update is waited for: a task that fails is noticed while the old network is still there. By
/// `recreate` one may fail that does not run without its network.
fn is_watched(lists: &Lists, strategy: RenewalStrategy, members: &[Member]) -> Result<bool, RenewalError> {
    match strategy {
        RenewalStrategy::Bridge => lists.updating(members).map(|updating| !updating.is_empty()),
        RenewalStrategy::Recreate => Ok(lists.under_way(members).iter().any(|member| member.takes_back)),
    }
}

fn named(names: &BTreeSet<String>) -> String {
    names.iter().cloned().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use pvcheck_audit::{NodeId, NodeState, Service, TaskState, UpdateState, UpdateStatus};

    use super::super::member::example;
    use super::*;
    use crate::fixtures::{node, on_node, service, task};

    /// While Swarm watches the tasks of an update, 5 s after the last one has started where nothing else is said.
    #[test]
    fn an_update_is_waited_for_where_swarm_may_take_it_back_or_nothing_is_dark_meanwhile() {
        let update = |state| UpdateStatus { state, started: None, message: "task t".into() };
        let lists = |state| Lists {
            services: vec![Service { update: Some(update(state)), ..service("app", &[]) }],
            ..Lists::default()
        };
        let (updating, done) = (lists(UpdateState::Updating), lists(UpdateState::Completed));
        for (strategy, takes_back, watched) in [
            (RenewalStrategy::Bridge, false, true),
            (RenewalStrategy::Bridge, true, true),
            (RenewalStrategy::Recreate, false, false),
            (RenewalStrategy::Recreate, true, true),
        ] {
            let members = [Member { takes_back, ..example("app") }];
            let found = is_watched(&updating, strategy, &members).expect("it has not stopped");
            assert_eq!(found, watched, "{strategy:?}, {takes_back}");
            assert!(!is_watched(&done, strategy, &members).expect("it is over"));
        }
        let stopped = |strategy| is_watched(&lists(UpdateState::Paused), strategy, &[example("app")]);
        let bridged = stopped(RenewalStrategy::Bridge);
        assert!(matches!(bridged, Err(RenewalError::UpdateFailed { .. })), "{bridged:?}");
        assert!(!stopped(RenewalStrategy::Recreate).expect("it need not run without its network"));
    }

    #[test]
    fn holders_are_named_and_those_on_a_node_that_is_down_are_told_apart() {
        use TaskState::{Running, Shutdown};
        let away = NodeId::new("away");
        let lists = Lists {
            tasks: vec![
                on_node(task(Some("app"), &["n"], Running, Shutdown)),
                Task { node: Some(away.clone()), ..task(Some("app"), &["n"], Running, Shutdown) },
                Task { node: Some(away), ..task(None, &["n"], Running, Running) },
                on_node(task(Some("app"), &["n"], Shutdown, Shutdown)),
                on_node(task(Some("app"), &["other"], Running, Running)),
                task(Some("gone"), &["n"], Running, Shutdown),
            ],
            services: vec![service("app", &[])],
            nodes: vec![node("n", NodeState::Ready), node("away", NodeState::Down)],
        };
        let expected = Holders {
            tasks: 4,
            lost: 2,
            names: ["app_app", "a container on away", "a service that is gone"].map(String::from).into(),
            down: ["away".to_owned()].into(),
        };
        assert_eq!(holders(&lists, &NetworkId::new("n")), expected);
    }
}
