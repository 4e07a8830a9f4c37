//! `pvcheck journal`.

use std::fmt::Write as _;
use std::path::PathBuf;

use pvcheck_gates::engine_role;
use pvcheck_journal::{
    Class, Coverage, Directory, JournalReader, Journalctl, Limits, Matched, NetworkId, ReadFrom,
    RemovedNetworks, Role, Scan, Scanner, ServiceId, Since, Source,
};
use pvcheck_swarm::SavedRenewal;

use crate::args::{self, Args, JournalCommand, LogRole, Reader};
use crate::failure::{Failure, Outcome as _};
use crate::printer::Printer;
use crate::session::Session;
use crate::signatures;

pub(crate) async fn run(args: &Args, asked: &args::Journal, printer: &Printer) -> Result<u8, Failure> {
    let JournalCommand::Scan(asked) = &asked.what;
    let catalogue = signatures::catalogue(asked.catalogue.as_deref())?;
    let source = match &asked.file {
        Some(file) => Source::File(file.clone()),
        None => journal(asked),
    };
    let since = match asked.since.or(asked.fixed_at) {
        Some(at) => Since::At(at),
        None if asked.since_engine_start => Since::EngineStart,
        None if asked.since_allocator_start => Since::AllocatorStart,
        None => Since::Beginning,
    };
    // What was logged before a fix is told too.
    let from = asked.since.map_or(ReadFrom::Beginning, ReadFrom::Time);
    let removed = removed(&asked.record, printer)?;
    let scanner =
        Scanner::since(catalogue, since, None).removed(removed).role(role(args, asked, printer).await);
    let scan = source.scan(&from, &Limits::default(), scanner).await.map_err(Failure::unknown)?;
    printer.done();
    printer.result(&scan, || text(&scan))?;
    Ok(scan.code())
}

/// The journal of a unit.
fn journal(asked: &args::Scan) -> Source {
    let unit = asked.unit.clone();
    let directory =
        |by| Source::Directory(Directory { path: asked.directory.clone(), unit: unit.clone(), by });
    match asked.reader {
        Reader::Files => directory(JournalReader::Pvcheck),
        #[cfg(feature = "journald")]
        Reader::Libsystemd => directory(JournalReader::Libsystemd),
        Reader::Journalctl => {
            let mut journalctl = Journalctl::unit(unit);
            let directory = asked.directory.as_ref();
            journalctl.args.extend(directory.map(|directory| format!("--directory={}", directory.display())));
            Source::Journalctl(journalctl)
        }
    }
}

/// The old networks of renewals, each with the time when the renewal had ended.
fn removed(records: &[PathBuf], printer: &Printer) -> Result<RemovedNetworks, Failure> {
    let mut removed = Vec::new();
    for file in records {
        let SavedRenewal { record, ended, .. } = SavedRenewal::load(file).map_err(Failure::usage)?;
        match ended {
            Some(ended) if ended.network != record.old => {
                removed.push((record.old.as_str().into(), ended.at));
            }
            Some(_) => printer.note(&format!(
                "--record {}: the renewal was undone, so its old network is there",
                file.display()
            )),
            None => printer.note(&format!(
                "--record {}: the renewal has not ended, so its old network may still be there",
                file.display()
            )),
        }
    }
    Ok(RemovedNetworks::new(removed))
}

async fn role(args: &Args, asked: &args::Scan, printer: &Printer) -> Role {
    match asked.role {
        Some(LogRole::Leader) => Role::Leader,
        Some(LogRole::Follower) => Role::Follower,
        // A file, or a copy of a journal, may be of any engine.
        None if asked.file.is_some() || asked.directory.is_some() => Role::Unknown,
        None => role_of_this_host(args, printer).await.unwrap_or(Role::Unknown),
    }
}

/// The role of this host's engine, whose journal is read. `None` if no engine answers as a manager, or if the one that does is
/// on another host: the log is read all the same.
async fn role_of_this_host(args: &Args, printer: &Printer) -> Option<Role> {
    let snapshot = Session::open(args, printer).await.ok()?.engine.snapshot().await.ok()?;
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    let node = snapshot.nodes.iter().find(|node| node.id == snapshot.engine.node)?;
    (node.hostname == host.trim()).then(|| engine_role(&snapshot))
}

fn text(scan: &Scan) -> String {
    let mut text = format!("{}: {} records in the window, {} read\n", scan.source, scan.records, scan.read);
    if let Some(coverage) = &scan.coverage {
        text += &covered(coverage);
    }
    for (what, at) in
        [("engine's last start", scan.engine_start), ("last change of the leader", scan.leader_change)]
    {
        if let Some(at) = at {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "   {what}: {at}");
        }
    }
    text += &before(scan);
    for matched in &scan.matched {
        let sign = if matched.class.is_finding() { "->" } else { "  " };
        let (count, signature, class) = (matched.count, &matched.signature, matched.class.as_str());
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{sign} {count:>6} x {signature:<28} {class}");
        // A footprint is no finding, and still asks for a census.
        if matched.class.is_finding() || matched.class == Class::LeakFootprint {
            explained(&mut text, scan, matched);
        }
    }
    let _ = writeln!(text, "   {:>6} other errors", scan.unclassified_errors);
    for note in &scan.notes {
        let _ = writeln!(text, "note: {note}");
    }
    if let Some(doubt) = scan.doubt() {
        let (verdict, so) = match scan.findings().next() {
            Some(_) => ("not complete", "the counts are lower bounds"),
            None => ("UNKNOWN", "none found means nothing"),
        };
        for part in &doubt.parts {
            let _ = writeln!(text, "{verdict}: {part}");
        }
        let _ = writeln!(text, "{verdict}: {so}");
    }
    text
}

/// What was found before the window.
fn before(scan: &Scan) -> String {
    let mut text = String::new();
    for matched in &scan.before {
        let (count, signature, class) = (matched.count, &matched.signature, matched.class.as_str());
        let last = matched.last.map_or(String::new(), |last| format!(", last at {last}"));
        let _ = writeln!(text, "   before: {count} x {signature} ({class}){last}");
    }
    text
}

fn covered(coverage: &Coverage) -> String {
    let Coverage { understood, not_understood, foreign, engine, first, last, role } = coverage;
    let span = match (first, last) {
        (Some(first), Some(last)) => format!("from {first} to {last}"),
        _ => "of unknown times".to_owned(),
    };
    let role = match role {
        Role::Leader => "the leader",
        Role::Follower => "not the leader",
        Role::Unknown => "of unknown role",
    };
    format!(
        "   covered: {span}; {understood} understood, {not_understood} not, {foreign} of others; {engine} are dockerd's, {role}\n"
    )
}

/// What a reader needs to act on one finding: meaning and remedy from the catalogue, the rest from the log.
fn explained(text: &mut String, scan: &Scan, matched: &Matched) {
    let mut line = |label: &str, value: &str| {
        let _ = writeln!(text, "{:12}{label:<9} {value}", "");
    };
    line("meaning:", &matched.meaning);
    line("remedy:", &matched.remedy);
    if let (Some(first), Some(last)) = (matched.first, matched.last) {
        let seen = if first == last { format!("at {first}") } else { format!("from {first} to {last}") };
        line("seen:", &seen);
    }
    let is_leak = matches!(matched.class, Class::Leak | Class::LeakFootprint);
    if let Some(start) =
        scan.allocator_start().filter(|start| is_leak && matched.last.is_some_and(|last| last < *start))
    {
        line("healed:", &format!("the allocator was made anew at {start}, if the log is the leader's"));
    }
    let more = if matched.more { ", and more" } else { "" };
    if !matched.networks.is_empty() {
        let names: Vec<&str> = matched.networks.iter().map(NetworkId::as_str).collect();
        line("networks:", &format!("{}{more}", names.join(", ")));
    }
    let sample = scan.samples.iter().find(|sample| sample.signature.as_ref() == Some(&matched.signature));
    if let Some(sample) = sample {
        line("sample:", &printable(&sample.text));
    }
    if !matched.services.is_empty() {
        let names: Vec<&str> = matched.services.iter().map(ServiceId::as_str).collect();
        line("services:", &format!("{}{more}", names.join(", ")));
    }
}

/// A log line may hold what its writer wanted a terminal to do.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
