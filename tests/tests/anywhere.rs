//! `cargo xtask pvcheck` as an ordinary user on a machine without Docker and apt: the embedded engine takes the place of a
//! real one, and says so.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

use pvcheck_tests::{Outcome, xtask};
use serde_json::Value;
use tempfile::TempDir;

/// A user without rights: 65534 is `nobody` on Debian.
const NOBODY: u32 = 65_534;

/// A folder that everybody may write to, with a copy of the program: nobody may be kept out of the folder it was built in.
struct Machine {
    folder: TempDir,
}

/// How a command ended.
struct Done {
    code: Option<i32>,
    table: String,
    said: String,
}

impl Machine {
    fn new() -> Result<Self, Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o777))?;
        std::fs::copy(xtask()?, folder.path().join("xtask"))?;
        Ok(Self { folder })
    }

    fn reports(&self) -> PathBuf {
        self.folder.path().join("reports")
    }

    /// `cargo xtask pvcheck`, with an empty PATH.
    fn pvcheck(&self, words: &[&str]) -> Command {
        let mut command = Command::new(self.folder.path().join("xtask"));
        command.arg("pvcheck").args(words).arg("--out").arg(self.reports());
        command.current_dir(self.folder.path()).env("PATH", "").env_remove("PVCHECK_REQUIRE_ENGINE");
        if rustix::process::geteuid().is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    }

    fn run(&self, words: &[&str]) -> std::io::Result<Done> {
        Done::of(self.pvcheck(words))
    }

    fn report(&self, gate: &str) -> Result<Value, Box<dyn std::error::Error>> {
        Ok(serde_json::from_slice(&std::fs::read(self.reports().join(format!("{gate}.json")))?)?)
    }
}

impl Done {
    fn of(mut command: Command) -> std::io::Result<Self> {
        let output = command.output()?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(Self { code: output.status.code(), table: text(&output.stdout), said: text(&output.stderr) })
    }
}

#[test]
fn both_gates_pass_and_one_line_says_on_what_and_why() -> Outcome {
    let machine = Machine::new()?;
    let Done { code, table, said } = machine.run(&[])?;
    assert_eq!(code, Some(0), "{table}{said}");
    let engine: Vec<&str> = said.lines().filter(|line| line.starts_with("engine: ")).collect();
    assert_eq!(engine.len(), 1, "{said}");
    assert!(engine[0].starts_with("engine: the embedded one, a model, because of: not root"), "{said}");
    let passes = table.lines().filter(|line| line.starts_with("PASS (embedded engine) pvcheck.m"));
    assert_eq!(passes.count(), 2, "{table}");
    for gate in ["pvcheck.m1", "pvcheck.m2"] {
        let report = machine.report(gate)?;
        assert_eq!((report["engine"].as_str(), report["verdict"].as_str()), (Some("embedded"), Some("PASS")));
    }
    Ok(())
}

#[test]
fn stack_rm_fails_with_one_leak_for_each_task() -> Outcome {
    let machine = Machine::new()?;
    let Done { code, table, said } = machine.run(&["--engine", "embedded", "--order", "stack-rm"])?;
    assert_eq!(code, Some(1), "{table}{said}");
    assert!(table.contains("5 addresses of proxy leaked"), "{table}");
    assert_eq!(machine.report("pvcheck.m2")?["verdict"], "FAIL");
    Ok(())
}

#[test]
fn what_the_embedded_engine_cannot_do_is_refused_with_one_line() -> Outcome {
    for (words, code, part) in [
        (&["--engine", "embedded", "--keep"][..], 2, "leave one of them out"),
        (&["--keep"], 3, "leave it out for the embedded engine"),
        (&["--engine", "bookworm"], 3, "error: not root"),
    ] {
        let machine = Machine::new()?;
        let done = machine.run(words)?;
        assert_eq!(done.code, Some(code), "{words:?}: {}", done.said);
        assert_eq!((done.table.as_str(), done.said.lines().count()), ("", 1), "{words:?}: {}", done.said);
        assert!(done.said.contains(part), "{words:?}: {}", done.said);
        assert!(!machine.reports().exists(), "nothing was begun");
    }
    Ok(())
}

#[test]
fn a_required_engine_is_not_replaced() -> Outcome {
    let machine = Machine::new()?;
    let mut command = machine.pvcheck(&[]);
    command.env("PVCHECK_REQUIRE_ENGINE", "1");
    let done = Done::of(command)?;
    assert_eq!((done.code, done.table.as_str()), (Some(3), ""), "{}", done.said);
    Ok(())
}
