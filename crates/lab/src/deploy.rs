//! Making a Swarm of the engines, and a world on it.

use std::{fs, path::Path, thread, time::Duration};

use serde_json::{Value, json};

use crate::{
    LabError, RouteInfo,
    api::Api,
    certificates::{self, Certificates},
    config,
    host::Host,
    network::{Plan, inside},
    probe::Prober,
    progress::{Context, Wait},
    world::{self, RouterFiles, Service},
};

/// Time for a Swarm or a world to come up.
const LIMIT: Duration = Duration::from_secs(90);

/// Makes the first engine a Swarm and the others managers of it; all are ready when this returns. Answers the first
/// one's node id.
pub(crate) fn form_swarm(context: Context<'_>, hosts: &[Host], plan: &Plan) -> Result<String, LabError> {
    let [first, others @ ..] = hosts else { return Ok(String::new()) };
    let address = plan.address(0);
    let api = first.api();
    let init =
        json!({"ListenAddr": "0.0.0.0:2377", "AdvertiseAddr": address, "ForceNewCluster": false, "Spec": {}});
    let node = api.post("/swarm/init", &init)?.as_str().unwrap_or_default().to_owned();
    if !others.is_empty() {
        let swarm: Value = api.get("/swarm")?;
        let token = &swarm["JoinTokens"]["Manager"];
        for host in others {
            let join = json!({
                "ListenAddr": "0.0.0.0:2377",
                "AdvertiseAddr": plan.address(host.index),
                "RemoteAddrs": [format!("{address}:2377")],
                "JoinToken": token,
            });
            host.api().post("/swarm/join", &join)?;
            context.check()?;
        }
    }
    wait_nodes(context, &api, hosts.len())?;
    Ok(node)
}

fn wait_nodes(context: Context<'_>, api: &Api, wanted: usize) -> Result<(), LabError> {
    context.wait("every manager is ready", LIMIT, || {
        // While the Swarm is young this may be refused.
        let nodes: Vec<Value> = api.get("/nodes").map_err(|error| Wait::Not(error.to_string()))?;
        let good = |node: &&Value| {
            node["Status"]["State"] == "ready" && node["ManagerStatus"]["Reachability"] == "reachable"
        };
        let ready = nodes.iter().filter(good).count();
        if ready == wanted { Ok(()) } else { Err(Wait::Not(format!("{ready} of {wanted}"))) }
    })
}

/// Files of a world in the lab's folder.
#[derive(Clone, Debug)]
pub(crate) struct WorldFiles {
    pub(crate) ca: std::path::PathBuf,
    pub(crate) config: std::path::PathBuf,
    certificates: Certificates,
}

impl WorldFiles {
    /// Makes the certificates and the configuration.
    pub(crate) fn write(dir: &Path, log: &Path, routes: &[RouteInfo]) -> Result<Self, LabError> {
        let certificates = certificates::make(&world::certificate_names())?;
        let (ca, config) = (dir.join("ca.pem"), dir.join("pvcheck.toml"));
        fs::write(&ca, &certificates.ca).map_err(LabError::io("write", &ca))?;
        let text = config::render(&ca, log, routes).map_err(|error| LabError::Io {
            action: "write",
            path: config.clone(),
            source: std::io::Error::other(error),
        })?;
        fs::write(&config, text).map_err(LabError::io("write", &config))?;
        Ok(Self { ca, config, certificates })
    }
}

/// Starts world `cc-ci` on the first engine and waits until every task runs and every route answers.
pub(crate) fn cc_ci(
    context: Context<'_>,
    api: &Api,
    node: &str,
    namespace: &str,
    files: &WorldFiles,
    routes: &[RouteInfo],
) -> Result<(), LabError> {
    context.say("making networks, secret and configs");
    for network in world::networks() {
        api.create("/networks/create", &network)?;
    }
    let router = router_files(api, &files.certificates)?;
    context.check()?;
    context.say(format!("starting {} services", world::SERVICES.len()));
    side_by_side(&world::SERVICES, |service: &Service| {
        api.create("/services/create", &service.spec(node, &router)).map(drop)
    })?;
    wait_tasks(context, api, world::SERVICES.len())?;
    context.say("tasks run; asking the routes");
    wait_routes(context, namespace, &files.certificates.ca, routes)
}

fn router_files(api: &Api, certificates: &Certificates) -> Result<RouterFiles, LabError> {
    let make = |path: &str, short: &str, text: &str| {
        let body = json!({
            "Name": world::router_file_name(short),
            "Labels": world::router_labels(),
            "Data": base64(text.as_bytes()),
        });
        api.create(path, &body)
    };
    Ok(RouterFiles {
        key: make("/secrets/create", "key", &certificates.leaf_key)?,
        certificate: make("/configs/create", "certificate", &certificates.leaf)?,
        caddyfile: make("/configs/create", "caddyfile", &world::caddyfile())?,
    })
}

/// Does `work` for all items at once; the first error counts.
pub(crate) fn side_by_side<T: Sync, R: Send>(
    items: &[T],
    work: impl Fn(&T) -> Result<R, LabError> + Sync,
) -> Result<Vec<R>, LabError> {
    thread::scope(|scope| {
        let work = &work;
        let running: Vec<_> = items.iter().map(|item| scope.spawn(move || work(item))).collect();
        // All are waited for before the first error is looked at.
        let ended: Vec<_> = running.into_iter().map(thread::ScopedJoinHandle::join).collect();
        ended
            .into_iter()
            .map(|result| result.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
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
            Err(Wait::Not(waiting.join(", ")))
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
    inside(namespace, || {
        for route in routes {
            context.wait(&format!("{} answers {:?}", route.url, route.expected), LIMIT, || {
                match prober.status(route) {
                    Ok(status) if route.expected.contains(&status) => Ok(()),
                    Ok(status) => Err(Wait::Not(format!("it answers {status}"))),
                    Err(error) => Err(Wait::Not(error.to_string())),
                }
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

    #[test]
    fn side_by_side_keeps_order_and_reports_an_error() {
        assert_eq!(side_by_side(&[1, 2, 3], |n| Ok(n * 2)).unwrap(), [2, 4, 6]);
        let failed = side_by_side(&[1, 2], |n| if *n == 2 { Err(LabError::NotRoot) } else { Ok(()) });
        assert!(matches!(failed, Err(LabError::NotRoot)));
    }
}
