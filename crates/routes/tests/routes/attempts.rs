//! A route that is asked again: passes as the attempt that it took, and fails with all of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use pvcheck_routes::{Attempt, RouteFact, RouteSpec, Verdict, judge};

use crate::support::{Ca, http, spec, status};

/// Asks a server whose first answers are 502, as often as the spec allows; how often it was asked.
async fn asked(bad: u32, attempts: u32) -> (RouteFact, u32) {
    let count = Arc::new(AtomicU32::new(0));
    let seen = Arc::clone(&count);
    let server =
        http(None, move |_| status(if seen.fetch_add(1, Ordering::SeqCst) < bad { 502 } else { 200 })).await;
    let spec = RouteSpec { attempts, ..spec("http", "/", server) };
    let fact = Ca::new("CA").prober().ask(&spec, jiff::Timestamp::now).await;
    (fact, count.load(Ordering::SeqCst))
}

#[tokio::test]
async fn a_route_is_asked_until_it_passes_and_says_how_often() {
    for (bad, attempts, verdict, times) in [
        (0, 3, Verdict::Pass, 1),
        (1, 3, Verdict::Pass, 2),
        (1, 1, Verdict::Fail, 1),
        (2, 2, Verdict::Fail, 2),
    ] {
        let (fact, count) = asked(bad, attempts).await;
        assert_eq!((judge(&fact).verdict, count), (verdict, times), "{bad} bad of {attempts}");
        let attempt = (1 < times).then_some(Attempt { number: times, of: attempts });
        assert_eq!(fact.attempt(), attempt);
        assert!(fact.earlier.iter().all(|one| judge(one).verdict == Verdict::Fail && one.at <= fact.at));
        assert!(fact.earlier.windows(2).all(|two| two[0].at < two[1].at));
        let again: RouteFact = serde_json::from_str(&serde_json::to_string(&fact).unwrap()).unwrap();
        assert_eq!(again, fact, "it is saved whole");
    }
}

#[tokio::test]
async fn a_fact_of_one_attempt_is_saved_as_it_always_was() {
    let (fact, _) = asked(0, 1).await;
    let json = serde_json::to_value(&fact).unwrap();
    assert!(json.get("earlier").is_none() && json.get("of_attempts").is_none(), "{json}");
}
