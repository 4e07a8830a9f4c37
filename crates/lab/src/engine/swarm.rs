//! Making a Swarm of a lab's engines.

use std::time::Duration;

use serde_json::{Value, json};

use crate::LabError;
use crate::engine::api::Api;
use crate::engine::host::Host;
use crate::engine::network::NetworkPlan;
use crate::progress::{Context, Wait};

/// Time for a Swarm to come up.
const LIMIT: Duration = Duration::from_secs(90);

/// Makes the first engine a Swarm and the others managers of it; all are ready when this returns. Returns the node
/// id of the first.
pub(crate) fn form_swarm(
    context: Context<'_>,
    hosts: &[Host],
    plan: &NetworkPlan,
) -> Result<String, LabError> {
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
            // One after the other, since each join changes the quorum that the next one needs.
            host.api().post("/swarm/join", &join)?;
            context.check()?;
        }
    }
    wait_nodes(context, &api, hosts.len())?;
    for host in hosts {
        wait_ways_out(context, &host.api())?;
    }
    Ok(node)
}

/// A node is ready before it has its share of `ingress` and `docker_gwbridge`, which takes a subnet of its own: until
/// then a look at the host's subnets sees one less than there will be.
fn wait_ways_out(context: Context<'_>, api: &Api) -> Result<(), LabError> {
    context.wait("docker_gwbridge is there", LIMIT, || {
        let networks: Vec<Value> = api.get("/networks").map_err(|error| Wait::NotYet(error.to_string()))?;
        let bridge = networks.iter().find(|network| network["Name"] == "docker_gwbridge");
        match bridge.map(|bridge| &bridge["IPAM"]["Config"][0]["Subnet"]) {
            Some(Value::String(_)) => Ok(()),
            _ => Err(Wait::NotYet(format!("{} networks", networks.len()))),
        }
    })
}

fn wait_nodes(context: Context<'_>, api: &Api, wanted: usize) -> Result<(), LabError> {
    context.wait("every manager is ready", LIMIT, || {
        // Refused while the Swarm has no leader yet.
        let nodes: Vec<Value> = api.get("/nodes").map_err(|error| Wait::NotYet(error.to_string()))?;
        let good = |node: &&Value| {
            node["Status"]["State"] == "ready" && node["ManagerStatus"]["Reachability"] == "reachable"
        };
        let ready = nodes.iter().filter(good).count();
        if ready == wanted { Ok(()) } else { Err(Wait::NotYet(format!("{ready} of {wanted}"))) }
    })
}
