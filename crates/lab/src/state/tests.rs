use std::os::unix::fs::symlink;

use proptest::prelude::*;

use super::*;
use crate::{EngineInfo, World};

/// The state of lab `t`, as it is before its first engine starts.
pub(crate) fn state() -> State {
    State {
        info: LabInfo {
            name: "t".parse().unwrap(),
            hosts: vec!["unix:///x/m0/docker.sock".into()],
            namespaces: vec!["pvl-t-0".into()],
            addresses: vec!["127.0.0.1".into()],
            spares: Vec::new(),
            bridge: None,
            engine: EngineInfo::default(),
            world: World::CcCi,
            router: None,
            ca: None,
            config: None,
            routes: Vec::new(),
            log: Vec::new(),
            host: None,
            created: "2026-11-21T08:00:00Z".parse().unwrap(),
        },
        owner: None,
        kept: false,
        ready: false,
        namespaces: vec!["pvl-t-0".into()],
        anchors: Vec::new(),
        proxy: None,
        cgroup: "/pvcheck-lab/t".into(),
        programs: Vec::new(),
    }
}

fn name(text: &str) -> LabName {
    text.parse().unwrap()
}

#[test]
fn round_trip() {
    let text = serde_json::to_string(&state()).unwrap();
    assert!(text.contains("\"world\":\"cc-ci\"") && text.contains("\"version\":null"), "{text}");
    assert_eq!(serde_json::from_str::<State>(&text).unwrap(), state());
}

#[test]
fn a_saved_state_is_loaded_as_it_was_and_leaves_no_second_file() {
    let labs = tempfile::tempdir().unwrap();
    let dir = claim_in(labs.path(), &name("t")).unwrap();
    let mut state = state();
    for ready in [false, true] {
        state.ready = ready;
        state.owner = ProcessId::own();
        state.save_in(&dir).unwrap();
        assert_eq!(State::load_from(labs.path(), &name("t")).unwrap(), state);
    }
    let files: Vec<_> = fs::read_dir(&dir).unwrap().flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(files, ["lab.json"]);
}

#[test]
fn a_missing_lab_is_not_found() {
    let labs = tempfile::tempdir().unwrap();
    let missing = State::load_from(labs.path(), &name("t")).unwrap_err();
    assert!(matches!(&missing, LabError::NotFound { name } if name == "t"), "{missing}");
    claim_in(labs.path(), &name("t")).unwrap();
    let half = State::load_from(labs.path(), &name("t"));
    assert!(matches!(half, Err(LabError::NotFound { .. })), "a folder without a state file");
}

#[test]
fn a_file_that_is_no_state_is_refused_with_its_path() {
    let labs = tempfile::tempdir().unwrap();
    let dir = claim_in(labs.path(), &name("t")).unwrap();
    let whole = serde_json::to_string(&state()).unwrap();
    let no_anchors = whole.replace("\"anchors\"", "\"others\"");
    let bad_name = whole.replace("\"name\":\"t\"", "\"name\":\"../t\"");
    let bad_world = whole.replace("\"cc-ci\"", "\"moon\"");
    for text in ["", "{}", "[]", "null", &whole[..whole.len() - 1], &no_anchors, &bad_name, &bad_world] {
        fs::write(dir.join(FILE), text).unwrap();
        match State::load_from(labs.path(), &name("t")) {
            Err(LabError::State { path, .. }) => assert_eq!(path, dir.join("lab.json")),
            other => panic!("{text}: {other:?}"),
        }
    }
}

#[test]
fn the_state_of_another_lab_is_refused() {
    let labs = tempfile::tempdir().unwrap();
    let dir = claim_in(labs.path(), &name("copy")).unwrap();
    state().save_in(&dir).unwrap();
    let error = State::load_from(labs.path(), &name("copy")).unwrap_err();
    let LabError::State { source, .. } = error else { panic!("{error}") };
    assert_eq!(source.to_string(), "it is the state of lab t");
}

#[test]
fn a_name_is_claimed_once_and_names_are_listed_sorted() {
    let labs = tempfile::tempdir().unwrap();
    assert_eq!(names_in(&labs.path().join("none")).unwrap(), [], "no folder, no labs");
    for lab in ["b", "a"] {
        let dir = claim_in(labs.path(), &name(lab)).unwrap();
        assert!(dir.is_dir() && dir.ends_with(lab));
    }
    let taken = claim_in(labs.path(), &name("a")).unwrap_err();
    assert!(matches!(&taken, LabError::NameTaken { name } if name == "a"), "{taken}");
    // Folders and files that are not named like labs are passed over.
    fs::create_dir(labs.path().join("Not-A-Lab")).unwrap();
    fs::write(labs.path().join("lost+found"), "").unwrap();
    assert_eq!(names_in(labs.path()).unwrap(), [name("a"), name("b")]);
}

#[test]
fn a_link_in_place_of_the_folder_is_not_followed() {
    let outside = tempfile::tempdir().unwrap();
    let parent = tempfile::tempdir().unwrap();
    let labs = parent.path().join("labs");
    symlink(outside.path(), &labs).unwrap();
    let refused = claim_in(&labs, &name("t")).unwrap_err();
    assert!(matches!(&refused, LabError::LabsDir { path, .. } if *path == labs), "{refused}");
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
}

#[test]
fn stale_is_what_no_process_will_take_down() {
    let own = ProcessId::own().unwrap();
    let gone = ProcessId { start_ticks: own.start_ticks + 1, ..own };
    let with = |owner, kept, anchor| State { owner: Some(owner), kept, anchors: vec![anchor], ..state() };
    assert!(!with(own, false, own).is_stale(), "its owner runs");
    assert!(!with(own, false, gone).is_stale(), "its owner is still making it");
    assert!(with(gone, false, own).is_stale(), "its owner was killed");
    assert!(!with(gone, true, own).is_stale(), "it was left to stay");
    assert!(with(gone, true, gone).is_stale(), "the machine was restarted");
    assert!(state().is_stale(), "no owner was recorded");
}

#[test]
fn folders_that_cannot_hold_labs_are_refused() {
    assert!(check_labs_dir(Path::new("/var/tmp/pvcheck-lab")).is_ok());
    for (bad, reason) in [
        ("relative", "is not absolute"),
        ("", "is not absolute"),
        ("/run/lab", "is below /run"),
        ("/var/run/lab", "is below /run"),
        (&format!("/{}", "x".repeat(60)), "is too long for unix sockets below it"),
    ] {
        let refused = check_labs_dir(Path::new(bad)).unwrap_err();
        assert!(
            matches!(&refused, LabError::LabsDir { reason: got, .. } if *got == reason),
            "{bad}: {refused}"
        );
    }
    assert!(check_labs_dir(Path::new("/running/lab")).is_ok(), "whole components count");
}

#[test]
fn the_longest_path_that_is_accepted_holds_the_deepest_socket() {
    let longest = (1..80).rev().map(|length| format!("/{}", "x".repeat(length)));
    let longest = longest.map(PathBuf::from).find(|path| check_labs_dir(path).is_ok()).unwrap();
    let socket = longest.join("abcdefghijk").join(DEEPEST_SOCKET);
    assert_eq!(socket.as_os_str().len(), SOCKET_PATH_MAX);
}

#[test]
fn the_variable_decides_unless_it_is_empty() {
    let default = Path::new("/var/tmp/pvcheck-lab");
    assert_eq!(chosen_labs_dir(None), default);
    assert_eq!(chosen_labs_dir(Some("".into())), default);
    assert_eq!(chosen_labs_dir(Some("/x".into())), Path::new("/x"));
}

proptest! {
    #[test]
    fn arbitrary_files_are_refused_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        prop_assert!(State::parse(&bytes, &name("t")).is_err());
    }
}
