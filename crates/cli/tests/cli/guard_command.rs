//! `pvcheck guard` as its users run it: what it prints, what it touches, how it ends.

use std::sync::atomic::{AtomicBool, Ordering};

use pvcheck_sim::{Membership, Model, ServiceDraft};

use crate::support::*;

/// The CI host with a network of 13 addresses that leaks have filled, and a service that waits there.
fn exhausted() -> Model {
    let mut model = cc_ci();
    overlay(&mut model, "shared", "10.92.0.0/28");
    service(&mut model, ServiceDraft::new("keep").on("shared"));
    leak(&mut model, "shared", 9);
    service(&mut model, ServiceDraft::new("late").on("shared"));
    model
}

/// That host with this in `[guard]`.
fn guarded(model: Model, guard: &str) -> Rig {
    let rig = Rig::new(model);
    let text = format!(
        "[overlay]\nname = \"shared\"\nsubnet = \"10.92.0.0/28\"\n[journal]\nfile = \"engine.log\"\n[guard]\n{guard}\n"
    );
    rig.file("pvcheck.toml", &text);
    rig
}

const GUARD: [&str; 3] = ["guard", "--state", "state/guard.json"];

fn words(more: &[&'static str]) -> Vec<&'static str> {
    [&GUARD[..], more].concat()
}

#[test]
fn a_dry_run_says_what_it_would_do_and_touches_nothing() {
    let rig = guarded(exhausted(), "may = [\"restart\"]");
    let done = rig.run(&words(&[]));
    assert_eq!(done.code, Some(1), "{done:?}");
    for said in [
        "full-of-leaks",
        "shared: 13 usable",
        "9 leaked; waiting: late",
        "-> restart (full-restart)",
        "add --apply",
    ] {
        assert!(done.stdout.contains(said), "`{said}`: {done:?}");
    }
    assert!(rig.writes().is_empty() && !rig.path("state").exists(), "{:?}", rig.writes());
}

/// The command restarts the engine by the operator's command; here that waits until the model was restarted.
#[test]
fn what_was_decided_is_done_once_and_proved() {
    let restart = "touch asked; while [ ! -e restarted ]; do sleep 0.05; done";
    let rig = guarded(exhausted(), &format!("may = [\"restart\"]\nrestart_command = \"{restart}\""));
    let ended = AtomicBool::new(false);
    let done = std::thread::scope(|scope| {
        scope.spawn(|| {
            until("the engine is to be restarted", || {
                rig.path("asked").exists() || ended.load(Ordering::SeqCst)
            });
            rig.sim.with_model(Model::restart_engine);
            rig.file("restarted", "");
        });
        let done = rig.run(&words(&["--apply", "-o", "json"]));
        ended.store(true, Ordering::SeqCst);
        done
    });
    let guard = done.json();
    assert_eq!(
        (done.code, guard["done"][0]["end"]["outcome"].as_str()),
        (Some(0), Some("helped")),
        "{guard:#}"
    );
    assert_eq!(
        (&guard["done"][0]["leaked"][0]["after"], &guard["after"]["sign"]),
        (&0.into(), &"not-full".into())
    );
    let again = rig.run(&words(&["--apply", "-o", "json"])).json();
    assert_eq!(
        (&again["done"], &again["signs"]["brake"]),
        (&serde_json::json!([]), &"cooling".into()),
        "{again:#}"
    );
    assert!(rig.objects().0.is_empty(), "nothing of it is left in the Swarm");
}

#[test]
fn without_a_configuration_the_gentle_ways_are_all_that_is_open() {
    let rig = Rig::new(exhausted());
    let guard = rig.run(&words(&["-o", "json"])).json();
    let open = guard["ways"].as_array().expect("a list").iter().filter(|way| way["open"] == true);
    assert_eq!(open.map(|way| way["rung"].as_str()).collect::<Vec<_>>(), [Some("drain")], "{guard:#}");
    assert_eq!(guard["answer"], "call", "{guard:#}");
}

#[test]
fn a_state_that_is_damaged_or_another_guards_is_refused() {
    let rig = guarded(exhausted(), "may = [\"restart\"]");
    std::fs::create_dir(rig.path("state")).expect("a fresh folder");
    rig.file("state/guard.json", "{\"schema\": \"pvch");
    for more in [&["--apply"] as &[&'static str], &[]] {
        rig.run(&words(more)).assert_refused(4, &["state/guard.json: damaged", "move it away"]);
    }
    rig.file("state/guard.json", "{\"schema\": \"pvcheck/v9\"}");
    rig.run(&words(&["--apply"])).assert_refused(4, &["`pvcheck/v9`"]);
    assert!(rig.writes().is_empty(), "{:?}", rig.writes());
}

/// Where no manager answers nothing says that all is well: the table says so, and a person is called once.
#[test]
fn an_engine_that_does_not_answer_is_for_a_person() {
    let rig = guarded(cc_ci(), "page = { command = [\"sh\", \"-c\", \"echo $1 >>heard\", \"sh\"] }");
    let nowhere = |more: &[&'static str]| {
        let asked = [&words(more)[..], &["--host", "unix:///nowhere.sock"]].concat();
        Done::of(bare(rig.dir.path(), &asked))
    };
    let told = nowhere(&[]);
    assert_eq!(told.code, Some(3), "{told:?}");
    assert!(told.stdout.contains("-> undecided (unseen)"), "{told:?}");
    assert!(told.stdout.contains("no engine at unix:///nowhere.sock"), "{told:?}");
    assert!(!rig.path("heard").exists() && !rig.path("state").exists(), "a dry run");
    for run in ["first", "second"] {
        let done = nowhere(&["--apply", "-o", "json"]);
        let guard = done.json();
        assert_eq!((done.code, guard["row"].as_str()), (Some(3), Some("unseen")), "{run}: {guard:#}");
        assert_eq!(guard["page"].is_null(), run == "second", "{run}: {guard:#}");
    }
    let heard = std::fs::read_to_string(rig.path("heard")).expect("a person was called");
    assert_eq!(heard.lines().count(), 1, "{heard}");
    assert!(heard.contains("no engine at unix:///nowhere.sock"), "{heard}");
}

/// A manager that is demoted at the moment answers, and is no manager: unless a cure is to be finished, it is of no use.
#[test]
fn a_worker_is_unseen_and_a_helper_that_is_down_is_left_out() {
    let rig = Rig::with(Membership::Worker);
    let told = rig.run(&words(&["-o", "json"]));
    assert_eq!((told.code, told.json()["row"].as_str()), (Some(3), Some("unseen")), "{told:?}");
    let rig = guarded(exhausted(), "may = [\"restart\"]");
    let told = rig.run(&words(&["-o", "json", "--helper", "unix:///nowhere.sock"]));
    assert_eq!((told.code, told.json()["row"].as_str()), (Some(1), Some("full-restart")), "{told:?}");
    assert!(told.stderr.contains("going on without unix:///nowhere.sock"), "{told:?}");
}

#[test]
fn the_table_is_printed_without_an_engine() {
    let folder = tempfile::tempdir().expect("a folder");
    let done = Done::of(bare(folder.path(), &["guard", "--explain", "--host", "unix:///nowhere.sock"]));
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(done.stdout.contains("full-restart") && done.stdout.contains("-> nothing"), "{done:?}");
}

#[test]
fn a_foreign_guard_is_read_and_not_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |text: &str| std::fs::write(folder.path().join("g.sh"), text).expect("a file");
    let check = || Done::of(bare(folder.path(), &["guard", "--check", "g.sh"]));
    write(
        "touch ran\nN=$(ssh h 'journalctl -u docker --since \"26 hours ago\" | grep -c \"available IP while allocating VIP\"')\n\
         if [ \"$N\" -gt 0 ]; then systemctl restart docker; fi # TOKEN=canary-5d2\n",
    );
    let done = check();
    assert_eq!(done.code, Some(1), "{done:?}");
    for said in [
        "FAIL g.sh",
        "the last 26 hours",
        "fires on   vip-exhausted",
        "misses     task-exhausted",
        "where ssh fails",
    ] {
        assert!(done.stdout.contains(said), "`{said}`: {}", done.stdout);
    }
    assert!(!done.stdout.contains("canary") && !folder.path().join("ran").exists(), "{done:?}");
    write("nothing of the kind\n");
    assert_eq!(check().code, Some(3));
    std::fs::remove_file(folder.path().join("g.sh")).expect("there");
    check().assert_refused(2, &["g.sh", "--check FILE"]);
}

#[test]
fn wrong_words_are_told_before_anything_is_asked() {
    let rig = guarded(cc_ci(), "may = [\"prayer\"]");
    rig.run(&words(&[])).assert_refused(2, &["pvcheck.toml:", "prayer"]);
    for wrong in [
        &["guard", "--apply", "--explain"] as &[&str],
        &["guard", "--check", "x", "--apply"],
        &["guard", "--explain", "--state", "x"],
        &["guard", "--check", "pvcheck.toml", "--state", "x"],
        &["guard", "--explain", "--config", "pvcheck.toml"],
        &["guard", "--check", "pvcheck.toml", "--config", "pvcheck.toml"],
    ] {
        assert_eq!(rig.run(wrong).code, Some(2), "{wrong:?}");
    }
    assert_eq!(rig.sim.requests(), []);
}
