//! `pvcheck resize` with what belongs around it: commands, routes, and signals.

use std::process::{Child, Stdio};

use rustix::process::Signal;
use serde_json::Value;

use crate::support::*;

const RESIZE: [&str; 7] = ["resize", "proxy", "--to", "10.10.0.0/16", "--state", "state", "--apply"];

/// The configured world, with a command of the shell before a renewal and one after it.
fn rig(before: &str, after: &str) -> Rig {
    let rig = Rig::new(cc_ci()).configured();
    let hooks = format!(
        "[[renewal.before]]\ncommand = [\"sh\", \"-c\", \"{before}\"]\ntimeout_s = 20\n\
         [[renewal.after]]\ncommand = [\"sh\", \"-c\", \"{after}\"]\ntimeout_s = 20\n[canary]"
    );
    rig.edit("[canary]", &hooks);
    rig
}

fn subnet(rig: &Rig) -> Value {
    let proxy = rig.sim.with_model(|model| model.respond("GET", "/networks/proxy", b"").value());
    proxy["IPAM"]["Config"][0]["Subnet"].clone()
}

fn spawned(rig: &Rig, words: &[&str]) -> Child {
    let mut command = rig.command(words);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the command was built")
}

#[test]
fn commands_are_run_around_it_and_the_routes_are_asked_meanwhile() {
    let rig = rig("echo built; touch before", "echo TOKEN=s3cr3t; touch after");
    let planned = rig.run(&RESIZE[..6]);
    assert_eq!(planned.code, Some(0), "{planned:?}");
    assert!(!rig.path("before").exists(), "a plan runs no command");
    let done = rig.run(&[&RESIZE[..], &["-o", "json"]].concat());
    assert_eq!(done.code, Some(0), "{done:?}");
    let json = done.json();
    let told: Vec<_> =
        json["hooks"].as_array().unwrap().iter().map(|h| (&h["failure"], &h["output"])).collect();
    assert_eq!((told.len(), told[0]), (2, (&Value::Null, &"built\n".into())));
    assert!(rig.path("before").exists() && rig.path("after").exists());
    assert!(!done.stdout.contains("s3cr3t"), "{}", done.stdout);
    let route = &json["routes"]["routes"][0];
    assert_eq!((&route["name"], &route["failed"]), (&"dashboard".into(), &0.into()));
    assert!(route["probes"].as_u64().is_some_and(|n| 0 < n), "{route}");
}

#[test]
fn a_command_that_fails_before_it_keeps_it_from_being_begun() {
    let rig = rig("echo no space left; exit 7", "touch after");
    let done = rig.run(&[&RESIZE[..], &["--quiet"]].concat());
    done.assert_refused(1, &["sh ended with 7", "nothing of the Swarm was touched", "no space left"]);
    assert_eq!((rig.writes(), subnet(&rig)), (Vec::new(), "10.10.0.0/24".into()));
    assert!(!rig.path("after").exists());
}

#[test]
fn a_command_that_fails_after_it_is_told_and_the_renewal_is_done() {
    let rig = rig("true", "exit 3");
    let done = rig.run(&RESIZE);
    assert_eq!(done.code, Some(1), "{done:?}");
    assert!(done.stdout.contains("sh ended with 3"), "{done:?}");
    assert_eq!(subnet(&rig), "10.10.0.0/16");
}

#[test]
fn ctrl_c_in_a_command_after_it_loses_nothing_of_the_result() {
    let rig = rig("true", "touch begun; sleep 20");
    let child = spawned(&rig, &[&RESIZE[..], &["-o", "json"]].concat());
    until("the command after it runs", || rig.path("begun").exists());
    send(&child, Signal::INT);
    let done = ended(child);
    assert_eq!(done.code, Some(130), "{done:?}");
    assert!(done.stderr.contains("the renewal, which is done"), "{done:?}");
    let json = done.json();
    assert_eq!(
        (&json["changed"], &json["hooks"][1]["failure"]["kind"]),
        (&serde_json::json!([]), &"interrupted".into())
    );
    assert_eq!(subnet(&rig), "10.10.0.0/16");
}

#[test]
fn a_signal_before_the_first_step_and_in_the_middle_puts_everything_back() {
    for (hold, words) in [(false, "everything is as it was"), (true, "left where it stands")] {
        let rig = rig("true", "touch after");
        rig.sim.with_model(|model| model.settings_mut().timings.stop = std::time::Duration::from_millis(300));
        let mut args = RESIZE.to_vec();
        args.extend(["--strategy", "bridge"]);
        args.extend(hold.then_some("--hold"));
        let child = spawned(&rig, &args);
        until("services are on the holding network", || {
            rig.objects().0.iter().any(|name| name.starts_with("networks pvcheck-holding-"))
        });
        send(&child, Signal::TERM);
        let done = ended(child);
        assert_eq!(done.code, Some(130), "{done:?}");
        assert!(done.stderr.contains(words), "{done:?}");
        assert!(!rig.path("after").exists(), "nothing was renewed");
        if hold {
            // Finished by another process, which runs what belongs after it.
            let resumed = rig.run(&["resize", "resume", "--state", "state", "--break-lock", "a test"]);
            assert_eq!(resumed.code, Some(0), "{resumed:?}");
            assert!(rig.path("after").exists(), "{resumed:?}");
            assert_eq!(subnet(&rig), "10.10.0.0/16");
        } else {
            assert_eq!(subnet(&rig), "10.10.0.0/24");
        }
        assert!(rig.objects().0.is_empty(), "{:?}", rig.objects().0);
    }
}

#[test]
fn options_before_its_word_are_told_where_they_belong() {
    let rig = Rig::new(cc_ci());
    rig.run(&["resize", "--quiet", "resume"]).assert_refused(2, &["`pvcheck resize resume OPTIONS`"]);
}

#[test]
fn lines_that_still_name_the_network_as_it_was_are_noise_to_a_scan_that_knows_the_renewal() {
    let rig = rig("true", "true");
    let done = rig.run(&RESIZE);
    assert_eq!(done.code, Some(0), "{done:?}");
    let saved = std::fs::read_to_string(rig.path("state/resize-proxy.json")).expect("the renewal left it");
    let saved: Value = serde_json::from_str(&saved).expect("JSON");
    let old = saved["old"].as_str().expect("the id as it was");
    let ended: jiff::Timestamp =
        saved["ended"]["at"].as_str().expect("it has ended").parse().expect("a time");
    let seen = |network: &str, minutes: i64, words: &[&str]| {
        let at = ended + jiff::SignedDuration::from_mins(minutes);
        let log = format!(
            "time=\"{ended}\" level=info msg=\"Starting up\"\ntime=\"{at}\" level=error \
             msg=\"Failed to allocate network resources for node nodiqbfz7sj0t8368scf9urwi\" \
             error=\"could not find network allocator state for network {network}\"\n"
        );
        rig.file("old.log", &log);
        let scan = rig.run(&[&["journal", "scan", "--file", "old.log", "-o", "json"], words].concat()).json();
        scan["matched"][1]["signature"].as_str().expect("it is known").to_owned()
    };
    let record = ["--record", "state/resize-proxy.json"];
    assert_eq!(seen(old, 11, &record), "old-network");
    assert_eq!(seen(old, 9, &record), "removed-network", "it may be the trace of the removal");
    assert_eq!(seen("netqo8nlftb3wrsc5kja4dlzr", 11, &record), "removed-network", "another network");
    assert_eq!(seen(old, 11, &[]), "removed-network");
    rig.run(&["journal", "scan", "--file", "old.log", "--record", "none.json"])
        .assert_refused(2, &["none.json", "--record FILE"]);
}
