//! A proxy between pvcheck and a real engine breaks one call after the other: whatever it breaks, nothing of others
//! changes, an exit code of a faultless run comes with a faultless result only, and what is left is named.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use pvcheck_lab::{Fault, FaultProxy, Lab, Suite, World};
use pvcheck_swarm::Engine;
use pvcheck_tests::faults::{BREAKS, Cases, rule, spread};
use pvcheck_tests::stacks::{IMAGE, STOPS_AT_ONCE, Shape, deploy};
use pvcheck_tests::{Outcome, docker, host, in_lanes, lab, long, pvcheck};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// The network that is counted, and the one that stacks are deployed on.
const SMALL: &str = "small";
const NETWORK: &str = "proxy";
/// No call may take longer than its deadline, and no run more than a few of them.
const AT_MOST: Duration = Duration::from_secs(100);
/// Where the engine is gone in the middle of a removal, a minute is waited for word of what was asked, and another one for
/// the tasks.
const WITH_ENGINE_GONE: Duration = Duration::from_secs(150);

/// Each kind once, or twice.
const READ: Cases = Cases { short: BREAKS.len(), long: 2 * BREAKS.len() };

type Fallible<T> = Result<T, Box<dyn std::error::Error>>;
/// Everything that is not a run's, by kind and id, and the running tasks of the resident service.
type Others = BTreeSet<String>;

struct Rig {
    lab: Lab,
    engine: Engine,
    runtime: tokio::runtime::Runtime,
    proxy: FaultProxy,
    program: PathBuf,
    _folder: tempfile::TempDir,
}

/// What a command is compared by.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    code: Option<i32>,
    result: Option<Value>,
}

impl Rig {
    fn up(test: &str) -> Fallible<Option<Self>> {
        let Some(lab) = lab(test, Some(Suite::Bookworm), World::Empty) else { return Ok(None) };
        for (name, subnet) in [(SMALL, "10.20.0.0/28"), (NETWORK, "10.10.0.0/24")] {
            docker(&lab, &["network", "create", "-d", "overlay", "--attachable", "--subnet", subnet, name])?;
        }
        deploy(&lab, &["resident".into()], Shape { shared: NETWORK, replicas: 1, script: STOPS_AT_ONCE })?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let engine = runtime.block_on(Engine::connect(&host(&lab)))?;
        let folder = tempfile::tempdir()?;
        let proxy = FaultProxy::start(&folder.path().join("s"), host(&lab).socket(), Vec::new())?;
        Ok(Some(Self { lab, engine, runtime, proxy, program: pvcheck()?, _folder: folder }))
    }

    fn list(&self, what: &str) -> Fallible<Vec<Value>> {
        Ok(self.runtime.block_on(self.engine.connection().get::<Vec<Value>>(&format!("/{what}")))?)
    }

    /// What is of a run or of the stack that a test removes, by id with its name; and everything else.
    fn objects(&self) -> Fallible<(BTreeMap<String, String>, Others)> {
        let (mut ours, mut others) = (BTreeMap::new(), BTreeSet::new());
        for kind in ["services", "networks", "secrets", "configs"] {
            for object in self.list(kind)? {
                if kind == "networks" && object["Scope"] != "swarm" {
                    continue;
                }
                let spec = if kind == "networks" { &object } else { &object["Spec"] };
                let id = object["ID"].as_str().or(object["Id"].as_str()).unwrap_or_default();
                let name = spec["Name"].as_str().unwrap_or_default();
                let labels = &spec["Labels"];
                if labels["org.pvcheck.run"].is_string() || labels["com.docker.stack.namespace"] == "app" {
                    ours.insert(format!("{kind} {id}"), name.to_owned());
                } else {
                    others.insert(format!("{kind} {id} {name}"));
                }
            }
        }
        let resident = others.iter().find(|o| o.ends_with(" resident_app")).cloned().unwrap_or_default();
        for task in self.list("tasks")? {
            let of_resident = task["ServiceID"].as_str().is_some_and(|id| resident.contains(id));
            if of_resident && task["Status"]["State"] == "running" {
                others.insert(format!("task {}", task["ID"]));
            }
        }
        Ok((ours, others))
    }

    /// Runs pvcheck through the proxy.
    fn through(&self, words: &[&str], broken: Option<(usize, Fault)>) -> Fallible<(Told, Output)> {
        self.proxy.arm(broken.map(rule).into_iter().collect());
        let since = Instant::now();
        let mut command = Command::new(&self.program);
        let output =
            command.args(["-o", "json"]).args(words).env("DOCKER_HOST", self.proxy.host()).output()?;
        let is_gone = matches!(broken, Some((_, Fault::Reset)));
        let most = if is_gone { WITH_ENGINE_GONE } else { AT_MOST };
        // In long rounds several engines share the machine.
        let most = if long() { most * 2 } else { most };
        assert!(since.elapsed() < most, "{words:?}, {broken:?}: {:?}", since.elapsed());
        let mut result = serde_json::from_slice::<Value>(&output.stdout).ok();
        result.iter_mut().for_each(strip);
        Ok((Told { code: output.status.code(), result }, output))
    }

    /// Breaks calls of a command, with `before` before each run. Returns how many runs there were.
    fn break_calls(
        &self,
        words: &[&str],
        cases: impl Fn(usize) -> Vec<(usize, Fault)>,
        before: impl Fn() -> Outcome,
    ) -> Fallible<usize> {
        before()?;
        let (faultless, output) = self.through(words, None)?;
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(faultless.result.is_some(), "{words:?} without a fault: {:?}: {told}", output.status);
        let cases = cases(self.proxy.calls());
        for case in &cases {
            before()?;
            let (there, others) = self.objects()?;
            let (told, output) = self.through(words, Some(*case))?;
            let shown = format!("{words:?}, call {} {:?}", case.0, case.1);
            self.check(&shown, &faultless, (&told, &output), &there)?;
            assert_eq!(self.objects()?.1, others, "{words:?}, {case:?}: something of others changed");
        }
        Ok(cases.len())
    }

    /// Breaks calls of a gate, which never passes what is not so: its evidence differs from run to run, so that only its
    /// verdict is compared.
    fn break_gate(&self, words: &[&str], cases: impl Fn(usize) -> Vec<(usize, Fault)>) -> Fallible<usize> {
        self.clean()?;
        let (faultless, output) = self.through(words, None)?;
        let told = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert_eq!(faultless.code, Some(0), "{words:?} without a fault: {told}");
        let cases = cases(self.proxy.calls());
        for case in &cases {
            self.clean()?;
            let (_, others) = self.objects()?;
            let (told, output) = self.through(words, Some(*case))?;
            let shown = format!("{words:?}, call {} {:?}", case.0, case.1);
            let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
            assert!(matches!(told.code, Some(0..=4)), "{shown}: {:?}: {text}", output.status);
            let (ours, now) = self.objects()?;
            for name in ours.values() {
                assert!(text.contains(name.as_str()), "{shown}: {name} is left and not named: {text}");
            }
            assert!(told.code != Some(0) || ours.is_empty(), "{shown}: PASS, and {ours:?} is left: {text}");
            assert_eq!(now, others, "{shown}: something of others changed");
        }
        Ok(cases.len())
    }

    /// `there` is what was there of a run, or of the stack, before.
    fn check(
        &self,
        shown: &str,
        faultless: &Told,
        (told, output): (&Told, &Output),
        there: &BTreeMap<String, String>,
    ) -> Outcome {
        let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        if told.code == Some(0) || told.code == faultless.code {
            assert_eq!(told, faultless, "{shown}: {text}");
        }
        assert!(matches!(told.code, Some(0..=4)), "{shown}: {:?}: {text}", output.status);
        // A process that says nothing has not failed in one line.
        let lines =
            String::from_utf8_lossy(&output.stderr).lines().filter(|l| l.starts_with("pvcheck: ")).count();
        assert!(told.result.is_some() || lines == 1, "{shown}: {text}");
        let (ours, _) = self.objects()?;
        for (id, name) in &ours {
            // A command that fails before it has begun leaves what there was, and says so by its error.
            let is_new = !there.contains_key(id);
            let named = text.contains(name.as_str());
            assert!(
                named || (!is_new && told.result.is_none()),
                "{shown}: {name} is left and not named: {text}"
            );
            assert!(!is_new || text.contains("pvcheck sweep --apply"), "{shown}: {name} is left: {text}");
        }
        Ok(())
    }

    /// Takes away what a broken run has left, past the proxy.
    fn clean(&self) -> Outcome {
        for words in [&["sweep", "--apply"][..], &["stack", "rm", "app", "--apply"]] {
            let mut command = Command::new(&self.program);
            command.args(words).env("DOCKER_HOST", &self.lab.info().hosts[0]).output()?;
        }
        assert_eq!(self.objects()?.0, BTreeMap::new(), "a sweep past the proxy leaves something");
        Ok(())
    }
}

/// Removes what differs from run to run: times, durations, and ids of runs.
fn strip(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|key, _| {
                !key.ends_with("_ms") && !matches!(key.as_str(), "at" | "since" | "run" | "age_secs" | "id")
            });
            fields.values_mut().for_each(strip);
        }
        Value::Array(items) => items.iter_mut().for_each(strip),
        _ => {}
    }
}

#[test]
fn whatever_call_is_broken_nothing_is_wrong_unsaid_or_changed() -> Outcome {
    in_lanes(readings)
}

#[test]
fn whatever_call_of_a_removal_is_broken_nothing_is_lost_or_left_unsaid() -> Outcome {
    in_lanes(removals)
}

#[test]
fn whatever_call_of_a_gate_is_broken_it_passes_nothing_that_is_not_so() -> Outcome {
    in_lanes(gates)
}

fn say(test: &str, words: &[&str], runs: usize, since: Instant) -> std::io::Result<()> {
    let took = since.elapsed().as_secs_f64();
    writeln!(std::io::stdout(), "{test}: {}: {runs} faults in {took:.1} s", words.join(" "))
}

/// What reads, and the two ways to count.
fn readings(lane: (usize, usize)) -> Outcome {
    let test = "faults::whatever_call_is_broken";
    let Some(rig) = Rig::up(test)? else { return Ok(()) };
    let reads: [&[&str]; 5] = [
        &["audit"],
        &["why", "resident_app"],
        &["churn", NETWORK, "--image", IMAGE],
        &["stack", "rm", "resident"],
        &["sweep"],
    ];
    for words in reads {
        let since = Instant::now();
        say(test, words, rig.break_calls(words, spread(READ, lane), || Ok(()))?, since)?;
    }
    for (method, long) in [("cursor", 221), ("bulk", 157)] {
        let since = Instant::now();
        let words = ["census", SMALL, "--method", method, "--deadline", "30s"];
        say(
            test,
            &words,
            rig.break_calls(&words, spread(Cases { short: 10, long }, lane), || rig.clean())?,
            since,
        )?;
    }
    rig.clean()?;
    rig.lab.down()?;
    Ok(())
}

/// What removes.
fn removals(lane: (usize, usize)) -> Outcome {
    let test = "faults::whatever_call_of_a_removal_is_broken";
    let Some(rig) = Rig::up(test)? else { return Ok(()) };
    let since = Instant::now();
    let words = ["sweep", "--apply"];
    say(
        test,
        &words,
        rig.break_calls(&words, spread(Cases { short: 8, long: 194 }, lane), || litter(&rig))?,
        since,
    )?;
    let since = Instant::now();
    let words = ["stack", "rm", "app", "--apply"];
    let app = || {
        rig.clean()?;
        deploy(&rig.lab, &["app".into()], Shape { shared: NETWORK, replicas: 1, script: STOPS_AT_ONCE })
    };
    say(test, &words, rig.break_calls(&words, spread(Cases { short: 3, long: 76 }, lane), app)?, since)?;
    let since = Instant::now();
    let words =
        ["churn", NETWORK, "--image", IMAGE, "--stacks", "1", "--replicas", "1", "--rounds", "1", "--apply"];
    let all = [&words[..], &["--", "sh", "-c", STOPS_AT_ONCE]].concat();
    say(
        test,
        &words,
        rig.break_calls(&all, spread(Cases { short: 3, long: 631 }, lane), || rig.clean())?,
        since,
    )?;
    rig.clean()?;
    rig.lab.down()?;
    Ok(())
}

/// Both gates.
fn gates(lane: (usize, usize)) -> Outcome {
    let test = "faults::whatever_call_of_a_gate_is_broken";
    let Some(rig) = Rig::up(test)? else { return Ok(()) };
    let gate = Gate::new(&rig)?;
    let config = gate.config.to_str().ok_or("a path that is no text")?;
    for (words, cases) in [
        (&["gate", "run", "pvcheck.m1", "--probe"][..], Cases { short: 3, long: 141 }),
        (&["gate", "run", "pvcheck.m2", "--apply"][..], Cases { short: 1, long: 586 }),
    ] {
        let since = Instant::now();
        let all = [words, &["--config", config]].concat();
        say(test, words, rig.break_gate(&all, spread(cases, lane))?, since)?;
    }
    rig.clean()?;
    rig.lab.down()?;
    Ok(())
}

/// A configuration that is true of the rig, and a router that knows the canary by a label of its service.
struct Gate {
    config: PathBuf,
    _folder: tempfile::TempDir,
}

impl Gate {
    fn new(rig: &Rig) -> Fallible<Self> {
        let listener = rig.runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))?;
        let address = listener.local_addr()?;
        let engine = rig.engine.clone();
        rig.runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, engine.clone()));
            }
        });
        let folder = tempfile::tempdir()?;
        let config = folder.path().join("pvcheck.toml");
        let log = rig.lab.info().log[0].display();
        std::fs::write(
            &config,
            format!(
                r#"
[overlay]
name = "{SMALL}"
subnet = "10.20.0.0/28"
min_free = 1
[journal]
file = "{log}"
[[service]]
name = "resident_app"
[[route]]
name = "home"
url = "http://home.test/"
address = "{address}"
[canary]
image = "{IMAGE}"
command = ["sh", "-c", "{STOPS_AT_ONCE}"]
url = "http://{{stack}}.test/"
address = "{address}"
labels = {{ "router.host" = "{{stack}}.test" }}
[churn]
image = "{IMAGE}"
command = ["sh", "-c", "{STOPS_AT_ONCE}"]
stacks = 1
"#
            ),
        )?;
        Ok(Self { config, _folder: folder })
    }
}

/// 200 for `home.test` and for hosts that a service claims by its label `router.host`, else 404.
async fn answer(mut stream: tokio::net::TcpStream, engine: Engine) {
    let mut request = Vec::new();
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read_buf(&mut request).await {
            Ok(read) if 0 < read => {}
            _ => return,
        }
    }
    let text = String::from_utf8_lossy(&request).to_lowercase();
    let host = text.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or_default();
    let services: Vec<Value> = engine.connection().get("/services").await.unwrap_or_default();
    let claimed = host == "home.test" || services.iter().any(|s| s["Spec"]["Labels"]["router.host"] == host);
    let status = if claimed { "200 OK" } else { "404 Not Found" };
    let text = format!("HTTP/1.1 {status}\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
    // A client that has gone away needs no answer.
    let _ = stream.write_all(text.as_bytes()).await;
}

/// Objects of a run that did not clean up.
fn litter(rig: &Rig) -> Outcome {
    rig.clean()?;
    let label = "org.pvcheck.run=aaaaaaaaaaaa";
    docker(&rig.lab, &["network", "create", "-d", "overlay", "--label", label, "pvcheck-left"])?;
    let service =
        ["service", "create", "-q", "-d", "--no-resolve-image", "--replicas", "0", "--label", label];
    docker(
        &rig.lab,
        &[&service[..], &["--name", "pvcheck-left_app", "--network", "pvcheck-left", IMAGE]].concat(),
    )?;
    Ok(())
}
