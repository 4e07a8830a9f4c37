//! What keeps a renewal from being begun on a real engine: each reason by itself, then all of them in one answer; and
//! whatever it is, nothing is touched.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use pvcheck_lab::{Lab, LabSpec, Suite};
use pvcheck_swarm::{Engine, Lock, LockRequest, Permit, RunId};
use pvcheck_tests::stacks::{IMAGE, STOPS_AT_ONCE};
use pvcheck_tests::{Outcome, docker, docker_json, host, lab_of, pvcheck, text};
use serde_json::Value;

/// The subnet that is asked for; the network has [`FROM`].
const TO: &str = "10.30.0.0/16";
const FROM: &str = "10.10.0.0/24";
/// No node meets it: tasks get their addresses, and never run.
const NOWHERE: &str = "node.labels.nowhere==yes";
/// Longer than any engine takes to get where a case wants it.
const AT_MOST: Duration = Duration::from_mins(1);

type Fallible<T> = Result<T, Box<dyn std::error::Error>>;

struct Rig {
    lab: Lab,
    folder: tempfile::TempDir,
}

/// A reason, how it comes about and how it goes.
struct Reason {
    /// Its kinds in the answer: some states are two reasons.
    kinds: &'static [&'static str],
    /// What its text names.
    named: &'static str,
    put: fn(&Rig) -> Outcome,
    take: fn(&Rig) -> Outcome,
    /// Where it is found: options beside those of every case.
    by: By,
}

#[derive(Clone, Copy)]
enum By {
    /// `--apply`, for the Swarm as it is.
    Swarm,
    /// `--apply`, with the configuration.
    Config,
    /// `--apply=FILE`, with the plan that was saved at first.
    Plan,
}

const REASONS: [Reason; 11] = [
    Reason {
        kinds: &["busy"],
        named: "ci.lock",
        put: |rig| Ok(std::fs::write(rig.file("ci.lock"), "")?),
        take: |rig| Ok(std::fs::remove_file(rig.file("ci.lock"))?),
        by: By::Config,
    },
    Reason {
        kinds: &["locked"],
        named: "an operator for reclaim",
        put: lock,
        take: |rig| rig.run(&["config", "rm", "pvcheck-lock"]),
        by: By::Swarm,
    },
    Reason {
        kinds: &["drift"],
        named: "app has been changed",
        put: |rig| rig.run(&["service", "update", "-q", "-d", "--label-add", "since=then", "app"]),
        take: |rig| rig.run(&["service", "update", "-q", "-d", "--label-rm", "since", "app"]),
        by: By::Plan,
    },
    Reason {
        kinds: &["collision"],
        named: "late",
        put: |rig| rig.network("late", "10.30.77.0/24"),
        take: |rig| rig.run(&["network", "rm", "late"]),
        by: By::Swarm,
    },
    Reason {
        kinds: &["container_address"],
        named: "by-hand",
        // Outside of the new subnet.
        put: |rig| {
            rig.run(&[
                "run",
                "-d",
                "--name",
                "by-hand",
                "--network",
                "proxy",
                "--ip",
                "10.10.0.200",
                IMAGE,
                "sh",
                "-c",
                STOPS_AT_ONCE,
            ])
        },
        take: |rig| rig.run(&["rm", "-f", "by-hand"]),
        by: By::Swarm,
    },
    Reason {
        kinds: &["paused", "not_running"],
        named: "broken",
        put: paused,
        take: |rig| rig.remove("broken"),
        by: By::Swarm,
    },
    Reason {
        kinds: &["updating"],
        named: "slow",
        put: updating,
        take: |rig| rig.remove("slow"),
        by: By::Swarm,
    },
    Reason {
        kinds: &["waits"],
        named: "crowd waits for an address of tiny",
        put: |rig| {
            rig.network("tiny", "10.40.0.0/29")?;
            rig.service(
                "crowd",
                &[
                    "--network",
                    "tiny",
                    "--endpoint-mode",
                    "dnsrr",
                    "--replicas",
                    "8",
                    "--constraint",
                    NOWHERE,
                ],
            )
        },
        take: |rig| {
            rig.remove("crowd")?;
            rig.run(&["network", "rm", "tiny"])
        },
        by: By::Swarm,
    },
    Reason {
        kinds: &["no_room"],
        named: "private",
        put: |rig| {
            rig.service(
                "filler",
                &[
                    "--network",
                    "private",
                    "--endpoint-mode",
                    "dnsrr",
                    "--replicas",
                    "2",
                    "--constraint",
                    NOWHERE,
                ],
            )
        },
        take: |rig| rig.remove("filler"),
        by: By::Swarm,
    },
    Reason {
        kinds: &["job"],
        named: "once",
        put: |rig| {
            rig.created(
                "once",
                &["--network", "proxy", "--mode", "replicated-job", "--restart-condition", "none"],
                "exit 0",
            )?;
            // Its container goes off the network when it ends.
            rig.until("the job ends", || {
                let state = docker(&rig.lab, &["service", "ps", "once", "--format", "{{.CurrentState}}"])?;
                Ok(state.starts_with("Complete"))
            })
        },
        // Engine 20.10 leaves the container of a job that has ended.
        take: |rig| rig.run(&["service", "rm", "once"]),
        by: By::Swarm,
    },
    // The last: a node that has left is not put back.
    Reason {
        kinds: &["node_down", "not_running"],
        named: "away",
        put: |rig| text(rig.lab.command_on(1, "docker").args(["swarm", "leave"])).map(drop),
        take: |_| Ok(()),
        by: By::Swarm,
    },
];

/// A lock of another process.
fn lock(rig: &Rig) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let engine = Engine::connect(&host(&rig.lab)).await?;
        let request = LockRequest {
            run: RunId::unique(),
            holder: "an operator".into(),
            purpose: "reclaim".into(),
            lasts: Duration::from_mins(30),
            break_held: None,
            resumable: false,
        };
        Lock::take(&engine, Permit::granted_by_operator(), &request).await?;
        Ok(())
    })
}

/// A service whose update has stopped at a task that fails.
fn paused(rig: &Rig) -> Outcome {
    let words =
        ["--network", "proxy", "--replicas", "2", "--update-monitor", "5s", "--restart-condition", "none"];
    rig.service("broken", &words)?;
    rig.runs("broken", 2)?;
    rig.run(&["service", "update", "-q", "-d", "--no-resolve-image", "--args", "sh -c 'exit 7'", "broken"])
}

/// A service that waits an hour between its two tasks.
fn updating(rig: &Rig) -> Outcome {
    rig.service("slow", &["--network", "proxy", "--replicas", "2", "--update-delay", "1h"])?;
    rig.runs("slow", 2)?;
    rig.run(&["service", "update", "-q", "-d", "--no-resolve-image", "--env-add", "NEW=1", "slow"])?;
    // One is new and the other stays.
    rig.until("the first task is replaced", || {
        let state =
            docker(&rig.lab, &["service", "ps", "slow", "--format", "{{.DesiredState}} {{.CurrentState}}"])?;
        Ok(state.lines().any(|l| l.starts_with("Shutdown Shutdown")) && rig.running("slow")? == 2)
    })
}

impl Rig {
    fn up(test: &str) -> Fallible<Option<Self>> {
        let spec = LabSpec { suite: Some(Suite::Bookworm), spares: 1, ..LabSpec::default() };
        let Some(lab) = lab_of(test, spec) else { return Ok(None) };
        let token = docker(&lab, &["swarm", "join-token", "-q", "worker"])?;
        let manager = format!("{}:2377", lab.info().addresses[0]);
        let own = lab.info().spares[0].address.clone();
        let join = ["swarm", "join", "--advertise-addr", &own, "--token", &token, &manager];
        text(lab.command_on(1, "docker").args(join))?;
        let rig = Self { lab, folder: tempfile::tempdir()? };
        rig.network("proxy", FROM)?;
        // Five usable addresses, two of them free.
        rig.network("private", "10.20.0.0/29")?;
        rig.service(
            "app",
            &["--network", "private", "--network", "proxy", "--constraint", "node.role==manager"],
        )?;
        rig.service("away", &["--network", "proxy", "--constraint", "node.role==worker"])?;
        rig.runs("app", 1)?;
        rig.runs("away", 1)?;
        let lock_file = rig.file("ci.lock");
        std::fs::write(
            rig.file("pvcheck.toml"),
            format!(
                "[overlay]\nname = \"proxy\"\nsubnet = \"{FROM}\"\n[window]\nlock_files = ['{}']\n",
                lock_file.display()
            ),
        )?;
        Ok(Some(rig))
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, words: &[&str]) -> Outcome {
        docker(&self.lab, words).map(drop)
    }

    fn network(&self, name: &str, subnet: &str) -> Outcome {
        self.run(&["network", "create", "-d", "overlay", "--attachable", "--subnet", subnet, name])
    }

    fn service(&self, name: &str, words: &[&str]) -> Outcome {
        self.created(name, words, STOPS_AT_ONCE)
    }

    fn created(&self, name: &str, words: &[&str], script: &str) -> Outcome {
        let create = ["service", "create", "-q", "-d", "--no-resolve-image", "--name", name];
        self.run(&[&create[..], words, &[IMAGE, "sh", "-c", script]].concat())
    }

    /// Removes a service, and returns once no container of it is left.
    fn remove(&self, name: &str) -> Outcome {
        self.run(&["service", "rm", name])?;
        let label = format!("label=com.docker.swarm.service.name={name}");
        self.until(&format!("the containers of {name} go"), || {
            Ok(docker(&self.lab, &["ps", "-aq", "--filter", &label])?.is_empty())
        })
    }

    fn running(&self, name: &str) -> Fallible<usize> {
        let filter = format!("name={name}");
        let listed = docker(&self.lab, &["service", "ls", "--filter", &filter, "--format", "{{.Replicas}}"])?;
        Ok(listed.split('/').next().and_then(|n| n.parse().ok()).unwrap_or_default())
    }

    fn runs(&self, name: &str, tasks: usize) -> Outcome {
        self.until("the tasks run", || Ok(self.running(name)? == tasks))
    }

    fn until(&self, what: &str, mut is_so: impl FnMut() -> Fallible<bool>) -> Outcome {
        let since = Instant::now();
        while !is_so()? {
            if AT_MOST < since.elapsed() {
                let [services, containers] = [&["service", "ls"][..], &["ps", "-a"]];
                let shown = docker(&self.lab, services)? + "\n" + &docker(&self.lab, containers)?;
                return Err(format!("never: {what}\n{shown}").into());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }

    fn resize(&self, words: &[&str]) -> Fallible<Command> {
        let mut command = self.lab.command(pvcheck()?);
        command
            .args(["resize", "proxy", "-o", "json", "--quiet", "--state"])
            .arg(self.file("state"))
            .args(words);
        Ok(command)
    }

    /// The plan alone, which touches nothing: the kinds of its reasons.
    fn planned(&self) -> Fallible<BTreeSet<String>> {
        let output = self.resize(&["--to", TO])?.output()?;
        Ok(kinds(&serde_json::from_slice(&output.stdout)?))
    }

    /// Everything that could be touched, as the docker client shows it.
    fn seen(&self) -> Fallible<BTreeMap<String, Value>> {
        let mut seen = BTreeMap::new();
        for kind in ["service", "network", "config", "secret"] {
            let filter: &[&str] = if kind == "network" { &["--filter", "scope=swarm"] } else { &[] };
            let listed = docker(&self.lab, &[&[kind, "ls", "-q"], filter].concat())?;
            if listed.is_empty() {
                continue;
            }
            let words: Vec<&str> = [kind, "inspect"].into_iter().chain(listed.lines()).collect();
            let found = docker_json(&self.lab, &words)?;
            for object in found.iter().filter_map(Value::as_array).flatten() {
                let id = object["ID"].as_str().or(object["Id"].as_str()).unwrap_or_default();
                seen.insert(format!("{kind} {id}"), object.clone());
            }
        }
        let containers = docker(&self.lab, &["ps", "-aq", "--no-trunc"])?;
        seen.extend(containers.lines().map(|id| (format!("container {id}"), Value::Null)));
        Ok(seen)
    }

    /// Runs it, and sees that it is refused and touches nothing. Returns the kinds of its reasons, and the answer.
    fn refused(&self, command: &mut Command) -> Fallible<(BTreeSet<String>, Value)> {
        let before = self.seen()?;
        let output = command.output()?;
        let told = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(4), "{command:?}: {told}");
        let after = self.seen()?;
        let differs = |id: &&String| before.get(*id) != after.get(*id);
        let touched: BTreeSet<&String> = before.keys().chain(after.keys()).filter(differs).collect();
        assert_eq!(touched, BTreeSet::new(), "{told}");
        assert!(!self.file("state").exists(), "nothing was begun: {told}");
        let answer: Value = serde_json::from_slice(&output.stdout)?;
        Ok((kinds(&answer), answer))
    }
}

/// The kinds of all reasons of a plan; those of strategies count where none is left.
fn kinds(plan: &Value) -> BTreeSet<String> {
    reasons(plan).filter_map(|reason| reason["kind"].as_str()).map(str::to_owned).collect()
}

fn reasons(plan: &Value) -> impl Iterator<Item = &Value> {
    let of_strategies = plan["refused"].as_array().into_iter().flatten();
    let of_strategies = of_strategies.filter(|_| plan["strategy"].is_null());
    let of_strategies = of_strategies.filter_map(|refused| refused["blockers"].as_array()).flatten();
    plan["blockers"].as_array().into_iter().flatten().chain(of_strategies)
}

fn names(plan: &Value, what: &str) -> bool {
    reasons(plan).any(|reason| reason["text"].as_str().is_some_and(|text| text.contains(what)))
}

#[test]
fn each_reason_and_all_at_once_keep_a_renewal_from_being_begun() -> Outcome {
    let test = "renewal_blockers::each_reason_and_all_at_once_keep_a_renewal_from_being_begun";
    let Some(rig) = Rig::up(test)? else { return Ok(()) };
    let (plan, config) = (rig.file("plan.json"), rig.file("pvcheck.toml"));
    let from_plan = format!("--apply={}", plan.display());
    rig.until("nothing keeps it", || Ok(rig.planned()?.is_empty()))?;
    let saved = rig.resize(&["--to", TO])?.arg("--save").arg(&plan).output()?;
    assert_eq!(saved.status.code(), Some(0), "{}", String::from_utf8_lossy(&saved.stdout));

    for reason in &REASONS {
        let wanted: BTreeSet<String> = reason.kinds.iter().map(|kind| (*kind).to_owned()).collect();
        (reason.put)(&rig)?;
        let mut command = match reason.by {
            By::Swarm => {
                let mut last = BTreeSet::new();
                let so = rig.until("only this keeps it", || {
                    last = rig.planned()?;
                    Ok(last == wanted)
                });
                so.map_err(|error| format!("{wanted:?}, and it is {last:?}: {error}"))?;
                rig.resize(&["--to", TO, "--apply"])?
            }
            By::Config => rig.resize(&["--to", TO, "--apply"])?,
            By::Plan => rig.resize(&[&from_plan])?,
        };
        if matches!(reason.by, By::Config) {
            command.arg("--config").arg(&config);
        }
        let (found, answer) = rig.refused(&mut command)?;
        assert_eq!(found, wanted, "{answer:#}");
        assert!(names(&answer, reason.named), "{}: {answer:#}", reason.named);
        (reason.take)(&rig)?;
    }

    // The node has gone; all others again.
    let mut wanted = BTreeSet::new();
    for reason in &REASONS {
        wanted.extend(reason.kinds.iter().map(|kind| (*kind).to_owned()));
        if reason.named != "away" {
            (reason.put)(&rig)?;
        }
    }
    let by_swarm: BTreeSet<String> =
        wanted.iter().filter(|kind| !matches!(kind.as_str(), "busy" | "drift")).cloned().collect();
    let mut lacking = BTreeSet::new();
    let so = rig.until("all of them keep it", || {
        let planned = rig.planned()?;
        lacking = by_swarm.difference(&planned).cloned().collect();
        Ok(lacking.is_empty())
    });
    so.map_err(|error| format!("{lacking:?} do not keep it: {error}"))?;
    let (found, answer) = rig.refused(rig.resize(&[&from_plan])?.arg("--config").arg(&config))?;
    assert_eq!(found, wanted, "{answer:#}");
    for reason in &REASONS {
        assert!(names(&answer, reason.named), "{}: {answer:#}", reason.named);
    }
    rig.lab.down()?;
    Ok(())
}
