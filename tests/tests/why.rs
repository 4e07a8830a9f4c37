//! Services that do not run, made with the docker client on real engines: `pvcheck why` says why, and what it says to do
//! helps; the losses that upstream's two unreported defects cause (`docs/upstream`) are detected and counted.

#![expect(clippy::print_stdout, reason = "the figures are what one runs it for")]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use pvcheck_lab::{Lab, LabSpec, Suite, World};
use pvcheck_tests::{Outcome, docker, host, lab, lab_of, long, pvcheck, text};
use serde_json::Value;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Far more than anything takes here but for an update that waits for a task which cannot stop.
const PATIENCE: Duration = Duration::from_mins(2);
const IMAGE: &str = "pvcheck-lab/busybox:1";
const AT_ONCE: &str = "trap 'exit 0' TERM; while :; do sleep 0.1; done";
/// Stops slowly enough that the network is gone before the task.
const IN_2_S: &str = "trap 'sleep 2; exit 0' TERM; while :; do sleep 0.1; done";

#[test]
fn on_bookworm() -> Outcome {
    explained("why::on_bookworm", Suite::Bookworm)
}

#[test]
fn on_trixie() -> Outcome {
    if long() { explained("why::on_trixie", Suite::Trixie) } else { Ok(()) }
}

#[test]
fn on_sid() -> Outcome {
    if long() { explained("why::on_sid", Suite::Sid) } else { Ok(()) }
}

#[test]
fn the_incident_on_bookworm() -> Outcome {
    incident("why::the_incident_on_bookworm", Suite::Bookworm)
}

#[test]
fn the_incident_on_trixie() -> Outcome {
    if long() { incident("why::the_incident_on_trixie", Suite::Trixie) } else { Ok(()) }
}

/// The incident's own shape, where the leadership can move: a stack on a network of its own and on `proxy`, which is full
/// of leaks.
fn incident(test: &str, suite: Suite) -> Outcome {
    let spec = LabSpec { suite: Some(suite), managers: 3, ..LabSpec::default() };
    let Some(lab) = lab_of(test, spec) else { return Ok(()) };
    let rig = Rig { lab, program: pvcheck()?, slow: long() };
    rig.network("proxy", "10.91.0.0/28")?;
    rig.service("router", &["proxy"], &[])?;
    rig.until_verdict("router", "running")?;
    let leaked = rig.fill_with_leaks("proxy")?;
    rig.probed(leaked)?;
    rig.healed(leaked)?;
    rig.lab.down()?;
    Ok(())
}

/// Three managers: their load balancers are among the owned, so what is leaked still comes out exactly.
#[test]
fn with_three_managers() -> Outcome {
    if !long() {
        return Ok(());
    }
    let spec = LabSpec { managers: 3, ..LabSpec::default() };
    let Some(lab) = lab_of("why::with_three_managers", spec) else { return Ok(()) };
    let rig = Rig { lab, program: pvcheck()?, slow: false };
    rig.leaks_until_stuck()?;
    rig.lab.down()?;
    Ok(())
}

fn explained(test: &str, suite: Suite) -> Outcome {
    let Some(lab) = lab(test, Some(suite), World::Empty) else { return Ok(()) };
    let rig = Rig { lab, program: pvcheck()?, slow: long() };
    rig.overlapping()?;
    let steps: [(&str, Step); 8] = [
        ("a full /28", Rig::full_28),
        // Before any census: it is refused while that service waits.
        ("no subnet", Rig::no_subnet),
        ("leaks until a service is stuck", Rig::leaks_until_stuck),
        ("not an address", Rig::not_an_address),
        ("updates", Rig::updates),
        ("overlaps a bridge", Rig::overlaps_a_bridge),
        ("L2", Rig::retries_lose),
        ("L3", Rig::live_vip_freed),
    ];
    for (name, step) in steps {
        let since = Instant::now();
        step(&rig).map_err(|e| format!("{name}: {e}"))?;
        println!("{test}: {name}: {:.1} s", since.elapsed().as_secs_f32());
    }
    rig.lab.down()?;
    Ok(())
}

type Step = fn(&Rig) -> Outcome;

struct Rig {
    lab: Lab,
    program: PathBuf,
    /// Whether there is time for what takes a minute.
    slow: bool,
}

impl Rig {
    /// Six one-replica VIP services fit a /28, the seventh waits until one of them goes.
    fn full_28(&self) -> Outcome {
        self.network("proxy", "10.90.0.0/28")?;
        for n in 1..=6 {
            self.deploy(&format!("s{n}"), &["proxy"], AT_ONCE)?;
        }
        for n in 1..=6 {
            self.until_verdict(&format!("s{n}_app"), "running")?;
        }
        self.deploy("s7", &["proxy"], AT_ONCE)?;
        let why = self.until_verdict("s7_app", "address")?;
        let network = &why["network"];
        assert_eq!(network["name"], "proxy", "{why:#}");
        assert_eq!(numbers(network), (13, 13, Some(0), Some(0)), "{why:#}");
        assert_eq!(network["load_balancers"], 1, "{why:#}");
        let holders = list(&network["holders"]);
        let names: BTreeSet<&str> = holders.iter().filter_map(|h| h["service"].as_str()).collect();
        assert_eq!(names, BTreeSet::from(["s1_app", "s2_app", "s3_app", "s4_app", "s5_app", "s6_app"]));
        assert!(holders.iter().all(|h| h["vips"] == 1 && h["tasks"] == 1), "{holders:#?}");
        assert_eq!(list(&why["findings"]).len(), 0, "one network loses nothing: {why:#}");
        let commands = commands(&why);
        assert_eq!(commands[0], "pvcheck stack rm s1 --apply", "{commands:?}");
        assert!(!commands.iter().any(|c| c.contains("reclaim")), "nothing is leaked: {commands:?}");
        let task = why["task"].as_str().ok_or("no task")?;
        let of_task = self.why(&task[..10])?.1;
        assert_eq!((&of_task["verdict"], &of_task["network"]["name"]), (&"address".into(), &"proxy".into()));

        // A saved snapshot gives the same answer without an engine.
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("snapshot.json");
        self.run(&["audit", "--save", &file.to_string_lossy()])?;
        let offline = Command::new(&self.program)
            .args(["why", "s7_app", "-o", "json", "--host", "unix:///nowhere", "--snapshot"])
            .arg(&file)
            .output()?;
        assert_eq!(offline.status.code(), Some(1));
        assert_eq!(serde_json::from_slice::<Value>(&offline.stdout)?, why);

        // What it says to do helps, and nothing more is needed.
        self.run(&["stack", "rm", "s1", "--apply"])?;
        let since = Instant::now();
        self.until_verdict("s7_app", "running")?;
        println!("the stuck service ran {:.1} s after the removal", since.elapsed().as_secs_f32());
        Ok(())
    }

    /// On a network with a waiting service the leaks are counted without a census: as many as were made.
    fn leaks_until_stuck(&self) -> Outcome {
        self.network("leaky", "10.90.1.0/28")?;
        // Every node gets its load balancer before addresses run out: a node without one delays its tasks by half a minute.
        let nodes = self.lab.info().hosts.len() as u64;
        self.service("base", &["leaky"], &["--mode", "global", "--endpoint-mode", "dnsrr"])?;
        self.until("every node runs a task", |rig| {
            Ok(rig.audit("leaky")?["networks"][0]["owned"]["load_balancers"] == nodes)
        })?;
        self.until_verdict("base", "running")?;
        for n in 1..=3 {
            self.deploy(&format!("gone{n}"), &["internal", "leaky"], IN_2_S)?;
        }
        for n in 1..=3 {
            self.until_verdict(&format!("gone{n}_app"), "running")?;
        }
        for n in 1..=3 {
            self.stack_rm(&format!("gone{n}"))?;
        }
        self.until("the stacks' tasks are gone", |rig| {
            Ok(rig.audit("leaky")?["networks"][0]["owned"]["tasks"] == nodes)
        })?;
        // What is left takes the VIP of one more service and all of its tasks but one.
        let replicas = (13 - 3 - 2 * nodes).to_string();
        self.service("fill", &["leaky"], &["--replicas", &replicas])?;
        let why = self.until_verdict("fill", "address")?;
        let (usable, owned, leaked, free) = numbers(&why["network"]);
        assert_eq!((usable, leaked, free), (13, Some(3), Some(0)), "{why:#}");
        assert_eq!(owned, 10, "{why:#}");
        let commands = commands(&why);
        assert!(commands.contains(&"pvcheck reclaim --apply"), "{commands:?}");
        println!("three leaks made, {leaked:?} reported, {owned} owned, without a census");
        if self.slow {
            self.remove(&["fill".into(), "base".into()])?;
            let census = self.census("leaky")?;
            assert_eq!(census["leaked"], 3, "the census says the same: {census}");
        }
        Ok(())
    }

    /// Removes stacks in the way that leaks until at most one address of the network is free; returns how many are leaked.
    fn fill_with_leaks(&self, network: &str) -> Result<u64> {
        for round in 0..20 {
            let stacks: Vec<String> = (0..3).map(|n| format!("gone{round}{n}")).collect();
            for name in &stacks {
                self.deploy(name, &["internal", network], IN_2_S)?;
                self.until(&format!("{name} has its addresses or waits for them"), |rig| {
                    let verdict = rig.why(&format!("{name}_app"))?.1["verdict"].clone();
                    Ok(verdict == "running" || verdict == "address" || verdict == "vip-pending")
                })?;
            }
            for name in &stacks {
                self.stack_rm(name)?;
            }
            self.until("the stacks' tasks are gone", |rig| {
                Ok(rig.audit(network)?["networks"][0]["holders"].as_array().map(Vec::len) == Some(1))
            })?;
            let census = self.census(network)?;
            let count = |key: &str| census[key].as_u64().ok_or(format!("the census has no {key}: {census}"));
            if count("handed_out")? <= 1 {
                return Ok(count("leaked")?);
            }
        }
        Err(format!("{network} is not full after 20 rounds").into())
    }

    /// Both networks are old and small enough to have lost all they had: only a probe shows which one did.
    fn probed(&self, leaked: u64) -> Outcome {
        self.network("small", "10.91.1.0/28")?;
        self.service("both", &["proxy", "small"], &[])?;
        self.until("it waits", |rig| Ok(list(&rig.why("both")?.1["candidates"]).len() == 2))?;
        let (_, why) = self.why("both")?;
        assert_eq!(commands(&why)[0], "pvcheck why both --probe", "{why:#}");
        let (code, stdout) = self.run(&["why", "both", "--probe", "-o", "json"])?;
        let probed: Value = serde_json::from_slice(&stdout)?;
        let network = &probed["network"];
        assert_eq!((code, &network["name"]), (1, &"proxy".into()), "{probed:#}");
        assert_eq!(
            (&network["full_kind"]["kind"], network["leaked"].as_u64()),
            (&"probed".into(), Some(leaked))
        );
        let left = docker(
            &self.lab,
            &["service", "ls", "--format", "{{.Name}}", "--filter", "label=org.pvcheck.run"],
        )?;
        assert_eq!(left, "", "every probe is removed");
        println!("a probe shows proxy with {leaked} leaked");
        self.remove(&["both".into()])
    }

    /// One snapshot names the network, the number and the cure, and the cure as it is printed heals.
    fn healed(&self, leaked: u64) -> Outcome {
        self.deploy("shop", &["internal", "proxy"], AT_ONCE)?;
        self.until("it is decided", |rig| Ok(rig.why("shop_app")?.1["network"]["name"] == "proxy"))?;
        let (_, why) = self.why("shop_app")?;
        let network = &why["network"];
        assert_eq!(
            (network["leaked"].as_u64(), &network["full_kind"]["kind"]),
            (Some(leaked), &"others_too_young".into()),
            "{why:#}"
        );
        let steps = commands(&why);
        assert_eq!(steps[0], "pvcheck reclaim --apply", "{steps:?}");
        let state = tempfile::tempdir()?;
        let mut words: Vec<&str> = steps[0].split(' ').skip(1).collect();
        let folder = state.path().to_string_lossy().into_owned();
        // From outside of the managers the leader is asked, which cannot promote itself again: its own refusal says so.
        let helper = self.lab.info().hosts.get(1).ok_or("the lab has one manager")?;
        words.extend(["--state", &folder, "--helper", helper]);
        let since = Instant::now();
        self.run(&words)?;
        self.until_verdict("shop_app", "running")?;
        println!("shop_app ran {:.0} s after `{}`", since.elapsed().as_secs_f32(), steps[0]);
        assert_eq!(self.census("proxy")?["leaked"], 0);
        Ok(())
    }

    /// Runs a step as it is printed, in the background as far as the docker client waits for it.
    fn step(&self, command: &str) -> Outcome {
        let mut words: Vec<&str> = command.split(' ').skip(1).collect();
        words.insert(2, "--detach");
        docker(&self.lab, &words).map(drop)
    }

    /// An update that waits for a port, one that waits for an address, and one that paused, each ended by the step that
    /// is printed first.
    fn updates(&self) -> Outcome {
        self.network("updated", "10.90.10.0/24")?;
        self.network("narrow", "10.90.11.0/29")?;
        let start_first = ["--update-order", "start-first"];
        let port = [&start_first[..], &["--publish", "mode=host,published=18080,target=80"]].concat();
        self.service("port", &["updated"], &port)?;
        self.service("bad", &["updated"], &start_first)?;
        self.service("narrowed", &["narrow"], &start_first)?;
        for name in ["port", "bad", "narrowed"] {
            self.until_verdict(name, "running")?;
        }
        let more = ["--endpoint-mode", "dnsrr", "--constraint", "node.labels.none==1", "--replicas", "2"];
        self.service("rest", &["narrow"], &more)?;
        self.until("nothing is left", |rig| Ok(rig.audit("narrow")?["networks"][0]["pressure"] == "full"))?;
        let update = ["service", "update", "--detach", "--no-resolve-image"];
        for words in [
            &["--env-add", "A=1", "port"][..],
            &["--env-add", "A=1", "narrowed"],
            &["--image", "pvcheck-lab/not-there:1", "bad"],
        ] {
            docker(&self.lab, &[&update[..], words].concat())?;
        }
        for (name, verdict, words, first) in [
            (
                "port",
                "not-address",
                "port already in use",
                "docker service update --update-order stop-first --force port",
            ),
            (
                "narrowed",
                "address",
                "narrow is full",
                "docker service update --update-order stop-first narrowed",
            ),
        ] {
            let why = self.until_verdict(name, verdict)?;
            assert!(why["summary"].as_str().is_some_and(|s| s.contains(words)), "{why:#}");
            assert_eq!((commands(&why)[0], &why["update"]["state"]), (first, &"updating".into()), "{why:#}");
            self.step(first)?;
            self.until_verdict(name, "running")?;
        }
        self.until("the update is paused", |rig| Ok(rig.why("bad")?.1["update"]["state"] == "paused"))?;
        let (code, why) = self.why("bad")?;
        assert_eq!((code, &why["verdict"]), (1, &"not-address".into()), "{why:#}");
        let back = "docker service rollback bad";
        assert!(commands(&why).contains(&back), "{why:#}");
        assert!(
            list(&why["errors"])
                .iter()
                .any(|e| e["text"].as_str().is_some_and(|t| t.contains("o such image")))
        );
        self.step(back)?;
        self.until_verdict("bad", "running")?;
        self.remove(&["port".into(), "bad".into(), "narrowed".into(), "rest".into()])
    }

    /// Its creation succeeds, and each of its tasks is rejected by the node that has the bridge.
    fn overlaps_a_bridge(&self) -> Outcome {
        let format = "{{(index .IPAM.Config 0).Subnet}}";
        let subnet = docker(&self.lab, &["network", "inspect", "--format", format, "bridge"])?;
        self.network("bridged", &subnet)?;
        let found = self.audit("bridged")?;
        assert_eq!(finding(&found, "subnets_overlap")?["other"], "docker0", "{found:#}");
        self.service("torn", &["bridged"], &[])?;
        let why = self.until_verdict("torn", "not-address")?;
        assert_eq!(why["errors"][0]["known"]["signature"], "pool-overlap", "{why:#}");
        finding(&why, "subnets_overlap")?;
        self.remove(&["torn".into()])?;
        docker(&self.lab, &["network", "rm", "bridged"]).map(drop)
    }

    /// No address is wanting: a constraint that no node meets, an image that is nowhere, a command that fails.
    fn not_an_address(&self) -> Outcome {
        self.network("spacious", "10.90.2.0/24")?;
        self.service("nowhere", &["spacious"], &["--constraint", "node.labels.disk==ssd"])?;
        let words =
            ["service", "create", "--detach", "--no-resolve-image", "--network", "spacious", "--name"];
        docker(&self.lab, &[&words[..], &["imageless", "pvcheck-lab/not-there:1"]].concat())?;
        docker(&self.lab, &[&words[..], &["failing", IMAGE, "sh", "-c", "exit 3"]].concat())?;
        for (name, word) in
            [("nowhere", "no suitable node"), ("imageless", "o such image"), ("failing", "exit (3)")]
        {
            let why = self.until_verdict(name, "not-address")?;
            let summary = why["summary"].as_str().unwrap_or_default();
            assert!(summary.contains(word), "{summary}");
            assert_eq!((&why["network"], list(&why["findings"]).len()), (&Value::Null, 0));
        }
        self.remove(&["nowhere".into(), "imageless".into(), "failing".into()])
    }

    /// Two overlays with the same subnet: the second is never allocated, though its creation succeeded. A network without a
    /// subnet harms none of the other steps.
    fn overlapping(&self) -> Outcome {
        self.network("first", "10.90.3.0/24")?;
        self.network("second", "10.90.3.0/24")?;
        self.service("homeless", &["second"], &[])
    }

    fn no_subnet(&self) -> Outcome {
        let why = self.until_verdict("homeless", "network")?;
        assert_eq!(finding(&self.audit("second")?, "not_allocated")?["network"], "second");
        assert_eq!(why["network"]["name"], "second", "{why:#}");
        assert_eq!(why["network"]["leaked"], Value::Null, "{why:#}");
        self.remove(&["homeless".into()])
    }

    /// L2: a service that waits on [a, b], b full, loses an address of a at each attempt.
    ///
    /// `docker service create` puts networks in the order of their ids, which are random; a stack's are in the order of
    /// their names.
    fn retries_lose(&self) -> Outcome {
        self.remove(&["fill".into(), "base".into()])?;
        self.network("a-net", "10.90.4.0/26")?;
        self.network("b-full", "10.90.5.0/29")?;
        self.fill("b-full")?;
        self.deploy("waits", &["a-net", "b-full"], AT_ONCE)?;
        let why = self.until_verdict("waits_app", "vip-pending")?;
        assert_eq!(why["network"]["name"], "b-full", "{why:#}");
        assert_eq!(finding(&why, "retries_lose_addresses")?["networks"], serde_json::json!(["a-net"]));
        assert_eq!(commands(&why)[0], "pvcheck stack rm waits --apply");
        let audit = self.audit("a-net")?;
        assert_eq!(finding(&audit, "retries_lose_addresses")?["service"], "waits_app", "{audit:#}");
        // Each address that is freed makes the allocator try again.
        let retries = 3;
        for n in 0..retries {
            let name = format!("passing{n}");
            self.service(&name, &["spacious"], &["--replicas", "0"])?;
            self.until(&format!("{name} has its address"), |rig| {
                Ok(rig.audit("spacious")?["networks"][0]["owned"]["vips"] == 1)
            })?;
            self.remove(&[name])?;
        }
        self.remove(&["waits_app".into()])?;
        let lost = self.census("a-net")?["leaked"].as_u64().ok_or("the census is not complete")?;
        println!("L2: {lost} addresses of a-net lost by one creation and {retries} retries");
        assert!(retries < lost, "{lost}");
        if self.slow { self.lost_otherwise() } else { Ok(()) }
    }

    /// In the other order nothing is lost; and a network without a subnet refuses as a full one does, and costs as much.
    fn lost_otherwise(&self) -> Outcome {
        self.network("z-net", "10.90.6.0/26")?;
        self.deploy("zwaits", &["b-full", "z-net"], AT_ONCE)?;
        let why = self.until_verdict("zwaits_app", "vip-pending")?;
        assert_eq!(list(&why["findings"]).len(), 0, "{why:#}");
        self.remove(&["zwaits_app".into()])?;
        assert_eq!(self.census("z-net")?["leaked"], 0);
        self.network("a-other", "10.90.7.0/26")?;
        self.deploy("swaits", &["a-other", "second"], AT_ONCE)?;
        let why = self.until_verdict("swaits_app", "network")?;
        assert_eq!(finding(&why, "retries_lose_addresses")?["networks"], serde_json::json!(["a-other"]));
        self.remove(&["swaits_app".into()])?;
        let lost = self.census("a-other")?["leaked"].as_u64().ok_or("the census is not complete")?;
        println!("L2 with a network that has no subnet: {lost} lost by one creation");
        assert!(0 < lost);
        Ok(())
    }

    /// L3: an update that adds a full network frees the live VIP, which another service then gets.
    fn live_vip_freed(&self) -> Outcome {
        self.network("c-net", "10.90.8.0/28")?;
        self.service("live", &["c-net"], &[])?;
        self.until_verdict("live", "running")?;
        docker(&self.lab, &["service", "update", "--detach", "--network-add", "b-full", "live"])?;
        let why = self.until_verdict("live", "vip-pending")?;
        assert_eq!(why["network"]["name"], "b-full", "{why:#}");
        assert_eq!(finding(&why, "live_vip_freed")?["networks"], serde_json::json!(["c-net"]), "{why:#}");
        assert_eq!(commands(&why)[0], "docker service update --network-rm b-full live");
        let mut made = Vec::new();
        let audit = loop {
            let audit = self.audit("c-net")?;
            if !list(&audit["networks"][0]["duplicates"]).is_empty() {
                break audit;
            }
            assert!(made.len() < 14, "no new service was given the address: {audit:#}");
            let name = format!("new{}", made.len());
            self.service(&name, &["c-net"], &["--replicas", "0"])?;
            made.push(name);
            let so_far = made.len() as u64 + 1;
            self.until("the new service has its address", |rig| {
                Ok(rig.audit("c-net")?["networks"][0]["owned"]["vips"].as_u64() == Some(so_far))
            })?;
        };
        let twice = &audit["networks"][0]["duplicate_holders"][0];
        let holders: BTreeSet<&str> =
            list(&twice["holders"]).iter().filter_map(|o| o["service"].as_str()).collect();
        let last = made.last().ok_or("nothing was made")?;
        assert_eq!(holders, BTreeSet::from(["live", last.as_str()]), "{audit:#}");
        let text = finding(&audit, "same_address")?["text"].as_str().unwrap_or_default().to_owned();
        assert!(text.contains("live") && text.contains(last.as_str()), "{text}");
        println!("L3: new service number {} was given {} too", made.len(), twice["address"]);
        self.remove(&made)?;
        if self.slow {
            self.network("d-net", "10.90.9.0/28")?;
            self.service("back", &["d-net"], &[])?;
            let vip = self.vip("back", "running")?;
            docker(&self.lab, &["service", "update", "--detach", "--network-add", "b-full", "back"])?;
            let why = self.until_verdict("back", "vip-pending")?;
            let first = commands(&why)[0].split(' ').skip(1).map(str::to_owned).collect::<Vec<_>>();
            let mut words: Vec<&str> = first.iter().map(String::as_str).collect();
            words.insert(2, "--detach");
            let since = Instant::now();
            docker(&self.lab, &words)?;
            assert_eq!(self.vip("back", "running")?, vip, "it keeps its address");
            println!("L3: with the update taken back it ran after {:.0} s", since.elapsed().as_secs_f32());
        }
        Ok(())
    }

    fn vip(&self, service: &str, verdict: &str) -> Result<String> {
        self.until_verdict(service, verdict)?;
        docker(&self.lab, &["service", "inspect", "--format", "{{json .Endpoint.VirtualIPs}}", service])
    }

    fn network(&self, name: &str, subnet: &str) -> Outcome {
        let words = ["network", "create", "--driver", "overlay", "--attachable", "--subnet", subnet, name];
        docker(&self.lab, &words).map(drop)
    }

    fn service(&self, name: &str, networks: &[&str], more: &[&str]) -> Outcome {
        let mut words = vec!["service", "create", "--detach", "--no-resolve-image", "--name", name];
        words.extend(networks.iter().flat_map(|n| ["--network", *n]));
        words.extend(more);
        words.extend([IMAGE, "sh", "-c", AT_ONCE]);
        docker(&self.lab, &words).map(drop)
    }

    /// All addresses of a /29 to one service whose tasks no node takes.
    fn fill(&self, network: &str) -> Outcome {
        let more = ["--constraint", "node.labels.none==1", "--replicas", "4"];
        self.service("filler", &[network], &more)?;
        self.until("it is full", |rig| Ok(rig.audit(network)?["networks"][0]["pressure"] == "full"))
    }

    /// A stack of one service with one task; `internal` is a network of its own.
    fn deploy(&self, name: &str, on: &[&str], command: &str) -> Outcome {
        let folder = tempfile::tempdir()?;
        let mut compose = format!("version: '3.8'\nservices:\n  app:\n    image: {IMAGE}\n");
        let command = serde_json::to_string(&["sh", "-c", command])?;
        writeln!(compose, "    command: {command}\n    networks: [{}]\nnetworks:", on.join(", "))?;
        for network in on {
            let what = if *network == "internal" { "{}" } else { "{external: true}" };
            writeln!(compose, "  {network}: {what}")?;
        }
        let file = folder.path().join("compose.yml");
        std::fs::write(&file, compose)?;
        let mut words = self.lab.command("docker");
        words.args(["stack", "deploy", "--resolve-image", "never", "-c"]).arg(&file).arg(name);
        text(&mut words).map(drop)
    }

    /// `docker stack rm`, again while it is refused with "in use by task", as an operator would.
    fn stack_rm(&self, name: &str) -> Outcome {
        for _ in 0..50 {
            match docker(&self.lab, &["stack", "rm", name]) {
                Err(error) if error.to_string().contains("in use by task") => {}
                done => return done.map(drop),
            }
        }
        Err(format!("{name} is not removed").into())
    }

    /// Removes services and waits until nothing of them is left. Those that are not there are passed over.
    fn remove(&self, names: &[String]) -> Outcome {
        let there = docker(&self.lab, &["service", "ls", "--format", "{{.Name}}"])?;
        let there: BTreeSet<&str> = there.lines().collect();
        let mut words = vec!["service", "rm"];
        words.extend(names.iter().map(String::as_str).filter(|n| there.contains(n)));
        if words.len() == 2 {
            return Ok(());
        }
        docker(&self.lab, &words)?;
        let runtime = tokio::runtime::Runtime::new()?;
        let engine = runtime.block_on(pvcheck_swarm::Engine::connect(&host(&self.lab)))?;
        self.until("their tasks are gone", |_| {
            let snapshot = runtime.block_on(engine.snapshot())?;
            let orphan =
                |t: &pvcheck_audit::Task| t.service.as_ref().is_some_and(|id| snapshot.service(id).is_none());
            Ok(!snapshot.tasks.iter().any(orphan))
        })
    }

    fn census(&self, network: &str) -> Result<Value> {
        Ok(serde_json::from_slice(&self.run(&["census", network, "-q", "-o", "json"])?.1)?)
    }

    fn audit(&self, network: &str) -> Result<Value> {
        Ok(serde_json::from_slice(&self.run(&["audit", network, "-o", "json"])?.1)?)
    }

    /// The exit code and the result of `pvcheck why`.
    fn why(&self, subject: &str) -> Result<(i32, Value)> {
        let (code, stdout) = self.run(&["why", subject, "-o", "json"])?;
        Ok((code, serde_json::from_slice(&stdout)?))
    }

    fn until_verdict(&self, subject: &str, verdict: &str) -> Result<Value> {
        let since = Instant::now();
        loop {
            let (code, why) = self.why(subject)?;
            if why["verdict"] == verdict {
                assert_eq!(code, i32::from(verdict != "running"), "{why:#}");
                return Ok(why);
            }
            if PATIENCE < since.elapsed() {
                return Err(format!("{subject} is not {verdict}: {why:#}").into());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn until(&self, what: &str, mut is_so: impl FnMut(&Self) -> Result<bool>) -> Outcome {
        let since = Instant::now();
        while !is_so(self)? {
            if PATIENCE < since.elapsed() {
                return Err(format!("never: {what}").into());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// Exit code and stdout; 2 and more that is no verdict is an error with what it said.
    fn run(&self, words: &[&str]) -> Result<(i32, Vec<u8>)> {
        let output = Command::new(&self.program)
            .args(words)
            .arg("--host")
            .arg(host(&self.lab).to_string())
            .output()?;
        let code = output.status.code().ok_or("killed")?;
        if output.stdout.is_empty() {
            return Err(
                format!("{words:?} ended with {code}: {}", String::from_utf8_lossy(&output.stderr)).into()
            );
        }
        Ok((code, output.stdout))
    }
}

/// Usable, owned, leaked, free.
fn numbers(network: &Value) -> (u64, u64, Option<u64>, Option<u64>) {
    let of = |key: &str| network[key].as_u64();
    (of("usable").unwrap_or_default(), of("owned").unwrap_or_default(), of("leaked"), of("free"))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn commands(why: &Value) -> Vec<&str> {
    list(&why["remedies"]).iter().filter_map(|m| m["command"].as_str()).collect()
}

fn finding<'a>(report: &'a Value, kind: &str) -> Result<&'a Value> {
    let found = list(&report["findings"]).iter().find(|f| f["kind"] == kind);
    found.ok_or_else(|| format!("no finding {kind}: {report:#}").into())
}
