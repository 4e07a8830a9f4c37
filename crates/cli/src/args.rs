//! The command line: commands and options.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use pvcheck_ipam::{Strategy, Threshold};
use pvcheck_swarm::{CensusMethod, ChurnShape, Host};

pub(crate) use self::embedded::{Embedded, EmbeddedCommand, EmbeddedUp, WorldChoice};
pub(crate) use self::gate::{Gate, GateCommand, GateDiff, GateRun, Report};
pub(crate) use self::gate_options::GateOptions;
pub(crate) use self::guard::Guard;
pub(crate) use self::ledger::{
    FindingClose, FindingCommand, FindingOpen, GateClaim, GateFinding, GateStatus, GateVerify, Keys,
    KeysCommand, Ledger, LedgerCheck, LedgerCommand, LedgerNew, LedgerPath, Signing,
};
pub(crate) use self::resize::{Renewing, Resize, ResizeCommand};
pub(crate) use self::setup::{Config, ConfigCommand, Init};
pub(crate) use self::stack::{
    Docker, DockerCommand, DockerStackCommand, DockerStackRm, Stack, StackCommand, StackRm,
};
pub(crate) use self::values::{ChurnOrder, ReclaimStrategy, Stop};
use self::values::{census_method, churn_order, reclaim_strategy, shape, strategy, threshold, window};

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
    /// The engine: unix:///PATH of a manager's socket [default: unix:///var/run/docker.sock]
    #[arg(long, global = true, env = "DOCKER_HOST", value_name = "URL")]
    pub(crate) host: Option<String>,
    /// What the Swarm is expected to be [default: ./pvcheck.toml, where a command needs one]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Run against the embedded engine, a model of a Swarm, instead of a real one
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) engine: Option<EngineChoice>,
    /// Format of the result; markdown is for `gate run`, `diff`, `verify`, `status` and `resize` only, junit and github for
    /// `gate run`, dot and mermaid for `boot`
    #[arg(short, long, global = true, value_name = "FORMAT", default_value = "table")]
    pub(crate) output: Output,
    /// No progress on stderr
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
    /// Print pvcheck's own log on stderr; repeat for more detail
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

/// An engine that is not a real one.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum EngineChoice {
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
    /// For a file or a ticket; `gate run`, `diff`, `verify`, `status` and `resize` only
    Markdown,
    /// For a CI server, as JUnit XML; `gate run` only
    Junit,
    /// For a GitHub workflow, as annotations; `gate run` only
    Github,
    /// A drawing for Graphviz; `boot` only
    Dot,
    /// A drawing for Mermaid; `boot` only
    Mermaid,
}

impl Output {
    /// Its word on the command line.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Json => "json",
            Self::Markdown => "markdown",
            Self::Junit => "junit",
            Self::Github => "github",
            Self::Dot => "dot",
            Self::Mermaid => "mermaid",
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show every overlay: capacity, holders, waiting tasks, leaks, faults; changes nothing
    ///
    /// Exit code 1 if anything is found: a full network, a task that waits, a loss, an address with two holders, subnets
    /// that overlap (each other, a bridge, a route of the host), a network without a subnet or too small for a task, a
    /// missing ingress network, tasks that fail with a known error; 0 if nothing is.
    ///
    /// `--save FILE` keeps the snapshot, redacted; `--snapshot FILE` audits it later, without an engine.
    ///
    /// Example: pvcheck audit proxy -o json
    Audit(Audit),
    /// Find systemd units that wait, through a URL, for a unit that is ordered after them
    ///
    /// Waits are found in commands and shell scripts; who serves what in stack files, published ports and sockets.
    ///
    /// Example: pvcheck boot --units /etc/systemd/system --units /lib/systemd/system
    Boot(Boot),
    /// Count the leaked addresses of a network and name them; leaves nothing behind
    ///
    /// It asks the allocator for addresses and gives them back; no container starts. With `--method status` it only reads
    /// the engine's own count (Docker 29 and later): a number without names.
    ///
    /// Example: pvcheck census proxy
    Census(Census),
    /// The catalogue of checks that gates are made of
    ///
    /// Example: pvcheck check explain overlay.leaked
    Check(Check),
    /// Deploy and remove throwaway stacks between two censuses, to prove that nothing leaks
    ///
    /// Example: pvcheck churn proxy --stacks 5 --image busybox:1 --apply
    Churn(Churn),
    /// The configuration: is it right?
    ///
    /// Example: pvcheck config check cc-ci.toml
    Config(Config),
    /// Show the whole way from a full network to the proof of its cure, on the embedded engine
    ///
    /// Example: pvcheck demo incident
    Demo(Demo),
    /// Run `docker stack rm` without the leak: a drop-in for scripts, without --apply
    ///
    /// Example: docker() { case "$1 $2" in "stack rm"|"stack down"|"stack remove") pvcheck docker "$@";; *) command docker "$@";; esac; }
    Docker(Docker),
    /// Say what this user may see here, thing by thing, each in order or with what to do; changes nothing
    ///
    /// Looked at are the engine's socket, API version and role, the nodes and their versions, the clock, the log, the network
    /// namespace, the trusted authorities, the configuration if there is one, the lock, and what earlier runs have left. Exit
    /// codes: 0 all is in order, 1 something is wrong, 3 something could not be looked at.
    ///
    /// Example: pvcheck doctor --config cc-ci.toml
    Doctor,
    /// An engine without containers: a model of a Swarm that stays and that the docker client works against
    ///
    /// Example: pvcheck embedded up --socket /tmp/swarm.sock
    Embedded(Embedded),
    /// What a signature in the engine's log, or a check of a gate, means, and what to do about it
    ///
    /// Example: pvcheck explain vip-exhausted
    Explain(Explain),
    /// Run gates: checks with verdicts and evidence
    ///
    /// Example: pvcheck gate run pvcheck.m1 --config cc-ci.toml
    Gate(Gate),
    /// Say whether addresses have run out, or will, and what to do about it; with --apply do it, once
    ///
    /// Is a network full now? Was one since the allocator was built, by the log? Is one getting there? A table decides by that:
    /// nothing, drain and remove what pvcheck left, hand the leadership over, borrow a manager, restart the engine in a quiet
    /// window, or call a person. What takes root, rotates tokens or restarts containers is done only where [guard] may names
    /// it. Exit codes: 0 all is well, or what was done helped; 1 something is to be done, or was done in vain; 3 something is
    /// not known; 4 another guard is at work, or what it did before cannot be read.
    ///
    /// Example: pvcheck guard --config cc-ci.toml --probe --apply
    Guard(Box<Guard>),
    /// Write a configuration from what is live: overlays, services, routes from labels, and the log; changes nothing in the Swarm
    ///
    /// Each table has a comment that says where it is from and what to change. A file that is there is never overwritten.
    ///
    /// Example: pvcheck init --ask --write pvcheck.toml
    Init(Init),
    /// Search the engine's log for known signatures
    ///
    /// Example: pvcheck journal scan --since-engine-start
    Journal(Journal),
    /// Make keys, with which a ledger's lines are signed
    ///
    /// Example: pvcheck keys new builder.key
    Keys(Keys),
    /// Make and check the file that claims and verdicts on gates are in
    ///
    /// Example: pvcheck ledger check ledger.jsonl
    Ledger(Ledger),
    /// Choose a subnet that collides with nothing, and say why the others do; changes nothing
    ///
    /// It reads the Swarm's overlays, the engine's own networks, and the addresses and routes (all tables) of the network
    /// namespace that pvcheck runs in, so run it on the engine's host. Other nodes are listed as not seen.
    ///
    /// Example: pvcheck plan-subnet --prefer 10.10.0.0/16 --name proxy
    PlanSubnet(Box<PlanSubnet>),
    /// Free leaked addresses without stopping a container
    ///
    /// A new leader rebuilds the allocator from the store, without the leaks. Three or more managers hand the leadership
    /// over; a single manager borrows a second for half a minute, a private engine that this command starts and removes.
    /// The engine is restarted only with --now or --window.
    ///
    /// Example: pvcheck reclaim --apply
    Reclaim(Box<Reclaim>),
    /// Write the page of a run: verdicts with evidence, a map of every address, routes by phase, and room over time
    ///
    /// The bundle is judged again first, as `gate run --replay` does, and an edited one is refused. The page is one HTML file
    /// that loads nothing. A file that is there is not overwritten.
    ///
    /// Exit code 0 if the page is written, whatever its verdicts are.
    ///
    /// Example: pvcheck report bundle.json --write report.html --ledger ledger.jsonl
    Report(Report),
    /// Give an overlay another subnet, under its own name
    ///
    /// A subnet cannot be changed, so the network is removed and created again, and every service on it is moved off it
    /// and back. `bridge` keeps each of them on a holding network meanwhile; `recreate` does without. Without --apply the
    /// plan is printed, with every reason not to begin, and nothing is touched. It can be interrupted at any moment, and
    /// finished or undone from any machine that reaches a manager.
    ///
    /// Exit codes: 0 done or can be done, 1 not done, 4 something keeps it from being done.
    ///
    /// Example: pvcheck resize proxy --to 10.10.0.0/16 --apply
    Resize(Box<Resize>),
    /// Ask every configured route and compare the answer with what is expected
    ///
    /// With --watch it goes on asking, and sums up requests, failures and outages at the end. Exit codes: 0 all answered as
    /// expected, 1 one did not, 3 one could not be judged.
    ///
    /// Example: pvcheck routes --config cc-ci.toml --watch 10m
    Routes(Routes),
    /// Remove stacks without leaking an address
    ///
    /// Example: pvcheck stack rm ghos-bdd2f3 --apply
    Stack(Stack),
    /// Print the JSON Schema of what commands print with `-o json`
    ///
    /// Example: pvcheck schema gate
    Schema(Schema),
    /// Remove what earlier runs of pvcheck left, and nothing else
    ///
    /// Example: pvcheck sweep --apply
    Sweep(Apply),
    /// Say whether it is quiet enough to change something: CLEAR or BUSY, with what was looked at; changes nothing
    ///
    /// Of the Swarm: stacks that are a run's, updates, tasks that start or stop, waits for an address, the lock. Of the host:
    /// what `[window]` of the configuration names. What cannot be looked at counts as busy. Exit codes: 0 clear, 4 busy.
    ///
    /// Example: pvcheck window proxy --config cc-ci.toml
    Window(Window),
    /// Explain why a service or task does not run, and what to do; changes nothing without --probe
    ///
    /// Exit codes: 0 all is well, 1 a cause was found, 3 one snapshot does not decide it.
    ///
    /// Example: pvcheck why shop_app
    Why(Why),
}

impl Command {
    /// The commands that print in this format, where the others do not.
    pub(crate) fn only_of(&self, output: Output) -> Option<&'static str> {
        match output {
            Output::Markdown if !self.has_markdown() => {
                Some("pvcheck gate run, diff, verify and status, and pvcheck resize")
            }
            Output::Junit | Output::Github if !self.runs_gates() => Some("pvcheck gate run"),
            Output::Dot | Output::Mermaid if !matches!(self, Self::Boot(_)) => Some("pvcheck boot"),
            _ => None,
        }
    }

    fn runs_gates(&self) -> bool {
        matches!(self, Self::Gate(asked) if matches!(asked.what, GateCommand::Run(_)))
    }

    /// True iff the command prints Markdown for `-o markdown`.
    fn has_markdown(&self) -> bool {
        let gate = |what: &GateCommand| {
            matches!(
                what,
                GateCommand::Diff(_) | GateCommand::Run(_) | GateCommand::Status(_) | GateCommand::Verify(_)
            )
        };
        matches!(self, Self::Resize(_)) || matches!(self, Self::Gate(asked) if gate(&asked.what))
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct Audit {
    /// Only these networks
    pub(crate) networks: Vec<String>,
    /// Save the snapshot, redacted, to a file that only its owner may read
    #[arg(long, value_name = "FILE")]
    pub(crate) save: Option<PathBuf>,
    /// Audit a snapshot that `--save` wrote, without an engine
    #[arg(long, value_name = "FILE", conflicts_with = "save")]
    pub(crate) snapshot: Option<PathBuf>,
    /// When the pressure is high: at this share used, such as 80%, or at this many free [default: 75%, or 2 free]
    #[arg(long, value_name = "PERCENT|COUNT", value_parser = threshold)]
    pub(crate) high: Option<Threshold>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Why {
    /// A service's name, or the id (or its beginning) of a service or task
    #[arg(value_name = "SERVICE|TASK")]
    pub(crate) subject: String,
    /// Read a snapshot that `pvcheck audit --save` wrote, without an engine
    #[arg(long, value_name = "FILE")]
    pub(crate) snapshot: Option<PathBuf>,
    /// If one snapshot does not show which of several networks is full: create a service without tasks on each, see
    /// whether it is given an address, and remove it; what waits tries again by that and may lose an address per probe
    #[arg(long, conflicts_with = "snapshot")]
    pub(crate) probe: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Boot {
    /// A folder of unit files; several times where a host has several, the one that wins first
    #[arg(long, value_name = "DIR", required = true)]
    pub(crate) units: Vec<PathBuf>,
    /// Where the host's / is, with its scripts and stack files [default: what is above a folder such as
    /// /copy/etc/systemd/system]
    #[arg(long, value_name = "DIR")]
    pub(crate) root: Option<PathBuf>,
    /// JSON with what is not found: {"waits":[{"unit","url"}],"serves":[{"host","unit"}]}; what is declared wins
    #[arg(long, value_name = "FILE")]
    pub(crate) waits: Option<PathBuf>,
    /// The folder of units from before a change, given as often as --units: only deadlocks that it did not have count
    #[arg(long, value_name = "DIR")]
    pub(crate) introduced_since: Vec<PathBuf>,
    /// A folder where gates leave alerts as files, besides those that their commands name
    #[arg(long, value_name = "DIR")]
    pub(crate) alerts: Vec<PathBuf>,
    /// List every order between units as well, with the line or the rule of systemd's that makes it
    #[arg(long)]
    pub(crate) edges: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Census {
    /// The overlay's name
    pub(crate) network: String,
    /// Stop after this time, complete or not
    #[arg(long, value_name = "DURATION", default_value = "2m", value_parser = humantime::parse_duration)]
    pub(crate) deadline: Duration,
    /// How to count: cursor (one address at a time, no line in the engine's log), bulk (many at once), or status (read
    /// the engine's own count, from Docker 29 on: a number without names) [default: cursor or bulk, by size]
    #[arg(long, value_name = "METHOD", value_parser = census_method)]
    pub(crate) method: Option<CensusMethod>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Check {
    #[command(subcommand)]
    pub(crate) what: CheckCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CheckCommand {
    /// List the checks
    ///
    /// Example: pvcheck check list
    List,
    /// What a check needs, when it passes, what to do where it does not, and which gates contain it
    ///
    /// Example: pvcheck check explain overlay.leaked
    Explain(CheckExplain),
}

#[derive(Debug, clap::Args)]
pub(crate) struct CheckExplain {
    /// Its id, as `pvcheck check list` or a report has it
    #[arg(value_name = "CHECK")]
    pub(crate) id: String,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Churn {
    /// The shared overlay's name
    pub(crate) network: String,
    /// Stacks deployed at the same time
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) stacks: u32,
    /// Tasks of each stack
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) replicas: u32,
    /// How often all stacks are deployed and removed
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) rounds: u32,
    /// How stacks are removed: drained, stack-rm (the docker client's order, which leaks), or both, one after the
    /// other, the second as a control
    #[arg(long, value_name = "ORDER", default_value = "drained", value_parser = churn_order)]
    pub(crate) order: ChurnOrder,
    /// What a stack has in addition to its service on the network: shared+private (a network of its own), shared
    /// (nothing), host-port or ingress-port (a network of its own and a published port that the engine chooses)
    #[arg(long, value_name = "SHAPE", default_value = "shared+private", value_parser = shape)]
    pub(crate) shape: ChurnShape,
    /// How tasks stop; the image must have sh
    #[arg(long, value_name = "HOW", conflicts_with = "command")]
    pub(crate) stop: Option<Stop>,
    /// Image of the tasks, on the nodes or pullable [default: that of [churn] in the configuration]
    #[arg(long)]
    pub(crate) image: Option<String>,
    /// Take over the Swarm's lock, whichever process holds it, and record this reason
    #[arg(long, value_name = "REASON")]
    pub(crate) break_lock: Option<String>,
    /// Do it; without this the plan is printed and nothing is touched
    #[arg(long)]
    pub(crate) apply: bool,
    /// Command of the tasks [default: the image's own]
    #[arg(last = true, value_name = "COMMAND")]
    pub(crate) command: Vec<String>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Demo {
    #[command(subcommand)]
    pub(crate) what: DemoCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DemoCommand {
    /// Replay the days before 2026-06-12 on a CI host, until a service finds no address; then find, cure and prove
    ///
    /// Recipes are deployed as throwaway stacks and removed with `docker stack rm`, 23 addresses a day are lost, and the
    /// network is full after about 11 days, all in virtual time. Then the commands follow that an operator types, each with
    /// what it prints. Nothing of this machine is touched. About half a minute.
    ///
    /// Exit code 0 if each of the commands ended as it should, else 1.
    ///
    /// Example: pvcheck demo incident --seed 7
    Incident(Incident),
}

#[derive(Debug, clap::Args)]
pub(crate) struct Incident {
    /// Which days: the same number repeats the same deployments
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Explain {
    /// The name that `pvcheck journal scan` prints, such as vip-exhausted; the error that a task shows; or the id of a check
    #[arg(value_name = "SIGNATURE|CHECK")]
    pub(crate) subject: String,
    /// Your own signatures too, from a TOML file (docs/journal.md has its form)
    #[arg(long, value_name = "FILE")]
    pub(crate) catalogue: Option<PathBuf>,
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
    /// Start at this time (RFC 3339)
    #[arg(long, value_name = "TIME", group = "begin")]
    pub(crate) since: Option<jiff::Timestamp>,
    /// Start at the engine's last start
    #[arg(long, group = "begin")]
    pub(crate) since_engine_start: bool,
    /// Start where the allocator was last made anew, which frees what was leaked before: at the engine's last start, or the last
    /// change of the leader
    #[arg(long, group = "begin")]
    pub(crate) since_allocator_start: bool,
    /// Judge from this time on, and tell what the log has before it
    #[arg(long, value_name = "TIME", group = "begin")]
    pub(crate) fixed_at: Option<jiff::Timestamp>,
    /// The file that a renewal left, resize-NETWORK.json: lines that still name the network as it was are noise
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Vec<PathBuf>,
    /// Read this log file
    #[arg(long, value_name = "FILE", conflicts_with = "unit")]
    pub(crate) file: Option<PathBuf>,
    /// Read this unit of the systemd journal
    #[arg(long, value_name = "UNIT", default_value = "docker.service")]
    pub(crate) unit: String,
    /// Read the journal in this directory, such as a copy of /var/log/journal of another host
    #[arg(long, value_name = "DIR", conflicts_with = "file")]
    pub(crate) directory: Option<PathBuf>,
    /// What reads the journal; only pvcheck's own reader sees damage in the middle of a file
    #[arg(long, value_name = "READER", default_value = "files", conflicts_with = "file")]
    pub(crate) reader: Reader,
    /// The role of the log's engine; most findings are logged by the leader only [default: what the log or, for --unit, the
    /// engine of this host says]
    #[arg(long, value_name = "ROLE")]
    pub(crate) role: Option<LogRole>,
    /// Your own signatures too, from a TOML file (docs/journal.md has its form)
    #[arg(long, value_name = "FILE")]
    pub(crate) catalogue: Option<PathBuf>,
}

/// What reads the systemd journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Reader {
    /// pvcheck itself, from the journal's files
    Files,
    /// The program journalctl
    Journalctl,
    /// systemd's library
    #[cfg(feature = "journald")]
    Libsystemd,
}

/// The role of the engine that wrote a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogRole {
    /// It led the Swarm
    Leader,
    /// It was another manager, or a worker
    Follower,
}

/// Subnets are parsed by the command, so that an error is one line that names the option and the right form.
#[derive(Debug, clap::Args)]
pub(crate) struct PlanSubnet {
    /// Prefix length [default: that of the first --prefer, or what the workload needs, else 16]
    #[arg(long, value_name = "LENGTH")]
    pub(crate) prefix: Option<String>,
    /// Take this subnet if it is free; may be repeated, best first
    #[arg(long, value_name = "CIDR")]
    pub(crate) prefer: Vec<String>,
    /// Search only these ranges [default: the private ranges of RFC 1918]
    #[arg(long, value_name = "CIDR", num_args = 1..)]
    pub(crate) allow: Vec<String>,
    /// Leave these ranges out
    #[arg(long, value_name = "CIDR", num_args = 1..)]
    pub(crate) deny: Vec<String>,
    /// VIP services that the network must hold
    #[arg(long, value_name = "N")]
    pub(crate) services: Option<u64>,
    /// Tasks of each service
    #[arg(long, value_name = "N", default_value_t = 1, requires = "services")]
    pub(crate) replicas: u64,
    /// Nodes; each takes an address for its load balancer [default: as many as the Swarm has, else 1]
    #[arg(long, value_name = "N", requires = "services")]
    pub(crate) nodes: Option<u64>,
    /// Expected growth: 100 plans for twice the workload
    #[arg(long, value_name = "PERCENT", default_value_t = 0, requires = "services")]
    pub(crate) growth: u64,
    /// Which free subnet to take: first-fit, best-fit (keeps large blocks whole), room-to-grow (its sibling is free too)
    #[arg(long, default_value = "first-fit", value_parser = strategy)]
    pub(crate) strategy: Strategy,
    /// Leave out what this network has: it goes when the planned one comes
    #[arg(long, value_name = "NETWORK")]
    pub(crate) replaces: Option<String>,
    /// Plan from a JSON list of {"net", "owner", "source"}, without an engine
    #[arg(long, value_name = "FILE", conflicts_with = "snapshot")]
    pub(crate) reservations: Option<PathBuf>,
    /// Plan from a snapshot that `pvcheck audit --save` wrote, without an engine
    #[arg(long, value_name = "FILE")]
    pub(crate) snapshot: Option<PathBuf>,
    /// Network name in the lines to copy
    #[arg(long, value_name = "NETWORK", default_value = "NETWORK")]
    pub(crate) name: String,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Reclaim {
    /// Count leaks on these networks only [default: every overlay but ingress]
    #[arg(value_name = "NETWORK")]
    pub(crate) networks: Vec<String>,
    /// Do it; without this the plan is printed and nothing is touched
    #[arg(long)]
    pub(crate) apply: bool,
    /// handover, borrow or restart; auto takes the first of these that is possible
    #[arg(long, default_value = "auto", value_parser = reclaim_strategy)]
    pub(crate) strategy: ReclaimStrategy,
    /// Socket of another manager of the same Swarm, used while the first is demoted; may be repeated
    #[arg(long, value_name = "URL")]
    pub(crate) helper: Vec<Host>,
    /// Finish an interrupted reclaim
    #[arg(long, conflicts_with_all = ["networks", "apply"])]
    pub(crate) resume: bool,
    /// With --resume, if the quorum is lost: make this manager the only one again; its tasks restart
    #[arg(long, requires = "resume")]
    pub(crate) force_new_cluster: bool,
    /// Restore the copy of the manager's raft folder that a borrow made; the engine must be stopped
    #[arg(long, conflicts_with_all = ["apply", "resume", "networks"])]
    pub(crate) restore_copy: bool,
    /// Take over the Swarm's lock, whichever process holds it, and record this reason
    #[arg(long, value_name = "REASON")]
    pub(crate) break_lock: Option<String>,
    /// Folder of the step log and the private engine; it must outlive this process
    #[arg(long, value_name = "DIR", default_value_os_t = pvcheck_swarm::default_state().to_owned())]
    pub(crate) state: PathBuf,
    /// Allow a restart of the engine now, even while tasks start or stop; all its containers restart
    #[arg(long, conflicts_with = "window")]
    pub(crate) now: bool,
    /// Allow a restart of the engine between these times of day (UTC), while no task starts or stops
    #[arg(long, value_name = "HH:MM-HH:MM", value_parser = window)]
    pub(crate) window: Option<(jiff::civil::Time, jiff::civil::Time)>,
    /// Shell command that restarts the engine
    #[arg(long, value_name = "COMMAND", default_value = "systemctl restart docker.service")]
    pub(crate) restart_command: String,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Window {
    /// The network that is to be changed: stacks on it are listed [default: the first of the configuration]
    pub(crate) network: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Routes {
    /// Go on for this time, or until Ctrl-C
    #[arg(long, value_name = "DURATION", num_args = 0..=1, default_missing_value = "1000weeks", value_parser = humantime::parse_duration)]
    pub(crate) watch: Option<Duration>,
    /// From one request to the next, for each route
    #[arg(long, value_name = "DURATION", default_value = "200ms", requires = "watch", value_parser = humantime::parse_duration)]
    pub(crate) every: Duration,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Schema {
    /// The `kind` of a document [default: list the kinds]
    pub(crate) kind: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Apply {
    /// Do it; without this, only print what would be removed
    #[arg(long)]
    pub(crate) apply: bool,
}

mod embedded;
mod gate;
mod gate_options;
mod guard;
mod ledger;
mod resize;
mod setup;
mod stack;
#[cfg(test)]
mod tests;
mod values;
