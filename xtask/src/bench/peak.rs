//! A command with its time and its memory.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

/// A command that has ended.
#[derive(Clone, Debug)]
pub(super) struct Measured {
    /// Its stdout.
    pub(super) printed: String,
    pub(super) took: Duration,
    /// The most memory that it had.
    pub(super) mib: u64,
    /// The most of it that was seen to be its own: without the files that it maps, which the kernel takes back.
    pub(super) own_mib: u64,
}

/// Runs a command to its end.
///
/// # Errors
/// If it cannot be started, or ends with another exit code than one of these.
pub(super) fn measure(command: &mut Command, codes: &[i32]) -> anyhow::Result<Measured> {
    // A pipe that is not read while the command runs would fill up and stop it; a file does not.
    let printed = tempfile::NamedTempFile::new().context("cannot make a file for what is printed")?;
    let stdout = printed.reopen().context("cannot open the file for what is printed")?;
    let since = Instant::now();
    let mut child = command.stdout(stdout).stderr(Stdio::inherit()).spawn().context("cannot run pvcheck")?;
    let status = format!("/proc/{}/status", child.id());
    let (mut kib, mut own_kib) = (0, 0);
    while child.try_wait().context("cannot wait for pvcheck")?.is_none() {
        // A process that ends between the two calls has no status any more.
        let status = std::fs::read_to_string(&status).unwrap_or_default();
        kib = kib.max(status_kib(&status, "VmHWM").unwrap_or(0));
        own_kib = own_kib.max(status_kib(&status, "RssAnon").unwrap_or(0));
        std::thread::sleep(Duration::from_millis(2));
    }
    let took = since.elapsed();
    let ended = child.wait().context("cannot wait for pvcheck")?;
    if !ended.code().is_some_and(|code| codes.contains(&code)) {
        bail!("pvcheck ended with {ended}");
    }
    let printed = std::fs::read_to_string(printed.path()).context("cannot read what was printed")?;
    let mib = |kib| u64::div_ceil(kib, 1024);
    Ok(Measured { printed, took, mib: mib(kib), own_mib: mib(own_kib) })
}

/// A size in KiB from the text of `/proc/PID/status` (proc_pid_status(5)): `VmHWM` is the most memory that the process had,
/// `RssAnon` what is its own now.
fn status_kib(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_high_water_mark_is_read_from_the_status_of_a_process() {
        let status = "Name:\tpvcheck\nVmPeak:\t  99999 kB\nVmHWM:\t   12345 kB\nVmRSS:\t   11111 kB\nRssAnon:\t 4321 kB\n";
        assert_eq!(status_kib(status, "VmHWM"), Some(12_345));
        assert_eq!(status_kib(status, "RssAnon"), Some(4_321));
        assert_eq!(status_kib("", "VmHWM"), None, "a process that has ended");
        assert_eq!(status_kib("VmHWM:\t12 MB\n", "VmHWM"), None, "another unit is not guessed");
    }

    #[test]
    fn what_a_command_prints_is_returned_whole() -> anyhow::Result<()> {
        // Larger than the buffer of a pipe (64 KiB), which would stop the command for good.
        let words = ["-c", "head -c 200000 /dev/zero | tr '\\0' x"];
        assert_eq!(measure(Command::new("sh").args(words), &[0])?.printed.len(), 200_000);
        Ok(())
    }

    #[test]
    fn only_the_expected_exit_codes_measure_something() {
        let exit = |codes: &[i32]| measure(Command::new("sh").args(["-c", "exit 1"]), codes);
        assert!(exit(&[0]).is_err());
        assert!(exit(&[0, 1]).is_ok());
    }
}
