//! The process group of a command, so that what it started ends with it.

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, Command};

/// The process group of a child, which is killed when this is dropped.
pub(crate) struct ProcessGroup(Option<Pid>);

impl ProcessGroup {
    /// Starts the command as the first of a group of its own.
    ///
    /// # Errors
    /// If it cannot be started.
    pub(crate) fn start(command: &mut Command) -> std::io::Result<(Child, Self)> {
        let child = command.process_group(0).kill_on_drop(true).spawn()?;
        let group = Self(child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw));
        Ok((child, group))
    }

    /// Sends a signal to all of it.
    pub(crate) fn send(&self, signal: Signal) {
        if let Some(group) = self.0 {
            // A group without a process is one that has ended.
            let _ = kill_process_group(group, signal);
        }
    }

    /// Lets what is left of it go on: the command has ended, and what it left in the background it meant to leave.
    pub(crate) fn let_go(mut self) {
        self.0 = None;
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        self.send(Signal::KILL);
    }
}
