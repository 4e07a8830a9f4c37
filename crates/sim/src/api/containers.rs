//! `GET /containers/json` and `GET /containers/{id}/json`: containers of this node that were started by hand.

use serde_json::{Map, Value, json};

use super::Call;
use super::filters::Filters;
use crate::model::Model;
use crate::object::Container;
use crate::refusal::Refusal;

impl Model {
    pub(super) fn container_list_json(&self, call: &Call<'_>) -> Result<Value, Refusal> {
        let filters = Filters::of(call, &["id", "name", "network"])?;
        let all = call.query.is_set("all");
        let passes = |container: &&Container| {
            container.node == self.cluster.local
                && (all || container.running)
                && filters.passes("id", |id| container.id.starts_with(id))
                && filters.passes("name", |name| container.name.contains(name))
                && filters.passes("network", |term| {
                    container.settings.keys().any(|id| {
                        id.as_str() == term
                            || self.networks.get(id).is_some_and(|network| network.request.name == term)
                    })
                })
        };
        let shown = |container: &Container| {
            json!({
                "Id": container.id,
                "Names": [format!("/{}", container.name)],
                "Labels": {},
                "State": status(container),
                "NetworkSettings": {"Networks": self.endpoints_json(container)},
            })
        };
        Ok(Value::Array(self.containers.values().filter(passes).map(shown).collect()))
    }

    pub(super) fn container_json(&self, term: &str) -> Result<Value, Refusal> {
        let id = self.container_id(term)?;
        Ok(self.containers.get(&id).map_or(Value::Null, |container| {
            json!({
                "Id": container.id,
                "Name": format!("/{}", container.name),
                "State": {"Status": status(container), "Running": container.running},
                "Config": {"Labels": {}},
                "NetworkSettings": {"Networks": self.endpoints_json(container)},
            })
        }))
    }

    fn endpoints_json(&self, container: &Container) -> Value {
        let named = container.settings.iter().map(|(id, asked)| {
            let network = self.networks.get(id).or_else(|| self.stale_networks.get(id));
            let name = network.map_or_else(|| id.to_string(), |network| network.request.name.clone());
            (name, self.endpoint_json(container, id, asked))
        });
        Value::Object(named.collect::<Map<_, _>>())
    }
}

fn status(container: &Container) -> &'static str {
    if container.running { "running" } else { "exited" }
}
