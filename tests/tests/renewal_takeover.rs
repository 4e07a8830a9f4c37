//! Two processes and one renewal on a real engine: a second one is refused while the first has the lock; and where the
//! first is stopped, loses its lock and wakes again, it takes no step more, and no step is taken twice.

use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use pvcheck_lab::{Lab, LabSpec, Suite};
use pvcheck_tests::renewals::{renewable, renewed_to, specs};
use pvcheck_tests::{Outcome, docker, in_lanes, lab_of, long, pvcheck, text};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// No larger than it has to be: the room on it is counted each time.
const SUBNETS: [&str; 2] = ["10.10.0.0/24", "10.10.0.0/20"];
/// Longer than any step takes.
const AT_MOST: Duration = Duration::from_mins(2);
/// How long a lock lasts that is to expire, in seconds.
const SOON: u64 = 4;

type Fallible<T> = Result<T, Box<dyn std::error::Error>>;

/// How the second process gets the lock of the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Breaking,
    Expiry,
}

/// A first process that is stopped at a point, and what the second does with its renewal.
#[derive(Clone, Copy, Debug)]
struct Case {
    strategy: &'static str,
    point: usize,
    by: By,
    how: &'static str,
}

/// What the engine tells of `proxy`, of holding networks, and of tasks of `app`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counted {
    created: usize,
    removed: usize,
    held: usize,
    released: usize,
    tasks: usize,
}

struct Rig {
    lab: Lab,
    /// Built before any lock is taken.
    program: PathBuf,
    at: usize,
}

/// The engine's events as they come: it keeps the last 256 only (moby `daemon/events/events.go`, `eventsLimit`).
struct Events<'a> {
    lab: &'a Lab,
    client: Child,
    file: tempfile::NamedTempFile,
}

impl Drop for Events<'_> {
    fn drop(&mut self) {
        let _ = self.client.kill();
        let _ = self.client.wait();
    }
}

impl<'a> Events<'a> {
    fn follow(lab: &'a Lab) -> Fallible<Self> {
        let file = tempfile::NamedTempFile::new()?;
        let mut client = lab.command("docker");
        client.args(["events", "--format", "{{json .}}"]).stdout(file.reopen()?);
        let events = Self { lab, client: client.spawn()?, file };
        // It follows once one of them comes.
        let mut tries = 0;
        until("the events are followed", || {
            tries += 1;
            events.name(&format!("try-{tries}"))?;
            Ok(!events.lines()?.is_empty())
        })?;
        Ok(events)
    }

    /// Has the engine tell of a name.
    fn name(&self, name: &str) -> Outcome {
        text(self.lab.command("sh").args(["-c", "echo x | docker config create \"$0\" -", name]))?;
        docker(self.lab, &["config", "rm", name]).map(drop)
    }

    fn lines(&self) -> Fallible<Vec<Value>> {
        let text = std::fs::read_to_string(self.file.path())?;
        // The last line may still be written.
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        Ok(whole.lines().map(serde_json::from_str).collect::<Result<_, _>>()?)
    }

    /// How many there were up to now: all that happened before this call has been told.
    fn until_now(&self, name: &str) -> Fallible<usize> {
        self.name(name)?;
        let mut at = None;
        until("the event comes", || {
            at = self.lines()?.iter().position(|event| event["Actor"]["Attributes"]["name"] == name);
            Ok(at.is_some())
        })?;
        at.ok_or_else(|| "no such event".into())
    }

    fn counted(&self, from: usize, to: usize) -> Fallible<Counted> {
        let mut counted = Counted::default();
        for event in &self.lines()?[from..to] {
            let of = &event["Actor"]["Attributes"];
            let swarm = event["scope"] == "swarm";
            let name = of["name"].as_str().unwrap_or_default();
            let holds = name.starts_with("pvcheck-holding-");
            let count = match (event["Type"].as_str(), event["Action"].as_str()) {
                (Some("network"), Some("create")) if swarm && name == "proxy" => &mut counted.created,
                (Some("network"), Some("remove")) if swarm && name == "proxy" => &mut counted.removed,
                (Some("network"), Some("create")) if swarm && holds => &mut counted.held,
                (Some("network"), Some("remove")) if swarm && holds => &mut counted.released,
                (Some("container"), Some("create")) if of["com.docker.swarm.service.name"] == "app" => {
                    &mut counted.tasks
                }
                _ => continue,
            };
            *count += 1;
        }
        Ok(counted)
    }
}

/// A process that has stopped itself; it is killed where a test fails.
struct Sleeper(Child);

impl Drop for Sleeper {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Sleeper {
    fn pid(&self) -> Fallible<Pid> {
        Pid::from_raw(i32::try_from(self.0.id())?).ok_or_else(|| "no process".into())
    }

    /// True iff it has stopped: state `T` in `/proc/PID/stat`.
    fn sleeps(&self) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0.id())).unwrap_or_default();
        stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('T'))
    }

    /// Wakes it, and returns how it ends.
    fn wake(mut self) -> Fallible<(Option<i32>, String)> {
        kill_process(self.pid()?, Signal::CONT)?;
        until("it ends", || Ok(self.0.try_wait()?.is_some()))?;
        let mut said = String::new();
        for stream in [self.0.stdout.take().map(read), self.0.stderr.take().map(read)].into_iter().flatten() {
            said += &stream?;
        }
        let status = self.0.wait()?;
        assert_eq!(status.signal(), None, "{said}");
        Ok((status.code(), said))
    }
}

fn read(mut stream: impl std::io::Read) -> std::io::Result<String> {
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}

fn until(what: &str, mut is_so: impl FnMut() -> Fallible<bool>) -> Outcome {
    let since = Instant::now();
    while !is_so()? {
        if AT_MOST < since.elapsed() {
            return Err(format!("never: {what}").into());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

impl Rig {
    fn up(test: &str) -> Fallible<Option<Self>> {
        let spec = LabSpec { suite: Some(Suite::Bookworm), ..LabSpec::default() };
        let Some(lab) = lab_of(test, spec) else { return Ok(None) };
        renewable(&lab, SUBNETS[0])?;
        Ok(Some(Self { lab, program: pvcheck()?, at: 0 }))
    }

    fn other(&self) -> &'static str {
        SUBNETS[1 - self.at]
    }

    /// A renewal that stops itself at a point; returns once it has.
    fn sleeper(&self, case: Case, state: &Path) -> Fallible<Sleeper> {
        let lasts = if case.by == By::Expiry { SOON } else { 600 };
        let mut command = self.lab.command(std::env::current_exe()?);
        command.args(["--exact", "stops_at_a_point", "--nocapture"]);
        command.env("POINT", case.point.to_string()).env("POINT_STATE", state);
        command.env("POINT_TO", self.other()).env("POINT_STRATEGY", case.strategy);
        command.env("POINT_LOCK_SECONDS", lasts.to_string());
        let mut sleeper = Sleeper(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?);
        let stopped = until("it stops itself", || {
            if let Some(status) = sleeper.0.try_wait()? {
                return Err(format!("it has ended: {status}").into());
            }
            Ok(sleeper.sleeps())
        });
        match stopped {
            Ok(()) => Ok(sleeper),
            Err(error) => {
                let mut status = Command::new(&self.program);
                let status =
                    status.args(["resize", "status", "--host", &self.lab.info().hosts[0]]).output()?;
                sleeper.0.kill()?;
                let said = [sleeper.0.stdout.take().map(read), sleeper.0.stderr.take().map(read)];
                let said: Vec<String> = said.into_iter().flatten().collect::<Result<_, _>>()?;
                let status = String::from_utf8_lossy(&status.stdout).into_owned();
                Err(format!("{case:?}: {error}: {}; {status}", said.concat()).into())
            }
        }
    }

    fn pvcheck(&self, words: &[&str], state: &Path) -> Fallible<Output> {
        let mut command = Command::new(&self.program);
        command.arg("resize").args(words).args(["-o", "json", "--quiet"]);
        Ok(command.arg("--state").arg(state).env("DOCKER_HOST", &self.lab.info().hosts[0]).output()?)
    }

    /// Plays one case. `counts`: what has to be done, and done once.
    fn play(&mut self, case: Case, counts: Option<Counted>) -> Outcome {
        let (state, other) = (tempfile::tempdir()?, tempfile::tempdir()?);
        let (before, events) = (specs(&self.lab, "proxy")?, Events::follow(&self.lab)?);
        let sleeper = self.sleeper(case, state.path())?;
        let shown = format!("{case:?}");
        if case.by == By::Breaking {
            // A second operator, while the first has the lock.
            let begun = self.pvcheck(&["proxy", "--to", "10.60.0.0/16", "--apply"], other.path())?;
            let told = String::from_utf8_lossy(&begun.stdout) + String::from_utf8_lossy(&begun.stderr);
            assert_eq!(begun.status.code(), Some(4), "{shown}: {told}");
            // Between the removal of the old network and the creation of the new one there is none to plan for.
            let plans = told.contains("is locked by a test for resize");
            assert!(told.contains("not finished") && (plans || told.contains("is not there now")), "{told}");
            let resumed = self.pvcheck(&[case.how], other.path())?;
            let told = String::from_utf8_lossy(&resumed.stderr).into_owned();
            assert_eq!(resumed.status.code(), Some(4), "{shown}: {told}");
            assert!(told.contains("is locked by a test for resize"), "{shown}: {told}");
        }
        let mut ended = None;
        until("the second process gets the lock", || {
            let words: &[&str] = match case.by {
                By::Breaking => &[case.how, "--break-lock", "it does not answer"],
                By::Expiry => &[case.how],
            };
            let output = self.pvcheck(words, other.path())?;
            let held = output.status.code() == Some(4);
            assert!(!held || case.by == By::Expiry, "{shown}: {}", String::from_utf8_lossy(&output.stderr));
            ended = Some(output);
            Ok(!held)
        })?;
        let ended = ended.ok_or("it was not run")?;
        let told = String::from_utf8_lossy(&ended.stdout) + String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(0), "{shown}: {told}");
        let done: Value = serde_json::from_slice(&ended.stdout)?;
        assert_eq!(
            (done["resumed"].as_bool(), &done["changed"]),
            (Some(true), &serde_json::json!([])),
            "{done:#}"
        );
        let (woken, after) = (events.until_now("woken")?, specs(&self.lab, "proxy")?);
        let (code, said) = sleeper.wake()?;
        assert_ne!(code, Some(0), "{shown}: it took a renewal for done that another had: {said}");
        assert!(said.contains("another process goes on with this renewal"), "{shown}: {said}");
        let now = events.until_now("ended")?;
        assert_eq!(events.counted(woken, now)?, Counted::default(), "{shown}: it went on: {said}");
        if let Some(counts) = counts {
            assert_eq!(events.counted(0, now)?, counts, "{shown}");
        }
        drop(events);
        self.at = if case.how == "resume" { 1 - self.at } else { self.at };
        let subnet = ["network", "inspect", "-f", "{{(index .IPAM.Config 0).Subnet}}", "proxy"];
        assert_eq!(docker(&self.lab, &subnet)?, SUBNETS[self.at], "{shown}");
        assert_eq!(specs(&self.lab, "proxy")?, before, "{shown}");
        assert_eq!(after, before, "{shown}");
        for kind in ["network", "config", "service"] {
            let left = docker(&self.lab, &[kind, "ls", "-q", "--filter", "label=org.pvcheck.run"])?;
            assert_eq!(left, "", "{shown}: {kind}");
        }
        Ok(())
    }
}

#[test]
fn a_process_that_was_stopped_takes_no_step_more_and_no_step_is_taken_twice() -> Outcome {
    in_lanes(|(lane, lanes)| {
        let test =
            "renewal_takeover::a_process_that_was_stopped_takes_no_step_more_and_no_step_is_taken_twice";
        let Some(mut rig) = Rig::up(test)? else { return Ok(()) };
        let mut played = 0;
        for (case, counts) in cases().into_iter().skip(lane).step_by(lanes) {
            rig.play(case, counts)?;
            played += 1;
        }
        let say = "were stopped, and woken after another process had gone on";
        writeln!(std::io::stdout(), "{test}: {played} {say}")?;
        rig.lab.down()?;
        Ok(())
    })
}

/// Three points to a step: recorded, done, recorded as done. By bridge the steps are: create-holding, join-holding,
/// leave-old, drain, remove, create, join-new, leave-holding, drain-holding, remove-holding, confirm; by recreation:
/// detach, drain, remove, create, attach, confirm.
fn cases() -> Vec<(Case, Option<Counted>)> {
    let counted = [
        // Services are about to join the holding network, and are not updated at all.
        (
            Case { strategy: "bridge", point: 3, by: By::Breaking, how: "rollback" },
            Counted { held: 1, released: 1, ..Counted::default() },
        ),
        // The old network is about to be removed.
        (
            Case { strategy: "recreate", point: 6, by: By::Expiry, how: "resume" },
            Counted { created: 1, removed: 1, tasks: 2, ..Counted::default() },
        ),
        // The new one is there, and that is not recorded.
        (
            Case { strategy: "bridge", point: 16, by: By::Expiry, how: "resume" },
            Counted { created: 1, removed: 1, held: 1, released: 1, tasks: 4 },
        ),
    ];
    let mut cases: Vec<_> = counted.map(|(case, counts)| (case, Some(counts))).into();
    if !long() {
        cases.truncate(2);
        return cases;
    }
    for (strategy, steps) in [("bridge", 11), ("recreate", 6)] {
        // At the last point everything is done but for the record.
        for point in 0..steps * 3 - 1 {
            let by = [By::Breaking, By::Expiry][point % 2];
            let how = ["resume", "rollback"][point / 2 % 2];
            cases.push((Case { strategy, point, by, how }, None));
        }
    }
    cases
}

/// Run by another test, with the point in its environment: a renewal that stops its process there.
#[test]
fn stops_at_a_point() -> Outcome {
    let Ok(point) = std::env::var("POINT") else { return Ok(()) };
    let lasts = Duration::from_secs(std::env::var("POINT_LOCK_SECONDS")?.parse()?);
    renewed_to(point.parse()?, lasts, || {
        let _ = kill_process(rustix::process::getpid(), Signal::STOP);
    })
}
