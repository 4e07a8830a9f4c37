//! `cargo xtask bench journal`: a native scan of a large journal, beside `journalctl` and `grep` as an operator would type it.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use serde::Deserialize;

use super::build::{release_build, target};
use super::compare::{median, time};
use super::peak::measure;
use super::table::whole;
use crate::lab;

/// Where Debian and others put the program that makes a journal of an export.
const REMOTES: [&str; 2] = ["/lib/systemd/systemd-journal-remote", "/usr/lib/systemd/systemd-journal-remote"];
/// How many times faster the scan has to be.
const DEMAND: f64 = 3.0;
/// How much memory it may take, whatever the size.
const MOST_MIB: u64 = 64;
/// How many of the unit's last entries are new to a scan from a cursor.
const NEW: usize = 2_000;

/// Arguments of `bench journal`.
#[derive(Args, Debug)]
pub(crate) struct Journal {
    /// Entries of the journal; a fifth of them are dockerd's
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(20_000..=10_000_000))]
    entries: u32,
    /// Rounds; each runs every side once
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(3..=1000))]
    rounds: u32,
}

/// What a scan found.
#[derive(Debug, Deserialize)]
struct Found {
    read: u64,
    exhausted: u64,
    incomplete: Vec<serde_json::Value>,
}

/// Each side as the median of its rounds.
struct Sides {
    native: Duration,
    from_cursor: Duration,
    grep: Duration,
    /// The most memory, and what of it was its own.
    mib: u64,
    own_mib: u64,
    found: Found,
}

/// Measures the sides and prints their ratio; fails where the demand is not met.
pub(crate) fn run(args: &Journal) -> anyhow::Result<ExitCode> {
    let words = ["--package", "pvcheck-journal", "--example", "bench_journal"];
    let bench = release_build(&words)?.join("examples/bench_journal");
    let folder = journal(&bench, args.entries)?;
    let cursor = cursor(&folder)?;
    let sides = sides(&bench, &folder, &cursor, args.rounds)?;
    lab::say(&table(args, &sides));
    // The pages of the journal that it maps are the kernel's, as they are with journalctl.
    let met = DEMAND <= ratio(&sides) && sides.own_mib < MOST_MIB;
    Ok(if met { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn sides(bench: &Path, folder: &Path, cursor: &str, rounds: u32) -> anyhow::Result<Sides> {
    let scan = |more: &[&str]| {
        let mut command = Command::new(bench);
        command.arg("scan").arg(folder).args(more);
        let measured = measure(&mut command, &[0])?;
        let found: Found =
            serde_json::from_str(&measured.printed).context("the scan printed something else")?;
        // A scan that is not complete has not done the work.
        if !found.incomplete.is_empty() {
            bail!("the scan is not complete: {:?}", found.incomplete);
        }
        anyhow::Ok((measured, found))
    };
    let (mut native, mut from_cursor, mut grep) = (vec![], vec![], vec![]);
    let (mut mib, mut own_mib, mut last) = (0, 0, None);
    let counted = counted(folder)?;
    for round in 1..=rounds {
        let (measured, found) = scan(&[])?;
        if found.exhausted != counted {
            bail!("the scan counts {} exhausted lines, and grep {counted}", found.exhausted);
        }
        native.push(measured.took);
        (mib, own_mib) = (mib.max(measured.mib), own_mib.max(measured.own_mib));
        last = Some(found);
        let (measured, found) = scan(&[cursor])?;
        if found.read != NEW as u64 {
            bail!("a scan from the cursor read {} entries, and {NEW} are new", found.read);
        }
        from_cursor.push(measured.took);
        grep.push(time(&mut by_hand(folder))?);
        lab::say(&format!("round {round} of {rounds}"));
    }
    let middle = |times: &[Duration]| median(times).context("no round was run");
    let found = last.context("no round was run")?;
    let [native, from_cursor, grep] = [middle(&native)?, middle(&from_cursor)?, middle(&grep)?];
    Ok(Sides { native, from_cursor, grep, mib, own_mib, found })
}

fn ratio(sides: &Sides) -> f64 {
    sides.grep.as_secs_f64() / sides.native.as_secs_f64()
}

fn table(args: &Journal, sides: &Sides) -> String {
    let Sides { native, from_cursor, grep, mib, own_mib, found } = sides;
    let mut text = format!(
        "{} entries, {} of dockerd's, {} exhausted; median of {} rounds\n",
        whole(args.entries.into()),
        whole(found.read),
        whole(found.exhausted),
        args.rounds
    );
    let from = format!("from a cursor, {} new", whole(NEW as u64));
    for (side, took, more) in [
        ("native scan", native, format!(", {own_mib} MiB of its own, {mib} with the journal's pages")),
        (from.as_str(), from_cursor, String::new()),
        ("journalctl -o cat | grep", grep, format!(", ratio {:.1}", ratio(sides))),
    ] {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  {side:26} {:8.1} ms{more}", took.as_secs_f64() * 1e3);
    }
    text.trim_end().to_owned()
}

/// What an operator types, and what the mission's documents have in a guard.
fn by_hand(folder: &Path) -> Command {
    let mut command = Command::new("sh");
    let line = "journalctl -D \"$1\" -u docker -o cat | grep -c 'available IP while allocating VIP'";
    command.args(["-ec", line, "sh"]).arg(folder);
    command
}

fn counted(folder: &Path) -> anyhow::Result<u64> {
    let output = by_hand(folder).output().context("cannot run journalctl")?;
    let text = String::from_utf8(output.stdout).context("grep printed no number")?;
    text.trim().parse().with_context(|| format!("grep printed {text:?}"))
}

/// The cursor of the entry after which the last of the unit's are new.
fn cursor(folder: &Path) -> anyhow::Result<String> {
    let lines = format!("--lines={}", NEW + 1);
    let words = ["-u", "docker", "-o", "json", "--output-fields=PRIORITY", lines.as_str()];
    let output = Command::new("journalctl").arg("-D").arg(folder).args(words).output();
    let text = String::from_utf8(output.context("cannot run journalctl")?.stdout)?;
    let first: serde_json::Value =
        serde_json::from_str(text.lines().next().context("journalctl printed nothing")?)?;
    first["__CURSOR"].as_str().map(str::to_owned).context("an entry has no cursor")
}

/// The folder of a journal of that size, which is made once.
fn journal(bench: &Path, entries: u32) -> anyhow::Result<PathBuf> {
    let folder = target()?.join("bench-journal").join(entries.to_string());
    if folder.is_dir() {
        return Ok(folder);
    }
    let remote = REMOTES.iter().find(|path| Path::new(path).exists());
    let remote = remote.context("systemd-journal-remote is missing; install systemd-journal-remote")?;
    // What is there under its name is whole.
    let begun = folder.with_extension("begun");
    if begun.is_dir() {
        fs::remove_dir_all(&begun).context("cannot remove what an earlier run left")?;
    }
    fs::create_dir_all(&begun).context("cannot make a folder in the target folder")?;
    lab::say(&format!("a journal of {} entries is made", whole(entries.into())));
    let mut generate = Command::new(bench)
        .args(["generate", &entries.to_string()])
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot run the generator")?;
    let export = generate.stdout.take().context("the generator has no stdout")?;
    let made = Command::new(remote)
        .args(["--split-mode=none", "-o"])
        .arg(begun.join("all.journal"))
        .arg("-")
        .stdin(export)
        .status()
        .context("cannot run systemd-journal-remote")?;
    let generated = generate.wait().context("cannot wait for the generator")?;
    if !made.success() || !generated.success() {
        bail!("no journal: the generator ended with {generated}, systemd-journal-remote with {made}");
    }
    fs::rename(&begun, &folder).context("cannot name the journal's folder")?;
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sides_and_their_ratio_are_printed_below_the_sizes() {
        let sides = Sides {
            native: Duration::from_millis(500),
            from_cursor: Duration::from_millis(5),
            grep: Duration::from_secs(2),
            mib: 221,
            own_mib: 6,
            found: Found { read: 200_000, exhausted: 100, incomplete: vec![] },
        };
        let text = table(&Journal { entries: 1_000_000, rounds: 5 }, &sides);
        assert_eq!(
            text,
            "1,000,000 entries, 200,000 of dockerd's, 100 exhausted; median of 5 rounds\n  \
             native scan                   500.0 ms, 6 MiB of its own, 221 with the journal's pages\n  \
             from a cursor, 2,000 new        5.0 ms\n  \
             journalctl -o cat | grep     2000.0 ms, ratio 4.0"
        );
    }
}
