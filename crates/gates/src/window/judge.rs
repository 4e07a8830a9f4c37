//! Whether the window is clear: a pure function of what was seen.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use pvcheck_audit::{TaskState, UpdateStatus, waiting_services, waiting_tasks};
use serde::{Deserialize, Serialize, Serializer};

use super::host::{Sign, WindowFacts};
use super::signal::Signal;
use crate::config::WindowConfig;

/// Clear or busy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "UPPERCASE")]
pub enum WindowVerdict {
    /// Everything was seen, and nothing is at work.
    Clear,
    /// Something is at work, or could not be looked at.
    Busy,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Window {
    /// Clear or busy.
    pub verdict: WindowVerdict,
    /// Why it is busy; empty if it is clear.
    #[serde(serialize_with = "worded")]
    #[cfg_attr(feature = "schema", schemars(with = "Vec<Worded<'static>>"))]
    pub signals: Vec<Signal>,
    /// What was looked at.
    pub looked_at: Vec<String>,
    /// The network that is to be changed, if one was named.
    pub network: Option<String>,
    /// Stacks with a service on it: they lose what they reach over it.
    pub on_network: Vec<String>,
    /// All other stacks.
    pub not_on_network: Vec<String>,
}

#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct Worded<'a> {
    #[serde(flatten)]
    signal: &'a Signal,
    text: String,
}

fn worded<S: Serializer>(signals: &[Signal], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(signals.iter().map(|signal| Worded { signal, text: signal.to_string() }))
}

/// Whether the window is clear, for a change to this network.
pub fn judge_window(config: &WindowConfig, facts: &WindowFacts, network: Option<&str>) -> Window {
    let mut signals = of_swarm(config, facts);
    signals.extend(of_host(config, facts));
    let stacks: BTreeSet<String> = facts.snapshot.stacks().into_iter().collect();
    let id = network.and_then(|name| facts.snapshot.overlay(name)).map(|n| &n.id);
    let services = facts.snapshot.services.iter();
    let on: BTreeSet<String> = services
        .filter(|s| id.is_some_and(|id| s.networks.contains(id)))
        .filter_map(|s| s.stack.clone())
        .collect();
    Window {
        verdict: if signals.is_empty() { WindowVerdict::Clear } else { WindowVerdict::Busy },
        signals,
        looked_at: looked_at(config),
        network: network.map(str::to_owned),
        not_on_network: stacks.difference(&on).cloned().collect(),
        on_network: on.into_iter().collect(),
    }
}

fn of_swarm(config: &WindowConfig, facts: &WindowFacts) -> Vec<Signal> {
    let snapshot = &facts.snapshot;
    let stays = |stack: &String| config.may_stay.iter().any(|pattern| pattern.matches(stack));
    let is_run =
        |stack: &String| config.busy_stacks.iter().any(|pattern| pattern.matches(stack)) && !stays(stack);
    let mut found: Vec<Signal> =
        snapshot.stacks().into_iter().filter(is_run).map(|stack| Signal::RunStack { stack }).collect();
    let updating =
        snapshot.services.iter().filter(|s| s.update.as_ref().is_some_and(UpdateStatus::is_under_way));
    found.extend(updating.map(|s| Signal::Updating { service: s.name.clone() }));
    let unsettled = snapshot.tasks.iter().filter(|task| {
        let coming = task.is_wanted() && task.state < TaskState::Running;
        coming || task.is_stopping()
    });
    let lookup = snapshot.lookup();
    let unsettled: BTreeSet<(String, &str)> = unsettled
        .map(|task| {
            let service = task
                .service
                .as_ref()
                .map_or_else(|| "an attached container".to_owned(), |id| lookup.service_name(id));
            (service, if task.is_stopping() { "stopping" } else { task.state.word() })
        })
        .collect();
    found.extend(
        unsettled.into_iter().map(|(service, state)| Signal::Unsettled { service, state: state.to_owned() }),
    );
    let mut waits: BTreeSet<(String, String)> = waiting_services(snapshot)
        .into_iter()
        .map(|wait| (wait.service, wait.network_name.unwrap_or_else(|| wait.network.to_string())))
        .collect();
    for network in snapshot.overlays() {
        let tasks = waiting_tasks(snapshot, &network.id).into_iter();
        waits.extend(tasks.map(|(service, _)| (service, network.name.clone())));
    }
    found.extend(waits.into_iter().map(|(service, network)| Signal::Waits { service, network }));
    found.extend(facts.lock.clone().map(|lock| Signal::Locked { lock }));
    found
}

fn of_host(config: &WindowConfig, facts: &WindowFacts) -> Vec<Signal> {
    let mut found = Vec::new();
    let not_seen = |what: String, why: &str| Signal::NotSeen { what, why: why.to_owned() };
    match &facts.host.processes {
        _ if config.processes.is_empty() => {}
        Sign::NotSeen(why) => found.push(not_seen("the processes of this host".to_owned(), why)),
        Sign::Seen(processes) => {
            for process in processes {
                let matching = config.processes.iter().find(|pattern| pattern.matches(&process.command_line));
                found.extend(matching.map(|pattern| Signal::Process {
                    pid: process.pid,
                    program: process.program.clone(),
                    pattern: pattern.to_string(),
                }));
            }
        }
    }
    for (unit, sign) in &facts.host.units {
        match sign {
            Sign::Seen(state) if state == "inactive" || state == "failed" => {}
            Sign::Seen(state) => found.push(Signal::Unit { unit: unit.clone(), state: state.clone() }),
            Sign::NotSeen(why) => found.push(not_seen(unit.clone(), why)),
        }
    }
    let within = SignedDuration::from_mins(config.timers_within_minutes.into());
    for (timer, sign) in &facts.host.timers {
        match sign {
            Sign::Seen(Some(at)) if at.duration_since(facts.now) <= within => {
                found.push(Signal::Timer { timer: timer.clone(), at: *at });
            }
            Sign::Seen(_) => {}
            Sign::NotSeen(why) => found.push(not_seen(timer.clone(), why)),
        }
    }
    for (path, sign) in &facts.host.lock_files {
        match sign {
            Sign::Seen(true) => found.push(Signal::LockFile { path: path.clone() }),
            Sign::Seen(false) => {}
            Sign::NotSeen(why) => found.push(not_seen(path.clone(), why)),
        }
    }
    for (program, sign) in &facts.host.commands {
        match sign {
            Sign::Seen(Some(0)) => {}
            Sign::Seen(code) => found.push(Signal::Command { program: program.clone(), code: *code }),
            Sign::NotSeen(why) => found.push(not_seen(program.clone(), why)),
        }
    }
    found
}

fn looked_at(config: &WindowConfig) -> Vec<String> {
    let patterns =
        |list: &[crate::config::Pattern]| list.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let mut looked = Vec::new();
    if config.busy_stacks.is_empty() {
        looked.push("stacks: none is known to be a run's; name patterns in [window] busy_stacks".to_owned());
    } else {
        looked.push(format!("stacks that match {}", patterns(&config.busy_stacks)));
    }
    looked.push(
        "updates, tasks that start or stop, waits for an address, and the lock of the Swarm".to_owned(),
    );
    if !config.processes.is_empty() {
        looked.push(format!("processes that match {}", patterns(&config.processes)));
    }
    looked.extend(config.units.iter().map(|unit| format!("unit {unit}")));
    let minutes = config.timers_within_minutes;
    looked.extend(config.timers.iter().map(|timer| format!("timer {timer}, {minutes} min ahead")));
    looked.extend(config.lock_files.iter().map(|path| format!("file {}", path.display())));
    looked.extend(
        config.commands.iter().filter_map(|words| words.first()).map(|program| format!("command {program}")),
    );
    looked
}

#[cfg(test)]
mod tests {
    use super::super::host::HostSigns;
    use super::*;
    use crate::config::Config;
    use crate::testing::snapshot;

    fn config(window: &str) -> WindowConfig {
        let text = format!("[overlay]\nname = \"proxy\"\nsubnet = \"10.10.0.0/16\"\n[window]\n{window}");
        Config::parse("pvcheck.toml", &text).expect("a configuration").window
    }

    fn idle() -> WindowFacts {
        let at = "2026-06-12T10:00:00Z".parse().expect("a time");
        WindowFacts { snapshot: snapshot(), lock: None, host: HostSigns::default(), now: at }
    }

    fn signals(window: &str, facts: &WindowFacts) -> Vec<String> {
        judge_window(&config(window), facts, None).signals.iter().map(ToString::to_string).collect()
    }

    fn with_stack(name: &str) -> WindowFacts {
        let mut facts = idle();
        let mut network = facts.snapshot.networks[0].clone();
        network.stack = Some(name.to_owned());
        facts.snapshot.networks.push(network);
        facts
    }

    #[test]
    fn run_stacks_are_known_by_their_names_and_some_may_stay() {
        let runs = "busy_stacks = ['^[a-z]{4}-[0-9a-f]{6}(_|$)', '^dev-']\nmay_stay = ['^dev-docs$']";
        for (stack, busy) in [
            ("ghos-bdd2f3_ci_commoninternet_net", true),
            ("cust-e084bd", true),
            ("dev-ghost", true),
            ("dev-docs", false),
            ("traefik_ci_commoninternet_net", false),
            ("immich-pr12", false),
        ] {
            assert_eq!(!signals(runs, &with_stack(stack)).is_empty(), busy, "{stack}");
        }
    }

    #[test]
    fn each_sign_of_the_host_is_named_and_what_was_not_seen_is_busy() {
        let asked = "processes = ['runner']\nunits = ['sweep.service']\ntimers = ['sweep.timer']\nlock_files = ['/run/ci.lock']\ncommands = [['is-idle', '--secret']]";
        let process = |line: &str| super::super::host::Process {
            pid: 7,
            program: "run".into(),
            command_line: line.into(),
        };
        let host = |processes: &str, unit: &str, minutes: i64, locked, code| HostSigns {
            processes: Sign::Seen(vec![process(processes)]),
            units: vec![("sweep.service".into(), Sign::Seen(unit.into()))],
            timers: vec![(
                "sweep.timer".into(),
                Sign::Seen(idle().now.checked_add(SignedDuration::from_mins(minutes)).ok()),
            )],
            lock_files: vec![("/run/ci.lock".into(), Sign::Seen(locked))],
            commands: vec![("is-idle".into(), Sign::Seen(Some(code)))],
        };
        let clear = WindowFacts { host: host("other", "inactive", 61, false, 0), ..idle() };
        assert_eq!(signals(asked, &clear), Vec::<String>::new());
        let busy = WindowFacts { host: host("a runner", "active", 59, true, 1), ..idle() };
        assert_eq!(
            signals(asked, &busy),
            [
                "process 7 (run) matches runner",
                "sweep.service is active",
                "sweep.timer fires at 2026-06-12T10:59:00Z",
                "/run/ci.lock is there",
                "is-idle ended with 1",
            ]
        );
        let unseen = || "no access".to_owned();
        let blind = WindowFacts {
            host: HostSigns {
                processes: Sign::NotSeen(unseen()),
                units: vec![("sweep.service".into(), Sign::NotSeen(unseen()))],
                timers: vec![("sweep.timer".into(), Sign::NotSeen(unseen()))],
                lock_files: vec![("/run/ci.lock".into(), Sign::NotSeen(unseen()))],
                commands: vec![("is-idle".into(), Sign::NotSeen(unseen()))],
            },
            ..idle()
        };
        let found = signals(asked, &blind);
        assert!(
            found.len() == 5 && found.iter().all(|s| s.ends_with("could not be looked at: no access")),
            "{found:?}"
        );
    }

    #[test]
    fn what_is_not_asked_about_is_not_looked_at() {
        let window = judge_window(&config(""), &idle(), Some("proxy"));
        assert_eq!(window.verdict, WindowVerdict::Clear);
        assert!(window.looked_at[0].contains("busy_stacks"), "{:?}", window.looked_at);
        assert_eq!(window.looked_at.len(), 2);
    }

    #[test]
    fn a_pattern_that_is_none_is_refused_with_its_place() {
        let text = "[overlay]\nname = \"proxy\"\nsubnet = \"10.10.0.0/16\"\n[window]\nprocesses = ['(']\n";
        let error = Config::parse("pvcheck.toml", text).expect_err("no pattern").to_string();
        assert!(error.starts_with("pvcheck.toml:5:13: ") && !error.contains('\n'), "{error}");
    }
}
