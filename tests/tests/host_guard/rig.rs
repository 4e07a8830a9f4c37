//! A booted host with the guard's service, and a network that is filled by leaks.

use std::cell::{Cell, RefCell};
use std::error::Error;
use std::fs::File;
use std::io::{Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use pvcheck_lab::{Fault, FaultProxy, FaultRule, HostSpec, Lab};
use pvcheck_swarm::Engine;
use pvcheck_tests::stacks::{IMAGE, STOPS_AT_ONCE, Shape, deploy, leak};
use pvcheck_tests::{Outcome, booted, docker, host, pvcheck, text};
use serde_json::Value;

pub(crate) type Fallible<T> = Result<T, Box<dyn Error>>;

pub(crate) const UNIT: &str = "pvcheck-guard.service";
pub(crate) const CONFIG: &str = "/etc/pvcheck/pvcheck.toml";
/// The folder of what the guard remembers.
pub(crate) const FOLDER: &str = "/var/lib/pvcheck";
pub(crate) const STATE: &str = "/var/lib/pvcheck/guard.json";
/// A line for each time that the guard was about to restart the engine.
const RESTARTS: &str = "/var/lib/pvcheck/restarts";
/// A line for each time that a person was called.
const PAGED: &str = "/var/lib/pvcheck/paged";
/// Restarts the engine.
pub(crate) const RESTART: &str = "systemctl restart docker.service";
/// The run whose services are left behind.
pub(crate) const ORPHAN: &str = "0123456789ab";
const NETWORK: &str = "shared";
/// Time until what waits for an address is seen to wait.
const SEEN: Duration = Duration::from_mins(1);

pub(crate) struct Rig {
    pub(crate) lab: Lab,
    engine: Engine,
    test: &'static str,
    since: Cell<Instant>,
    /// Where the engine is asked, if not at its own socket.
    front: RefCell<Option<PathBuf>>,
}

impl Rig {
    /// A host on which this was run before a network and the service are made; `None` if there is none here.
    pub(crate) async fn up(test: &'static str, before: Option<&str>) -> Fallible<Option<Self>> {
        let program = pvcheck()?;
        let since = Cell::new(Instant::now());
        let spec = HostSpec { gate: None, pvcheck: Some(program), ..HostSpec::default() };
        let Some(lab) = booted(test, spec) else { return Ok(None) };
        if let Some(script) = before {
            text(lab.command("sh").args(["-c", script]))?;
        }
        let engine = Engine::connect(&host(&lab)).await?;
        let rig = Self { lab, engine, test, since, front: RefCell::default() };
        rig.put(&format!("/etc/systemd/system/{UNIT}"), shipped(UNIT)?)?;
        // Where a package has it.
        text(rig.lab.command("ln").args(["-s", "/usr/local/bin/pvcheck", "/usr/bin/pvcheck"]))?;
        docker(&rig.lab, &["network", "create", "-d", "overlay", "--subnet", "10.92.0.0/28", NETWORK])?;
        deploy(
            &rig.lab,
            &["resident".into()],
            Shape { shared: NETWORK, replicas: 1, script: STOPS_AT_ONCE },
        )?;
        rig.say("a host")?;
        Ok(Some(rig))
    }

    pub(crate) fn down(self) -> Outcome {
        self.lab.down()?;
        Ok(())
    }

    /// A line for who reads the test's output, with the time since the last one.
    pub(crate) fn say(&self, what: &str) -> Outcome {
        let took = self.since.replace(Instant::now()).elapsed().as_secs_f64();
        writeln!(std::io::stdout(), "{}: {what}, {took:.1} s", self.test)?;
        Ok(())
    }

    /// The folder that has the same path in the host and outside of it.
    pub(crate) fn shared(&self) -> Fallible<PathBuf> {
        Ok(host(&self.lab).socket().parent().ok_or("a socket has a folder")?.to_owned())
    }

    /// Of 13 addresses, three of which a service holds, eight are lost.
    pub(crate) async fn lose_eight(&self) -> Outcome {
        leak(&self.lab, &self.engine, NETWORK, 8).await
    }

    /// A service of so many tasks; what does not fit waits for an address.
    pub(crate) fn late(&self, replicas: usize) -> Outcome {
        let replicas = replicas.to_string();
        if docker(&self.lab, &["service", "ls", "--quiet", "--filter", "name=late"])?.is_empty() {
            self.service("late", &["--replicas", &replicas])
        } else {
            let wanted = format!("--replicas={replicas}");
            docker(&self.lab, &["service", "update", "--detach", "--quiet", &wanted, "late"]).map(drop)
        }
    }

    /// Two virtual addresses of what a run of pvcheck would have left.
    pub(crate) fn leave_behind(&self) -> Outcome {
        let label = format!("org.pvcheck.run={ORPHAN}");
        for name in ["left-1", "left-2"] {
            self.service(name, &["--replicas", "0", "--label", &label])?;
        }
        Ok(())
    }

    fn service(&self, name: &str, more: &[&str]) -> Outcome {
        let create = ["service", "create", "--quiet", "--detach", "--no-resolve-image", "--name", name];
        let runs = ["--network", NETWORK, IMAGE, "sh", "-c", STOPS_AT_ONCE];
        docker(&self.lab, &[&create[..], more, &runs].concat()).map(drop)
    }

    /// The names of the services that are left of that run.
    pub(crate) fn left_behind(&self) -> Fallible<String> {
        let label = format!("label=org.pvcheck.run={ORPHAN}");
        docker(&self.lab, &["service", "ls", "--format", "{{.Name}}", "--filter", &label])
    }

    /// From now on the service and [`Rig::look`] ask an engine whose clock is two hours ahead, so that what was left a moment
    /// ago is old. All else is the real one: the services, their addresses, and what becomes of them.
    pub(crate) async fn hours_later(&self) -> Outcome {
        let mut info: Value = self.engine.connection().get("/info").await?;
        let now: Timestamp = info["SystemTime"].as_str().ok_or("it tells no time")?.parse()?;
        info["SystemTime"] = (now + SignedDuration::from_hours(2)).to_string().into();
        let rule = FaultRule::new(Fault::Answer { body: info.to_string().leak() });
        let shared = self.shared()?;
        let front = shared.join("ahead.sock");
        FaultProxy::start(&front, host(&self.lab).socket(), vec![rule.method("GET").path("/info")])?;
        // The service has a /var/tmp of its own, in which the lab is not.
        let text = format!(
            "[Service]\nEnvironment=DOCKER_HOST=unix:///run/lab/ahead.sock\nBindPaths={}:/run/lab\n",
            shared.display()
        );
        self.drop_in("ahead.conf", file_of(&text)?)?;
        *self.front.borrow_mut() = Some(front);
        Ok(())
    }

    /// They ask the engine itself again.
    pub(crate) fn now_again(&self) -> Outcome {
        *self.front.borrow_mut() = None;
        self.no_drop_in("ahead.conf")
    }

    pub(crate) fn drop_in(&self, name: &str, from: File) -> Outcome {
        self.put(&drop_in(name), from)?;
        text(self.lab.command("systemctl").arg("daemon-reload")).map(drop)
    }

    pub(crate) fn no_drop_in(&self, name: &str) -> Outcome {
        text(self.lab.command("rm").arg(drop_in(name)))?;
        text(self.lab.command("systemctl").arg("daemon-reload")).map(drop)
    }

    /// Writes what a file has to a path inside of the host.
    fn put(&self, path: &str, from: File) -> Outcome {
        let script = "mkdir -p \"$(dirname \"$1\")\" && cat >\"$1\"";
        text(self.lab.command("sh").args(["-c", script, "sh", path]).stdin(from)).map(drop)
    }

    /// The guard's configuration: it may do all that it can, and this restarts the engine.
    pub(crate) fn configure(&self, restart: &str) -> Outcome {
        let text = format!(
            "[overlay]\nname = \"{NETWORK}\"\nsubnet = \"10.92.0.0/28\"\n[journal]\nunit = \"docker.service\"\n\
             [guard]\nmay = [\"drain\", \"hand-over\", \"borrow\", \"restart\"]\n\
             restart_command = \"echo restart >>{RESTARTS}; {restart}\"\n\
             page = {{ command = [\"sh\", \"-c\", \"echo $1 >>{PAGED}\", \"sh\"] }}\n"
        );
        self.put(CONFIG, file_of(&text)?)
    }

    /// What the guard would do, without doing it.
    pub(crate) fn look(&self) -> Fallible<Value> {
        let mut command = self.lab.command("pvcheck");
        command.args(["guard", "-o", "json", "--config", CONFIG, "--state", STATE]);
        if let Some(front) = self.front.borrow().as_ref() {
            command.env("DOCKER_HOST", format!("unix://{}", front.display()));
        }
        let output = command.output()?;
        let told = serde_json::from_slice(&output.stdout);
        Ok(told.map_err(|e| format!("{e}: {}", String::from_utf8_lossy(&output.stderr)))?)
    }

    /// Looks until the network is full of leaks and this is to be done: while a task starts, the window is busy.
    pub(crate) fn until(&self, answer: &str) -> Fallible<Value> {
        let since = Instant::now();
        loop {
            let told = self.look()?;
            if told["signs"]["now"] == "full-of-leaks" && told["answer"] == answer {
                return Ok(told);
            }
            if SEEN < since.elapsed() {
                return Err(format!("it is never full, or not to be cured by {answer}: {told:#}").into());
            }
        }
    }

    /// Has systemd run the service once, and gives the result that systemd notes.
    pub(crate) fn start(&self) -> Fallible<String> {
        // Its code is that of the job; how the service ended is noted.
        self.lab.command("timeout").args(["300", "systemctl", "start", UNIT]).output()?;
        text(self.lab.command("systemctl").args(["show", "--value", "--property=Result", UNIT]))
    }

    /// Has systemd start the service, and returns once it is about to restart the engine.
    pub(crate) fn start_alone(&self) -> Outcome {
        text(self.lab.command("systemctl").args(["start", "--no-block", UNIT]))?;
        let since = Instant::now();
        while self.restarts()? == 0 {
            if SEEN < since.elapsed() {
                return Err(format!("it restarts nothing: {}", self.said()?).into());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// What the service has said.
    pub(crate) fn said(&self) -> Fallible<String> {
        text(self.lab.command("journalctl").args(["--unit", UNIT, "--output=cat", "--no-pager"]))
    }

    /// What the guard remembers to have done.
    pub(crate) fn acts(&self) -> Fallible<Vec<Value>> {
        let state: Value = serde_json::from_str(&text(self.lab.command("cat").arg(STATE))?)?;
        Ok(state["acts"].as_array().cloned().ok_or("the guard remembers nothing")?)
    }

    /// Each of them with its outcome.
    pub(crate) fn ended(&self) -> Fallible<Vec<(String, String)>> {
        let word = |value: &Value| value.as_str().unwrap_or("none").to_owned();
        Ok(self.acts()?.iter().map(|act| (word(&act["rung"]), word(&act["end"]["outcome"]))).collect())
    }

    /// The guard forgets all that it did.
    pub(crate) fn forget(&self) -> Outcome {
        text(self.lab.command("rm").args(["-f", STATE, RESTARTS, PAGED])).map(drop)
    }

    pub(crate) fn restarts(&self) -> Fallible<usize> {
        Ok(self.lines(RESTARTS)?.len())
    }

    /// What a person was called for.
    pub(crate) fn paged(&self) -> Fallible<Vec<String>> {
        self.lines(PAGED)
    }

    fn lines(&self, path: &str) -> Fallible<Vec<String>> {
        let script = "[ ! -e \"$1\" ] || cat \"$1\"";
        let read = text(self.lab.command("sh").args(["-c", script, "sh", path]))?;
        Ok(read.lines().map(str::to_owned).collect())
    }

    /// True iff a reclaim was begun and not ended.
    pub(crate) fn is_unfinished(&self) -> Fallible<bool> {
        Ok(self.lab.command("test").args(["-e", "/var/lib/pvcheck/reclaim.json"]).status()?.success())
    }

    /// Leaked addresses by a census of its own; `None` if that was not complete.
    pub(crate) fn leaked(&self) -> Fallible<Option<u64>> {
        let output = self.lab.command("pvcheck").args(["census", NETWORK, "-o", "json"]).output()?;
        let census: Value = serde_json::from_slice(&output.stdout)
            .map_err(|e| format!("{e}: {}", String::from_utf8_lossy(&output.stderr)))?;
        Ok(census["leaked"].as_u64())
    }

    /// The containers that run.
    pub(crate) fn containers(&self) -> Fallible<Vec<String>> {
        Ok(docker(&self.lab, &["ps", "-q", "--no-trunc"])?.lines().map(str::to_owned).collect())
    }
}

/// A file that is shipped for systemd.
pub(crate) fn shipped(name: &str) -> std::io::Result<File> {
    File::open(Path::new(env!("CARGO_MANIFEST_DIR")).join("../dist/systemd").join(name))
}

fn drop_in(name: &str) -> String {
    format!("/etc/systemd/system/{UNIT}.d/{name}")
}

pub(crate) fn file_of(text: &str) -> std::io::Result<File> {
    let mut file = tempfile::tempfile()?;
    file.write_all(text.as_bytes())?;
    file.rewind()?;
    Ok(file)
}
