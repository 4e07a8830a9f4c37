//! The canary: one real stack, deployed through the router and removed.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use pvcheck_audit::{NetworkId, Snapshot};
use pvcheck_routes::{Prober, RouteFact, RouteSpec, Verdict, judge};
use pvcheck_swarm::{DeployError, Operation, RemovalOptions, StackSpec, deploy, remove_stacks, wait_running};

use crate::cause::CanaryFailure;
use crate::config::CanaryConfig;
use crate::facts::CanaryFacts;

/// How long a router may take to discover a new service; Traefik polls Swarm every 15 s by default.
const ROUTER_PATIENCE: Duration = Duration::from_secs(30);
/// How long the canary may take to run.
const START_PATIENCE: Duration = Duration::from_mins(1);

/// Deploys a canary, asks for it through the router, and removes it. What goes wrong is recorded, not returned.
pub(super) async fn fly(
    op: Operation<'_>,
    config: &CanaryConfig,
    shared: &NetworkId,
    prober: &Prober,
) -> CanaryFacts {
    let stack = format!("pvcheck-canary-{}", op.run);
    let mut facts = CanaryFacts {
        stack: stack.clone(),
        failure: None,
        addresses: Vec::new(),
        route: None,
        left: Vec::new(),
    };
    op.say(format!("canary: deploying {stack}"));
    match start(op, config, shared, &stack).await {
        Ok(snapshot) => {
            // From the snapshot that showed it running: a later one may be of a task that took its place.
            facts.addresses = addresses(&snapshot, &stack, shared);
            op.say("canary: asking for it through the router");
            match config.spec(&stack) {
                Ok(spec) => facts.route = Some(reach(prober, &spec, ROUTER_PATIENCE).await),
                Err(fault) => facts.failure = Some(CanaryFailure::Url { error: fault.to_string() }),
            }
        }
        // Removed below all the same: a canary that does not run holds addresses too.
        Err(failure) => facts.failure = Some(failure),
    }
    op.say("canary: removing it");
    facts.left = match remove_stacks(op, &[stack], &RemovalOptions::default()).await {
        Ok(removed) => removed.iter().flat_map(|r| &r.left).map(ToString::to_string).collect(),
        Err(error) => vec![error.to_string()],
    };
    facts
}

async fn start(
    op: Operation<'_>,
    config: &CanaryConfig,
    shared: &NetworkId,
    stack: &str,
) -> Result<Snapshot, CanaryFailure> {
    let plan = StackSpec {
        name: stack.to_owned(),
        image: config.image.clone(),
        command: config.command.clone(),
        replicas: 1,
        shared: shared.clone(),
        private: true,
        publish: None,
        labels: config.labels_for(stack),
    };
    deploy(op, &plan).await.map_err(|e| CanaryFailure::Call { error: e.to_string() })?;
    wait_running(op.engine, &[plan], START_PATIENCE).await.map_err(|e| failure(&e))
}

fn failure(error: &DeployError) -> CanaryFailure {
    let text = error.to_string();
    match error {
        DeployError::Call(_) => CanaryFailure::Call { error: text },
        DeployError::NoAddress { .. } => CanaryFailure::NoAddress { error: text },
        DeployError::NotRunning { .. } => CanaryFailure::NotRunning { error: text },
    }
}

fn addresses(snapshot: &Snapshot, stack: &str, shared: &NetworkId) -> Vec<Ipv4Addr> {
    let service = snapshot.service_named(&format!("{stack}_app"));
    let tasks = service.into_iter().flat_map(|s| snapshot.running_tasks(&s.id));
    tasks.flat_map(|t| t.addresses_on(shared)).collect()
}

/// Asks until the answer is the expected one or the time is up; the last answer counts.
async fn reach(prober: &Prober, spec: &RouteSpec, patience: Duration) -> RouteFact {
    let since = Instant::now();
    loop {
        let fact = prober.probe(spec, Timestamp::now()).await;
        if judge(&fact).verdict == Verdict::Pass || patience < since.elapsed() {
            return fact;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use pvcheck_routes::RouteUrl;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;
    use crate::config::Config;

    fn spec(address: SocketAddr) -> RouteSpec {
        RouteSpec {
            address: address.into(),
            ..RouteSpec::new("canary", RouteUrl::parse("http://canary.test/").expect("a URL"))
        }
    }

    /// It trusts an authority of its own: a machine need not have any.
    fn prober() -> Prober {
        let dir = tempfile::tempdir().expect("a folder");
        let authority =
            rcgen::generate_simple_self_signed(vec!["ca.test".to_owned()]).expect("a certificate");
        std::fs::write(dir.path().join("ca.pem"), authority.cert.pem()).expect("a fresh file");
        let file = dir.path().join("pvcheck.toml");
        let text = "[overlay]\nname = \"proxy\"\nsubnet = \"10.10.0.0/24\"\n[tls]\nca = \"ca.pem\"\n";
        std::fs::write(&file, text).expect("a fresh file");
        let config = Config::load(&file).expect("a sound configuration");
        Prober::new(&config.roots()).expect("an authority")
    }

    /// A router that learns of the canary only after it was asked once.
    #[tokio::test]
    async fn a_router_is_asked_again_until_it_knows_the_canary() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let router = async {
            for status in ["404 Not Found", "200 OK"] {
                let (mut stream, _) = listener.accept().await.expect("a client");
                let mut head = [0; 1024];
                assert_ne!(stream.read(&mut head).await.expect("a request"), 0);
                let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
                stream.write_all(answer.as_bytes()).await.expect("the client reads");
            }
        };
        let (prober, spec) = (prober(), spec(address));
        let (fact, ()) = tokio::join!(reach(&prober, &spec, ROUTER_PATIENCE), router);
        assert_eq!((fact.status, judge(&fact).verdict), (Some(200), Verdict::Pass));
    }

    #[tokio::test]
    async fn a_router_that_never_knows_it_is_given_up_with_its_last_answer() {
        let closed = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("bound");
        let (prober, spec) = (prober(), spec(closed));
        let asked = reach(&prober, &spec, Duration::from_millis(1));
        let fact = tokio::time::timeout(ROUTER_PATIENCE, asked).await.expect("it ends");
        assert_eq!((fact.status, judge(&fact).verdict), (None, Verdict::Fail));
    }
}
