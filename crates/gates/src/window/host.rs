//! What the host shows, as far as the configuration asks about it.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use pvcheck_audit::Snapshot;
use pvcheck_swarm::{CallError, Engine, Lock, LockFacts};
use tokio::process::Command;
use tokio::time::timeout;

use crate::config::WindowConfig;
use crate::process_group::ProcessGroup;
use crate::systemd::{properties, time};

/// How long a command may take.
const LIMIT: Duration = Duration::from_secs(30);

/// Something that was to be looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sign<T> {
    /// What was seen.
    Seen(T),
    /// Why it was not seen.
    NotSeen(String),
}

/// A process of the host. Its command line is compared, and never printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// Its program's name.
    pub program: String,
    /// Its words, with blanks between.
    pub command_line: String,
}

/// What was seen of the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostSigns {
    /// All processes but this one.
    pub processes: Sign<Vec<Process>>,
    /// Each unit with its `ActiveState`.
    pub units: Vec<(String, Sign<String>)>,
    /// Each timer with its next time; `None` if it has none.
    pub timers: Vec<(String, Sign<Option<Timestamp>>)>,
    /// Each file, and whether it is there.
    pub lock_files: Vec<(String, Sign<bool>)>,
    /// Each command by its program, and its exit code; `None` if a signal ended it.
    pub commands: Vec<(String, Sign<Option<i32>>)>,
}

/// What was seen of Swarm and host.
#[derive(Clone, Debug)]
pub struct WindowFacts {
    /// The Swarm.
    pub snapshot: Snapshot,
    /// Its lock, as long as it lasts.
    pub lock: Option<LockFacts>,
    /// The host, as far as the configuration asks about it.
    pub host: HostSigns,
    /// The host's clock.
    pub now: Timestamp,
}

impl Default for HostSigns {
    /// Nothing that was asked about.
    fn default() -> Self {
        Self {
            processes: Sign::Seen(Vec::new()),
            units: Vec::new(),
            timers: Vec::new(),
            lock_files: Vec::new(),
            commands: Vec::new(),
        }
    }
}

/// Reads Swarm and host. The configured commands are run; nothing else of the host is changed.
///
/// # Errors
/// If the Swarm cannot be read. What cannot be seen of the host is in the result.
pub async fn collect_window(engine: &Engine, config: &WindowConfig) -> Result<WindowFacts, CallError> {
    let snapshot = engine.snapshot().await?;
    let lock = Lock::read(engine).await?.filter(|lock| lock.expires.is_none_or(|at| snapshot.engine.at < at));
    let mut host = HostSigns::default();
    if !config.processes.is_empty() {
        host.processes = processes(Path::new("/proc"));
    }
    for unit in &config.units {
        host.units.push((unit.clone(), shown(unit, "ActiveState").await));
    }
    for timer in &config.timers {
        host.timers.push((timer.clone(), next(timer).await));
    }
    for path in &config.lock_files {
        host.lock_files.push((path.display().to_string(), is_there(path)));
    }
    for words in &config.commands {
        if let Some((program, words)) = words.split_first() {
            host.commands.push((program.clone(), code(program, words).await));
        }
    }
    Ok(WindowFacts { snapshot, lock, host, now: Timestamp::now() })
}

fn processes(proc: &Path) -> Sign<Vec<Process>> {
    let listed = match std::fs::read_dir(proc) {
        Ok(listed) => listed,
        Err(error) => return Sign::NotSeen(error.to_string()),
    };
    // Where others' processes are hidden, the first one is.
    if !proc.join("1").exists() {
        return Sign::NotSeen("processes of others are hidden from this user".to_owned());
    }
    let own = std::process::id();
    let pids = listed.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let mut found = Vec::new();
    for pid in pids.filter(|pid| *pid != own) {
        // One that ends meanwhile is none.
        let words = match std::fs::read(proc.join(pid.to_string()).join("cmdline")) {
            Ok(words) => words,
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                return Sign::NotSeen("processes of others are hidden from this user".to_owned());
            }
            Err(_) => continue,
        };
        let words = String::from_utf8_lossy(&words);
        let words: Vec<&str> = words.split('\0').filter(|word| !word.is_empty()).collect();
        let Some(first) = words.first() else { continue };
        let program = first.rsplit('/').next().unwrap_or(first).to_owned();
        found.push(Process { pid, program, command_line: words.join(" ") });
    }
    if found.is_empty() { Sign::NotSeen("no process is visible".to_owned()) } else { Sign::Seen(found) }
}

/// A property of a unit; a unit that systemd does not know is not seen, since it may be misspelt.
async fn shown(unit: &str, property: &str) -> Sign<String> {
    match properties(unit, &[property]).await {
        Err(why) => Sign::NotSeen(why),
        Ok(shown) => match shown.into_iter().next() {
            Some((_, value)) => Sign::Seen(value),
            None => Sign::NotSeen(format!("systemd does not say its {property}")),
        },
    }
}

async fn next(timer: &str) -> Sign<Option<Timestamp>> {
    let at = match shown(timer, "NextElapseUSecRealtime").await {
        Sign::NotSeen(why) => return Sign::NotSeen(why),
        Sign::Seen(text) => elapses(&text),
    };
    match (at, shown(timer, "NextElapseUSecMonotonic").await) {
        (Sign::Seen(None), Sign::Seen(since_boot))
            if !["", "0", "infinity"].contains(&since_boot.as_str()) =>
        {
            Sign::NotSeen("it fires by the time since something else, not by the clock".to_owned())
        }
        (at, _) => at,
    }
}

/// The time of `NextElapseUSecRealtime`; empty for a timer that has none.
fn elapses(text: &str) -> Sign<Option<Timestamp>> {
    match time(text) {
        Ok(at) => Sign::Seen(at),
        Err(_) => Sign::NotSeen(format!("its next time is {text:?}, which is not one in UTC")),
    }
}

fn is_there(path: &Path) -> Sign<bool> {
    match std::fs::symlink_metadata(path) {
        Ok(_) => Sign::Seen(true),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Sign::Seen(false),
        Err(error) => Sign::NotSeen(error.to_string()),
    }
}

async fn code(program: &str, words: &[String]) -> Sign<Option<i32>> {
    let mut command = Command::new(program);
    let quiet = std::process::Stdio::null;
    command.args(words).stdin(quiet()).stdout(quiet()).stderr(quiet());
    let (mut child, group) = match ProcessGroup::start(&mut command) {
        Ok(started) => started,
        Err(error) => return Sign::NotSeen(error.to_string()),
    };
    let ended = timeout(LIMIT, child.wait()).await;
    match ended {
        Ok(_) => group.let_go(),
        Err(_) => drop(group),
    }
    match ended {
        Err(_) => Sign::NotSeen(format!("it did not end within {} s", LIMIT.as_secs())),
        Ok(Err(error)) => Sign::NotSeen(error.to_string()),
        Ok(Ok(status)) => Sign::Seen(status.code()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_are_those_of_the_folder_without_this_one() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(matches!(processes(folder.path()), Sign::NotSeen(_)), "none at all is not idle");
        for (pid, line) in [
            (1, "init\0"),
            (41, "/usr/bin/runner\0--token\0x\0"),
            (std::process::id(), "pvcheck\0"),
            (42, ""),
        ] {
            let own = folder.path().join(pid.to_string());
            std::fs::create_dir(&own).expect("a folder");
            std::fs::write(own.join("cmdline"), line).expect("a file");
        }
        let expected =
            Process { pid: 41, program: "runner".into(), command_line: "/usr/bin/runner --token x".into() };
        let Sign::Seen(found) = processes(folder.path()) else { panic!("they are visible") };
        assert_eq!(found.into_iter().filter(|p| p.pid != 1).collect::<Vec<_>>(), [expected]);
    }

    #[test]
    fn a_timers_next_time_is_read_or_not_seen() {
        let at = "2026-06-12T02:00:00Z".parse().expect("a time");
        assert_eq!(elapses("Fri 2026-06-12 02:00:00 UTC"), Sign::Seen(Some(at)));
        assert_eq!(elapses(""), Sign::Seen(None));
        assert!(matches!(elapses("Fri 2026-06-12 02:00:00 CEST"), Sign::NotSeen(_)));
    }

    #[tokio::test]
    async fn a_command_is_its_exit_code_and_one_that_is_not_there_was_not_seen() {
        assert_eq!(code("sh", &["-c".into(), "exit 3".into()]).await, Sign::Seen(Some(3)));
        assert!(matches!(code("/nonexistent/pvcheck", &[]).await, Sign::NotSeen(_)));
    }

    #[test]
    fn a_file_is_there_or_not() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(is_there(folder.path()), Sign::Seen(true));
        assert_eq!(is_there(&folder.path().join("none")), Sign::Seen(false));
    }
}
