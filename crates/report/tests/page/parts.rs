//! What stands on a page: gates, checks, evidence, maps, routes, and room.

use pvcheck_gates::{Config, GateFacts, GateStep, M2Facts, RouteWatch, Unseen, check_info};
use pvcheck_ledger::{Engine, Room, SaidBy};

use crate::support::*;

const SUBNET: &str = "10.20.0.0/24";

async fn leaky_page() -> (Config, String) {
    let mut model = world(SUBNET);
    deploy(&mut model, "app", 2);
    leak(&mut model, "gone");
    let config = config(SUBNET);
    let page = page_of(&config, m1(&config, look(model, true).await), None);
    (config, page)
}

#[tokio::test]
async fn the_head_says_what_was_judged_and_with_what() {
    let (config, page) = leaky_page().await;
    for part in [
        "<html lang=en>",
        "<title>pvcheck.m1 FAIL (embedded engine), pvcheck report</title>",
        "6wq9m8p4n2k7",
        config.digest(),
        "pvcheck.toml",
        "a model of a Swarm, no real one was asked",
        "</span> (embedded engine)",
    ] {
        assert!(page.contains(part), "{part}");
    }
    let headings: Vec<u32> = page
        .match_indices("<h")
        .filter_map(|(at, _)| char::from(*page.as_bytes().get(at + 2)?).to_digit(10))
        .collect();
    assert_eq!(headings.iter().filter(|level| **level == 1).count(), 1);
    assert!(headings.windows(2).all(|pair| pair[1] <= pair[0] + 1), "a level is left out: {headings:?}");
    for landmark in ["<header>", "<main id=main>", "<footer>"] {
        assert_eq!(page.matches(landmark).count(), 1, "{landmark}");
    }
}

#[tokio::test]
async fn what_did_not_pass_comes_unfolded_with_its_remedy() {
    let (_, page) = leaky_page().await;
    let check = |id: &str| {
        let parts = page.split("<details class=check").skip(1);
        parts
            .map(|part| part.split("</details>").next().unwrap_or_default())
            .find(|part| part.contains(&format!("<code>{id}</code>")))
            .unwrap_or_else(|| panic!("no {id}"))
            .to_owned()
    };
    let remedy = check_info("overlay.leaked").expect("in the catalogue").remedies;
    let end = remedy.rsplit('`').next().expect("a last part");
    let failed = check("overlay.leaked");
    assert!(
        failed.starts_with(" open>") && failed.contains("FAIL</span>") && failed.contains("what to do"),
        "{failed}"
    );
    assert!(!end.trim().is_empty() && failed.contains(end), "{failed}");
    assert!(failed.contains("<pre>$ pvcheck census proxy\n253 usable = "), "its evidence: {failed}");
    let passed = check("overlay.subnet");
    assert!(
        passed.starts_with('>') && passed.contains("PASS</span>") && !passed.contains("what to do"),
        "{passed}"
    );
}

#[tokio::test]
async fn a_map_has_a_legend_a_slider_and_a_table() {
    let (_, page) = leaky_page().await;
    for part in [
        "<span>leaked: given out, no holder</span> <b>1</b>",
        "<span>VIP of a service</span> <b>1</b>",
        "<span>task</span> <b>2</b>",
        "<span>load balancer of a node</span> <b>1</b>",
        "<span>free</span> <b>248</b>",
        "<input type=range",
        "aria-live=polite",
        "data-columns=16",
        "no holder: leaked<td>leaked 10.20.0.",
        "reserved 10.20.0.0–10.20.0.1",
        "<tr><th>app<td>VIP 10.20.0.",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let signs = page.split("<figure").nth(1).expect("a map").split("</figure>").next().unwrap_or_default();
    assert_eq!(signs.matches("\"s k-task\"").count(), 2);
}

fn watch(rounds: u64, died: Option<GateStep>) -> M2Facts {
    let why = Unseen::Failed { error: "stopped".into() };
    let watched = RouteWatch { rounds, died, routes: Vec::new() };
    M2Facts { routes_during: known("routes", watched), ..M2Facts::not_begun(&why) }
}

#[test]
fn what_the_routes_answered_under_way_is_told() {
    let text = format!(
        "[overlay]\nname = \"proxy\"\nsubnet = \"{SUBNET}\"\n[canary]\nimage = \"busybox\"\nurl = \"http://{{stack}}.test/\"\n[churn]\nimage = \"busybox\"\n"
    );
    let config = Config::parse("pvcheck.toml", &text).expect("a sound configuration");
    let page =
        |facts: M2Facts| page_of(&config, ran(&config, "pvcheck.m2", GateFacts::M2(Box::new(facts))), None);
    let calm = page(watch(41, None));
    assert!(
        calm.contains("The core routes were asked 41 times")
            && calm.contains("None of them failed twice in a row"),
        "{calm}"
    );
    assert!(calm.contains("No map: "), "nothing was churned");
    let died = page(watch(41, Some(GateStep::Churn)));
    assert!(
        died.contains("One did not pass twice in a row during the churn, and the gate stopped"),
        "{died}"
    );
    let short = page(watch(0, None));
    assert!(short.contains("UNKNOWN: no round had ended.") && !short.contains("twice in a row"), "{short}");
    let blind = M2Facts::not_begun(&Unseen::Failed { error: "stopped".into() });
    assert!(page(blind).contains("UNKNOWN: "));
}

#[tokio::test]
async fn room_over_time_is_there_iff_a_ledger_is_given() {
    let config = config(SUBNET);
    let run = m1(&config, look(world(SUBNET), false).await);
    let room = Room {
        line: 2,
        said_by: SaidBy::Claim,
        gate: "pvcheck.m1".into(),
        overlay: Some("proxy".into()),
        swarm: Some("6wq9m8p4n2k7".into()),
        engine: Engine::Real,
        at: at(),
        usable: Some(253),
        owned: Some(12),
        leaked: Some(3),
        free: Some(238),
    };
    let with = page_of(&config, run.clone(), Some(&[room]));
    assert!(with.contains("<h2 id=room>") && with.contains("<td class=n>238"), "{with}");
    assert!(with.contains("<h3>proxy, Swarm 6wq9m8p4n2k7</h3>"), "{with}");
    let without = page_of(&config, run, None);
    assert!(!without.contains("id=room") && without.contains("free or leaked: not counted"));
}
