//! `pvcheck reclaim` on the embedded engine: plans, refusals, and that nothing is touched by either.

use crate::support::*;

/// The words of a reclaim with a state folder of its own.
fn with_state<'a>(state: &'a str, words: &[&'a str]) -> Vec<&'a str> {
    [&["reclaim", "--state", state], words].concat()
}

#[test]
fn a_plan_is_a_result_and_only_reads() {
    let rig = Rig::new(cc_ci());
    let state = rig.path("state");
    let state = state.to_str().unwrap();
    let done = rig.run(&with_state(state, &["-o", "json"]));
    let plan = done.json();
    assert_eq!((plan["schema"].as_str(), plan["kind"].as_str()), (Some("pvcheck/v1"), Some("reclaim-plan")));
    // The embedded engine is on no host that could lend it a manager.
    assert_eq!((done.code, plan["strategy"].as_str()), (Some(4), None), "{done:?}");
    let refused: Vec<_> =
        plan["refused"].as_array().unwrap().iter().filter_map(|r| r["strategy"].as_str()).collect();
    assert_eq!(refused, ["handover", "borrow", "restart"]);
    let allowed = rig.run(&with_state(state, &["--strategy", "restart", "--now"]));
    assert_eq!(allowed.code, Some(0), "{allowed:?}");
    assert!(
        allowed.stdout.contains("would reclaim by restart") && allowed.stdout.contains("add --apply"),
        "{allowed:?}"
    );
    assert_eq!(rig.writes(), [] as [&str; 0]);
    assert!(!rig.path("state").exists(), "a plan leaves no folder");
}

#[test]
fn what_cannot_be_done_is_refused_untouched() {
    let rig = Rig::new(cc_ci());
    let state = rig.path("state");
    let state = state.to_str().unwrap();
    rig.run(&with_state(state, &["--apply"])).assert_refused(4, &["it takes three", "--now"]);
    rig.run(&with_state(state, &["--resume"])).assert_refused(2, &["no unfinished reclaim", "--state"]);
    rig.run(&with_state(state, &["--restore-copy"])).assert_refused(2, &["no unfinished reclaim", "--state"]);
    std::fs::create_dir(rig.path("state")).unwrap();
    rig.file("state/reclaim.json", "{");
    rig.run(&with_state(state, &["--apply"])).assert_refused(4, &["--resume"]);
    rig.run(&with_state(state, &["--resume"])).assert_refused(3, &["reclaim.json", "docs/reclaim.md"]);
    assert_eq!(rig.writes(), [] as [&str; 0]);
}

#[test]
fn a_swarm_without_leaks_is_left_alone() {
    let rig = Rig::new(cc_ci());
    let state = rig.path("state");
    let words = ["--apply", "--strategy", "restart", "--now", "--restart-command", "false", "proxy"];
    let done = rig.run(&with_state(state.to_str().unwrap(), &words));
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(done.stdout.contains("nothing is leaked"), "{done:?}");
    assert!(!rig.writes().iter().any(|w| w.contains("/configs")), "it needs no lock for that");
}

/// A restart that fails is undone: the lock is released, the journal is gone, and the exit code says that it is not done.
#[test]
fn a_restart_command_that_fails_leaves_nothing() {
    let mut model = cc_ci();
    overlay(&mut model, "shared", "10.92.0.0/26");
    leak(&mut model, "shared", 2);
    let rig = Rig::new(model);
    let state = rig.path("state");
    let words = ["--apply", "--strategy", "restart", "--now", "--restart-command", "exit 7", "shared"];
    let done = rig.run(&with_state(state.to_str().unwrap(), &words));
    assert_eq!(done.code, Some(1), "{done:?}");
    assert!(done.stderr.contains("not reclaimed") && done.stderr.contains("exit status: 7"), "{done:?}");
    assert!(
        rig.writes().iter().any(|w| w.contains("POST") && w.contains("/configs/create")),
        "it took the lock"
    );
    assert!(!rig.path("state/reclaim.json").exists());
    let configs = rig.objects().0;
    assert!(configs.is_empty(), "{configs:?}");
}

#[test]
fn who_holds_the_lock_is_named() {
    let mut model = cc_ci();
    let labels = serde_json::json!({
        "org.pvcheck.run": "r1", "org.pvcheck.lock.holder": "pvcheck on another-host, process 7",
        "org.pvcheck.lock.purpose": "reclaim", "org.pvcheck.lock.expires": "2999-01-01T00:00:00Z",
    });
    let body = serde_json::json!({"Name": "pvcheck-lock", "Labels": labels, "Data": ""});
    model.respond("POST", "/configs/create", body.to_string().as_bytes());
    overlay(&mut model, "shared", "10.92.0.0/26");
    leak(&mut model, "shared", 1);
    let rig = Rig::new(model);
    let state = rig.path("state");
    let words = ["--apply", "--strategy", "restart", "--now", "--restart-command", "true", "shared"];
    let words = with_state(state.to_str().unwrap(), &words);
    rig.run(&words).assert_refused(4, &["pvcheck on another-host, process 7", "--break-lock REASON"]);
    assert_eq!(rig.writes(), [] as [&str; 0], "no census beside the work of another");

    let done = rig.run(&[&words[..], &["--break-lock", "it is gone"]].concat());
    // Nothing was really restarted, so the address is still lost.
    assert_eq!(done.code, Some(1), "{done:?}");
    assert!(done.stdout.contains("was taken over: it is gone"), "{done:?}");
    assert!(rig.objects().0.is_empty());
}

#[test]
fn wrong_words_are_told_before_anything_is_asked() {
    let rig = Rig::new(cc_ci());
    for (words, said) in [
        (&["--strategy", "prayer"] as &[&str], "`handover`"),
        (&["--window", "late"], "02:00-04:30"),
        (&["--now", "--window", "02:00-04:00"], "--window"),
        (&["--helper", "tcp://127.0.0.1:2375"], "unix:///"),
        (&["--helper", "docker.sock", "--resume"], "unix:///"),
        (&["--helper", "unix://docker.sock", "--apply"], "unix:///"),
        (&["--force-new-cluster"], "--resume"),
        (&["--resume", "proxy"], "cannot be used with"),
        (&["--apply", "--restore-copy"], "cannot be used with"),
    ] {
        let done = rig.run(&[&["reclaim"], words].concat());
        assert!(done.code == Some(2) && done.stderr.contains(said), "{words:?}: {done:?}");
    }
    assert_eq!(rig.sim.requests(), []);
}
