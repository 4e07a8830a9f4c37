//! Finding objects by id, name or id prefix.

use crate::id::{NetworkId, NodeId, ServiceId, TaskId};
use crate::model::Model;
use crate::object::{Blob, BlobKind};
use crate::refusal::Refusal;

impl Model {
    /// The id of the swarm network that this id, name or unique id prefix names.
    ///
    /// # Errors
    /// If the term matches nothing ([`Refusal::NotFound`]), or is a prefix of several ids
    /// ([`Refusal::Ambiguous`]).
    pub fn network_id(&self, term: &str) -> Result<NetworkId, Refusal> {
        let entries =
            self.networks.iter().map(|(id, network)| (id, id.as_str(), network.request.name.as_str()));
        find("network", term, entries).cloned()
    }

    /// The id of the service that this id, name or unique id prefix names.
    ///
    /// # Errors
    /// If the term matches nothing ([`Refusal::NotFound`]), or is a prefix of several ids
    /// ([`Refusal::Ambiguous`]).
    pub fn service_id(&self, term: &str) -> Result<ServiceId, Refusal> {
        // As `find` would, without a walk over all of them.
        let id = ServiceId::new(term.to_owned());
        if self.services.contains_key(&id) {
            return Ok(id);
        }
        if let Some(id) = self.service_names.get(term) {
            return Ok(id.clone());
        }
        let entries = self.services.iter().map(|(id, service)| (id, id.as_str(), service.spec.name.as_str()));
        find("service", term, entries).cloned()
    }

    /// The id of the node that this id, host name or unique id prefix names.
    ///
    /// # Errors
    /// If the term matches nothing ([`Refusal::NotFound`]), or is a prefix of several ids
    /// ([`Refusal::Ambiguous`]).
    pub fn node_id(&self, term: &str) -> Result<NodeId, Refusal> {
        let term = if term == "self" { self.cluster.local.as_str() } else { term };
        let entries = self.nodes.iter().map(|(id, node)| (id, id.as_str(), node.hostname.as_str()));
        find("node", term, entries).cloned()
    }

    /// The id of the task that this id or unique id prefix names.
    ///
    /// # Errors
    /// If the term matches nothing ([`Refusal::NotFound`]), or is a prefix of several ids
    /// ([`Refusal::Ambiguous`]).
    pub fn task_id(&self, term: &str) -> Result<TaskId, Refusal> {
        find("task", term, self.tasks.keys().map(|id| (id, id.as_str(), ""))).cloned()
    }

    pub(crate) fn blob(&self, kind: BlobKind, term: &str) -> Result<&Blob, Refusal> {
        let entries = self.blobs(kind).values().map(|blob| (blob, blob.id.as_str(), blob.name.as_str()));
        find(kind.name(), term, entries)
    }
}

/// Full id before name before unique id prefix, in the engine's order (moby `daemon/cluster/helpers.go`). An
/// empty term finds nothing.
pub(crate) fn find<'a, T>(
    kind: &'static str,
    term: &str,
    entries: impl Iterator<Item = (T, &'a str, &'a str)> + Clone,
) -> Result<T, Refusal> {
    let missing = || Refusal::not_found(kind, term);
    if term.is_empty() {
        return Err(missing());
    }
    if let Some((found, ..)) = entries.clone().find(|(_, id, _)| *id == term) {
        return Ok(found);
    }
    if let Some((found, ..)) = entries.clone().find(|(.., name)| *name == term) {
        return Ok(found);
    }
    let mut matches: Vec<T> =
        entries.filter(|(_, id, _)| id.starts_with(term)).map(|(found, ..)| found).collect();
    match (matches.pop(), matches.len()) {
        (Some(found), 0) => Ok(found),
        (Some(_), more) => Err(Refusal::Ambiguous { kind, term: term.to_owned(), matches: more + 1 }),
        (None, _) => Err(missing()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn id_before_name_before_prefix() {
        let entries = [("x", "abc1", "web"), ("y", "abd2", "abc1"), ("z", "zzz3", "")];
        let found = |term| find("network", term, entries.iter().copied());
        assert_eq!(found("abc1"), Ok("x"));
        assert_eq!(found("web"), Ok("x"));
        assert_eq!(found("abd"), Ok("y"));
        assert_eq!(found("we"), Err(Refusal::not_found("network", "we")), "a name has to be whole");
        assert_eq!(found(""), Err(Refusal::not_found("network", "")));
        let both = found("ab").unwrap_err();
        assert_eq!(both.to_string(), "network ab is ambiguous (2 matches found based on ID prefix)");
    }
}
