//! Support of the tests on real engines: a lab, or the reason why there is none, and the docker client inside the lab.
//!
//! A test that cannot have its engine leaves a note in the folder `PVCHECK_NOT_RUN`, which `cargo xtask test` lists at its
//! end. With `PVCHECK_REQUIRE_ENGINE=1` it fails instead.

pub mod faults;
pub mod gates;
pub mod leftovers;
pub mod renewals;
pub mod stacks;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{ErrorKind, Write as _};
use std::net::Ipv4Addr;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Mutex, Once};
use std::time::{Duration, Instant};

use pvcheck_lab::{HostSpec, Lab, LabError, LabSpec, Suite, World};
use pvcheck_swarm::Host;
use serde_json::Value;

/// The result of a test; any error fails the test with its text.
pub type Outcome = Result<(), Box<dyn std::error::Error>>;

/// A lab for a test; `None`, and the reason on stderr, if this machine cannot run one.
///
/// # Panics
/// If there is none although `PVCHECK_REQUIRE_ENGINE` is set, or an engine does not start.
pub fn lab(test: &str, suite: Option<Suite>, world: World) -> Option<Lab> {
    lab_of(test, LabSpec { suite, world, ..LabSpec::default() })
}

/// A lab of this spec, otherwise as [`lab`].
///
/// # Panics
/// If [`lab`] would.
pub fn lab_of(test: &str, spec: LabSpec) -> Option<Lab> {
    there(test, Lab::up(spec, &|_| {}))
}

/// A whole host of this spec, otherwise as [`lab`].
///
/// # Panics
/// If [`lab`] would.
pub fn booted(test: &str, spec: HostSpec) -> Option<Lab> {
    there(test, Lab::boot(spec, &|_| {}))
}

fn there(test: &str, lab: Result<Lab, LabError>) -> Option<Lab> {
    match lab {
        Ok(lab) => Some(lab),
        Err(error) if error.is_of_the_machine() => {
            not_run(test, &error.to_string());
            None
        }
        Err(error) => panic!("{test}: the lab did not come up: {error}"),
    }
}

/// Records that a test was not run.
///
/// # Panics
/// If `PVCHECK_REQUIRE_ENGINE` is set.
pub fn not_run(test: &str, why: &str) {
    let required = std::env::var_os("PVCHECK_REQUIRE_ENGINE").is_some_and(|value| value != "0");
    assert!(!required, "{test} could not be run, and an engine is required: {why}");
    if let Some(folder) = std::env::var_os("PVCHECK_NOT_RUN") {
        let note = PathBuf::from(folder).join(test);
        std::fs::write(&note, why).unwrap_or_else(|e| panic!("cannot write {}: {e}", note.display()));
    }
}

/// In long rounds several lanes, each with a share of the cases and an engine of its own: as many as `PVCHECK_LANES` says, else
/// 4. Each is told its number and how many there are.
///
/// # Errors
/// That of the first lane that failed, or if one panicked.
pub fn in_lanes(one_lane: impl Fn((usize, usize)) -> Outcome + Sync) -> Outcome {
    let wanted = std::env::var("PVCHECK_LANES").ok().and_then(|text| text.parse().ok());
    let lanes: usize = if long() { wanted.unwrap_or(4) } else { 1 };
    let run = &one_lane;
    std::thread::scope(|scope| {
        let started: Vec<_> = (0..lanes)
            .map(|lane| scope.spawn(move || run((lane, lanes)).map_err(|e| e.to_string())))
            .collect();
        let ended = started.into_iter().map(|lane| lane.join().map_err(|_| "a lane panicked".to_owned())?);
        Ok(ended.collect::<Result<(), String>>()?)
    })
}

/// True iff the long rounds are asked for: `cargo xtask test --long`, or `PVCHECK_LONG=1`. Each test has a short round
/// that shows the same thing on less.
pub fn long() -> bool {
    static SAID: Once = Once::new();
    let wanted = std::env::var_os("PVCHECK_LONG").is_some_and(|value| value != "0");
    if !wanted {
        SAID.call_once(|| {
            // A closed stderr loses this line only.
            let line = "the short rounds only; `cargo xtask test --long` runs the long ones too";
            let _ = writeln!(std::io::stdout(), "{line}");
        });
    }
    wanted
}

/// The address of a lab's first engine.
///
/// # Panics
/// If the lab has none, or one that cannot be parsed.
pub fn host(lab: &Lab) -> Host {
    let hosts = &lab.info().hosts;
    hosts.first().expect("a lab has an engine").parse().expect("a lab's engine has a unix socket")
}

/// Runs the docker client in a lab and returns its stdout. A network that it creates has its subnet afterwards.
///
/// # Errors
/// If it cannot be run, or does not end with 0.
pub fn docker(lab: &Lab, words: &[&str]) -> Result<String, Box<dyn std::error::Error>> {
    let printed = text(lab.command("docker").args(words))?;
    if let ["network", "create", .., name] = words {
        allocated(lab, name);
    }
    Ok(printed)
}

/// Waits until the leader has given a new network its subnet, for two seconds at most: some never get one.
fn allocated(lab: &Lab, name: &str) {
    let deadline = Instant::now() + Duration::from_secs(2);
    let inspect = ["network", "inspect", "--format", "{{len .IPAM.Config}}", name];
    while text(lab.command("docker").args(inspect)).is_ok_and(|configs| configs == "0")
        && Instant::now() < deadline
    {
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Runs a command and returns its stdout.
///
/// # Errors
/// If it cannot be run, or does not end with 0.
pub fn text(command: &mut Command) -> Result<String, Box<dyn std::error::Error>> {
    let Output { status, stdout, stderr } = command.output()?;
    if !status.success() {
        return Err(format!("{command:?} ended with {status}: {}", String::from_utf8_lossy(&stderr)).into());
    }
    Ok(String::from_utf8(stdout)?.trim().to_owned())
}

/// As [`docker`], for commands that print JSON: one document, or one per line.
///
/// # Errors
/// If [`docker`] fails, or its output is not JSON.
pub fn docker_json(lab: &Lab, words: &[&str]) -> Result<Vec<Value>, Box<dyn std::error::Error>> {
    let printed = docker(lab, words)?;
    Ok(serde_json::Deserializer::from_str(&printed).into_iter().collect::<Result<_, _>>()?)
}

/// Every address of a network that the docker client lists: what `network inspect -v` lists of services' VIPs, their
/// tasks and this node's endpoints, and what `service inspect` lists as the services' endpoints.
///
/// # Errors
/// If [`docker_json`] fails.
pub fn addresses_by_docker(
    lab: &Lab,
    network: &str,
) -> Result<BTreeSet<Ipv4Addr>, Box<dyn std::error::Error>> {
    let documents = docker_json(lab, &["network", "inspect", "-v", network])?;
    let inspected = documents.first().and_then(|list| list.get(0)).ok_or("nothing was inspected")?;
    let id = inspected["Id"].as_str().unwrap_or_default().to_owned();
    let mut found = BTreeSet::new();
    let mut take = |value: &Value| {
        found.extend(
            value.as_str().and_then(|t| t.split('/').next()).and_then(|t| t.parse::<Ipv4Addr>().ok()),
        );
    };
    for container in inspected["Containers"].as_object().into_iter().flatten() {
        take(&container.1["IPv4Address"]);
    }
    for service in inspected["Services"].as_object().into_iter().flatten() {
        take(&service.1["VIP"]);
        for task in service.1["Tasks"].as_array().into_iter().flatten() {
            take(&task["EndpointIP"]);
        }
    }
    let services = docker(lab, &["service", "ls", "-q"])?;
    let words: Vec<&str> = ["service", "inspect"].into_iter().chain(services.lines()).collect();
    for service in docker_json(lab, &words)?.iter().filter_map(Value::as_array).flatten() {
        for vip in service["Endpoint"]["VirtualIPs"].as_array().into_iter().flatten() {
            if vip["NetworkID"].as_str() == Some(&id) {
                take(&vip["Addr"]);
            }
        }
    }
    Ok(found)
}

/// The program `cargo xtask` runs, built before the tests by `cargo xtask test`, else now.
///
/// # Errors
/// If it cannot be built or found.
pub fn xtask() -> Result<PathBuf, Box<dyn std::error::Error>> {
    built("xtask", "xtask")
}

/// The `pvcheck` program, likewise.
///
/// # Errors
/// If it cannot be built or found.
pub fn pvcheck() -> Result<PathBuf, Box<dyn std::error::Error>> {
    built("pvcheck-cli", "pvcheck")
}

/// The programs that were asked for, each asked of cargo once in a process.
static BUILT: Mutex<BTreeMap<String, PathBuf>> = Mutex::new(BTreeMap::new());

fn built(package: &str, program: &str) -> Result<PathBuf, Box<dyn std::error::Error>> {
    let mut built = BUILT.lock().map_err(|error| error.to_string())?;
    if let Some(path) = built.get(program) {
        return Ok(path.clone());
    }
    let path = kept(program, &built_now(package, program)?)?;
    built.insert(program.to_owned(), path.clone());
    Ok(path)
}

/// Another name for a program. Cargo takes the one that it prints away for a moment whenever another process builds with
/// other features (each set of features has a file of its own, and the last one gets the name), and a test that starts it
/// just then finds nothing.
fn kept(program: &str, printed: &Path) -> std::io::Result<PathBuf> {
    let folder = printed.with_file_name("for-tests");
    std::fs::create_dir_all(&folder)?;
    forget_old(&folder)?;
    let since = Instant::now();
    loop {
        match link_to(program, printed, &folder) {
            Err(error) if error.kind() == ErrorKind::NotFound && since.elapsed() < BACK => {
                std::thread::sleep(Duration::from_millis(20));
            }
            outcome => return outcome,
        }
    }
}

/// Removes links to programs that were built more than a week ago: those of today's tests are younger.
fn forget_old(folder: &Path) -> std::io::Result<()> {
    const WEEK: Duration = Duration::from_hours(7 * 24);
    for entry in std::fs::read_dir(folder)?.flatten() {
        let built = entry.metadata().and_then(|metadata| metadata.modified());
        if built.is_ok_and(|at| at.elapsed().is_ok_and(|age| WEEK < age)) {
            // Another test may just have removed it.
            let _ = std::fs::remove_file(entry.path());
        }
    }
    Ok(())
}

/// How long a program that cargo replaces may be away.
const BACK: Duration = Duration::from_secs(30);

/// A link that is named by the file's number, which no other file gets as long as the link is there.
fn link_to(program: &str, printed: &Path, folder: &Path) -> std::io::Result<PathBuf> {
    let number = std::fs::metadata(printed)?.ino();
    let link = folder.join(format!("{program}-{number}"));
    match std::fs::hard_link(printed, &link) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
        Ok(()) | Err(_) => {}
    }
    if std::fs::metadata(&link)?.ino() == number {
        return Ok(link);
    }
    // It was replaced in between: the link is to the new one, under the old one's number.
    std::fs::remove_file(&link)?;
    Err(ErrorKind::NotFound.into())
}

/// The cargo that runs this test, in its package. What it says of that package is not handed on: the build script of ring
/// asks to be run again when that changes, and with it all that is above ring would be built again.
pub fn cargo(words: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).args(words);
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_"].iter().any(|prefix| text.starts_with(prefix)) {
            command.env_remove(&name);
        }
    }
    command
}

/// Cargo names the programs of a test's own package only, so it is asked where it put the others.
fn built_now(package: &str, program: &str) -> Result<PathBuf, Box<dyn std::error::Error>> {
    let mut build = cargo(&["build", "--quiet", "--package", package, "--message-format", "json"]);
    let messages = text(&mut build)?;
    let of_program = |line: &str| {
        let message: Value = serde_json::from_str(line).ok()?;
        let named = message["target"]["name"].as_str() == Some(program);
        named.then(|| message["executable"].as_str().map(PathBuf::from)).flatten()
    };
    messages.lines().find_map(of_program).ok_or_else(|| format!("cargo built no program {program}").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_replaced_stays_under_its_other_name() -> Outcome {
        let folder = tempfile::tempdir()?;
        let printed = folder.path().join("program");
        let (late, first) = (printed.clone(), Instant::now());
        let writer = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(100));
            std::fs::write(late, "old")
        });
        let old = kept("program", &printed)?;
        assert!(first.elapsed() < BACK, "it came while it was waited for");
        writer.join().map_err(|_| "the writer panicked")??;
        std::fs::remove_file(&printed)?;
        std::fs::write(&printed, "new")?;
        let new = kept("program", &printed)?;
        assert_eq!(
            (std::fs::read_to_string(&old)?, std::fs::read_to_string(&new)?),
            ("old".into(), "new".into())
        );
        assert_eq!(kept("program", &printed)?, new, "the same file has the same name");
        Ok(())
    }
}
