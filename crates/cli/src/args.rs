//! What can be said on the command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Parser, Subcommand, ValueEnum};
use pvcheck_ipam::{Strategy, Threshold};
use pvcheck_swarm::{CensusMethod, ChurnShape, Host, Order};

/// Finds, explains, fixes and proves address exhaustion on Docker Swarm overlay networks
#[derive(Debug, Parser)]
#[command(name = "pvcheck", version, propagate_version = true)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command.
#[derive(Debug, clap::Args)]
pub(crate) struct Global {
    /// The engine: unix:///PATH of a manager's socket
    #[arg(long, global = true, env = "DOCKER_HOST", value_name = "URL")]
    pub(crate) host: Option<String>,
    /// What is expected of the Swarm [default: ./pvcheck.toml, where a command needs one]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Run against the embedded engine, a model of a Swarm, instead of a real one
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) engine: Option<EngineKind>,
    /// How the result is printed
    #[arg(short, long, global = true, value_name = "FORMAT", default_value = "table")]
    pub(crate) output: Output,
    /// No progress on stderr
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
    /// Logs of pvcheck itself on stderr; twice for more
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

/// An engine that is no real one.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum EngineKind {
    /// A model of a Swarm manager with the cc-ci world on it
    Embedded,
}

/// How a result is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people
    Table,
    /// For scripts
    Json,
    /// For a file or a ticket; gates only
    Markdown,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Every overlay: capacity, who holds what, who waits and why; changes nothing
    ///
    /// `--save look.json` keeps what was seen, redacted; `--snapshot look.json` judges it elsewhere, without an engine.
    ///
    /// Example: pvcheck audit proxy -o json
    Audit(Audit),
    /// Units that wait for what is ordered after them: deadlocks that systemd cannot see
    ///
    /// Example: pvcheck boot --units /etc/systemd/system --waits waits.json
    Boot(Boot),
    /// How many addresses of a network are leaked, and which; only probes
    ///
    /// By `--method status` it only reads the engine's own count, which Docker 29 and later tells: a number without names.
    ///
    /// Example: pvcheck census proxy
    Census(Census),
    /// A bounded proof: throwaway stacks deployed and removed, a census before and after
    ///
    /// Example: pvcheck churn proxy --stacks 5 --image busybox:1 --apply
    Churn(Churn),
    /// The docker client's own words, done without a leak and at once: a drop-in for scripts
    ///
    /// Example: docker() { case "$1 $2" in "stack rm"|"stack down"|"stack remove") pvcheck docker "$@";; *) command docker "$@";; esac; }
    Docker(Docker),
    /// What a signature in the engine's log means, and what to do about it
    ///
    /// Example: pvcheck explain vip-exhausted
    Explain(Explain),
    /// Gates: checks with verdicts and evidence
    ///
    /// Example: pvcheck gate run pvcheck.m1 --config cc-ci.toml
    Gate(Gate),
    /// Known signatures in the engine's log
    ///
    /// Example: pvcheck journal scan --since-engine-start
    Journal(Journal),
    /// A subnet that collides with nothing, and why the others do; changes nothing
    ///
    /// Looked at are the Swarm's overlays, the engine's own networks, and the addresses and routes (all tables) of the
    /// network namespace that pvcheck itself runs in: run it on the engine's host. Other nodes are listed as not seen.
    ///
    /// Example: pvcheck plan-subnet --prefer 10.10.0.0/16 --name proxy
    PlanSubnet(Box<PlanSubnet>),
    /// Take leaked addresses back without stopping a container
    ///
    /// Every leak is gone once the Swarm's leadership moves. Managers hand it over among themselves where there are three
    /// or more; a single one borrows a second for half a minute, a private engine that this command starts and removes; a
    /// restart of the engine is done only where it is allowed by name.
    ///
    /// Example: pvcheck reclaim --apply
    Reclaim(Box<Reclaim>),
    /// Does each configured route answer as expected?
    ///
    /// Example: pvcheck routes --config cc-ci.toml
    Routes,
    /// Removal of stacks that leaks nothing
    ///
    /// Example: pvcheck stack rm ghos-bdd2f3 --apply
    Stack(Stack),
    /// Remove what earlier runs of pvcheck left, and nothing else
    ///
    /// Example: pvcheck sweep --apply
    Sweep(Apply),
    /// Why does a service or a task not run? The chain to its cause, and what to do; changes nothing
    ///
    /// Example: pvcheck why shop_app
    Why(Why),
}

impl Command {
    /// The commands that print Markdown, for the error of all others.
    pub(crate) const WITH_MARKDOWN: &str = "pvcheck gate run";

    /// True iff the command prints Markdown for `-o markdown`.
    pub(crate) fn has_markdown(&self) -> bool {
        matches!(self, Self::Gate(Gate { what: GateCommand::Run(_) }))
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct Audit {
    /// Only these networks
    pub(crate) networks: Vec<String>,
    /// Keep what was seen in a file that only its owner may read, for `--snapshot`
    #[arg(long, value_name = "FILE")]
    pub(crate) save: Option<PathBuf>,
    /// Judge a look that `--save` kept, without an engine
    #[arg(long, value_name = "FILE", conflicts_with = "save")]
    pub(crate) snapshot: Option<PathBuf>,
    /// From when on the pressure is high: used per cent such as 80%, or at most so many free [default: 75%, or 2 free]
    #[arg(long, value_name = "PERCENT|COUNT", value_parser = threshold)]
    pub(crate) high: Option<Threshold>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Why {
    /// A service's name, or the id of a service or task, or its beginning
    #[arg(value_name = "SERVICE|TASK")]
    pub(crate) subject: String,
    /// Judge a look that `pvcheck audit --save` kept, without an engine
    #[arg(long, value_name = "FILE")]
    pub(crate) snapshot: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Boot {
    /// The folder of unit files
    #[arg(long, value_name = "DIR")]
    pub(crate) units: PathBuf,
    /// JSON with what units wait for and who serves it: {"waits":[{"unit","url"}],"serves":[{"host","unit"}]}
    #[arg(long, value_name = "FILE")]
    pub(crate) waits: PathBuf,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Census {
    /// The overlay's name
    pub(crate) network: String,
    /// When to stop, complete or not
    #[arg(long, value_name = "DURATION", default_value = "2m", value_parser = humantime::parse_duration)]
    pub(crate) deadline: Duration,
    /// How to ask: cursor (an address at a time, leaves the log alone), bulk (many at once), or status (only read the
    /// engine's own count, from Docker 29 on: a number without names) [default: cursor or bulk, by size]
    #[arg(long, value_name = "METHOD", value_parser = census_method)]
    pub(crate) method: Option<CensusMethod>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Churn {
    /// The shared overlay's name
    pub(crate) network: String,
    /// Stacks at once
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) stacks: u32,
    /// Tasks of each
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) replicas: u32,
    /// Rounds
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) rounds: u32,
    /// How the stacks are removed: drained, stack-rm (as the docker client does, which loses addresses), or both, one
    /// after the other, as a control
    #[arg(long, value_name = "ORDER", default_value = "drained", value_parser = churn_order)]
    pub(crate) order: ChurnOrder,
    /// What a stack has beside a service on the network: shared+private (a network of its own), shared (nothing),
    /// host-port or ingress-port (a network of its own and a published port that the engine chooses)
    #[arg(long, value_name = "SHAPE", default_value = "shared+private", value_parser = shape)]
    pub(crate) shape: ChurnShape,
    /// How they stop, where the image has sh: at once, or after 2 s
    #[arg(long, value_name = "HOW", conflicts_with = "command")]
    pub(crate) stop: Option<Stop>,
    /// Their image; it must be on the nodes or pullable [default: that of [churn] in the configuration]
    #[arg(long)]
    pub(crate) image: Option<String>,
    /// Take the Swarm's lock over from whoever holds it, and record why
    #[arg(long, value_name = "REASON")]
    pub(crate) break_lock: Option<String>,
    /// Do it; without this the plan is printed and nothing touched
    #[arg(long)]
    pub(crate) apply: bool,
    /// What they run
    #[arg(last = true, value_name = "COMMAND")]
    pub(crate) command: Vec<String>,
}

/// Which arms a churn has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChurnOrder {
    /// One.
    One(Order),
    /// Drained, and the control.
    Both,
}

/// How throwaway tasks stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Stop {
    /// At once
    Quick,
    /// After 2 s
    Slow,
}

impl Stop {
    /// What the tasks run.
    pub(crate) fn command(self) -> Vec<String> {
        let on_term = match self {
            Self::Quick => "exit 0",
            Self::Slow => "sleep 2; exit 0",
        };
        let script = format!("trap '{on_term}' TERM; while :; do sleep 0.1; done");
        vec!["sh".into(), "-c".into(), script]
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct Gate {
    #[command(subcommand)]
    pub(crate) what: GateCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum GateCommand {
    /// The gates there are
    ///
    /// Example: pvcheck gate list
    List,
    /// Run gates one after the other, as long as they pass
    ///
    /// Example: pvcheck gate run pvcheck.m1 pvcheck.m2 --config cc-ci.toml --apply --out reports
    Run(GateRun),
}

#[derive(Debug, clap::Args)]
pub(crate) struct GateRun {
    /// Names of gates
    #[arg(required = true, value_name = "GATE", value_parser = gate())]
    pub(crate) gates: Vec<pvcheck_gates::Gate>,
    /// Let gates deploy and remove stacks of their own: pvcheck.m2 needs it
    #[arg(long)]
    pub(crate) apply: bool,
    /// How throwaway stacks are removed
    #[arg(long, default_value = "drained", value_parser = order)]
    pub(crate) order: Order,
    /// A folder for GATE.json, GATE.md and GATE.facts.json
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Explain {
    /// The name that `pvcheck journal scan` prints, such as vip-exhausted
    #[arg(value_name = "SIGNATURE")]
    pub(crate) signature: String,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Journal {
    #[command(subcommand)]
    pub(crate) what: JournalCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum JournalCommand {
    /// Count and explain known signatures
    ///
    /// Example: pvcheck journal scan --since-engine-start --file /var/log/dockerd.log
    Scan(Scan),
}

#[derive(Debug, clap::Args)]
pub(crate) struct Scan {
    /// From this time on, RFC 3339
    #[arg(long, value_name = "TIME", conflicts_with = "since_engine_start")]
    pub(crate) since: Option<jiff::Timestamp>,
    /// From the engine's last start on
    #[arg(long)]
    pub(crate) since_engine_start: bool,
    /// A file that the engine logs to
    #[arg(long, value_name = "FILE", conflicts_with = "unit")]
    pub(crate) file: Option<PathBuf>,
    /// A unit of the systemd journal
    #[arg(long, value_name = "UNIT", default_value = "docker.service")]
    pub(crate) unit: String,
}

/// Subnets are texts here, for their errors are to be one line with the mend.
#[derive(Debug, clap::Args)]
pub(crate) struct PlanSubnet {
    /// Prefix length [default: that of the first --prefer, or what the workload needs, else 16]
    #[arg(long, value_name = "LENGTH")]
    pub(crate) prefix: Option<String>,
    /// Take this one if it is suitable; may be repeated, best first
    #[arg(long, value_name = "CIDR")]
    pub(crate) prefer: Vec<String>,
    /// Look only in these [default: the private ranges of RFC 1918]
    #[arg(long, value_name = "CIDR", num_args = 1..)]
    pub(crate) allow: Vec<String>,
    /// Do not look in these
    #[arg(long, value_name = "CIDR", num_args = 1..)]
    pub(crate) deny: Vec<String>,
    /// VIP services that the network has to hold
    #[arg(long, value_name = "N")]
    pub(crate) services: Option<u64>,
    /// Tasks of each service
    #[arg(long, value_name = "N", default_value_t = 1, requires = "services")]
    pub(crate) replicas: u64,
    /// Nodes, each of which takes an address [default: as many as the Swarm has, else 1]
    #[arg(long, value_name = "N", requires = "services")]
    pub(crate) nodes: Option<u64>,
    /// Growth to leave room for: 100 is twice as much
    #[arg(long, value_name = "PERCENT", default_value_t = 0, requires = "services")]
    pub(crate) growth: u64,
    /// Which free subnet is taken: first-fit, best-fit (keeps large blocks whole), room-to-grow (its sibling is free too)
    #[arg(long, default_value = "first-fit", value_parser = strategy)]
    pub(crate) strategy: Strategy,
    /// Plan from a JSON list of {"net", "owner", "source"}, without an engine
    #[arg(long, value_name = "FILE", conflicts_with = "snapshot")]
    pub(crate) reservations: Option<PathBuf>,
    /// Plan from a look that `pvcheck audit --save FILE` kept, without an engine
    #[arg(long, value_name = "FILE")]
    pub(crate) snapshot: Option<PathBuf>,
    /// The network's name, for the lines that declare it
    #[arg(long, value_name = "NETWORK", default_value = "NETWORK")]
    pub(crate) name: String,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Reclaim {
    /// Count on these networks only [default: every overlay but ingress]
    #[arg(value_name = "NETWORK")]
    pub(crate) networks: Vec<String>,
    /// Do it; without this the plan is printed and nothing touched
    #[arg(long)]
    pub(crate) apply: bool,
    /// How: auto takes the gentlest that is possible
    #[arg(long, default_value = "auto", value_parser = reclaim_strategy)]
    pub(crate) strategy: ReclaimStrategy,
    /// Another manager of the same Swarm, to ask while the first is demoted; may be repeated
    #[arg(long, value_name = "URL")]
    pub(crate) helper: Vec<Host>,
    /// End what an interrupted reclaim began
    #[arg(long, conflicts_with_all = ["networks", "apply"])]
    pub(crate) resume: bool,
    /// With --resume: where the quorum is lost for good, make this manager the only one again; its tasks restart
    #[arg(long, requires = "resume")]
    pub(crate) force_new_cluster: bool,
    /// Put the copy of the manager's raft folder back that a borrow made; the engine must be stopped
    #[arg(long, conflicts_with_all = ["apply", "resume", "networks"])]
    pub(crate) restore_copy: bool,
    /// Take the Swarm's lock over from whoever holds it, and record why
    #[arg(long, value_name = "REASON")]
    pub(crate) break_lock: Option<String>,
    /// Where the step journal and a private engine are kept; it must outlive this process
    #[arg(long, value_name = "DIR", default_value_os_t = pvcheck_swarm::default_state().to_owned())]
    pub(crate) state: PathBuf,
    /// The engine may be restarted at once, whatever starts or stops at the moment; all its containers restart
    #[arg(long, conflicts_with = "window")]
    pub(crate) now: bool,
    /// The engine may be restarted between these times of the day, UTC, while no task starts or stops
    #[arg(long, value_name = "HH:MM-HH:MM", value_parser = window)]
    pub(crate) window: Option<(jiff::civil::Time, jiff::civil::Time)>,
    /// What restarts the engine, for a shell
    #[arg(long, value_name = "COMMAND", default_value = "systemctl restart docker.service")]
    pub(crate) restart_command: String,
}

/// A strategy of a reclaim, or the choice among them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReclaimStrategy(pub(crate) Option<pvcheck_swarm::Strategy>);

#[derive(Debug, clap::Args)]
pub(crate) struct Stack {
    #[command(subcommand)]
    pub(crate) what: StackCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum StackCommand {
    /// Remove stacks: services, wait for their tasks, then networks, secrets and configs
    ///
    /// A stack whose tasks do not stop in time keeps its networks; run it again then, as after an interruption.
    /// An unknown stack is wrong usage, and nothing is removed then. Scripts that call `docker stack rm` find its own
    /// behaviour in `pvcheck docker stack rm`.
    ///
    /// Example: pvcheck stack rm ghos-bdd2f3 --apply
    #[command(visible_aliases = ["remove", "down"])]
    Rm(StackRm),
}

/// What the docker client understands.
#[derive(Debug, clap::Args)]
pub(crate) struct Docker {
    #[command(subcommand)]
    pub(crate) what: DockerCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DockerCommand {
    /// Stacks
    Stack(DockerStack),
}

#[derive(Debug, clap::Args)]
pub(crate) struct DockerStack {
    #[command(subcommand)]
    pub(crate) what: DockerStackCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DockerStackCommand {
    /// Remove stacks as `docker stack rm` does, but drained; there is no --apply, it is done
    ///
    /// Takes the options of the client's versions 20.10 to 29 and prints its lines. As with the client, an unknown
    /// stack is no error: `Nothing found in stack: NAME` on stderr, and exit code 0. Exit code 1 if something is left.
    ///
    /// Example: pvcheck docker stack rm ghos-bdd2f3
    #[command(visible_aliases = ["remove", "down"])]
    Rm(DockerStackRm),
}

#[derive(Debug, clap::Args)]
pub(crate) struct DockerStackRm {
    /// Names of stacks
    #[arg(required = true, value_name = "STACK")]
    pub(crate) stacks: Vec<String>,
    #[command(flatten)]
    pub(crate) removal: Removal,
}

/// Options of both spellings of a removal.
#[derive(Debug, clap::Args)]
pub(crate) struct Removal {
    /// How long tasks may take to stop before a stack's networks are left in place
    #[arg(long, value_name = "DURATION", default_value = "2m", value_parser = humantime::parse_duration)]
    pub(crate) timeout: Duration,
    /// Taken from the docker client and without effect: a removal that leaks nothing waits
    #[arg(short, long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true",
        value_parser = go_bool)]
    pub(crate) detach: Option<bool>,
    /// Taken from the docker client of 20.10: `swarm` and `all` have no effect
    #[arg(long, value_name = "NAME", hide = true, value_parser = ["swarm", "all", ""])]
    pub(crate) orchestrator: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct StackRm {
    /// Names of stacks
    #[arg(required = true, value_name = "STACK")]
    pub(crate) stacks: Vec<String>,
    #[command(flatten)]
    pub(crate) removal: Removal,
    /// Do it; without this only what would be removed is said
    #[arg(long)]
    pub(crate) apply: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Apply {
    /// Do it; without this only what would be removed is said
    #[arg(long)]
    pub(crate) apply: bool,
}

/// A gate by its name; clap lists the names, and what each gate is about, in `--help`.
fn gate() -> impl TypedValueParser<Value = pvcheck_gates::Gate> {
    let named = pvcheck_gates::Gate::ALL.map(|gate| PossibleValue::new(gate.name()).help(gate.about()));
    PossibleValuesParser::new(named).try_map(|name| name.parse())
}

fn order(text: &str) -> Result<Order, String> {
    match text {
        "drained" => Ok(Order::Drained),
        "stack-rm" => Ok(Order::StackRm),
        _ => Err("give `drained` or `stack-rm`".into()),
    }
}

fn reclaim_strategy(text: &str) -> Result<ReclaimStrategy, String> {
    let named = pvcheck_swarm::Strategy::ALL.into_iter().find(|s| s.as_str() == text);
    match (text, named) {
        ("auto", _) => Ok(ReclaimStrategy(None)),
        (_, Some(strategy)) => Ok(ReclaimStrategy(Some(strategy))),
        _ => Err("give `auto`, `handover`, `borrow` or `restart`".into()),
    }
}

fn window(text: &str) -> Result<(jiff::civil::Time, jiff::civil::Time), String> {
    let parts = text.split_once('-');
    let times = parts.and_then(|(from, to)| {
        let time = |t: &str| jiff::civil::Time::strptime("%H:%M", t).ok();
        Some((time(from)?, time(to)?))
    });
    times.ok_or_else(|| "give two times of the day in UTC, such as 02:00-04:30".into())
}

/// `80%` is a share that is used, `20` a number that is free.
fn threshold(text: &str) -> Result<Threshold, String> {
    let wrong = || "give used per cent from 1% to 100%, or a number of free addresses such as 20".to_owned();
    if let Some(percent) = text.strip_suffix('%') {
        return match percent.parse() {
            Ok(used_percent @ 1..=100) => Ok(Threshold { used_percent, free_addrs: 0 }),
            _ => Err(wrong()),
        };
    }
    let free_addrs = text.parse().map_err(|_| wrong())?;
    Ok(Threshold { used_percent: 100, free_addrs })
}

fn census_method(text: &str) -> Result<CensusMethod, String> {
    match text {
        "bulk" => Ok(CensusMethod::Bulk),
        "cursor" => Ok(CensusMethod::Cursor),
        "status" => Ok(CensusMethod::Status),
        _ => Err("give `bulk`, `cursor` or `status`".into()),
    }
}

fn churn_order(text: &str) -> Result<ChurnOrder, String> {
    match text {
        "both" => Ok(ChurnOrder::Both),
        _ => order(text).map(ChurnOrder::One).map_err(|e| format!("{e}, or `both`")),
    }
}

fn shape(text: &str) -> Result<ChurnShape, String> {
    let shapes =
        [ChurnShape::SharedAndPrivate, ChurnShape::Shared, ChurnShape::HostPort, ChurnShape::IngressPort];
    let found = shapes.into_iter().find(|shape| shape.as_str() == text);
    found.ok_or_else(|| "give `shared+private`, `shared`, `host-port` or `ingress-port`".into())
}

/// A boolean as the docker client reads one (Go's `strconv.ParseBool`).
fn go_bool(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err("give `true` or `false`".into()),
    }
}

fn strategy(text: &str) -> Result<Strategy, String> {
    match text {
        "first-fit" => Ok(Strategy::FirstFit),
        "best-fit" => Ok(Strategy::BestFit),
        "room-to-grow" => Ok(Strategy::RoomToGrow),
        _ => Err("give `first-fit`, `best-fit` or `room-to-grow`".into()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn thresholds_in_per_cent_and_absolute() {
        assert_eq!(threshold("80%"), Ok(Threshold { used_percent: 80, free_addrs: 0 }));
        assert_eq!(threshold("20"), Ok(Threshold { used_percent: 100, free_addrs: 20 }));
        for wrong in ["0%", "101%", "%", "", "-1", "80 %", "x"] {
            assert!(threshold(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_definition_is_sound() {
        Args::command().debug_assert();
    }

    /// Every way in which scripts write it for the clients of 20.10 to 29, in both spellings.
    #[test]
    fn what_docker_stack_rm_takes_is_taken() {
        for tail in [
            "rm a",
            "rm a b",
            "remove a",
            "down a b",
            "rm -d a",
            "rm -d=false a",
            "rm --detach a",
            "rm --detach=true a b",
            "rm a --detach=0",
            "rm --orchestrator swarm a",
            "rm --orchestrator=all a",
        ] {
            for head in ["pvcheck stack", "pvcheck docker stack"] {
                let line = format!("{head} {tail}");
                let parsed = Args::try_parse_from(line.split(' '));
                assert!(parsed.is_ok(), "{line}: {}", parsed.unwrap_err());
            }
        }
        for wrong in ["rm", "rm --detach=perhaps a", "rm --orchestrator kubernetes a", "rm --apply a"] {
            let line = format!("pvcheck docker stack {wrong}");
            assert!(Args::try_parse_from(line.split(' ')).is_err(), "{line}");
        }
    }
}
