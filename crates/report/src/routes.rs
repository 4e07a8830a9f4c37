//! The routes that a gate asked: what each answered, and how long each phase took.

use pvcheck_gates::{CanaryFacts, GateFacts, M1Facts, M2Facts, Observed, Seen, Unseen};
use pvcheck_routes::{RouteFact, judge};

use crate::html::Html;
use crate::{bars, watch};

/// Routes that were asked at one time.
struct Asked<'a> {
    when: &'static str,
    routes: Vec<&'a RouteFact>,
    /// Why there are none.
    unseen: Option<&'a Unseen>,
}

/// The part of a gate that is about routes; nothing where the gate asks none.
pub(crate) fn section(out: &mut Html, facts: &GateFacts) {
    let (control, deployed) = of_facts(facts);
    let all: Vec<Asked<'_>> = control
        .into_iter()
        .filter_map(of_control)
        .chain(deployed.into_iter().flat_map(of_deployment))
        .collect();
    let watched = deployed.map(|facts| &facts.routes_during).filter(|watch| is_needed(watch));
    if all.is_empty() && watched.is_none() {
        return;
    }
    out.raw("<h3>Routes</h3>\n");
    bars::legend(out);
    let longest =
        all.iter().flat_map(|asked| &asked.routes).map(|fact| fact.timing_ms.total).max().unwrap_or(0);
    for asked in &all {
        table(out, asked, longest);
    }
    if let Some(watched) = watched {
        watch::part(out, watched);
    }
}

fn of_facts(facts: &GateFacts) -> (Option<&M1Facts>, Option<&M2Facts>) {
    match facts {
        GateFacts::FixPlan(_) => (None, None),
        GateFacts::Fixed(facts) => (Some(&facts.control), None),
        GateFacts::M1(facts) => (Some(facts), None),
        GateFacts::M2(facts) => (None, Some(facts)),
        GateFacts::Own(facts) => (Some(&facts.control), facts.deployment.as_ref()),
    }
}

fn of_control(facts: &M1Facts) -> Option<Asked<'_>> {
    asked("when the Swarm was looked at", &facts.routes)
}

fn of_deployment(facts: &M2Facts) -> impl Iterator<Item = Asked<'_>> {
    let canary = facts.canary.known().and_then(|canary: &CanaryFacts| canary.route.as_ref());
    let canary = canary.map(|route| Asked { when: "the canary's, last", routes: vec![route], unseen: None });
    let before = asked("before the first stack", &facts.routes);
    let after = asked("after the last stack was removed", &facts.routes_after);
    [before, canary, after].into_iter().flatten()
}

/// `None` where no check needs them, or none are configured.
fn asked<'a>(when: &'static str, routes: &'a Observed<Vec<RouteFact>>) -> Option<Asked<'a>> {
    match &routes.seen {
        _ if !is_needed(routes) => None,
        Seen::Known(routes) if routes.is_empty() => None,
        Seen::Known(routes) => Some(Asked { when, routes: routes.iter().collect(), unseen: None }),
        Seen::Unknown(why) => Some(Asked { when, routes: Vec::new(), unseen: Some(why) }),
    }
}

fn is_needed<T>(observed: &Observed<T>) -> bool {
    !matches!(observed.seen, Seen::Unknown(Unseen::NotNeeded))
}

fn table(out: &mut Html, asked: &Asked<'_>, longest: u64) {
    if let Some(why) = asked.unseen {
        out.raw("<p>Routes ").raw(asked.when).raw(": UNKNOWN, ").show(why).raw("</p>\n");
        return;
    }
    out.scroll(format_args!("Routes {}", asked.when))
        .raw("<table class=routes>\n<caption>Routes ")
        .raw(asked.when);
    out.raw("; times in ms</caption>\n<thead><tr><th scope=col>route<th scope=col>answer<th scope=col class=wide>phases");
    for (name, _) in bars::PHASES {
        out.raw("<th scope=col class=n>").raw(name);
    }
    out.raw("<th scope=col class=n>all</thead>\n<tbody>\n");
    for fact in &asked.routes {
        row(out, fact, longest);
    }
    out.raw("</tbody></table></div>\n");
}

fn row(out: &mut Html, fact: &RouteFact, longest: u64) {
    let judged = judge(fact);
    out.raw("<tr><th scope=row>")
        .show(&fact.name)
        .raw(" <span class=url>")
        .show(&fact.url)
        .raw("</span><td>");
    out.show(judged.verdict).raw(" ").show(&judged.reason);
    if let Some(attempt) = fact.attempt() {
        out.raw(" (").show(attempt).raw(")");
    }
    out.raw("<td class=wide>");
    bars::bar(out, &fact.timing_ms, longest);
    for ms in bars::phases(&fact.timing_ms) {
        out.raw("<td class=n>");
        match ms {
            Some(ms) => out.number(ms),
            None => out.raw("–"),
        };
    }
    out.raw("<td class=n>").number(fact.timing_ms.total).raw("\n");
}
