use std::process::Stdio;

use super::*;
use crate::state::tests::state;

/// A lab that is only a folder: no namespace, no cgroup of its name.
fn lab(dir: &Path) -> State {
    fs::create_dir_all(dir.join("m0/data/deep")).unwrap();
    fs::write(dir.join("lab.json"), "{}").unwrap();
    fs::write(dir.join("m0/data/deep/file"), "x").unwrap();
    State { namespaces: Vec::new(), cgroup: "/pvcheck-lab/none-such".into(), ..state() }
}

#[test]
fn the_folder_goes_with_its_parent_unless_another_lab_is_there() {
    let root = tempfile::tempdir().unwrap();
    let labs = root.path().join("labs");
    let (one, two) = (labs.join("one"), labs.join("two"));
    let (first, second) = (lab(&one), lab(&two));
    remove_at(&first, &one).unwrap();
    assert!(!one.exists() && two.is_dir());
    remove_at(&second, &two).unwrap();
    assert!(!labs.exists(), "the last one takes the folder of labs with it");
}

#[test]
fn doing_it_twice_is_no_error() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("labs/t");
    let state = lab(&dir);
    remove_at(&state, &dir).unwrap();
    remove_at(&state, &dir).unwrap();
}

#[test]
fn processes_end_before_the_folder_goes() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("labs/t");
    let mut state = lab(&dir);
    let mut child = Command::new("sleep").arg("600").stdin(Stdio::null()).spawn().unwrap();
    state.anchors = vec![ProcessId::of(child.id()).unwrap()];
    remove_at(&state, &dir).unwrap();
    let status = child.wait().unwrap();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(9), "{status}");
    assert!(!dir.exists());
}

#[test]
fn neither_this_process_nor_an_id_that_is_used_again_is_killed() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("labs/t");
    let mut state = lab(&dir);
    let mut child = Command::new("sleep").arg("600").stdin(Stdio::null()).spawn().unwrap();
    let other = ProcessId::of(child.id()).unwrap();
    let used_again = ProcessId { start_ticks: other.start_ticks + 1, ..other };
    state.anchors = vec![ProcessId::own().unwrap(), used_again];
    let removed = remove_at(&state, &dir);
    let alive = other.is_alive();
    child.kill().unwrap();
    child.wait().unwrap();
    removed.unwrap();
    assert!(alive);
}

#[test]
fn cgroups_are_found_in_every_hierarchy() {
    let root = tempfile::tempdir().unwrap();
    for dir in ["cpu/pvcheck-lab/t", "memory/pvcheck-lab/t", "pids/pvcheck-lab/u", "pvcheck-lab/t"] {
        fs::create_dir_all(root.path().join(dir)).unwrap();
    }
    // Version 1 links joint controllers under each name; a hierarchy counts once.
    std::os::unix::fs::symlink(root.path().join("cpu"), root.path().join("cpuacct")).unwrap();
    let mut found = cgroup_dirs(root.path(), "/pvcheck-lab/t");
    found.sort();
    let expected = ["cpu/pvcheck-lab/t", "memory/pvcheck-lab/t", "pvcheck-lab/t"];
    assert_eq!(found, expected.map(|dir| root.path().join(dir)));
    assert!(cgroup_dirs(&root.path().join("none"), "/pvcheck-lab/t").is_empty());
}

#[test]
fn cgroups_go_from_the_leaves_up() {
    let root = tempfile::tempdir().unwrap();
    let top = root.path().join("t");
    fs::create_dir_all(top.join("m0/a/b")).unwrap();
    fs::create_dir_all(top.join("m1")).unwrap();
    remove_tree_of_cgroups(&top);
    assert!(!top.exists());
    assert!(root.path().exists());
}

#[test]
fn a_cgroup_that_is_busy_stays_with_its_parents() {
    // A file in an ordinary folder stands for what makes rmdir fail.
    let root = tempfile::tempdir().unwrap();
    let top = root.path().join("t");
    fs::create_dir_all(top.join("m0/busy")).unwrap();
    fs::create_dir_all(top.join("m0/idle")).unwrap();
    fs::write(top.join("m0/busy/task"), "").unwrap();
    remove_tree_of_cgroups(&top);
    assert!(top.join("m0/busy").is_dir() && !top.join("m0/idle").exists());
}

#[test]
fn what_is_left_is_named_with_the_way_on() {
    let error = LabError::LeftBehind { name: "t".into(), left: vec!["process 7".into(), "mount /x".into()] };
    assert_eq!(error.to_string(), "lab t left behind: process 7, mount /x; run `lab down t` again");
}
