//! Processes: identifying them, finding those of a namespace or cgroup, and running helpers.

use std::fs;
use std::io::{self, Read, Seek};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};

use crate::LabError;
use crate::progress::Context;

/// Identifies a process beyond its end: by its id and its start time, since ids are used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ProcessId {
    pub(crate) pid: u32,
    /// Field 22 of /proc/PID/stat (proc(5)): clock ticks between boot and the start.
    pub(crate) start_ticks: u64,
}

impl ProcessId {
    pub(crate) fn of(pid: u32) -> Option<Self> {
        Some(Self { pid, start_ticks: Stat::of(pid)?.start_ticks })
    }

    /// This process.
    pub(crate) fn own() -> Option<Self> {
        Self::of(std::process::id())
    }

    /// True iff it still runs; a zombie does not.
    pub(crate) fn is_alive(self) -> bool {
        Stat::of(self.pid).is_some_and(|stat| stat.start_ticks == self.start_ticks && stat.state != 'Z')
    }

    /// Sends a signal, if it is still that process.
    pub(crate) fn signal(self, signal: Signal) {
        if self.is_alive()
            && let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw)
        {
            // An error means that it ended in between.
            let _ = kill_process(pid, signal);
        }
    }
}

/// What is needed of /proc/PID/stat.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) state: char,
    pub(crate) parent: u32,
    pub(crate) start_ticks: u64,
}

impl Stat {
    pub(crate) fn of(pid: u32) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// The program's name may hold spaces and parentheses, so the fields are counted from the last one (proc(5)).
    fn parse(text: &str) -> Option<Self> {
        let fields: Vec<&str> = text.get(text.rfind(')')? + 1..)?.split_ascii_whitespace().collect();
        Some(Self {
            state: fields.first()?.chars().next()?,
            parent: fields.get(1)?.parse().ok()?,
            start_ticks: fields.get(19)?.parse().ok()?,
        })
    }
}

/// Every process id there is at this moment.
pub(crate) fn all() -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// The children of a process.
pub(crate) fn children_of(parent: u32) -> Vec<u32> {
    all().into_iter().filter(|pid| Stat::of(*pid).is_some_and(|stat| stat.parent == parent)).collect()
}

/// This process and its ancestors.
pub(crate) fn own_ancestry() -> Vec<u32> {
    let mut line = vec![std::process::id()];
    while let Some(parent) = line.last().and_then(|pid| Stat::of(*pid)).map(|stat| stat.parent) {
        if parent == 0 || line.contains(&parent) {
            break;
        }
        line.push(parent);
    }
    line
}

/// Identifies a namespace: device and inode of its file (namespaces(7)).
pub(crate) fn namespace_id(file: &Path) -> Option<(u64, u64)> {
    let meta = fs::metadata(file).ok()?;
    Some((meta.dev(), meta.ino()))
}

/// Processes whose network namespace is one of `namespaces`.
pub(crate) fn in_namespaces(namespaces: &[(u64, u64)]) -> Vec<ProcessId> {
    let is_there = |pid: &u32| {
        namespace_id(Path::new(&format!("/proc/{pid}/ns/net"))).is_some_and(|id| namespaces.contains(&id))
    };
    all().into_iter().filter(is_there).filter_map(ProcessId::of).collect()
}

/// Processes in a cgroup or below it, in any hierarchy (cgroups(7): `ID:CONTROLLERS:PATH` per line).
pub(crate) fn in_cgroup(cgroup: &str) -> Vec<ProcessId> {
    let member = |pid: &u32| {
        fs::read_to_string(format!("/proc/{pid}/cgroup"))
            .is_ok_and(|text| text.lines().any(|line| is_in_cgroup(line, cgroup)))
    };
    all().into_iter().filter(member).filter_map(ProcessId::of).filter(|found| found.is_alive()).collect()
}

/// True iff a line of /proc/PID/cgroup names this cgroup or one below it.
fn is_in_cgroup(line: &str, cgroup: &str) -> bool {
    let below = line.splitn(3, ':').nth(2).and_then(|path| path.strip_prefix(cgroup));
    below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The executable of a program on PATH.
pub(crate) fn on_path(program: &str) -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(program)).find(|file| is_executable(file))
}

fn is_executable(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|meta| meta.is_file() && meta.mode() & 0o111 != 0)
}

/// Runs a helper to its end and gives back its stdout. It is killed when the caller gives up or after `limit`.
pub(crate) fn run(context: Context<'_>, command: &mut Command, limit: Duration) -> Result<String, LabError> {
    let (status, output, errors) = run_any(context, command, limit)?;
    if status.success() {
        return Ok(output);
    }
    Err(LabError::Command {
        command: describe(command),
        status: status.to_string(),
        stderr: tail(&errors, 400).trim().to_owned(),
    })
}

/// As [`run`], with any exit status: the status, stdout and stderr.
pub(crate) fn run_any(
    context: Context<'_>,
    command: &mut Command,
    limit: Duration,
) -> Result<(ExitStatus, String, String), LabError> {
    let program = || Path::new(command.get_program()).to_owned();
    let failed = LabError::io("run", program());
    // Files rather than pipes: a full pipe cannot block the helper, and no thread is needed to drain two of them.
    let (output, errors) = match (tempfile::tempfile(), tempfile::tempfile()) {
        (Ok(output), Ok(errors)) => (output, errors),
        (Err(source), _) | (_, Err(source)) => return Err(failed(source)),
    };
    let spawned = output
        .try_clone()
        .and_then(|out| Ok((out, errors.try_clone()?)))
        .and_then(|(out, err)| command.stdin(Stdio::null()).stdout(out).stderr(err).spawn());
    let mut child = spawned.map_err(failed)?;
    // Polled rather than waited for, so that a signal to give up ends the helper too.
    let ended = context.wait(&format!("`{}` ends", describe(command)), limit, || match child.try_wait() {
        Ok(Some(status)) => Ok(status),
        Ok(None) => Err(crate::progress::Wait::NotYet("it still runs".to_owned())),
        Err(source) => {
            Err(LabError::Io { action: "wait for", path: command.get_program().into(), source }.into())
        }
    });
    if ended.is_err() {
        let _ = child.kill();
        let _ = child.wait();
    }
    Ok((ended?, contents(output), contents(errors)))
}

fn contents(mut file: fs::File) -> String {
    let mut bytes = Vec::new();
    let read = file.rewind().and_then(|()| file.read_to_end(&mut bytes));
    drop::<io::Result<usize>>(read);
    String::from_utf8_lossy(&bytes).into_owned()
}

fn describe(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(command.get_args().map(|arg| arg.to_string_lossy().into_owned()));
    tail(&words.join(" "), 300).to_owned()
}

/// At most the last `bytes` bytes of a text, from a character's start.
pub(crate) fn tail(text: &str, bytes: usize) -> &str {
    let mut from = text.len().saturating_sub(bytes);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    &text[from..]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Cancel;

    #[test]
    fn stat_with_a_nasty_name() {
        let text = "42 (a) R (b) S 7 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 12345 0 0";
        assert_eq!(Stat::parse(text), Some(Stat { state: 'S', parent: 7, start_ticks: 12345 }));
        assert_eq!(Stat::parse("42 (a"), None);
    }

    #[test]
    fn this_process_is_alive_and_another_start_time_is_another_process() {
        let own = ProcessId::own().unwrap();
        assert!(own.is_alive());
        assert!(!ProcessId { start_ticks: own.start_ticks + 1, ..own }.is_alive());
        assert!(own_ancestry().contains(&std::process::id()));
        assert!(1 < own_ancestry().len());
    }

    #[test]
    fn helpers_answer_and_fail_with_their_words() {
        let cancel = Cancel::default();
        let context = Context::new(&|_| {}, &cancel);
        let limit = Duration::from_secs(20);
        let shell = |script: &str| {
            let mut command = Command::new("sh");
            command.args(["-c", script]);
            command
        };
        assert_eq!(run(context, &mut shell("echo yes"), limit).unwrap(), "yes\n");
        let error = run(context, &mut shell("echo no >&2; exit 3"), limit).unwrap_err().to_string();
        assert!(error.contains("no") && error.contains('3'), "{error}");
        let late = run(context, &mut shell("exec sleep 60"), Duration::from_millis(20));
        assert!(matches!(late, Err(LabError::Timeout { .. })));
        assert!(matches!(
            run(context, &mut Command::new("no-such-program-x"), limit),
            Err(LabError::Io { .. })
        ));
    }

    proptest! {
        #[test]
        fn never_panics(text in ".{0,80}", bytes in 0usize..100) {
            let _ = Stat::parse(&text);
            prop_assert!(tail(&text, bytes).len() <= bytes);
        }
    }

    #[test]
    fn states_and_parents_are_read_from_the_field_after_the_name() {
        let line = |state: char, ticks: &str| {
            format!("7 (x) {state} 1 7 7 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 {ticks} 1024 9")
        };
        assert_eq!(Stat::parse(&line('Z', "5")).map(|stat| stat.state), Some('Z'));
        assert_eq!(
            Stat::parse(&line('S', "18446744073709551615")).map(|stat| stat.start_ticks),
            Some(u64::MAX)
        );
        for bad in [line('S', "x"), line('S', "-1"), "7 x S 1".to_owned(), "7 (x)".to_owned(), String::new()]
        {
            assert_eq!(Stat::parse(&bad), None, "{bad}");
        }
    }

    #[test]
    fn cgroup_lines_match_whole_components() {
        for (line, inside) in [
            ("0::/pvcheck-lab/t", true),
            ("0::/pvcheck-lab/t/m0/docker", true),
            ("12:cpu,cpuacct:/pvcheck-lab/t/m0", true),
            ("0::/pvcheck-lab/t2", false),
            ("0::/other/pvcheck-lab/t", false),
            ("0::/", false),
            ("1:name=systemd", false),
            ("", false),
        ] {
            assert_eq!(is_in_cgroup(line, "/pvcheck-lab/t"), inside, "{line}");
        }
    }

    #[test]
    fn a_child_is_found_by_its_parent_until_it_is_gone() {
        let mut child = Command::new("sleep").arg("600").stdin(Stdio::null()).spawn().unwrap();
        assert!(children_of(std::process::id()).contains(&child.id()));
        let id = ProcessId::of(child.id()).unwrap();
        assert!(id.is_alive());
        id.signal(Signal::KILL);
        child.wait().unwrap();
        assert!(!id.is_alive());
        id.signal(Signal::KILL);
        assert_eq!(ProcessId::of(child.id()), None);
    }

    #[test]
    fn programs_are_files_that_may_be_run() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("tool");
        fs::write(&file, "").unwrap();
        assert!(!is_executable(&file) && !is_executable(dir.path()) && !is_executable(&dir.path().join("x")));
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(&file, mode).unwrap();
        assert!(is_executable(&file));
        assert!(on_path("sh").is_some() && on_path("no-such-program-x").is_none());
    }

    #[test]
    fn a_tail_begins_at_a_character() {
        assert_eq!(tail("abc", 2), "bc");
        assert_eq!(tail("aé", 1), "", "half a character is none");
        assert_eq!(tail("aé", 2), "é");
        assert_eq!(tail("", 5), "");
    }
}
