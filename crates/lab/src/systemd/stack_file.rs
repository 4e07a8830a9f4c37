//! A stack of the world as `docker stack deploy` takes it: the same specification as in a lab of engines, in Compose's words.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use crate::world::router::{self, RouterFiles};
use crate::world::scene::Scene;
use crate::world::service::{PROXY, Service, Work};
use crate::world::specification::spec;

/// The folder of stack files and of what they refer to, on the host.
pub(crate) const FOLDER: &str = "etc/cc-ci";

/// The file of a stack.
pub(crate) fn stack_file(scene: &Scene, stack: &str) -> String {
    let services: Vec<&Service> = scene.services.iter().filter(|service| service.stack == stack).collect();
    let mut file = json!({
        "version": "3.8",
        "services": services.iter().map(|s| (s.task.to_owned(), service(s, scene))).collect::<Map<_, _>>(),
        "networks": networks(scene, stack, &services),
    });
    if stack == scene.router_stack() {
        file["secrets"] = json!({"key": {"file": format!("/{FOLDER}/key.pem")}});
        file["configs"] = json!({
            "certificate": {"file": format!("/{FOLDER}/certificate.pem")},
            "settings": {"file": format!("/{FOLDER}/{}", settings_name(scene))},
        });
    }
    yaml(&file)
}

/// The name of the router's configuration file.
pub(crate) fn settings_name(scene: &Scene) -> &'static str {
    router::settings_path(scene.router).trim_start_matches("/etc/")
}

fn service(service: &Service, scene: &Scene) -> Value {
    // In a stack file, files are known by their names there, not by ids.
    let files =
        RouterFiles { key: "key".into(), certificate: "certificate".into(), settings: "settings".into() };
    let spec = spec(service, scene, "", &files);
    let container = &spec["TaskTemplate"]["ContainerSpec"];
    let mut labels: Map<String, Value> = Map::new();
    // Whichever router it is: that of a host says by labels what it serves.
    for (key, value) in router::traefik_labels(scene, service) {
        labels.insert(key, json!(value));
    }
    let mut networks: Vec<&str> = service.overlay.then_some(PROXY).into_iter().collect();
    networks.extend(service.private);
    let mut made = json!({
        "image": container["Image"],
        "command": container["Command"],
        "networks": networks,
        "deploy": {"endpoint_mode": spec["EndpointSpec"]["Mode"], "labels": labels},
    });
    if service.work == Work::Route {
        made["environment"] = container["Env"].clone();
        made["ports"] = json!([{"target": 443, "published": 443, "mode": "host"}]);
        made["secrets"] =
            container["Secrets"].as_array().into_iter().flatten().map(|s| mounted(s, "SecretID")).collect();
        made["configs"] =
            container["Configs"].as_array().into_iter().flatten().map(|c| mounted(c, "ConfigID")).collect();
    }
    made
}

fn mounted(file: &Value, id: &str) -> Value {
    json!({"source": file[id], "target": file["File"]["Name"], "mode": file["File"]["Mode"]})
}

fn networks(scene: &Scene, stack: &str, services: &[&Service]) -> Value {
    let mut networks = Map::new();
    if services.iter().any(|service| service.overlay) {
        networks.insert(PROXY.to_owned(), json!({"external": true}));
    }
    for (_, short, subnet) in scene.private.iter().filter(|(of, _, _)| *of == stack) {
        networks.insert(
            (*short).to_owned(),
            json!({"driver": "overlay", "ipam": {"config": [{"subnet": subnet}]}}),
        );
    }
    Value::Object(networks)
}

/// A document in YAML's block style. Every text is quoted, so that none is taken for a number or a truth value.
fn yaml(document: &Value) -> String {
    let mut text = String::new();
    block(document, 0, &mut text);
    text
}

fn block(value: &Value, indent: usize, text: &mut String) {
    let pad = " ".repeat(indent);
    let mut nested = |lead: String, value: &Value| {
        if is_scalar(value) {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{pad}{lead} {value}");
        } else {
            let _ = writeln!(text, "{pad}{lead}");
            block(value, indent + 2, text);
        }
    };
    match value {
        Value::Object(map) => {
            // By name: in what order a map is read depends on how serde_json was built.
            let sorted: BTreeMap<_, _> = map.iter().collect();
            for (key, value) in sorted {
                nested(format!("{key}:"), value);
            }
        }
        Value::Array(list) => list.iter().for_each(|value| nested("-".to_owned(), value)),
        scalar => {
            let _ = writeln!(text, "{pad}{scalar}");
        }
    }
}

/// True iff it is written on its key's line; an empty list or map is, too.
fn is_scalar(value: &Value) -> bool {
    match value {
        Value::Object(map) => map.is_empty(),
        Value::Array(list) => list.is_empty(),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::worlds;
    use crate::{Router, World};

    fn scene() -> Scene {
        worlds::scene(World::CcCi, Router::Caddy, &[]).unwrap()
    }

    #[test]
    fn a_stack_is_written_as_compose_wants_it() {
        let text = stack_file(&scene(), "warm-keycloak_ci_commoninternet_net");
        assert_eq!(
            text,
            "networks:\n  internal:\n    driver: \"overlay\"\n    ipam:\n      config:\n        -\n          subnet: \"10.0.3.0/24\"\n  \
             proxy:\n    external: true\nservices:\n  app:\n    command:\n      - \"/bin/serve\"\n      - \"200\"\n    deploy:\n      \
             endpoint_mode: \"vip\"\n      labels:\n        traefik.enable: \"true\"\n        traefik.http.routers.keycloak.rule: \
             \"Host(`keycloak.ci.commoninternet.test`)\"\n        traefik.http.services.keycloak.loadbalancer.server.port: \"80\"\n    \
             image: \"pvcheck-lab/busybox:1\"\n    networks:\n      - \"proxy\"\n      - \"internal\"\n  db:\n    command:\n      - \
             \"/bin/serve\"\n      - \"200\"\n    deploy:\n      endpoint_mode: \"vip\"\n      labels: {}\n    image: \
             \"pvcheck-lab/busybox:1\"\n    networks:\n      - \"internal\"\nversion: \"3.8\"\n"
        );
    }

    #[test]
    fn only_the_routers_stack_has_files_and_a_port() {
        let scene = scene();
        for service in scene.services {
            let text = stack_file(&scene, service.stack);
            let routes = service.stack == scene.router_stack();
            for part in
                ["secrets:", "configs:", "published: 443", "mode: \"host\"", "endpoint_mode: \"dnsrr\""]
            {
                assert_eq!(text.contains(part), routes, "{part} in {text}");
            }
        }
        let text = stack_file(&scene, scene.router_stack());
        assert!(
            text.contains("file: \"/etc/cc-ci/Caddyfile\"") && text.contains("target: \"/etc/Caddyfile\""),
            "{text}"
        );
    }
}
