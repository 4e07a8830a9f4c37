//! Names and answers that try to become markup.

use pvcheck_gates::{Config, M1Facts, Seen};
use pvcheck_routes::{Conditions, HttpVersion, Method, RouteFact, TimingMs};

use crate::support::*;

/// What closes a tag, an attribute and a script, and what a terminal or an eye would follow.
const HOSTILE: &str =
    "a</script><script>alert(1)</script>\"'><img src=x onerror=alert(2)>\u{1b}[2J\u{202e}\0";

fn hostile_route() -> RouteFact {
    RouteFact {
        method: Method::Get,
        name: HOSTILE.into(),
        url: format!("http://x/{HOSTILE}"),
        at: at(),
        address: None,
        pinned: false,
        refused: Vec::new(),
        http: Some(HttpVersion::Http1),
        status: Some(302),
        expected: vec![200.into()],
        conditions: Conditions::default(),
        headers_seen: Vec::new(),
        body_seen: Vec::new(),
        tls: None,
        timing_ms: TimingMs { total: 12, ..TimingMs::default() },
        body: None,
        location: Some(HOSTILE.into()),
        retry_after: None,
        server: Some(HOSTILE.into()),
        www_authenticate: Vec::new(),
        origin: None,
        allow_empty: false,
        headers_suffice: false,
        allow_default: false,
        client_certificate: false,
        failure: None,
        curl: None,
        of_attempts: 1,
        earlier: Vec::new(),
    }
}

/// Facts whose every name is hostile.
async fn hostile() -> M1Facts {
    let mut model = world("10.20.0.0/28");
    deploy(&mut model, "app", 2);
    let mut facts = look(model, false).await;
    let Seen::Known(snapshot) = &mut facts.snapshot.seen else { panic!("seen") };
    snapshot.services.iter_mut().for_each(|service| service.name = HOSTILE.into());
    snapshot.nodes.iter_mut().for_each(|node| node.hostname = HOSTILE.into());
    snapshot.tasks.iter_mut().for_each(|task| task.id = pvcheck_audit::TaskId::new(HOSTILE));
    facts.snapshot.source = HOSTILE.into();
    facts.routes = known("routes", vec![hostile_route()]);
    facts
}

#[tokio::test]
async fn a_hostile_name_stays_a_text() {
    let text = "[overlay]\nname = \"proxy\"\nsubnet = \"10.20.0.0/28\"\n[[route]]\nname = \"a\"\nurl = \"http://x.test/\"\n";
    let config = Config::parse("</title><script>x", text).expect("a sound configuration");
    let page = page_of(&config, m1(&config, hostile().await), None);
    // The page's own script, and no other.
    assert_eq!((page.matches("<script").count(), page.matches("</script").count()), (1, 1));
    assert_eq!(page.matches("<title").count(), 1);
    for found in ["<img", "alert(1)</", "\u{1b}", "\u{202e}", "\0", "\"'>"] {
        assert!(!page.contains(found), "{found:?}");
    }
    assert!(page.contains("a&lt;/script&gt;&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&gt;&lt;img src=x onerror=alert(2)&gt;\u{fffd}[2J\u{fffd}\u{fffd}"));
}

/// Nothing of a page is loaded, and nothing in it is run, but its own style and script.
#[tokio::test]
async fn a_page_has_no_handler_and_no_address_of_anything_outside() {
    let config = config("10.20.0.0/28");
    let page = page_of(&config, m1(&config, hostile().await), Some(&[]));
    let tags: Vec<&str> = page.split('<').skip(1).filter_map(|rest| rest.split('>').next()).collect();
    assert!(100 < tags.len());
    for tag in tags {
        let name = tag.split([' ', '/']).next().unwrap_or_default();
        assert!(
            !["link", "iframe", "img", "object", "embed", "base", "form", "use", "image"].contains(&name),
            "{tag}"
        );
        let outside = tag.split('"').step_by(2).collect::<String>();
        assert!(
            !outside.contains(" on") && !outside.contains(" src=") && !outside.contains(" style="),
            "{tag}"
        );
        if let Some(to) = tag.split("href=\"").nth(1) {
            assert!(to.starts_with('#'), "{tag}");
        }
    }
    let policy =
        page.split("Content-Security-Policy\" content=\"").nth(1).and_then(|rest| rest.split('"').next());
    let policy = policy.expect("a policy");
    assert!(
        policy.starts_with("default-src 'none'; style-src 'sha256-") && !policy.contains("unsafe"),
        "{policy}"
    );
}
