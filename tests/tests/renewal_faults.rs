//! A proxy breaks one call after the other of a renewal on a real engine, of one that is finished and of one that is undone:
//! it is done, put back, or said to be gone on with, and then it can be.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use pvcheck_lab::{Fault, FaultProxy, FaultRule, Lab, LabSpec, Suite};
use pvcheck_tests::faults::{BREAKS, Cases, rule, spread};
use pvcheck_tests::renewals::specs;
use pvcheck_tests::stacks::{IMAGE, STOPS_AT_ONCE};
use pvcheck_tests::{Outcome, docker, docker_json, host, in_lanes, lab_of, long, pvcheck};
use serde_json::{Value, json};

/// No larger than it has to be: the room on it is counted each time.
const SUBNETS: [&str; 2] = ["10.10.0.0/24", "10.10.0.0/20"];
/// No call takes longer than its deadline of 30 s, and a command ends after a few of them.
const AT_MOST: Duration = Duration::from_mins(4);

type Fallible<T> = Result<T, Box<dyn std::error::Error>>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    Apply,
    Resume,
    Rollback,
}

struct Rig {
    lab: Lab,
    proxy: FaultProxy,
    program: PathBuf,
    folder: tempfile::TempDir,
    specs: BTreeMap<String, Value>,
    /// Which subnet it has.
    at: usize,
}

/// How it ended, and all that it said.
struct Ended {
    code: Option<i32>,
    result: Option<Value>,
    text: String,
    stderr: String,
}

impl Rig {
    fn up(test: &str) -> Fallible<Option<Self>> {
        let spec = LabSpec { suite: Some(Suite::Bookworm), ..LabSpec::default() };
        let Some(lab) = lab_of(test, spec) else { return Ok(None) };
        for (name, subnet) in [("proxy", SUBNETS[0]), ("private", "10.20.0.0/28")] {
            docker(&lab, &["network", "create", "-d", "overlay", "--attachable", "--subnet", subnet, name])?;
        }
        let create = ["service", "create", "-q", "--no-resolve-image", "--update-monitor", "100ms"];
        for rest in [
            &["--name", "app", "--network", "private", "--network", "name=proxy,alias=web"][..],
            &["--name", "idle", "--network", "proxy", "--replicas", "0"],
        ] {
            docker(&lab, &[&create[..], rest, &[IMAGE, "sh", "-c", STOPS_AT_ONCE]].concat())?;
        }
        let specs = specs(&lab, "proxy")?;
        let folder = tempfile::tempdir()?;
        let proxy = FaultProxy::start(&folder.path().join("s"), host(&lab).socket(), Vec::new())?;
        Ok(Some(Self { lab, proxy, program: pvcheck()?, folder, specs, at: 0 }))
    }

    fn words(&self, how: How, strategy: &str) -> Vec<String> {
        let words: &[&str] = match how {
            How::Apply => &["proxy", "--to", SUBNETS[1 - self.at], "--strategy", strategy, "--apply"],
            How::Resume => &["resume", "--break-lock", "a test"],
            How::Rollback => &["rollback", "--break-lock", "a test"],
        };
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    fn run(&self, host: &str, words: &[String]) -> Fallible<Ended> {
        let mut command = Command::new(&self.program);
        command.arg("resize").args(words).args(["-o", "json", "--quiet"]);
        command.args(["--timeout", "30s", "--state"]).arg(self.folder.path().join("state"));
        let since = Instant::now();
        let Output { status, stdout, stderr } = command.env("DOCKER_HOST", host).output()?;
        let stderr = String::from_utf8_lossy(&stderr).into_owned();
        let text = String::from_utf8_lossy(&stdout).into_owned() + &stderr;
        assert!(since.elapsed() < AT_MOST, "{words:?}: {:?}: {text}", since.elapsed());
        Ok(Ended { code: status.code(), result: serde_json::from_slice(&stdout).ok(), text, stderr })
    }

    fn through(&self, words: &[String], rules: Vec<FaultRule>) -> Fallible<Ended> {
        self.proxy.arm(rules);
        self.run(&self.proxy.host(), words)
    }

    fn directly(&self, words: &[String]) -> Fallible<Ended> {
        self.run(&self.lab.info().hosts[0], words)
    }

    /// What a case begins with: nothing, or a renewal that was left where the old network is gone and the new one not there.
    fn begin(&self, how: How, strategy: &str) -> Outcome {
        if how == How::Apply {
            return Ok(());
        }
        let mut words = self.words(How::Apply, strategy);
        words.push("--hold".to_owned());
        let second = if strategy == "bridge" { 2 } else { 1 };
        let refused = FaultRule::new(Fault::Fail { status: 400 }).method("POST").path("/networks/create");
        let held = self.through(&words, vec![refused.nth(second)])?;
        assert!(held.code == Some(1) && held.text.contains("pvcheck resize resume"), "{}", held.text);
        Ok(())
    }

    fn is_under_way(&self) -> Fallible<bool> {
        let configs = docker(&self.lab, &["config", "ls", "--format", "{{.Name}}"])?;
        Ok(configs.lines().any(|name| name == "pvcheck-renewal"))
    }

    /// Breaks calls of one command; returns how many of them, and how many were done, put back, and to be gone on with.
    fn break_calls(
        &mut self,
        how: How,
        strategy: &str,
        cases: &dyn Fn(usize) -> Vec<(usize, Fault)>,
    ) -> Fallible<[usize; 4]> {
        self.begin(how, strategy)?;
        let faultless = self.through(&self.words(how, strategy), Vec::new())?;
        assert_eq!(faultless.code, Some(0), "{how:?} by {strategy} without a fault: {}", faultless.text);
        let cases = cases(self.proxy.calls());
        self.settled(if how == How::Rollback { self.at } else { 1 - self.at }, false)?;
        let mut ends = [cases.len(), 0, 0, 0];
        for case in cases {
            let shown = format!("{how:?} by {strategy}, call {} {:?}", case.0, case.1);
            let end = self.one(how, strategy, case).map_err(|error| format!("{shown}: {error}"))?;
            ends[end] += 1;
        }
        Ok(ends)
    }

    /// One case; 1 if it was done, 2 if it was put back or not begun, 3 if it had to be gone on with.
    fn one(&mut self, how: How, strategy: &str, case: (usize, Fault)) -> Fallible<usize> {
        self.begin(how, strategy)?;
        let wanted = if how == How::Rollback { self.at } else { 1 - self.at };
        let ended = self.through(&self.words(how, strategy), vec![rule(case)])?;
        // An engine that restarts is back soon, and this one never was away.
        let open = self.is_under_way()?;
        let is_gone = case.1 == Fault::Reset;
        let Ended { code, result, text, stderr } = &ended;
        if !matches!(code, Some(0..=4)) {
            return Err(format!("it ended with {code:?}: {text}").into());
        }
        let lines = stderr.lines().filter(|line| line.starts_with("pvcheck: ")).count();
        if result.is_none() && lines != 1 {
            return Err(format!("it has not failed in one line: {text}").into());
        }
        if *code == Some(0) {
            let changed = result.as_ref().map(|result| &result["changed"]);
            if open || changed != Some(&json!([])) {
                return Err(format!("it is said to be done: {text}").into());
            }
            self.settled(wanted, false)?;
            return Ok(1);
        }
        if text.contains("run `pvcheck sweep --apply`") {
            self.sweep_named(text)?;
        }
        if !open {
            if how != How::Apply {
                return Err(format!("it has ended, and is said to have failed: {text}").into());
            }
            // A lock that cannot be released expires.
            self.settled(self.at, is_gone)?;
            return Ok(2);
        }
        // One that was there before is left as it was by what fails before it has taken it over.
        if how == How::Apply && !text.contains("`pvcheck resize ") {
            return Err(format!("it is to be gone on with, and that is not said: {text}").into());
        }
        let back = case.0.is_multiple_of(2) || how == How::Rollback;
        let end = self.directly(&self.words(if back { How::Rollback } else { How::Resume }, strategy))?;
        let done = end.result.as_ref().ok_or_else(|| format!("not to be gone on with: {}", end.text))?;
        if end.code != Some(0) || done["changed"] != json!([]) {
            return Err(format!("not to be gone on with: {}", end.text).into());
        }
        let forward = done["direction"] == "forward";
        assert!(!back || !forward, "it was to be undone: {}", end.text);
        self.settled(if forward { 1 - self.at } else { self.at }, false)?;
        Ok(3)
    }

    /// What an engine that is gone keeps of a count is named, and a sweep removes it.
    fn sweep_named(&self, text: &str) -> Outcome {
        let ours = ["service", "ls", "--format", "{{.Name}}", "--filter", "label=org.pvcheck.run"];
        for name in docker(&self.lab, &ours)?.lines() {
            if !text.contains(name) {
                return Err(format!("{name} is left, and that is not said: {text}").into());
            }
        }
        let mut sweep = Command::new(&self.program);
        sweep.args(["sweep", "--apply", "--quiet", "--host", &self.lab.info().hosts[0]]);
        pvcheck_tests::text(&mut sweep).map(drop)
    }

    /// The network has this subnet, all else is as it was, and nothing of a run is left but for a lock where one may be.
    fn settled(&mut self, at: usize, may_lock: bool) -> Outcome {
        let network = docker_json(&self.lab, &["network", "inspect", "proxy"])?;
        let subnet = &network[0][0]["IPAM"]["Config"][0]["Subnet"];
        if subnet != SUBNETS[at] {
            return Err(format!("it has {subnet} and not {}", SUBNETS[at]).into());
        }
        self.at = at;
        let now = specs(&self.lab, "proxy")?;
        if now != self.specs {
            return Err(format!("services are {now:?}, and were {:?}", self.specs).into());
        }
        let runs = docker(&self.lab, &["service", "ls", "--format", "{{.Name}} {{.Replicas}}"])?;
        let mut runs: Vec<&str> = runs.lines().collect();
        runs.sort_unstable();
        if runs != ["app 1/1", "idle 0/0"] {
            return Err(format!("there run {runs:?}").into());
        }
        for kind in ["network", "config", "service"] {
            let words = [kind, "ls", "--format", "{{.Name}}", "--filter", "label=org.pvcheck.run"];
            let left = docker(&self.lab, &words)?;
            if may_lock && left == "pvcheck-lock" {
                docker(&self.lab, &["config", "rm", "pvcheck-lock"])?;
            } else if !left.is_empty() {
                return Err(format!("{kind}s are left: {left}").into());
            }
        }
        Ok(())
    }
}

#[test]
fn whatever_call_of_a_renewal_is_broken_it_is_done_or_put_back_or_gone_on_with() -> Outcome {
    in_lanes(one_lane)
}

fn one_lane(lane: (usize, usize)) -> Outcome {
    let test = "renewal_faults::whatever_call_of_a_renewal_is_broken_it_is_done_or_put_back_or_gone_on_with";
    let Some(mut rig) = Rig::up(test)? else { return Ok(()) };
    let (mut all, each) = (0, BREAKS.len());
    for (how, strategy, cases) in [
        (How::Apply, "bridge", Cases { short: 1, long: 2 * each }),
        (How::Apply, "recreate", Cases { short: 2, long: 2 * each }),
        (How::Resume, "bridge", Cases { short: 0, long: each / 2 }),
        (How::Resume, "recreate", Cases { short: 1, long: each / 2 }),
        (How::Rollback, "bridge", Cases { short: 0, long: each / 2 }),
        (How::Rollback, "recreate", Cases { short: 1, long: each / 2 }),
    ] {
        if if long() { cases.long } else { cases.short } == 0 {
            continue;
        }
        let since = Instant::now();
        let [runs, done, back, gone_on] = rig.break_calls(how, strategy, &spread(cases, lane))?;
        all += runs;
        writeln!(
            std::io::stdout(),
            "{test}: {how:?} by {strategy}: {runs} faults in {:.1} s: {done} done, {back} put back or not begun, {gone_on} gone on with",
            since.elapsed().as_secs_f64()
        )?;
    }
    writeln!(std::io::stdout(), "{test}: {all} faults")?;
    rig.lab.down()?;
    Ok(())
}
