//! The engine's own count of a network: the same number as by asking for every address, if the engine reports it; else
//! be unknown where it does not. Either way nothing is sent but GET.
//!
//! `Status.IPAM` came with Docker 29.0 (API 1.52). Debian's suites had no such engine when this was written; one on PATH is
//! taken, too.

#![expect(clippy::print_stdout, reason = "the figures are what one runs it for")]

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use pvcheck_lab::{Lab, ReadOnlyProxy, Suite, World};
use pvcheck_tests::{Outcome, docker, host, lab, long, pvcheck, text};
use serde_json::Value;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const PATIENCE: Duration = Duration::from_mins(1);
const IMAGE: &str = "pvcheck-lab/busybox:1";
/// Stops slowly enough that the network is gone before the task.
const IN_2_S: &str = "trap 'sleep 2; exit 0' TERM; while :; do sleep 0.1; done";
/// A snapshot is six calls, and connecting takes more before it: no census by status needs more calls than this.
const MOST_CALLS: usize = 80;

/// The engine on PATH, else bookworm's.
#[test]
fn on_the_usual_engine() -> Outcome {
    told_or_refused("status::on_the_usual_engine", None)
}

/// Debian unstable moves on, and will have an engine that tells.
#[test]
fn on_sid() -> Outcome {
    if long() { told_or_refused("status::on_sid", Some(Suite::Sid)) } else { Ok(()) }
}

fn told_or_refused(test: &str, suite: Option<Suite>) -> Outcome {
    let Some(lab) = lab(test, suite, World::Empty) else { return Ok(()) };
    let info = &lab.info().engine;
    let api = info.api.clone().ok_or("the lab's engine reports no API version")?;
    let minor = api.strip_prefix("1.").and_then(|m| m.parse::<u32>().ok()).ok_or("an odd API version")?;
    println!("{test}: engine {:?}, API {api}", info.version);
    docker(&lab, &["network", "create", "--driver", "overlay", "--subnet", "10.94.0.0/26", "shared"])?;
    if minor < 52 {
        refused(&lab)?;
    } else {
        reported(&lab)?;
    }
    lab.down()?;
    Ok(())
}

fn refused(lab: &Lab) -> Outcome {
    let (code, stdout, errors) = by_status(lab, "shared")?;
    assert_eq!((code, stdout.as_str()), (3, ""), "{errors}");
    assert!(errors.contains("no census by status") && errors.contains("1.52"), "{errors}");
    let audit = json(lab, &["audit", "shared"])?;
    let network = &audit["networks"][0];
    assert_eq!(
        (&network["leaked"], &network["in_use"], &network["free"]),
        (&Value::Null, &Value::Null, &Value::Null)
    );
    assert!(network["notes"].to_string().contains("pvcheck census shared"), "{audit:#}");
    assert!(audit["allocator_unknown"].as_str().is_some_and(|w| w.contains("1.52")), "{audit:#}");
    Ok(())
}

fn reported(lab: &Lab) -> Outcome {
    service(lab, "stays", &["shared"], &["--replicas", "2"])?;
    until("it runs", || Ok(containers(lab)? == 2))?;
    lose_three(lab)?;
    let ways = ["bulk", "cursor"].map(|method| json(lab, &["census", "shared", "--method", method]));
    let [bulk, cursor] = ways.map(|way| way.map_err(|e| e.to_string()));
    let (bulk, cursor) = (bulk?, cursor?);
    let (code, stdout, errors) = by_status(lab, "shared")?;
    let status: Value = serde_json::from_str(&stdout).map_err(|e| format!("{e}: {errors}"))?;
    println!(
        "leaked by bulk {}, by cursor {}, by status {}",
        bulk["leaked"], cursor["leaked"], status["leaked"]
    );
    assert_eq!((code, &status["leaked"], &status["complete"]), (1, &3.into(), &true.into()), "{status:#}");
    for way in [&bulk, &cursor] {
        for field in ["leaked", "handed_out", "usable"] {
            assert_eq!(status[field], way[field], "{field}: {status:#} {way:#}");
        }
        let owned = |census: &Value| census["owned"].as_u64().zip(census["load_balancers"].as_u64());
        assert_eq!(owned(&status).map(|(a, b)| a + b), owned(way).map(|(a, b)| a + b), "{status:#} {way:#}");
    }
    let audit = json(lab, &["audit", "shared"])?;
    let network = &audit["networks"][0];
    assert_eq!((&network["leaked"], &network["free"]), (&3.into(), &status["handed_out"]), "{audit:#}");
    assert_eq!(audit["allocator_unknown"], Value::Null, "{audit:#}");
    waiting(lab)
}

/// While a service waits only a census by status is possible; after an update that freed a live address not even that.
fn waiting(lab: &Lab) -> Outcome {
    docker(lab, &["network", "create", "--driver", "overlay", "--subnet", "10.94.1.0/29", "full"])?;
    service(lab, "filler", &["full"], &["--constraint", "node.labels.none==1", "--replicas", "4"])?;
    service(lab, "late", &["full"], &["--replicas", "0"])?;
    let found = || json(lab, &["audit", "full"]);
    until("a service waits", || Ok(found()?["networks"][0]["missing_vips"] == serde_json::json!(["late"])))?;
    // A service that has been without an address for a moment only is not waiting yet.
    until("the others are refused", || {
        let output = run(lab, &["census", "shared", "--method", "cursor"])?;
        Ok(output.0 == 4 && output.2.contains("--method status"))
    })?;
    let (code, stdout, errors) = by_status(lab, "shared")?;
    let status: Value = serde_json::from_str(&stdout).map_err(|e| format!("{e}: {errors}"))?;
    assert_eq!((code, &status["leaked"]), (1, &3.into()), "{status:#}");
    docker(lab, &["service", "update", "--detach", "--network-add", "full", "stays"])?;
    until("the update is refused its address", || {
        let why = json(lab, &["why", "stays"])?;
        Ok(why["findings"].to_string().contains("live_vip_freed"))
    })?;
    let (code, stdout, errors) = by_status(lab, "shared")?;
    let status: Value = serde_json::from_str(&stdout).map_err(|e| format!("{e}: {errors}"))?;
    assert_eq!(
        (code, &status["leaked"], &status["complete"]),
        (3, &Value::Null, &false.into()),
        "{status:#}"
    );
    println!("after L3: {}", status["reason"]);
    Ok(())
}

/// Three tasks of a stack that is removed by the docker client: one address of `shared` each.
fn lose_three(lab: &Lab) -> Outcome {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("compose.yml");
    let command = serde_json::to_string(&["sh", "-c", IN_2_S])?;
    let compose = format!(
        "version: '3.8'\nservices:\n  app:\n    image: {IMAGE}\n    command: {command}\n    networks: [own, shared]\n    \
         deploy: {{replicas: 3}}\nnetworks:\n  own: {{}}\n  shared: {{external: true}}\n"
    );
    std::fs::write(&file, compose)?;
    text(
        lab.command("docker")
            .args(["stack", "deploy", "--resolve-image", "never", "-c"])
            .arg(&file)
            .arg("gone"),
    )?;
    until("it runs", || Ok(containers(lab)? == 5))?;
    until("it is removed", || Ok(docker(lab, &["stack", "rm", "gone"]).is_ok()))?;
    until("its containers are gone", || Ok(containers(lab)? == 2))
}

/// Exit code, stdout and stderr of a census by status behind a proxy that lets nothing but GET through.
fn by_status(lab: &Lab, network: &str) -> Result<(i32, String, String)> {
    let folder = tempfile::tempdir()?;
    let engine = host(lab).to_string();
    let engine = engine.strip_prefix("unix://").ok_or("no unix socket")?.to_owned();
    let proxy = ReadOnlyProxy::start(&folder.path().join("read-only.sock"), Path::new(&engine))?;
    let words = ["census", network, "--method", "status", "--quiet", "-o", "json", "--host", &proxy.host()];
    let answer = ended(Command::new(pvcheck()?).args(words))?;
    let calls = proxy.take_calls();
    assert!(calls.iter().all(|call| call.starts_with("GET ")), "{calls:?}");
    assert!(!calls.is_empty() && calls.len() < MOST_CALLS, "{} calls", calls.len());
    let counts = calls.iter().filter(|call| call.contains("/networks/")).count();
    assert!(counts <= 4, "the count is asked for seldom: {calls:?}");
    Ok(answer)
}

fn run(lab: &Lab, words: &[&str]) -> Result<(i32, String, String)> {
    ended(Command::new(pvcheck()?).args(words).args(["--quiet", "--host", &host(lab).to_string()]))
}

fn json(lab: &Lab, words: &[&str]) -> Result<Value> {
    let (code, stdout, errors) = run(lab, &[words, &["-o", "json"]].concat())?;
    Ok(serde_json::from_str(&stdout).map_err(|e| format!("{words:?} ended with {code}: {e}: {errors}"))?)
}

fn ended(command: &mut Command) -> Result<(i32, String, String)> {
    let output = command.output()?;
    let code = output.status.code().ok_or("ended by a signal")?;
    Ok((code, String::from_utf8(output.stdout)?, String::from_utf8_lossy(&output.stderr).into_owned()))
}

fn service(lab: &Lab, name: &str, networks: &[&str], more: &[&str]) -> Outcome {
    let mut words = vec!["service", "create", "--detach", "--no-resolve-image", "--name", name];
    words.extend(networks.iter().flat_map(|n| ["--network", *n]));
    words.extend(more);
    words.extend([IMAGE, "sh", "-c", IN_2_S]);
    docker(lab, &words).map(drop)
}

fn containers(lab: &Lab) -> Result<usize> {
    Ok(docker(lab, &["ps", "--quiet"])?.lines().count())
}

fn until(what: &str, mut is_so: impl FnMut() -> Result<bool>) -> Outcome {
    let since = Instant::now();
    while !is_so()? {
        if PATIENCE < since.elapsed() {
            return Err(format!("never: {what}").into());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}
