//! What is left of a lab, searched for without the lab's own code, so that the lab does not check itself; and programs that
//! are ended half way.

use std::error::Error;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};

use crate::{Outcome, text, xtask};

/// Starts `cargo xtask` with these words and reads its progress until a line has `step` in it. The stream is to be kept open.
///
/// # Errors
/// If it cannot be started, or ends before that step.
pub fn until_step(words: &[&str], step: &str) -> Result<(Child, BufReader<ChildStderr>), Box<dyn Error>> {
    let mut child =
        Command::new(xtask()?).args(words).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
    let mut progress = BufReader::new(child.stderr.take().ok_or("no stderr")?);
    let mut line = String::new();
    while !line.contains(step) {
        line.clear();
        if progress.read_line(&mut line)? == 0 {
            child.wait()?;
            return Err(format!("it ended before {step:?}").into());
        }
    }
    Ok((child, progress))
}

/// Sends a signal to a program.
///
/// # Errors
/// If it is gone.
pub fn send(child: &Child, signal: &str) -> Outcome {
    text(Command::new("sh").args(["-c", &format!("kill -{signal} {}", child.id())])).map(drop)
}

/// Every trace of a lab on this machine: namespaces, processes, mounts, folders and cgroups.
pub fn left_of(name: &str) -> Vec<String> {
    let mut left = Vec::new();
    let folder = format!("pvcheck-lab/{name}");
    for entry in listing("/run/netns") {
        if entry.contains(&format!("pvl-{name}-")) {
            left.push(format!("namespace {entry}"));
        }
    }
    for pid in
        listing("/proc").iter().filter(|pid| pid.parse::<u32>().is_ok_and(|pid| pid != std::process::id()))
    {
        let read = |file: &str| fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
        let holds = |file: &str| String::from_utf8_lossy(&read(file)).contains(&format!("{folder}/"));
        if holds("cmdline") || holds("cgroup") || holds("environ") {
            left.push(format!("process {pid}"));
        }
    }
    let mut mounts = String::new();
    if fs::File::open("/proc/self/mountinfo").and_then(|mut file| file.read_to_string(&mut mounts)).is_err() {
        left.push("mounts cannot be read".to_owned());
    }
    left.extend(mounts.lines().filter(|line| line.contains(&folder)).map(|line| format!("mount {line}")));
    let place = std::env::var("PVCHECK_LAB_DIR").unwrap_or_else(|_| "/var/tmp/pvcheck-lab".to_owned());
    let mut folders = vec![Path::new(&place).join(name), Path::new("/sys/fs/cgroup").join(&folder)];
    folders.extend(
        listing("/sys/fs/cgroup").iter().map(|group| Path::new("/sys/fs/cgroup").join(group).join(&folder)),
    );
    left.extend(folders.iter().filter(|path| path.exists()).map(|path| format!("folder {}", path.display())));
    left
}

fn listing(dir: &str) -> Vec<String> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}
