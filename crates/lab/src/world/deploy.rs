//! Starting a world on a Swarm.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::engine::api::Api;
use crate::engine::network::in_namespace;
use crate::parallel::side_by_side;
use crate::progress::{Context, Wait};
use crate::world::certificates::{self, Certificates};
use crate::world::config::{self, Log};
use crate::world::probe::Prober;
use crate::world::router::{self, RouterFiles};
use crate::world::scene::Scene;
use crate::world::service::{Service, stack_label};
use crate::world::specification::spec;
use crate::{LabError, RouteInfo};

/// Time for a world to come up.
const LIMIT: Duration = Duration::from_secs(90);

/// Files of a world in the lab's folder.
#[derive(Clone, Debug)]
pub(crate) struct WorldFiles {
    pub(crate) ca: std::path::PathBuf,
    pub(crate) config: std::path::PathBuf,
    pub(crate) certificates: Certificates,
}

impl WorldFiles {
    /// Makes the certificates and the configuration.
    pub(crate) fn write(dir: &Path, log: Log<'_>, scene: &Scene, nodes: u64) -> Result<Self, LabError> {
        let certificates = certificates::make(&scene.certificate_names())?;
        let (ca, config) = (dir.join("ca.pem"), dir.join("pvcheck.toml"));
        fs::write(&ca, &certificates.ca).map_err(LabError::io("write", &ca))?;
        let text = config::render(scene, nodes, &ca, log).map_err(|error| LabError::Io {
            action: "write",
            path: config.clone(),
            source: std::io::Error::other(error),
        })?;
        fs::write(&config, text).map_err(LabError::io("write", &config))?;
        Ok(Self { ca, config, certificates })
    }
}

/// Starts a world, the engine of the first node being asked for it, and waits until every task runs and every route
/// answers on every node.
pub(crate) fn start_world(
    context: Context<'_>,
    api: &Api,
    node: &str,
    namespace: &str,
    files: &WorldFiles,
    scene: &Scene,
) -> Result<(), LabError> {
    context.report("making networks, secret and configs");
    for network in scene.networks() {
        api.create("/networks/create", &network)?;
    }
    // Before the services: the router's specification refers to the ids of its secret and configs.
    let router = router_files(api, scene, &files.certificates)?;
    context.check()?;
    context.report(format!("starting {} services", scene.services.len()));
    side_by_side(scene.services, |service: &Service| {
        api.create("/services/create", &spec(service, scene, node, &router)).map(drop)
    })?;
    wait_world(context, api, namespace, files, scene)
}

/// Waits until every task runs and every route answers.
pub(crate) fn wait_world(
    context: Context<'_>,
    api: &Api,
    namespace: &str,
    files: &WorldFiles,
    scene: &Scene,
) -> Result<(), LabError> {
    // Routes only after tasks: until its task runs, a route answers with an error status.
    wait_tasks(context, api, scene.services.len())?;
    context.report("tasks run; asking the routes");
    wait_routes(context, namespace, &files.certificates.ca, &scene.routes())
}

fn router_files(api: &Api, scene: &Scene, certificates: &Certificates) -> Result<RouterFiles, LabError> {
    let make = |path: &str, short: &str, text: &str| {
        let body = json!({
            "Name": router::file_name(scene, short),
            "Labels": stack_label(scene.router_stack()),
            "Data": base64(text.as_bytes()),
        });
        api.create(path, &body)
    };
    Ok(RouterFiles {
        key: make("/secrets/create", "key", &certificates.leaf_key)?,
        certificate: make("/configs/create", "certificate", &certificates.leaf)?,
        settings: make("/configs/create", "settings", &router::settings(scene))?,
    })
}

fn wait_tasks(context: Context<'_>, api: &Api, wanted: usize) -> Result<(), LabError> {
    context.wait("every task runs", LIMIT, || {
        let services: Vec<Value> = api.get("/services?status=true")?;
        let waiting: Vec<&str> = services
            .iter()
            .filter(|service| {
                service["ServiceStatus"]["RunningTasks"] != service["ServiceStatus"]["DesiredTasks"]
            })
            .filter_map(|service| service["Spec"]["Name"].as_str())
            .collect();
        if services.len() == wanted && waiting.is_empty() {
            Ok(())
        } else {
            Err(Wait::NotYet(waiting.join(", ")))
        }
    })
}

fn wait_routes(
    context: Context<'_>,
    namespace: &str,
    ca: &str,
    routes: &[RouteInfo],
) -> Result<(), LabError> {
    let prober = Prober::new(ca)?;
    in_namespace(namespace, || {
        // Each router by itself.
        let alone = |route: &RouteInfo| {
            let one = |address: &String| RouteInfo { addresses: vec![address.clone()], ..route.clone() };
            route.addresses.iter().map(one).collect::<Vec<_>>()
        };
        for route in routes.iter().flat_map(alone) {
            let what = format!("{} at {:?} answers {:?}", route.url, route.addresses, route.expected);
            context.wait(&what, LIMIT, || match prober.status(&route) {
                Ok(status) if route.expected.contains(&status) => Ok(()),
                Ok(status) => Err(Wait::NotYet(format!("it answers {status}"))),
                Err(error) => Err(Wait::NotYet(error.to_string())),
            })?;
        }
        Ok(())
    })?
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().fold(0_usize, |group, byte| group << 8 | usize::from(*byte))
            << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let digit = ALPHABET[group >> (18 - 6 * place) & 63];
            text.push(if place <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_of_the_rfc() {
        let vectors = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ];
        for (text, encoded) in vectors {
            assert_eq!(base64(text.as_bytes()), encoded);
        }
        assert_eq!(base64(&[0xfb, 0xff]), "+/8=");
    }
}
