//! Probing over time: an outage is seen with its bounds, and a slow route delays no other.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use pvcheck_routes::{Recorder, RouteSpec, Verdict, WatchPlan};
use tokio::io::AsyncReadExt;

use crate::support::{Ca, http, raw, spec, status};

fn named(name: &str, spec: RouteSpec) -> RouteSpec {
    RouteSpec { name: name.to_owned(), ..spec }
}

#[tokio::test]
async fn an_outage_is_recorded_from_its_first_failure_to_the_next_pass() {
    let up = Arc::new(AtomicBool::new(true));
    let switch = Arc::clone(&up);
    let server = http(None, move |_| status(if switch.load(Ordering::SeqCst) { 200 } else { 502 })).await;
    let plan = WatchPlan { interval: Duration::from_millis(5), duration: Duration::from_mins(1) };
    let mut facts = pin!(Ca::new("CA").prober().watch(&[spec("http", "/", server)], plan));
    let mut recorder = Recorder::new();
    let mut verdicts = Vec::new();
    // The facts themselves drive the server: up for three, down for three, up again for two.
    while verdicts.len() < 8 {
        verdicts.push(recorder.record(&facts.next().await.unwrap()).verdict);
        up.store(!(3..6).contains(&verdicts.len()), Ordering::SeqCst);
    }
    let (p, f) = (Verdict::Pass, Verdict::Fail);
    assert_eq!(verdicts, [p, p, p, f, f, f, p, p]);
    let route = recorder.summary().routes.remove(0);
    assert_eq!((route.probes, route.passed, route.failed, route.outages_seen), (8, 5, 3, 1));
    let outage = &route.outages[0];
    assert!(outage.last_pass.unwrap() < outage.from && outage.from < outage.to.unwrap(), "{outage:?}");
    assert_eq!(outage.failed, 3);
    assert!(outage.reason.contains("answered 502"), "{}", outage.reason);
}

#[tokio::test]
async fn a_route_that_stalls_does_not_slow_the_others_and_the_watch_ends() {
    let good = http(None, |_| status(200)).await;
    let stalled = raw(|mut tcp| async move {
        let mut rest = Vec::new();
        drop(tcp.read_to_end(&mut rest).await);
    })
    .await;
    let mut slow = named("slow", spec("http", "/", stalled));
    slow.deadline = Duration::from_millis(300);
    let specs = [named("good", spec("http", "/", good)), slow];
    let plan = WatchPlan { interval: Duration::from_millis(10), duration: Duration::from_millis(500) };
    let prober = Ca::new("CA").prober();
    let mut recorder = Recorder::new();
    let watch = prober.watch(&specs, plan).for_each(|fact| {
        recorder.record(&fact);
        std::future::ready(())
    });
    tokio::time::timeout(Duration::from_secs(20), watch).await.expect("the watch must end by itself");
    let summary = recorder.summary();
    let probes = |name| summary.routes.iter().find(|route| route.name == name).unwrap().probes;
    assert!((1..=2).contains(&probes("slow")), "one at the start, one after it, none after the end");
    assert!(probes("good") > 5, "{} probes", probes("good"));
    assert_eq!(summary.verdict(), Verdict::Fail);
}

/// An address that refuses every connection.
async fn closed() -> std::net::SocketAddr {
    tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

#[tokio::test]
async fn of_several_addresses_one_that_takes_the_connection_is_enough_and_each_is_asked_first_in_turn() {
    let (good, other) = (http(None, |_| status(200)).await, http(None, |_| status(404)).await);
    let gone = closed().await;
    let plan = WatchPlan { interval: Duration::from_millis(1), duration: Duration::from_mins(1) };
    let prober = Ca::new("CA").prober();
    let seen = |addresses: Vec<std::net::SocketAddr>| {
        let spec = RouteSpec { address: addresses.into_iter().collect(), ..spec("http", "/", gone) };
        let facts = prober.watch(&[spec], plan).take(3);
        async move {
            let mut recorder = Recorder::new();
            let facts: Vec<_> = facts.collect().await;
            let verdicts: Vec<_> = facts.iter().map(|fact| recorder.record(fact).verdict).collect();
            (facts, verdicts, recorder.summary().routes.remove(0))
        }
    };
    let (facts, verdicts, route) = seen(vec![good, gone]).await;
    assert_eq!(verdicts, [Verdict::Pass; 3]);
    assert_eq!(
        facts.iter().map(|fact| fact.refused.clone()).collect::<Vec<_>>(),
        [vec![], vec![gone], vec![]]
    );
    assert!(facts.iter().all(|fact| fact.address == Some(good) && fact.pinned), "{facts:?}");
    assert_eq!((route.passed, route.elsewhere, route.failed), (3, 1, 0));

    // An answer is an answer: the next address is not asked for a better one.
    let (_, verdicts, route) = seen(vec![good, other]).await;
    assert_eq!(verdicts, [Verdict::Pass, Verdict::Fail, Verdict::Pass]);
    assert_eq!((route.elsewhere, route.failed), (0, 1));

    // A router that stops: it accepts, and ends the connection.
    let stopping = raw(|tcp| async move { drop(tcp) }).await;
    let (facts, verdicts, route) = seen(vec![good, stopping]).await;
    assert_eq!(verdicts, [Verdict::Pass; 3], "{facts:?}");
    assert_eq!((facts[1].refused.as_slice(), route.elsewhere), (&[stopping][..], 1));

    let (facts, verdicts, _) = seen(vec![gone, closed().await]).await;
    assert_eq!(verdicts, [Verdict::Fail; 3], "{facts:?}");
    let said = facts[0].failure.as_ref().unwrap().text.matches("refuses").count();
    assert_eq!(said, 2, "{facts:?}");
}
