use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixListener;

use serde_json::Value;

use super::*;
use crate::Cancel;

fn prepared() -> (tempfile::TempDir, Host) {
    let lab = tempfile::tempdir().unwrap();
    let host = Host::new(lab.path(), 2);
    host.prepare("/pvcheck-lab/t").unwrap();
    (lab, host)
}

fn config(host: &Host) -> Value {
    serde_json::from_slice(&fs::read(host.dir.join("daemon.json")).unwrap()).unwrap()
}

fn tools() -> Tools {
    Tools {
        programs: vec!["/cache/links".into(), "/cache/usr/bin".into()],
        libraries: vec!["/cache/usr/lib/x".into()],
        suite: None,
        busybox: "/cache/bin/busybox".into(),
        caddy: "/cache/usr/bin/caddy".into(),
    }
}

/// The value that a command's environment has for a variable.
fn variable(command: &Command, name: &str) -> Option<String> {
    let value = command.get_envs().find(|(key, _)| *key == name)?.1?;
    Some(value.to_string_lossy().into_owned())
}

#[test]
fn everything_that_an_engine_writes_is_in_its_own_folder() {
    let (lab, host) = prepared();
    let config = config(&host);
    let folder = lab.path().join("m2");
    for key in ["data-root", "exec-root", "pidfile"] {
        let path = Path::new(config[key].as_str().unwrap()).to_owned();
        assert!(path.starts_with(&folder), "{key}: {}", path.display());
    }
    // Of /run each engine has its own: a file system that the anchor mounts.
    assert_eq!(config["hosts"], json!([host.url(), "unix:///run/docker.sock"]));
    assert_eq!(host.url(), format!("unix://{}", folder.join("docker.sock").display()));
    assert!(folder.join("tmp").is_dir() && host.log().starts_with(&folder));
}

#[test]
fn containers_are_in_the_labs_cgroup_and_ask_the_labs_name_server() {
    let (_lab, host) = prepared();
    let config = config(&host);
    assert_eq!(config["cgroup-parent"], "/pvcheck-lab/t/m2");
    // With systemd's driver the engine would ask the host's systemd for scopes.
    assert_eq!(config["exec-opts"], json!(["native.cgroupdriver=cgroupfs"]));
    assert_eq!(config["dns"], json!([RESOLVER_ADDRESS]));
}

#[test]
fn the_scripts_are_ones_that_their_interpreters_accept() {
    let (_lab, host) = prepared();
    let anchor = host.dir.join("anchor");
    assert_eq!(fs::metadata(&anchor).unwrap().permissions().mode() & 0o777, 0o755);
    for (program, option, file) in [("sh", "-n", anchor), ("perl", "-c", host.dir.join("resolver"))] {
        let output = Command::new(program).arg(option).arg(&file).output().unwrap();
        assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn preparing_again_changes_nothing() {
    let (_lab, host) = prepared();
    let before = config(&host);
    host.prepare("/pvcheck-lab/t").unwrap();
    assert_eq!(config(&host), before);
}

#[test]
fn the_first_process_starts_in_namespaces_of_its_own_with_nothing_of_the_callers_environment() {
    let (_lab, host) = prepared();
    let name = "t".parse().unwrap();
    let command = host.anchor_command(&name, "pvl-t-2", &tools()).unwrap();
    let words: Vec<String> = std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    assert_eq!(&words[..4], ["setsid", "nsenter", "--net=/run/netns/pvl-t-2", "--"]);
    for option in ["--mount", "--pid", "--uts", "--fork", "--kill-child"] {
        assert!(words.contains(&option.to_owned()), "{option} is missing: {words:?}");
    }
    // Without it the engines' mounts would come back to the host.
    assert!(words.windows(2).any(|pair| pair == ["--propagation", "slave"]));
    assert_eq!(words.last().map(String::as_str), host.dir.join("anchor").to_str());
    assert_eq!(command.get_current_dir(), Some(host.dir.as_path()));
    let names: Vec<String> =
        command.get_envs().map(|(name, _)| name.to_string_lossy().into_owned()).collect();
    assert_eq!(names.len(), 7, "{names:?}");
    assert_eq!(variable(&command, "LAB_HOST").as_deref(), Some("t-m2"));
    assert_eq!(variable(&command, "BB").as_deref(), Some("/cache/bin/busybox"));
    assert_eq!(variable(&command, "LD_LIBRARY_PATH").as_deref(), Some("/cache/usr/lib/x"));
    assert!(variable(&command, "PATH").unwrap().starts_with("/cache/links:/cache/usr/bin:"));
    assert_eq!(variable(&command, "XTABLES_LIBDIR"), None, "there is no such folder");
}

#[test]
fn unpacked_extensions_of_iptables_are_found() {
    let (_lab, host) = prepared();
    let libraries = tempfile::tempdir().unwrap();
    fs::create_dir(libraries.path().join("xtables")).unwrap();
    let tools = Tools { libraries: vec![libraries.path().to_owned()], ..tools() };
    let command = host.anchor_command(&"t".parse().unwrap(), "n", &tools).unwrap();
    let expected = libraries.path().join("xtables");
    assert_eq!(variable(&command, "XTABLES_LIBDIR").as_deref(), expected.to_str());
}

#[test]
fn the_programs_of_the_lab_come_before_the_systems() {
    let path = search_path(&["/cache/links".into()]);
    let dirs: Vec<PathBuf> = env::split_paths(&path).collect();
    assert_eq!(dirs[0], Path::new("/cache/links"));
    let own = env::current_exe().unwrap().parent().unwrap().to_owned();
    assert_eq!(dirs[1], own);
    assert!(dirs.ends_with(&["/usr/sbin", "/usr/bin", "/sbin", "/bin"].map(PathBuf::from)));
}

#[test]
fn waiting_ends_when_the_engine_answers() {
    let (_lab, host) = prepared();
    let listener = UnixListener::bind(host.socket()).unwrap();
    let served = std::thread::spawn(move || {
        // No answer at first: an engine that has just begun to listen.
        for answer in ["", "HTTP/1.0 200 OK\r\n\r\nOK"] {
            let (mut stream, _) = listener.accept().unwrap();
            // Read first: closing with unread bytes resets the connection.
            let _ = stream.read(&mut [0; 512]).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    let cancel = Cancel::default();
    host.wait_up(Context::new(&|_| {}, &cancel)).unwrap();
    served.join().unwrap();
}

#[test]
fn an_engine_that_ended_is_not_waited_for_and_shows_the_end_of_its_log() {
    let (_lab, host) = prepared();
    fs::write(host.dir.join("ended"), "ended\n").unwrap();
    fs::write(host.log(), format!("{}\nfailed to start daemon: no space\n", "x".repeat(5000))).unwrap();
    let cancel = Cancel::default();
    match host.wait_up(Context::new(&|_| {}, &cancel)) {
        Err(LabError::EngineEnded { manager, log_tail }) => {
            assert_eq!(manager, 2);
            assert!(log_tail.ends_with("failed to start daemon: no space") && log_tail.len() <= 600);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn halting_leaves_the_mark_that_keeps_the_engine_down_and_resuming_takes_it_away() {
    let (_lab, host) = prepared();
    let cancel = Cancel::default();
    let context = Context::new(&|_| {}, &cancel);
    fs::write(host.dir.join("ended"), "").unwrap();
    let gone = ProcessId { pid: u32::MAX, start_ticks: 0 };
    host.halt(context, gone).unwrap();
    assert!(host.dir.join("halt").exists());
    cancel.cancel();
    assert!(matches!(host.resume(context), Err(LabError::Cancelled)));
    assert!(!host.dir.join("halt").exists() && !host.dir.join("ended").exists());
}
