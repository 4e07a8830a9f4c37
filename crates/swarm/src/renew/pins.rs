//! Where a service names a network for a router, by its name.
//!
//! A router that finds its backends through the Swarm takes the address of one network of each; which one, its option or a
//! label of the backend says. A renewal that moves the backends has to change that name with them, else the router takes
//! the address of a network that it is not on.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Labels of a backend, or of the router itself (Traefik 2 `traefik.docker.network`, Traefik 3 `traefik.swarm.network`,
/// caddy-docker-proxy `caddy_ingress_network`).
const LABELS: [&str; 3] = ["traefik.docker.network", "traefik.swarm.network", "caddy_ingress_network"];

/// Options of the router (Traefik's static configuration; its flags are not case-sensitive).
const FLAGS: [&str; 3] =
    ["--providers.docker.network", "--providers.swarm.network", "--providers.docker.swarmmode.network"];

/// The same as variables, and caddy-docker-proxy's, which takes several names with commas.
const VARIABLES: [&str; 3] =
    ["TRAEFIK_PROVIDERS_DOCKER_NETWORK", "TRAEFIK_PROVIDERS_SWARM_NETWORK", "CADDY_INGRESS_NETWORKS"];

/// A place of a spec that names a network for a router.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", tag = "at")]
pub enum Pin {
    /// A label of the service.
    Label {
        /// Its key.
        key: String,
    },
    /// A label of the service's containers.
    ContainerLabel {
        /// Its key.
        key: String,
    },
    /// An argument `FLAG=NETWORK` of the container.
    Argument {
        /// `Args` or `Command`.
        list: String,
        /// The flag.
        flag: String,
    },
    /// A variable `KEY=NETWORK` of the container.
    Variable {
        /// Its name.
        key: String,
    },
}

impl Pin {
    /// True iff it is an option of the router, which names the network of every backend without a label of its own.
    pub(super) fn is_option(&self) -> bool {
        matches!(self, Self::Argument { .. } | Self::Variable { .. })
    }

    /// The place, for people: never a value.
    pub fn place(&self) -> &str {
        match self {
            Self::Label { key } | Self::ContainerLabel { key } | Self::Variable { key } => key,
            Self::Argument { flag, .. } => flag,
        }
    }
}

/// Every place in which the spec names the network.
pub(super) fn pins(spec: &Value, network: &str) -> Vec<Pin> {
    let mut found = Vec::new();
    let container = &spec["TaskTemplate"]["ContainerSpec"];
    for key in LABELS {
        if spec["Labels"][key] == network {
            found.push(Pin::Label { key: key.to_owned() });
        }
        if container["Labels"][key] == network {
            found.push(Pin::ContainerLabel { key: key.to_owned() });
        }
    }
    for list in ["Args", "Command"] {
        for text in texts(&container[list]) {
            if let Some((flag, value)) = text.split_once('=')
                && value == network
                && FLAGS.contains(&flag.to_lowercase().as_str())
            {
                found.push(Pin::Argument { list: list.to_owned(), flag: flag.to_owned() });
            }
        }
    }
    for text in texts(&container["Env"]) {
        if let Some((key, value)) = text.split_once('=')
            && VARIABLES.contains(&key)
            && value.split(',').any(|name| name.trim() == network)
        {
            found.push(Pin::Variable { key: key.to_owned() });
        }
    }
    found
}

fn texts(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str)
}

/// The spec with `from` written as `to` in these places; in one that names something else nothing is changed.
pub(super) fn repinned<'a>(
    mut spec: Value,
    pins: impl IntoIterator<Item = &'a Pin>,
    from: &str,
    to: &str,
) -> Value {
    for pin in pins {
        match pin {
            Pin::Label { key } => rewrite(spec.pointer_mut("/Labels"), key, from, to),
            Pin::ContainerLabel { key } => {
                rewrite(spec.pointer_mut("/TaskTemplate/ContainerSpec/Labels"), key, from, to);
            }
            Pin::Argument { list, flag } => {
                let old = format!("{flag}={from}");
                for item in items(&mut spec, list).filter(|item| **item == old) {
                    *item = json!(format!("{flag}={to}"));
                }
            }
            Pin::Variable { key } => {
                for item in items(&mut spec, "Env") {
                    let Some((found, value)) = item.as_str().and_then(|text| text.split_once('=')) else {
                        continue;
                    };
                    if found == key {
                        // Blanks around a name stay.
                        let named = |name: &str| {
                            if name.trim() == from { name.replace(from, to) } else { name.to_owned() }
                        };
                        let value: Vec<String> = value.split(',').map(named).collect();
                        *item = json!(format!("{key}={}", value.join(",")));
                    }
                }
            }
        }
    }
    spec
}

fn rewrite(labels: Option<&mut Value>, key: &str, from: &str, to: &str) {
    if let Some(value) = labels.and_then(|labels| labels.get_mut(key)).filter(|value| **value == from) {
        *value = json!(to);
    }
}

fn items<'a>(spec: &'a mut Value, list: &str) -> impl Iterator<Item = &'a mut Value> {
    let list = spec.pointer_mut(&format!("/TaskTemplate/ContainerSpec/{list}"));
    list.and_then(Value::as_array_mut).into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn traefik() -> Value {
        json!({
            "Labels": {"traefik.docker.network": "proxy", "other": "proxy"},
            "TaskTemplate": {"ContainerSpec": {
                "Labels": {"caddy_ingress_network": "proxy"},
                "Args": ["--providers.Swarm.network=proxy", "--log.level=proxy"],
                "Env": ["CADDY_INGRESS_NETWORKS=web, proxy", "SECRET=proxy"],
            }},
        })
    }

    #[test]
    fn every_place_is_found_changed_and_changed_back() {
        let spec = traefik();
        let found = pins(&spec, "proxy");
        let places: Vec<&str> = found.iter().map(Pin::place).collect();
        assert_eq!(
            places,
            [
                "traefik.docker.network",
                "caddy_ingress_network",
                "--providers.Swarm.network",
                "CADDY_INGRESS_NETWORKS"
            ]
        );
        let moved = repinned(spec.clone(), &found, "proxy", "hold");
        assert_eq!(moved["Labels"], json!({"traefik.docker.network": "hold", "other": "proxy"}));
        let container = &moved["TaskTemplate"]["ContainerSpec"];
        assert_eq!(container["Labels"], json!({"caddy_ingress_network": "hold"}));
        assert_eq!(container["Args"], json!(["--providers.Swarm.network=hold", "--log.level=proxy"]));
        assert_eq!(container["Env"], json!(["CADDY_INGRESS_NETWORKS=web, hold", "SECRET=proxy"]));
        assert_eq!(repinned(moved, &found, "hold", "proxy"), spec);
    }

    #[test]
    fn a_name_that_only_contains_the_networks_is_another() {
        let spec = json!({
            "Labels": {"traefik.docker.network": "proxy2"},
            "TaskTemplate": {"ContainerSpec": {"Args": ["--providers.docker.network=my-proxy"]}},
        });
        assert_eq!(pins(&spec, "proxy"), []);
    }
}
