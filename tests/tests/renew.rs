//! A full network is renewed under its own name on a real engine: the world of the mission's host, with leaks, by either way.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use pvcheck_lab::{Lab, LabSpec, Suite, World};
use pvcheck_swarm::Engine;
use pvcheck_tests::renewals::{renewable, renewed_to, resize, say, specs, summary};
use pvcheck_tests::stacks::{STOPS_IN_2_S, Shape, deploy, stack_rm, until_gone};
use pvcheck_tests::{Outcome, docker, docker_json, host, in_lanes, lab_of, long, pvcheck, text};
use serde_json::Value;

const WIDER: &str = "10.10.0.0/16";

#[test]
fn on_bookworm() -> Outcome {
    by_both("renew::on_bookworm", Suite::Bookworm)
}

#[test]
fn on_trixie() -> Outcome {
    if long() { by_both("renew::on_trixie", Suite::Trixie) } else { Ok(()) }
}

#[test]
fn on_sid() -> Outcome {
    if long() { by_both("renew::on_sid", Suite::Sid) } else { Ok(()) }
}

fn by_both(test: &str, suite: Suite) -> Outcome {
    let spec = LabSpec { suite: Some(suite), world: World::CcCi, ..LabSpec::default() };
    let Some(lab) = lab_of(test, spec) else { return Ok(()) };
    let config = lab.info().config.clone().ok_or("the world has no configuration")?;
    let leaks = if long() { 16 } else { 3 };
    leak(&lab, leaks)?;
    assert_eq!(leaked(&lab)?, leaks as u64);

    let state = tempfile::tempdir()?;
    for (strategy, to, back) in [("bridge", WIDER, "10.10.0.0/24"), ("recreate", WIDER, "")] {
        let before = specs(&lab, "proxy")?;
        let done = resize(&lab, "proxy", state.path(), &["--to", to, "--strategy", strategy, "--apply"])?;
        say(&format!("{test}: {strategy}, {leaks} leaked before: {}", summary(&done)));
        assert_eq!(done["changed"], serde_json::json!([]), "{done:#}");
        assert_eq!(specs(&lab, "proxy")?, before, "{strategy}");
        assert_eq!(leaked(&lab)?, 0, "{strategy}");
        let network = docker_json(&lab, &["network", "inspect", "proxy"])?;
        assert_eq!(network[0][0]["IPAM"]["Config"][0]["Subnet"], to, "{network:?}");
        assert_eq!(network[0][0]["Attachable"], true);
        answers(&lab, &config)?;
        proved(test, &lab, &config, state.path(), strategy == "recreate")?;
        let ours = docker(&lab, &["network", "ls", "-q", "--filter", "label=org.pvcheck.run"])?;
        assert_eq!(ours, "", "the holding network is gone");
        assert_eq!(docker(&lab, &["config", "ls", "-q", "--filter", "label=org.pvcheck.run"])?, "");
        if !back.is_empty() {
            let done =
                resize(&lab, "proxy", state.path(), &["--to", back, "--strategy", "recreate", "--apply"])?;
            say(&format!("{test}: and back: {}", summary(&done)));
            assert_eq!(specs(&lab, "proxy")?, before);
        }
    }
    lab.down()?;
    Ok(())
}

/// Gate `pvfix.m2` passes; if it is to be broken too, with another subnet in the deployed file all of it but the three columns.
fn proved(test: &str, lab: &Lab, config: &Path, state: &Path, broken: bool) -> Outcome {
    let [declared, deployed, wider] =
        ["swarm.nix", "swarm-init.sh", "wider.toml"].map(|name| state.join(name));
    let creates = format!("docker network create -d overlay --attachable \\\n  --subnet {WIDER} proxy\n");
    std::fs::write(&declared, format!("{{ script = ''\n  {creates}''; }}\n"))?;
    let creation = format!(
        "subnet = \"{WIDER}\"\ncreation = {{ declared = 'swarm.nix', deployed = 'swarm-init.sh' }}\n"
    );
    let text = std::fs::read_to_string(config)?;
    let changed = text.replacen("subnet = \"10.10.0.0/24\"\n", &creation, 1);
    assert_ne!(changed, text, "the world declares its subnet");
    std::fs::write(&wider, changed)?;
    let record = state.join("resize-proxy.json");
    let cases = [(WIDER, &[][..]), ("10.10.0.0/24", &["creation.columns"])];
    for (subnet, open) in cases.into_iter().take(1 + usize::from(broken)) {
        std::fs::write(&deployed, creates.replace(WIDER, subnet))?;
        let mut command = lab.command(pvcheck()?);
        command.args(["gate", "run", "pvfix.m2", "--probe", "--quiet", "-o", "json", "--config"]).arg(&wider);
        let since = std::time::Instant::now();
        let output = command.arg("--record").arg(&record).output()?;
        let report: Value = serde_json::from_slice(&output.stdout)?;
        let checks = || report["checks"].as_array().into_iter().flatten();
        let found: Vec<&Value> = checks().filter(|check| check["verdict"] != "PASS").collect();
        let ids: Vec<&str> = found.iter().filter_map(|check| check["id"].as_str()).collect();
        assert_eq!(ids, open, "{found:#?}");
        assert_eq!(output.status.code(), Some(i32::from(!open.is_empty())));
        let took = since.elapsed().as_millis();
        say(&format!("{test}: pvfix.m2 {} with {} checks in {took} ms", report["verdict"], checks().count()));
    }
    Ok(())
}

/// A Swarm with a network and three services on it, two of them on another network as well.
struct Rig {
    lab: Lab,
    specs: BTreeMap<String, Value>,
    subnet: &'static str,
}

/// No larger than it has to be: the room on it is counted each time.
const SUBNETS: [&str; 2] = ["10.10.0.0/24", "10.10.0.0/20"];

impl Rig {
    fn up(test: &str) -> Result<Option<Self>, Box<dyn std::error::Error>> {
        let spec = LabSpec { suite: Some(Suite::Bookworm), ..LabSpec::default() };
        let Some(lab) = lab_of(test, spec) else { return Ok(None) };
        renewable(&lab, SUBNETS[0])?;
        let specs = specs(&lab, "proxy")?;
        Ok(Some(Self { lab, specs, subnet: SUBNETS[0] }))
    }

    fn other(&self) -> &'static str {
        SUBNETS[usize::from(self.subnet == SUBNETS[0])]
    }

    /// A process of another network namespace, which has no file of the first one, ends what was interrupted.
    fn end(&mut self, how: &str, state: &Path) -> Outcome {
        // It may have been killed while it counted the room, before it began.
        text(Command::new(pvcheck()?).args([
            "sweep",
            "--apply",
            "--quiet",
            "--host",
            &self.lab.info().hosts[0],
        ]))?;
        let found = self.elsewhere(&["resize", "status", "-o", "json"], state)?;
        let wanted = if found["under_way"].is_null() {
            // It had begun nothing, or had ended.
            docker(&self.lab, &["network", "inspect", "-f", "{{(index .IPAM.Config 0).Subnet}}", "proxy"])?
        } else {
            let done =
                self.elsewhere(&["resize", how, "-o", "json", "--break-lock", "it was killed"], state)?;
            assert_eq!(done["changed"], serde_json::json!([]), "{done:#}");
            let forward = done["direction"] == "forward";
            assert_eq!(forward, how == "resume", "{done:#}");
            if forward { self.other().to_owned() } else { self.subnet.to_owned() }
        };
        let network = docker_json(&self.lab, &["network", "inspect", "proxy"])?;
        assert_eq!(network[0][0]["IPAM"]["Config"][0]["Subnet"], wanted, "{network:?}");
        for (name, spec) in &specs(&self.lab, "proxy")? {
            assert_eq!(Some(spec), self.specs.get(name), "{how}: {found}");
        }
        let runs = docker(&self.lab, &["service", "ls", "--format", "{{.Name}} {{.Replicas}}"])?;
        let runs: std::collections::BTreeSet<&str> = runs.lines().collect();
        assert_eq!(runs, ["all 1/1", "api 2/2", "app 1/1", "idle 0/0"].into());
        for kind in ["network", "config", "service"] {
            let left = docker(
                &self.lab,
                &[kind, "ls", "--format", "{{.Name}}", "--filter", "label=org.pvcheck.run"],
            )?;
            // A lock that was left by a process that was killed before it began anything expires by itself.
            assert!(left.is_empty() || left == "pvcheck-lock", "{kind}: {left}");
        }
        self.subnet = SUBNETS.into_iter().find(|s| *s == wanted).ok_or("another subnet")?;
        Ok(())
    }

    /// `pvcheck` outside of the lab's namespace.
    fn elsewhere(&self, words: &[&str], state: &Path) -> Result<Value, Box<dyn std::error::Error>> {
        let mut command = Command::new(pvcheck()?);
        command.args(words).args(["--quiet", "--host", &self.lab.info().hosts[0]]);
        if words[1] != "status" {
            command.arg("--state").arg(state);
        }
        Ok(serde_json::from_str(&text(&mut command)?)?)
    }
}

/// kill -9 at the points between two actions.
#[test]
fn killed_at_a_point_another_machine_finishes_it_or_undoes_it() -> Outcome {
    in_lanes(|(lane, lanes)| {
        let test = "renew::killed_at_a_point_another_machine_finishes_it_or_undoes_it";
        let Some(mut rig) = Rig::up(test)? else { return Ok(()) };
        let mut killed = 0;
        for (strategy, point, how) in points().into_iter().skip(lane).step_by(lanes) {
            killed += u32::from(killed_at(&mut rig, strategy, point, how)?);
        }
        say(&format!("{test}: {killed} killed at a point"));
        assert!(0 < killed, "none was killed");
        rig.lab.down()?;
        Ok(())
    })
}

/// Every point of both strategies, each finished and undone; in the short round some of them.
fn points() -> Vec<(&'static str, usize, &'static str)> {
    let all = [("bridge", 11), ("recreate", 6)].into_iter().flat_map(|(strategy, steps)| {
        (0..steps * 3)
            .flat_map(move |point| ["resume", "rollback"].into_iter().map(move |how| (strategy, point, how)))
    });
    let short = [("bridge", 5, "resume"), ("bridge", 21, "rollback"), ("recreate", 5, "resume")];
    all.filter(|case| long() || short.contains(case)).collect()
}

/// True iff the process was killed there: a renewal may have fewer points.
fn killed_at(
    rig: &mut Rig,
    strategy: &str,
    point: usize,
    how: &str,
) -> Result<bool, Box<dyn std::error::Error>> {
    let (state, other) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let mut command = rig.lab.command(std::env::current_exe()?);
    command.args(["--exact", "ends_at_a_point", "--nocapture"]);
    command.env("POINT", point.to_string()).env("POINT_STATE", state.path());
    command.env("POINT_TO", rig.other()).env("POINT_STRATEGY", strategy);
    let out = command.output()?;
    let said = String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr);
    rig.end(how, other.path()).map_err(|e| format!("{strategy}, point {point}, {how}: {e}; {said}"))?;
    Ok(out.status.code().is_none())
}

/// kill -9 at random moments.
#[test]
fn killed_at_any_moment_another_machine_finishes_it_or_undoes_it() -> Outcome {
    let began = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_micros();
    let began = u64::try_from(began)?;
    in_lanes(|(lane, lanes)| {
        let test = "renew::killed_at_any_moment_another_machine_finishes_it_or_undoes_it";
        let Some(mut rig) = Rig::up(test)? else { return Ok(()) };
        let mut seed = began.wrapping_add(1_000_003 * lane as u64) | 1;
        say(&format!("{test}: seed {seed}"));
        let mut cases = 0;
        for n in (0..if long() { 60 } else { 2 }).skip(lane).step_by(lanes) {
            // xorshift64: spread is what is wanted.
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            let strategy = ["bridge", "recreate"][n % 2];
            let how = ["resume", "rollback"][(n + n / 2 + n / 4) % 2];
            cases += u32::from(killed_after(&mut rig, strategy, seed, how)?);
        }
        say(&format!("{test}: {cases} killed while they ran"));
        rig.lab.down()?;
        Ok(())
    })
}

/// True iff the process still ran when it was killed.
fn killed_after(
    rig: &mut Rig,
    strategy: &str,
    seed: u64,
    how: &str,
) -> Result<bool, Box<dyn std::error::Error>> {
    let (state, other) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let mut command = rig.lab.command(pvcheck()?);
    command.args(["resize", "proxy", "--quiet", "--apply", "--break-lock", "a test", "--to", rig.other()]);
    let mut child = command.args(["--strategy", strategy, "--state"]).arg(state.path()).spawn()?;
    std::thread::sleep(Duration::from_millis(seed % if strategy == "bridge" { 12_000 } else { 7_000 }));
    let runs = child.try_wait()?.is_none();
    child.kill()?;
    child.wait()?;
    // A request that was sent at the last moment is still carried out, and no answer shows when.
    std::thread::sleep(Duration::from_millis(300));
    rig.end(how, other.path()).map_err(|e| format!("{strategy}, {how}: {e}"))?;
    Ok(runs)
}

/// Run by another test, with the point in its environment: a renewal that kills its process there.
#[test]
fn ends_at_a_point() -> Outcome {
    let Ok(point) = std::env::var("POINT") else { return Ok(()) };
    renewed_to(point.parse()?, Duration::from_mins(1), || {
        let own = rustix::process::getpid();
        let _ = rustix::process::kill_process(own, rustix::process::Signal::KILL);
    })
}

/// Loses so many addresses of `proxy`, by the docker client's own removal of stacks.
fn leak(lab: &Lab, leaks: usize) -> Outcome {
    let stacks: Vec<String> = (0..leaks).map(|n| format!("gone-{n}")).collect();
    deploy(lab, &stacks, Shape { shared: "proxy", replicas: 1, script: STOPS_IN_2_S })?;
    stack_rm(lab, &stacks)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async { until_gone(&Engine::connect(&host(lab)).await?, &stacks).await })
}

fn leaked(lab: &Lab) -> Result<u64, Box<dyn std::error::Error>> {
    // It ends with 1 where something is leaked.
    let output = lab.command(pvcheck()?).args(["census", "proxy", "-o", "json", "--quiet"]).output()?;
    let census: Value = serde_json::from_slice(&output.stdout)?;
    census["leaked"].as_u64().ok_or_else(|| format!("{census:#}").into())
}

/// Every route answers again; the router may just have started.
fn answers(lab: &Lab, config: &Path) -> Outcome {
    let since = std::time::Instant::now();
    loop {
        let output = lab.command(pvcheck()?).args(["routes", "--quiet", "--config"]).arg(config).output()?;
        if output.status.success() {
            return Ok(());
        }
        let shown = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(since.elapsed() < Duration::from_secs(30), "{shown}");
        std::thread::sleep(Duration::from_millis(200));
    }
}
