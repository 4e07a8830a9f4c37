//! What a reclaim must leave unchanged: nodes, running tasks, and stored objects.

use std::collections::BTreeMap;

use pvcheck_audit::{NodeId, ServiceId, TaskState};
use serde::{Deserialize, Serialize};

use super::managers::{leader, nodes};
use super::note::{Change, ChangeKind};
use crate::engine::{CallError, Engine, wire};
use crate::labels::RUN_LABEL;
use crate::run::RunId;

/// Everything that a reclaim must leave unchanged, at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(super) struct Inventory {
    leader: Option<String>,
    /// Role and availability.
    nodes: BTreeMap<String, String>,
    /// Running tasks: service, container and its process. Without the time of the state, which a new leader records again
    /// when the node reports, although no container has changed.
    tasks: BTreeMap<String, String>,
    /// The nodes of these tasks. A task never moves, so this is not compared.
    #[serde(default)]
    places: BTreeMap<String, NodeId>,
    /// Name and fingerprint of the spec of each service; id and version of each secret and config.
    objects: BTreeMap<String, String>,
}

impl Inventory {
    pub(super) async fn read(engine: &Engine, run: &RunId) -> Result<Self, CallError> {
        let listed = nodes(engine).await?;
        let snapshot = engine.snapshot().await?;
        let lookup = snapshot.lookup();
        let named = |id: &ServiceId| lookup.service_name(id);
        let running = snapshot.tasks.iter().filter(|t| t.state == TaskState::Running);
        let tasks = running.clone().map(|t| {
            let service = t.service.as_ref().map_or_else(|| "an attached container".to_owned(), named);
            let (container, pid) = t.container.clone().unwrap_or_default();
            (t.id.to_string(), format!("{service}: container {container:.12}, process {pid}"))
        });
        let mut objects = BTreeMap::new();
        let places = running.clone().filter_map(|t| Some((t.id.to_string(), t.node.clone()?))).collect();
        for kind in ["services", "secrets", "configs"] {
            let list: Vec<wire::Versioned> = engine.connection().get(&format!("/{kind}")).await?;
            let others = list.into_iter().filter(|o| {
                // The lock that this run took over is gone afterwards on purpose.
                o.spec["Labels"][RUN_LABEL] != run.as_str() && o.spec["Name"] != crate::lock::NAME
            });
            // A new leader may write a service's endpoint again, which raises its version; so its spec is compared.
            objects.extend(others.map(|o| {
                let what = if kind == "services" {
                    format!("spec {:016x}", fingerprint(&o.spec.to_string()))
                } else {
                    format!("version {}", o.version.index.unwrap_or_default())
                };
                let name = o.spec["Name"].as_str().unwrap_or_default();
                (format!("{kind} {}", o.id), format!("{name}, {what}"))
            }));
        }
        Ok(Self {
            leader: leader(&listed).map(|id| id.to_string()),
            nodes: listed
                .into_iter()
                .map(|n| (n.id, format!("{}, {}", n.spec.role, n.spec.availability)))
                .collect(),
            tasks: tasks.collect(),
            places,
            objects,
        })
    }

    /// The differences; empty if there is none. Objects and tasks that were created in between are not among them, since
    /// other clients may deploy meanwhile.
    pub(super) fn changes(&self, after: &Self, tasks: bool) -> Vec<Change> {
        let mut changes = differing(ChangeKind::Node, &self.nodes, &after.nodes);
        changes.extend(differing(ChangeKind::Object, &self.objects, &after.objects));
        if tasks {
            changes.extend(differing(ChangeKind::Task, &self.tasks, &after.tasks));
        }
        // A new node is reported: it may be a borrowed manager that was not removed.
        let new = after.nodes.iter().filter(|(id, _)| !self.nodes.contains_key(*id));
        changes.extend(new.map(|(id, is)| Change {
            kind: ChangeKind::Node,
            id: id.clone(),
            was: None,
            is: Some(is.clone()),
        }));
        changes
    }

    /// True iff a task of this node runs in the same container as before.
    pub(super) fn shares_a_task(&self, after: &Self, node: &NodeId) -> bool {
        let same = |(id, task): (&String, &String)| self.tasks.get(id) == Some(task);
        after.tasks.iter().filter(|(id, _)| after.places.get(*id) == Some(node)).any(same)
    }

    /// How many tasks ran.
    pub(super) fn running(&self) -> usize {
        self.tasks.len()
    }

    pub(super) fn leader(&self) -> Option<&str> {
        self.leader.as_deref()
    }
}

/// Entries of `before` that are missing or different in `after`.
fn differing(
    kind: ChangeKind,
    before: &BTreeMap<String, String>,
    after: &BTreeMap<String, String>,
) -> Vec<Change> {
    let differ = before.iter().filter(|(id, was)| after.get(*id) != Some(was));
    let change = |(id, was): (&String, &String)| Change {
        kind,
        id: id.clone(),
        was: Some(was.clone()),
        is: after.get(id).cloned(),
    };
    differ.map(change).collect()
}

/// FNV-1a, 64 bits. Not the hasher of std, whose result may differ in another build that resumes the run; not a
/// cryptographic one, because the step log is root's own.
fn fingerprint(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use pvcheck_sim::{Model, ServiceDraft};
    use serde_json::json;

    use super::*;
    use crate::fixtures::served;

    fn inventory(node: &str, task: &str) -> Inventory {
        Inventory {
            leader: Some("n1".into()),
            nodes: [("n1".to_owned(), node.to_owned())].into(),
            tasks: [("t1".to_owned(), task.to_owned())].into(),
            places: [("t1".to_owned(), NodeId::new("n1"))].into(),
            objects: [("services s1".to_owned(), "app, spec 1".to_owned())].into(),
        }
    }

    #[test]
    fn the_same_is_the_same() {
        assert!(
            inventory("manager, active", "1").changes(&inventory("manager, active", "1"), true).is_empty()
        );
    }

    #[test]
    fn each_difference_is_named() {
        let before = inventory("manager, active", "app: container c1, process 7");
        let restarted = inventory("manager, active", "app: container c2, process 8");
        let texts = |changes: Vec<Change>| changes.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(
            texts(before.changes(&restarted, true)),
            ["task t1: was app: container c1, process 7; is app: container c2, process 8"]
        );
        assert!(before.changes(&restarted, false).is_empty(), "a restart of the engine may restart tasks");
        assert_eq!(before.changes(&inventory("worker, active", "x"), false).len(), 1);
        let mut more = before.clone();
        more.nodes.insert("n2".into(), "manager, drain".into());
        more.objects.clear();
        let changes = texts(before.changes(&more, true));
        assert_eq!(changes, ["services s1: was app, spec 1; is gone", "node n2: is new"]);
    }

    #[test]
    fn a_task_in_its_old_container_has_not_been_restarted() {
        let (before, node) =
            (inventory("manager, active", "app: container c1, process 7"), NodeId::new("n1"));
        assert!(before.shares_a_task(&before, &node));
        assert!(!before.shares_a_task(&before, &NodeId::new("n2")), "it runs elsewhere");
        assert!(!before.shares_a_task(&inventory("manager, active", "app: container c2, process 8"), &node));
    }

    /// What is read of an engine: services by their spec, and neither the lock nor this run's own objects.
    #[tokio::test]
    async fn a_changed_spec_is_a_difference_and_an_own_object_is_none() {
        let mut model = Model::new();
        for name in ["web", "db"] {
            model.create_service(ServiceDraft::new(name).json()).unwrap();
        }
        model.advance(Duration::from_secs(30));
        let (sim, engine) = served(model).await;
        let run = RunId::from_label("r1");
        let before = Inventory::read(&engine, &run).await.unwrap();
        assert_eq!((before.running(), before.objects.len(), before.nodes.len()), (2, 2, 1));
        assert!(before.leader().is_some());

        sim.with_model(|model| {
            for (name, label) in [("own", "r1"), (crate::lock::NAME, "r2")] {
                let body = json!({"Name": name, "Labels": {(RUN_LABEL): label}, "Data": ""}).to_string();
                assert_eq!(model.respond("POST", "/configs/create", body.as_bytes()).status, 201);
            }
        });
        let after = Inventory::read(&engine, &run).await.unwrap();
        assert_eq!((after.objects.len(), before.changes(&after, true)), (2, vec![]));

        let id = sim.with_model(|model| {
            model.change_service("web", |spec| spec["Labels"] = json!({"a": "b"})).unwrap();
            model.service_id("web").unwrap().as_str().to_owned()
        });
        let changes = before.changes(&Inventory::read(&engine, &run).await.unwrap(), false);
        let named: Vec<_> = changes.iter().map(|c| (c.kind, c.id.clone())).collect();
        assert_eq!(named, [(ChangeKind::Object, format!("services {id}"))]);
    }

    #[test]
    fn the_fingerprint_is_fnv_1a() {
        // Test vectors of the FNV reference code.
        assert_eq!(fingerprint(""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fingerprint("a"), 0xaf63_dc4c_8601_ec8c);
    }
}
