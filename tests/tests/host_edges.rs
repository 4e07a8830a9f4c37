//! The order that `pvcheck boot` has of a booted host's units, edge by edge, against that of the host's own systemd: it has
//! all of them but those that no file tells, and none that systemd has not.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::io::Write as _;

use pvcheck_lab::{HostSpec, Lab};
use pvcheck_tests::{Outcome, booted, pvcheck, text};
use serde_json::Value;

/// The folders of the host's units, for both sides.
const FOLDERS: [&str; 3] = ["/etc/systemd/system", "/run/systemd/system", "/lib/systemd/system"];

/// One for each rule by which an order comes without a line that says so.
const BY_RULE: &[(&str, &str)] = &[
    ("docker.service", "systemd-journald.socket"),
    ("dev-hugepages.mount", "systemd-journald.socket"),
    ("systemd-logind.service", "systemd-remount-fs.service"),
    ("systemd-logind.service", "systemd-tmpfiles-setup.service"),
    ("docker.service", "system.slice"),
    ("system-getty.slice", "system.slice"),
    ("dev-hugepages.mount", "-.slice"),
    ("fstrim.timer", "-.mount"),
    ("shutdown.target", "docker.service"),
    ("shutdown.target", "system-getty.slice"),
    ("fstrim.timer", "time-set.target"),
    ("fstrim.timer", "time-sync.target"),
    ("proc-sys-fs-binfmt_misc.mount", "proc-sys-fs-binfmt_misc.automount"),
    ("docker.service", "docker.socket"),
    ("docker.service", "basic.target"),
    ("multi-user.target", "deploy-proxy.service"),
];

#[test]
fn every_order_of_a_booted_hosts_systemd_is_in_the_model_or_is_told_by_no_file() -> Outcome {
    let test = "host_edges::every_order_of_a_booted_hosts_systemd_is_in_the_model_or_is_told_by_no_file";
    let spec = HostSpec { pvcheck: Some(pvcheck()?), ..HostSpec::default() };
    let Some(lab) = booted(test, spec) else { return Ok(()) };
    let units = loaded(&shown(&lab)?);
    let compared = Compared::new(&units, &modelled(&lab)?);
    writeln!(
        std::io::stdout(),
        "{test}: {} units are loaded, with {} orders of systemd; {} are pvcheck's too, {} are pvcheck's only, {:?} systemd's only",
        units.len(),
        by_systemd(&units).len(),
        compared.both.len(),
        compared.only_pvcheck.len(),
        compared.explained
    )?;
    assert_eq!(compared.only_pvcheck, BTreeSet::new(), "systemd has them not");
    assert_eq!(compared.unexplained, BTreeSet::new(), "pvcheck has them not");
    for (later, earlier) in BY_RULE {
        assert!(compared.both.contains(&edge(later, earlier)), "{later} after {earlier} is not in both");
    }
    lab.down()?;
    Ok(())
}

/// A unit, and one that it comes after.
type Edge = (String, String);

fn edge(later: &str, earlier: &str) -> Edge {
    (later.to_owned(), earlier.to_owned())
}

/// A unit as systemd has it.
#[derive(Debug)]
struct Loaded {
    /// The file that it was read from; empty if there is none.
    file: String,
    after: Vec<String>,
    before: Vec<String>,
}

impl Loaded {
    /// True iff its file is in one of the folders, so that pvcheck has read it.
    fn is_read(&self) -> bool {
        // /lib is a link to /usr/lib, and systemd may name either.
        let path = self.file.strip_prefix("/usr").unwrap_or(&self.file);
        FOLDERS.iter().any(|folder| path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/')))
    }
}

/// Why an order of systemd's is none of the model's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Reason {
    /// One of both units is a mount without a file: the kernel says that it is there.
    Mounted,
    /// One of both units is an instance of a template that no file names, as a mount asks for one that is named by its device.
    Instance,
}

/// Both orders between the units that are loaded.
#[derive(Debug, Default)]
struct Compared {
    both: BTreeSet<Edge>,
    only_pvcheck: BTreeSet<Edge>,
    /// How many only systemd has, by reason.
    explained: BTreeMap<Reason, usize>,
    /// What only systemd has, and for no known reason.
    unexplained: BTreeSet<Edge>,
}

impl Compared {
    fn new(units: &BTreeMap<String, Loaded>, modelled: &BTreeSet<Edge>) -> Self {
        let mut compared = Self::default();
        let systemd = by_systemd(units);
        let named: BTreeSet<&str> =
            modelled.iter().flat_map(|(later, earlier)| [later, earlier]).map(String::as_str).collect();
        for edge in &systemd {
            if modelled.contains(edge) {
                compared.both.insert(edge.clone());
            } else if let Some(reason) = reason(units, &named, edge) {
                *compared.explained.entry(reason).or_default() += 1;
            } else {
                compared.unexplained.insert(edge.clone());
            }
        }
        let is_loaded = |edge: &&Edge| units.contains_key(&edge.0) && units.contains_key(&edge.1);
        let excess = modelled.difference(&systemd).filter(is_loaded);
        compared.only_pvcheck = excess.cloned().collect();
        compared
    }
}

fn by_systemd(units: &BTreeMap<String, Loaded>) -> BTreeSet<Edge> {
    let mut edges = BTreeSet::new();
    for (name, unit) in units {
        edges.extend(unit.after.iter().map(|earlier| edge(name, earlier)));
        edges.extend(unit.before.iter().map(|later| edge(later, name)));
    }
    edges.retain(|(later, earlier)| units.contains_key(later) && units.contains_key(earlier));
    edges
}

/// `named` are the units that the model knows of.
fn reason(units: &BTreeMap<String, Loaded>, named: &BTreeSet<&str>, edge: &Edge) -> Option<Reason> {
    let either = |is: &dyn Fn(&str) -> bool| is(&edge.0) || is(&edge.1);
    let is_mounted = |name: &str| {
        let is_mount = name.rsplit_once('.').is_some_and(|(stem, suffix)| suffix == "mount" && stem != "-");
        is_mount && units.get(name).is_some_and(|unit| !unit.is_read())
    };
    let is_instance = |name: &str| name.contains('@') && !named.contains(name);
    if either(&is_mounted) { Some(Reason::Mounted) } else { either(&is_instance).then_some(Reason::Instance) }
}

/// What systemd tells of every unit that it knows.
fn shown(lab: &Lab) -> Result<String, Box<dyn Error>> {
    text(lab.command("systemctl").args([
        "show",
        "--all",
        "--property=Id,After,Before,LoadState,FragmentPath",
        "*",
    ]))
}

/// The units of that text that are loaded: of one that is masked or not found, nothing is ordered.
fn loaded(shown: &str) -> BTreeMap<String, Loaded> {
    let mut units = BTreeMap::new();
    for unit in shown.split("\n\n") {
        let value = |key: &str| {
            let found = unit.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
            found.unwrap_or_default()
        };
        let names = |key: &str| value(key).split_whitespace().map(plain).collect::<Vec<String>>();
        if value("LoadState") == "loaded" {
            let file = value("FragmentPath").to_owned();
            units.insert(
                value("Id").to_owned(),
                Loaded { file, after: names("After"), before: names("Before") },
            );
        }
    }
    units
}

/// A name of a list: one with a backslash is quoted as for a shell, with another backslash before it.
fn plain(word: &str) -> String {
    word.trim_start_matches('$').trim_matches(['"', '\'']).replace(r"\\", r"\")
}

/// Every order of `pvcheck boot`, inside of the host.
fn modelled(lab: &Lab) -> Result<BTreeSet<Edge>, Box<dyn Error>> {
    let mut command = lab.command("pvcheck");
    command.args(["boot", "--edges", "--quiet", "-o", "json"]);
    for folder in FOLDERS {
        command.args(["--units", folder]);
    }
    let output = command.output()?;
    let report: Value = serde_json::from_slice(&output.stdout)
        .map_err(|e| format!("{e}: {}", String::from_utf8_lossy(&output.stderr)))?;
    let listed = report["edges"].as_array().ok_or("no orders are listed")?;
    let named = |row: &Value| Some(edge(row["from"].as_str()?, row["to"].as_str()?));
    let edges: Option<BTreeSet<Edge>> = listed.iter().map(named).collect();
    Ok(edges.ok_or("an order without both units")?)
}

/// As `systemctl show` prints it: units with a file, a mount without one, an instance that no file names, a masked
/// unit, and one that a program has made.
const SHOWN: &str = "\
Id=a.service\nAfter=b.service srv.mount masked.service\nBefore=t@x.target\nLoadState=loaded\n\
FragmentPath=/lib/systemd/system/a.service\n\n\
Id=b.service\nAfter=made.service\nBefore=\"c\\\\x2dd.service\"\nLoadState=loaded\n\
FragmentPath=/etc/systemd/system/b.service\n\n\
Id=c\\x2dd.service\nAfter=b.service\nBefore=\nLoadState=loaded\n\
FragmentPath=/usr/lib/systemd/system/c\\x2dd.service\n\n\
Id=srv.mount\nAfter=\nBefore=\nLoadState=loaded\nFragmentPath=\n\n\
Id=masked.service\nAfter=b.service\nBefore=\nLoadState=masked\nFragmentPath=/etc/systemd/system/masked.service\n\n\
Id=made.service\nAfter=\nBefore=\nLoadState=loaded\nFragmentPath=/run/systemd/transient/made.service\n\n\
Id=t@x.target\nAfter=\nBefore=\nLoadState=loaded\nFragmentPath=/lib/systemd/system/t@.target";

#[test]
fn an_order_that_one_side_lacks_is_seen() {
    let units = loaded(SHOWN);
    let whole = BTreeSet::from([edge("a.service", "b.service"), edge(r"c\x2dd.service", "b.service")]);
    let compared = Compared::new(&units, &whole);
    let made = BTreeSet::from([edge("b.service", "made.service")]);
    assert_eq!((&compared.both, &compared.unexplained), (&whole, &made), "{compared:?}");
    assert_eq!(compared.only_pvcheck, BTreeSet::new());
    assert_eq!(compared.explained, BTreeMap::from([(Reason::Mounted, 1), (Reason::Instance, 1)]));

    let lacking = BTreeSet::from([edge("a.service", "b.service")]);
    let lost = edge(r"c\x2dd.service", "b.service");
    assert!(Compared::new(&units, &lacking).unexplained.contains(&lost));

    let reversed = edge("b.service", "a.service");
    let mut excess = whole;
    excess.insert(reversed.clone());
    // Not loaded, so not systemd's to say.
    excess.insert(edge("a.service", "gone.service"));
    assert_eq!(Compared::new(&units, &excess).only_pvcheck, BTreeSet::from([reversed]));
}
