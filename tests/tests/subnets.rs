//! Subnets on real engines: a plan keeps clear of what the host has, and a full network fails exactly where the
//! arithmetic says.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::{Duration, Instant};

use pvcheck_audit::{
    Cause, EndpointMode, HostFacts, Runtime, Snapshot, TaskState, audit, owners, waiting_services,
};
use pvcheck_ipam::{Endpoint, LoadBalancers, Mode, NetworkKind, Pressure, Service, Site, Usage, Want};
use pvcheck_lab::{Lab, Suite, World};
use pvcheck_swarm::Engine;
use pvcheck_tests::{Outcome, docker, host, lab, pvcheck, text};
use serde_json::Value;

/// Far more than any of it takes.
const PATIENCE: Duration = Duration::from_mins(1);
/// Ends at once on SIGTERM.
const STOPS_AT_ONCE: &str = "trap 'exit 0' TERM; while :; do sleep 0.2; done";

#[test]
fn a_plan_avoids_what_the_host_has() -> Outcome {
    let Some(lab) = lab("subnets::a_plan_avoids_what_the_host_has", None, World::Empty) else {
        return Ok(());
    };
    let plan = |words: &[&str]| -> Result<Value, Box<dyn std::error::Error>> {
        let printed = text(lab.command(pvcheck()?).args(["plan-subnet", "-o", "json"]).args(words))?;
        Ok(serde_json::from_str(&printed)?)
    };
    // Before: only Docker's own networks are in the way.
    let before = plan(&[])?;
    assert_eq!(before["chosen"], "10.1.0.0/16", "{before:#}");
    assert_eq!(rivals(&before, "10.0.0.0/16"), set([["10.0.0.0/24", "ingress", "docker overlay network"]]));
    assert_eq!(before["not_seen"].as_array().map(Vec::len), Some(0), "the only node is this one");

    let namespace = lab.info().namespaces[0].as_str();
    for words in [
        "route add 10.1.2.0/24 dev lo",
        "address add 10.2.3.4/24 dev lo",
        "route add 10.3.0.0/17 dev lo table 52",
        "route add blackhole 10.4.4.4/32",
        "-6 address add fd00:5::1/64 dev lo",
    ] {
        text(Command::new("ip").args(["-n", namespace]).args(words.split(' ')))?;
    }
    let after = plan(&["--prefer", "172.18.0.0/16"])?;
    assert_eq!(after["chosen"], "10.5.0.0/16", "{after:#}");
    let why = |candidate: &str| rivals(&after, candidate);
    assert_eq!(why("10.1.0.0/16"), set([["10.1.2.0/24", "lo", "static route"]]));
    assert_eq!(why("10.2.0.0/16"), set([["10.2.3.0/24", "lo", "host address 10.2.3.4/24, local route"]]));
    assert_eq!(why("10.3.0.0/16"), set([["10.3.0.0/17", "lo", "static route, table 52"]]));
    assert_eq!(why("10.4.0.0/16"), set([["10.4.4.4/32", "the host", "refusing route"]]));
    // A bridge, its address and its route are one rival.
    let bridge = "docker bridge network, host address 172.18.0.1/16, connected route";
    assert_eq!(why("172.18.0.0/16"), set([["172.18.0.0/16", "docker_gwbridge", bridge]]));

    a_look_is_kept(&lab, &after)?;
    from_outside(&lab)?;
    lab.down()?;
    Ok(())
}

/// A plan from a saved snapshot, made in another namespace without the engine, is the same.
fn a_look_is_kept(lab: &Lab, live: &Value) -> Outcome {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("snapshot.json");
    text(lab.command(pvcheck()?).args(["audit", "--save"]).arg(&file))?;
    let words = ["plan-subnet", "-o", "json", "--prefer", "172.18.0.0/16", "--snapshot"];
    let mut planned: Value = serde_json::from_str(&text(
        Command::new(pvcheck()?).env_remove("DOCKER_HOST").args(words).arg(&file),
    )?)?;
    assert_eq!(planned["source"], "snapshot");
    planned["source"] = "engine".into();
    assert_eq!(&planned, live);
    let facts: HostFacts =
        serde_json::from_value(serde_json::from_slice::<Value>(&std::fs::read(&file)?)?["host"].take())?;
    let six = facts.addresses.iter().find(|a| a.address.to_string() == "fd00:5::1");
    assert_eq!(six.map(|a| (a.interface.as_str(), a.prefix)), Some(("lo", 64)), "{facts:?}");
    Ok(())
}

/// Asked over the socket from another namespace, the node's host counts as not seen.
fn from_outside(lab: &Lab) -> Outcome {
    let mut command = Command::new("unshare");
    command.args(["--net", "--"]).arg(pvcheck()?).args(["plan-subnet", "-o", "json", "--host"]);
    let output = command.arg(&lab.info().hosts[0]).output()?;
    let planned: Value = serde_json::from_slice(&output.stdout)?;
    assert_eq!(planned["not_seen"].as_array().map(Vec::len), Some(1), "{planned:#}");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("docker_gwbridge") && said.contains("another network namespace"), "{said}");
    Ok(())
}

type Rivals = BTreeSet<[String; 3]>;

fn set<const N: usize>(rivals: [[&str; 3]; N]) -> Rivals {
    rivals.map(|rival| rival.map(str::to_owned)).into()
}

/// Net, owner and source of each rival of a rejected candidate.
fn rivals(plan: &Value, candidate: &str) -> Rivals {
    let rejected = plan["rejected"].as_array().into_iter().flatten();
    let of = rejected.filter(|r| r["candidate"] == candidate).filter_map(|r| r["conflicts"].as_array());
    let word = |c: &Value, key: &str| c[key].as_str().unwrap_or_default().to_owned();
    of.flatten().map(|c| ["net", "owner", "source"].map(|key| word(c, key))).collect()
}

#[tokio::test]
async fn full_networks_on_bookworm() -> Outcome {
    full_networks("subnets::full_networks_on_bookworm", Suite::Bookworm).await
}

#[tokio::test]
async fn full_networks_on_trixie() -> Outcome {
    full_networks("subnets::full_networks_on_trixie", Suite::Trixie).await
}

async fn full_networks(test: &str, suite: Suite) -> Outcome {
    let Some(lab) = lab(test, Some(suite), World::Empty) else { return Ok(()) };
    let engine = Engine::connect(&host(&lab)).await?;
    let plain = |count: usize| -> Vec<Service> {
        (1..=count).map(|number| Service::new(format!("s{number}"), 1)).collect()
    };
    fills(&lab, &engine, "10.20.0.0/28", &plain(9)).await?;
    fills(&lab, &engine, "10.20.1.0/27", &plain(18)).await?;
    // The same pools by services of all kinds: here a task is the first to find nothing, there a VIP.
    fills(&lab, &engine, "10.20.2.0/28", &mixed()).await?;
    let small: Vec<_> = mixed().into_iter().filter(|s| s.name != "last").chain(plain(1)).collect();
    fills(&lab, &engine, "10.20.3.0/28", &small).await?;
    fills(&lab, &engine, "10.20.4.0/27", &[mixed(), twice(mixed())].concat()).await?;
    lab.down()?;
    Ok(())
}

fn mixed() -> Vec<Service> {
    let dnsrr = |name: &str, replicas| Service { endpoint: Endpoint::Dnsrr, ..Service::new(name, replicas) };
    vec![
        Service::new("idle", 0),
        dnsrr("names", 2),
        Service::new("pair", 2),
        Service::new("one", 1),
        dnsrr("name", 1),
        Service::new("last", 4),
        Service::new("late", 2),
    ]
}

fn twice(services: Vec<Service>) -> Vec<Service> {
    services.into_iter().map(|s| Service { name: format!("{}2", s.name), ..s }).collect()
}

/// Creates the services one after the other until one does not get what it wants, and compares with the prediction.
async fn fills(lab: &Lab, engine: &Engine, subnet: &str, services: &[Service]) -> Outcome {
    let network = format!("full-{}", subnet.replace(['.', '/'], "-"));
    docker(lab, &["network", "create", "--driver", "overlay", "--subnet", subnet, &network])?;
    let usable = engine.snapshot().await?.overlay(&network).ok_or("no network")?.usable();
    let site = Site { kind: NetworkKind::Overlay, nodes: 1, load_balancers: LoadBalancers::Lazy };
    let predicted = site.fill(usable, services);
    let misfit = predicted.misfit.as_ref().ok_or("everything fits: the workload is too small")?;

    let (mut complete, mut met) = (Vec::new(), None);
    for service in services {
        create(lab, &network, service)?;
        match settled(engine, &network, service).await? {
            None => complete.push(service.name.clone()),
            Some(want) => {
                met = Some((service.name.clone(), want));
                break;
            }
        }
    }
    assert_eq!(complete, predicted.complete, "{subnet}");
    assert_eq!(met, Some((misfit.service.clone(), misfit.want)), "{subnet}: predicted was {misfit}");
    assert_eq!(held(&engine.snapshot().await?, &network)?, predicted.used, "{subnet}");
    remove(lab, engine, &network, &services[..=complete.len()]).await
}

fn create(lab: &Lab, network: &str, service: &Service) -> Outcome {
    let Mode::Replicated(replicas) = service.mode else { return Err("replicated ones only".into()) };
    let mode = if service.endpoint == Endpoint::Vip { "vip" } else { "dnsrr" };
    let (name, replicas) = (format!("{network}-{}", service.name), replicas.to_string());
    let words =
        ["service", "create", "--detach", "--no-resolve-image", "--name", &name, "--network", network];
    let more = ["--endpoint-mode", mode, "--replicas", &replicas, "--stop-grace-period", "2s"];
    docker(lab, &[&words[..], &more, &["pvcheck-lab/busybox:1", "sh", "-c", STOPS_AT_ONCE]].concat())
        .map(drop)
}

/// Waits until a service has everything, or the audit says that it is stuck; then what it lacks first.
async fn settled(
    engine: &Engine,
    network: &str,
    wanted: &Service,
) -> Result<Option<Want>, Box<dyn std::error::Error>> {
    let Mode::Replicated(of) = wanted.mode else { return Err("replicated ones only".into()) };
    let name = format!("{network}-{}", wanted.name);
    let since = Instant::now();
    loop {
        let snapshot = engine.snapshot().await?;
        let service = snapshot.service_named(&name).ok_or("the service is gone")?;
        let waits = waiting_services(&snapshot).into_iter().any(|w| w.service == name);
        let running = snapshot.running_tasks(&service.id).count() as u64;
        if running == of && !waits {
            assert_eq!(service.endpoint == EndpointMode::Dnsrr, service.vips.is_empty(), "{service:?}");
            return Ok(None);
        }
        let report = audit(&snapshot);
        let here = report.networks.iter().find(|n| n.name == network).ok_or("no network")?;
        // Only tasks that have waited for some seconds are stuck; allocation takes milliseconds.
        let stuck: Vec<_> = here.stuck.iter().filter(|s| s.service == name).collect();
        if !stuck.is_empty() && running + stuck.len() as u64 == of {
            assert_eq!(here.pressure, Pressure::Full);
            let network = network.to_owned();
            let cause = if waits {
                Cause::VipPending { network, here: true }
            } else {
                Cause::NetworkFull { network }
            };
            assert!(stuck.iter().all(|s| s.cause == cause && s.state == TaskState::New), "{stuck:?}");
            return Ok(Some(if waits { Want::Vip } else { Want::Task { number: running + 1, of } }));
        }
        assert!(since.elapsed() < PATIENCE, "{name} neither runs nor is stuck: {running} of {of}, {here:#?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// What is held of a network, by kind.
fn held(snapshot: &Snapshot, network: &str) -> Result<Usage, Box<dyn std::error::Error>> {
    let found = owners(snapshot, snapshot.overlay(network).ok_or("no network")?);
    let count = |kind| found.count(kind);
    Ok(Usage {
        vips: count(pvcheck_audit::OwnerKind::Vip),
        tasks: count(pvcheck_audit::OwnerKind::Task),
        load_balancers: count(pvcheck_audit::OwnerKind::LoadBalancer),
        attachments: count(pvcheck_audit::OwnerKind::Attachment),
    })
}

/// Removes a network and its services, so that the machine has capacity for the next one.
async fn remove(lab: &Lab, engine: &Engine, network: &str, services: &[Service]) -> Outcome {
    let names: Vec<String> = services.iter().map(|s| format!("{network}-{}", s.name)).collect();
    let words = ["service", "rm"].into_iter().chain(names.iter().map(String::as_str));
    docker(lab, &words.collect::<Vec<_>>())?;
    let since = Instant::now();
    while engine.snapshot().await?.tasks.iter().any(|t| t.runtime == Runtime::Container) {
        assert!(since.elapsed() < PATIENCE, "the tasks of {network} do not go");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    docker(lab, &["network", "rm", network]).map(drop)
}
