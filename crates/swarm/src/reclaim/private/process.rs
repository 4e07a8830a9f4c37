//! Processes of this host, by proc(5).

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;

use rustix::process::{Pid, Signal, kill_process};

/// A process, identified by its pid and its start time, since a pid is reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) pid: u32,
    pub(super) start: u64,
}

impl Process {
    pub(super) fn of(pid: u32) -> Option<Self> {
        // A zombie has ended; only its parent has not read its status yet.
        let (state, start, _) = stat(pid)?;
        (state != 'Z').then_some(Self { pid, start })
    }

    pub(super) fn is_alive(self) -> bool {
        Self::of(self.pid) == Some(self)
    }

    pub(super) fn signal(self, signal: Signal) {
        if self.is_alive()
            && let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw)
        {
            // It may have ended since, which is as good.
            let _ = kill_process(pid, signal);
        }
    }
}

/// State, start time and parent of a process (proc_pid_stat(5)); `None` if it is gone. Its name may contain anything, so
/// fields are counted from the last parenthesis.
pub(super) fn stat(pid: u32) -> Option<(char, u64, u32)> {
    parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

pub(super) fn parse_stat(text: &str) -> Option<(char, u64, u32)> {
    let fields: Vec<&str> = text.get(text.rfind(')')? + 1..)?.split_ascii_whitespace().collect();
    Some((fields.first()?.chars().next()?, fields.get(19)?.parse().ok()?, fields.get(1)?.parse().ok()?))
}

/// The words of a process's command line; empty if it has ended.
pub(super) fn command_line(pid: u32) -> Vec<PathBuf> {
    use std::os::unix::ffi::OsStringExt;
    let text = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    text.split(|b| *b == 0).map(|word| OsString::from_vec(word.to_vec()).into()).collect()
}

pub(super) fn all_processes() -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries.flatten().filter_map(|e| e.file_name().to_str()?.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_identified_by_its_start_time() {
        assert_eq!(
            parse_stat("42 (a) R (b) S 7 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 12345 0 0"),
            Some(('S', 12345, 7))
        );
        assert_eq!(parse_stat("42 (a"), None);
        let own = Process::of(std::process::id()).unwrap();
        assert!(own.is_alive());
        assert!(!Process { start: own.start + 1, ..own }.is_alive());
    }

    proptest::proptest! {
        #[test]
        fn parsing_never_panics(text in ".{0,80}") {
            let _ = parse_stat(&text);
        }
    }
}
