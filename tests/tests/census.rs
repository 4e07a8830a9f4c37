//! Censuses on real engines: during other deployments, of `ingress`, and of a network with several subnets.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use pvcheck_lab::{Lab, Suite, World};
use pvcheck_swarm::{
    Census, CensusError, CensusMethod, CensusOptions, Engine, Operation, Permit, RunId, census, silent,
};
use pvcheck_tests::{Outcome, docker, host, lab, long, pvcheck, text};

const STOPS_AT_ONCE: &str = "trap 'exit 0' TERM; while :; do sleep 0.1; done";
const NETWORK: &str = "proxy";

#[test]
fn on_bookworm() -> Outcome {
    all("census::on_bookworm", Suite::Bookworm)
}

#[test]
fn on_trixie() -> Outcome {
    if long() { all("census::on_trixie", Suite::Trixie) } else { Ok(()) }
}

fn all(test: &str, suite: Suite) -> Outcome {
    let Some(lab) = lab(test, Some(suite), World::Empty) else { return Ok(()) };
    during_deployments(&lab)?;
    of_ingress(&lab)?;
    of_several_subnets(&lab)?;
    beside_ipv6(&lab)?;
    lab.down()?;
    Ok(())
}

/// Runs a future to its end on a thread of its own kind: the docker client is waited for on the others.
fn wait<T>(work: impl Future<Output = T>) -> Result<T, std::io::Error> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work))
}

async fn count(engine: &Engine, network: &str, method: CensusMethod) -> Result<Census, CensusError> {
    let options = CensusOptions { method: Some(method), ..CensusOptions::default() };
    census(
        Operation::new(engine, Permit::granted_by_operator(), &RunId::unique(), &silent),
        network,
        &options,
    )
    .await
}

/// Stacks of others start and are removed during censuses as they are without any.
fn during_deployments(lab: &Lab) -> Outcome {
    docker(lab, &["network", "create", "-d", "overlay", "--subnet", "10.10.0.0/25", NETWORK])?;
    let deployments = if long() { 50 } else { 10 };
    let over = AtomicBool::new(false);
    let host = host(lab);
    let (taken, deployed) = std::thread::scope(|scope| {
        let censuses = scope.spawn(|| {
            wait(async {
                let engine = Engine::connect(&host).await.map_err(|e| e.to_string())?;
                let (mut complete, mut others) = (0, Vec::new());
                while !over.load(Ordering::Relaxed) {
                    for method in [CensusMethod::Bulk, CensusMethod::Cursor] {
                        let found = count(&engine, NETWORK, method).await.map_err(|e| e.to_string())?;
                        if found.complete { complete += 1 } else { others.push(found.reason) }
                    }
                }
                Ok::<_, String>((complete, others))
            })
        });
        let outcome = (0..deployments).try_for_each(|n| come_and_go(lab, n));
        over.store(true, Ordering::Relaxed);
        (censuses.join(), outcome.map_err(|e| e.to_string()))
    });
    deployed?;
    let (complete, others) = taken.map_err(|_| "the census thread panicked")???;
    assert!(0 < complete, "no census was complete: {others:?}");
    let engine = wait(Engine::connect(&host))??;
    let found = wait(count(&engine, NETWORK, CensusMethod::Cursor))??;
    assert_eq!((found.complete, found.leaked, found.handed_out), (true, Some(0), 125), "{found:?}");
    Ok(())
}

/// One deployment: a service of two tasks, running within the time, and removed.
fn come_and_go(lab: &Lab, n: u32) -> Outcome {
    let name = format!("guest-{n}");
    let create = ["service", "create", "--quiet", "--detach", "--no-resolve-image", "--replicas", "2"];
    let app = ["--network", NETWORK, "--name", &name, "pvcheck-lab/busybox:1", "sh", "-c", STOPS_AT_ONCE];
    docker(lab, &[&create[..], &app[..]].concat())?;
    let running = || containers(lab, &name);
    until(|| Ok(running()? == 2))?;
    docker(lab, &["service", "rm", &name])?;
    until(|| Ok(running()? == 0))
}

fn containers(lab: &Lab, name: &str) -> Result<usize, Box<dyn std::error::Error>> {
    Ok(docker(lab, &["ps", "-q", "--filter", &format!("name={name}")])?.lines().count())
}

/// A service that publishes a port leaks on `ingress` too, and only the cursor can see it.
fn of_ingress(lab: &Lab) -> Outcome {
    let engine = wait(Engine::connect(&host(lab)))??;
    let before = wait(count(&engine, "ingress", CensusMethod::Cursor))??;
    assert_eq!((before.complete, before.leaked), (true, Some(0)), "{before:?}");
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("compose.yml");
    let command =
        serde_json::to_string(&["sh", "-c", "trap 'sleep 2; exit 0' TERM; while :; do sleep 0.1; done"])?;
    std::fs::write(
        &file,
        format!(
            "version: '3.8'\nservices:\n  app:\n    image: pvcheck-lab/busybox:1\n    command: {command}\n    \
             networks: [internal]\n    ports: ['18080:80']\n    deploy: {{replicas: 2}}\nnetworks:\n  internal: {{}}\n"
        ),
    )?;
    let deploy = ["stack", "deploy", "--resolve-image", "never", "-c"];
    text(lab.command("docker").args(deploy).arg(&file).arg("published"))?;
    until(|| Ok(containers(lab, "published")? == 2))?;
    docker(lab, &["stack", "rm", "published"])?;
    until(|| Ok(docker(lab, &["network", "ls", "-q", "--filter", "name=published"])?.is_empty()))?;
    let after = wait(count(&engine, "ingress", CensusMethod::Cursor))??;
    assert_eq!((after.complete, after.leaked), (true, Some(2)), "{after:?}");
    assert!(matches!(
        wait(count(&engine, "ingress", CensusMethod::Bulk))?,
        Err(CensusError::IngressInBulk(name)) if name == "ingress"
    ));
    Ok(())
}

/// Each subnet has a ring of its own, and Swarm chooses at random which one gives an address.
fn of_several_subnets(lab: &Lab) -> Outcome {
    let words =
        ["network", "create", "-d", "overlay", "--subnet", "10.11.0.0/28", "--subnet", "10.12.0.0/27", "two"];
    docker(lab, &words)?;
    let create = ["service", "create", "--quiet", "--detach", "--no-resolve-image", "--replicas", "3"];
    let app = ["--network", "two", "--name", "app", "pvcheck-lab/busybox:1", "sh", "-c", STOPS_AT_ONCE];
    docker(lab, &[&create[..], &app[..]].concat())?;
    until(|| Ok(containers(lab, "app")? == 3))?;
    let engine = wait(Engine::connect(&host(lab)))??;
    for method in [CensusMethod::Bulk, CensusMethod::Cursor] {
        let found = wait(count(&engine, "two", method))??;
        assert_eq!((found.complete, found.leaked), (true, Some(0)), "{found:?}");
        // A VIP, three tasks, and the load balancer of this node, which is one for both subnets.
        assert_eq!((found.usable, found.owned, found.handed_out), (13 + 29, 5, 37), "{found:?}");
    }
    docker(lab, &["service", "rm", "app"])?;
    Ok(())
}

/// What is not IPv4 is not absent: it is neither called unallocated nor in the way of a census of another network.
fn beside_ipv6(lab: &Lab) -> Outcome {
    let six = ["--ipv6", "--subnet", "fd00:7:1::/64"];
    let both = ["--ipv6", "--subnet", "10.13.0.0/28", "--subnet", "fd00:7:2::/64"];
    for (name, words) in [("six", &six[..]), ("both", &both[..]), ("without-a-subnet", &six[..1])] {
        docker(lab, &[&["network", "create", "-d", "overlay"], words, &[name]].concat())?;
    }
    let out = lab.command(pvcheck()?).args(["audit", "-o", "json"]).output()?;
    let audit: serde_json::Value = serde_json::from_slice(&out.stdout)?;
    let text = audit.to_string();
    assert!(text.contains("\"six\""), "{text}");
    assert!(!text.contains("\"not_allocated\""), "{audit:#}");
    let engine = wait(Engine::connect(&host(lab)))??;
    for name in ["six", "both"] {
        let refused = wait(count(&engine, name, CensusMethod::Cursor))?;
        assert!(matches!(&refused, Err(CensusError::Ipv6(of)) if of == name), "{name}: {refused:?}");
    }
    let found = wait(count(&engine, NETWORK, CensusMethod::Cursor))??;
    assert_eq!((found.complete, found.leaked), (true, Some(0)), "{found:?}");
    Ok(())
}

fn until(mut done: impl FnMut() -> Result<bool, Box<dyn std::error::Error>>) -> Outcome {
    let since = Instant::now();
    while !done()? {
        assert!(since.elapsed() < Duration::from_mins(1), "not within 60 s");
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}
