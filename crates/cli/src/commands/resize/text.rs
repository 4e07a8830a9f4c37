//! The texts of `pvcheck resize`.

use std::time::Duration;

use pvcheck_ipam::Pool;
use pvcheck_swarm::{
    AttachedContainer, Direction, Member, Renewal, RenewalPlan, RenewalStrategy, Unfinished,
};

use crate::report::many;

fn seconds(ms: u64) -> String {
    format!("{:.1} s", Duration::from_millis(ms).as_secs_f64())
}

fn subnets(pools: &[Pool]) -> String {
    let list: Vec<String> = pools.iter().map(|pool| pool.subnet.to_string()).collect();
    if list.is_empty() { "no subnet".to_owned() } else { list.join(", ") }
}

fn title(plan: &RenewalPlan) -> String {
    let to = plan.to.map_or_else(|| "no subnet yet".to_owned(), |pool| pool.subnet.to_string());
    format!("{}: {} to {to}", plan.request.network, subnets(&plan.from))
}

/// What a service has that matters for a renewal, in words.
fn traits(member: &Member) -> Vec<String> {
    let mut words = vec![many(member.running, "task")];
    if member.host_ports {
        words.push(match (member.running, member.surge) {
            (..=1, _) => "host ports, so each change restarts it".to_owned(),
            (_, ..=1) => "host ports, so each change restarts it, node by node".to_owned(),
            (_, at_once) => format!(
                "host ports, so each change restarts it, {at_once} nodes at once: set its update parallelism to 1, else none may be left to take a request"
            ),
        });
    } else if member.publishes {
        words.push("published ports".to_owned());
    }
    if member.job {
        words.push("a job, which runs again".to_owned());
    }
    words.extend(member.pins.iter().map(|pin| format!("{} follows", pin.place())));
    words
}

/// What happens to a container that was attached by hand.
fn carried(plan: &RenewalPlan, container: &AttachedContainer) -> String {
    let keeps = plan.to.is_none_or(|pool| container.clash(&pool).is_none());
    format!(
        "{} on {}, connected again with {}",
        container.address,
        container.host,
        if keeps { "this address" } else { "another address" }
    )
}

/// By which way, and over which subnet where there is a holding network.
fn way(plan: &RenewalPlan, strategy: RenewalStrategy, quote: &str) -> String {
    let way = format!("{quote}{}{quote}", strategy.as_str());
    match plan.holding {
        Some(pool) => format!("{way}, with a holding network on {}", pool.subnet),
        None => way,
    }
}

/// What cannot be reached, and for how long.
fn dark(plan: &RenewalPlan) -> String {
    let stops = seconds(plan.stop_grace_ms());
    match plan.strategy {
        None => String::new(),
        Some(RenewalStrategy::Bridge) => format!(
            "every service stays reachable over one of the two networks, but while a task that cannot start first is replaced; tasks have up to {stops} in all to stop"
        ),
        Some(RenewalStrategy::Recreate) => format!(
            "nothing is reached over {} from the first step to the last; tasks have up to {stops} in all to stop",
            plan.request.network
        ),
    }
}

pub(super) fn plan(plan: &RenewalPlan) -> String {
    let mut lines = vec![title(plan)];
    let reasons = plan.reasons();
    lines.extend(reasons.iter().map(|reason| format!("  not now: {reason}")));
    for refused in plan.refused.iter().filter(|_| plan.strategy.is_some()) {
        lines.extend(refused.blockers.iter().map(|b| format!("  not {}: {b}", refused.strategy.as_str())));
    }
    if !plan.members.is_empty() {
        lines.push(format!("on it are {}:", many(plan.members.len() as u64, "service")));
        lines.extend(plan.members.iter().map(|m| format!("  {}: {}", m.name, traits(m).join(", "))));
    }
    if !plan.containers.is_empty() {
        let many = many(plan.containers.len() as u64, "container");
        lines.push(format!(
            "attached by hand {} {many}:",
            if plan.containers.len() == 1 { "is" } else { "are" }
        ));
        lines.extend(plan.containers.iter().map(|c| format!("  {}: {}", c.name, carried(plan, c))));
    }
    if let Some(strategy) = plan.strategy {
        lines.push(format!("by {}:", way(plan, strategy, "")));
        lines.extend(plan.steps.iter().enumerate().map(|(n, step)| format!("  {:2}. {step}", n + 1)));
        lines.push(dark(plan));
        for room in plan.rooms.iter().filter(|room| !room.counted) {
            lines.push(format!(
                "{} must have {} for it, and has at most {}: a census counts them before the first step",
                room.network,
                if room.needed == 1 {
                    "1 free address".to_owned()
                } else {
                    format!("{} free addresses", room.needed)
                },
                room.free
            ));
        }
    }
    if !plan.not_seen.is_empty() {
        lines.push(format!("addresses and routes were not read of {}", plan.not_seen.join(", ")));
    }
    lines.push(if plan.can_be_done() {
        "Nothing was touched; add --apply to do it.".to_owned()
    } else {
        "Nothing was touched.".to_owned()
    });
    lines.join("\n") + "\n"
}

/// For a status file: the plan, and the network as it was before.
pub(super) fn markdown(plan: &RenewalPlan) -> String {
    let mut text = format!("## Renewal of {}\n\n", title(plan));
    let reasons = plan.reasons();
    if !reasons.is_empty() {
        text += "Not now:\n\n";
        text += &reasons.iter().map(|reason| format!("- {reason}\n")).collect::<String>();
        text += "\n";
    }
    if !plan.members.is_empty() {
        text += "| service | |\n| --- | --- |\n";
        text += &plan
            .members
            .iter()
            .map(|m| format!("| `{}` | {} |\n", m.name, traits(m).join(", ")))
            .collect::<String>();
        text += "\n";
    }
    if !plan.containers.is_empty() {
        text += "| container | |\n| --- | --- |\n";
        let rows = plan.containers.iter().map(|c| format!("| `{}` | {} |\n", c.name, carried(plan, c)));
        text += &rows.collect::<String>();
        text += "\n";
    }
    if let Some(strategy) = plan.strategy {
        text += &format!("By {}:\n\n", way(plan, strategy, "`"));
        text += &plan
            .steps
            .iter()
            .enumerate()
            .map(|(n, step)| format!("{}. {step}\n", n + 1))
            .collect::<String>();
        text += &format!("\nMeanwhile {}.\n\n", dark(plan));
    }
    let inspected = serde_json::to_string_pretty(&plan.inspected).unwrap_or_default();
    text + &format!("Before:\n\n```json\n{inspected}\n```\n")
}

pub(super) fn done(done: &Renewal) -> String {
    let what = match done.direction {
        Direction::Forward => "renewed",
        Direction::Back => "put back",
    };
    let mut lines = vec![format!(
        "{} {what}: {} by {}{} in {}; {} on it",
        done.network,
        subnets(&done.pools),
        done.strategy.as_str(),
        if done.resumed { ", begun by an earlier process," } else { "" },
        seconds(done.elapsed_ms),
        on_it(done),
    )];
    lines.extend(done.steps.iter().map(|d| format!("  {:>8}  {}", seconds(d.elapsed_ms), d.step)));
    lines.extend(done.changed.iter().map(|c| format!("changed: {c}")));
    if done.changed.is_empty() {
        let containers =
            if done.containers == 0 { "" } else { ", and every container is connected as before" };
        lines.push(format!("every specification is as before, but for the network's id{containers}"));
    }
    lines.join("\n") + "\n"
}

fn on_it(done: &Renewal) -> String {
    let services = many(done.services, "service");
    if done.containers == 0 {
        services
    } else {
        format!("{services} and {}", many(done.containers, "container"))
    }
}

pub(super) fn status(found: Option<&Unfinished>) -> String {
    let Some(found) = found else { return "no renewal is under way\n".to_owned() };
    let stands = &found.stands;
    let direction = match stands.direction {
        Direction::Forward => "forward",
        Direction::Back => "back",
    };
    let step = if stands.step.is_empty() {
        "before the first step".to_owned()
    } else {
        format!(
            "at step {} of {}, {} ({})",
            stands.at + 1,
            found.steps,
            stands.step,
            match stands.phase {
                pvcheck_swarm::Phase::Begun => "begun",
                pvcheck_swarm::Phase::Acted | pvcheck_swarm::Phase::Done => "done",
            }
        )
    };
    format!(
        "the renewal of {} by {}, begun {}, goes {direction}: {step}, since {}\nIf no process is at it: pvcheck resize resume, or pvcheck resize rollback\n",
        found.network,
        found.strategy.as_str(),
        found.begun,
        stands.since
    )
}
