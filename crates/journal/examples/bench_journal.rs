//! The measured side of `cargo xtask bench journal`, which builds it for release.
//!
//! `bench_journal generate ENTRIES` prints a journal in systemd's export format, the same every time, a fifth of it dockerd's;
//! `bench_journal scan DIRECTORY [CURSOR]` scans the journal in a directory natively, and prints one line of JSON.

use std::error::Error;
use std::io::{self, BufWriter, Write};
use std::time::Instant;

use pvcheck_journal::{Catalogue, Directory, JournalReader, Limits, Mark, ReadFrom, Scanner, Source, Window};

/// When the first entry was written, in microseconds; the others follow ten a second.
const BEGIN_US: u64 = 1_780_000_000_000_000;
const STEP_US: u64 = 100_000;
/// One in so many of dockerd's lines says that a network is full.
const EXHAUSTED: u64 = 2_000;
const ID: &str = "0123456789abcdef0123456789abcdef";
/// The other units, with their programs.
const OTHERS: [(&str, &str); 4] =
    [("ssh.service", "sshd"), ("cron.service", "cron"), ("nginx.service", "nginx"), ("shop.service", "shop")];

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["generate", entries] => Ok(generate(entries.parse()?)?),
        ["scan", directory] => scan(directory, None),
        ["scan", directory, cursor] => scan(directory, Some(cursor)),
        _ => Err("give generate ENTRIES, or scan DIRECTORY [CURSOR]".into()),
    }
}

fn generate(entries: u64) -> io::Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    for number in 0..entries {
        let (unit, program, message) = if number % 5 == 0 {
            ("docker.service", "dockerd", engine(number / 5))
        } else {
            let (unit, program) = OTHERS[usize::try_from(number % 4).unwrap_or(0)];
            let (net, host, took) = (number % 250, number % 200, number % 977);
            (unit, program, format!("request {number} from 10.0.{net}.{host} took {took} ms, status 200"))
        };
        let (at, since_boot) = (BEGIN_US + number * STEP_US, number * STEP_US);
        write!(
            out,
            "__REALTIME_TIMESTAMP={at}\n__MONOTONIC_TIMESTAMP={since_boot}\n_BOOT_ID={ID}\n_MACHINE_ID={ID}\n_HOSTNAME=host1\n\
             PRIORITY=6\nSYSLOG_FACILITY=3\nSYSLOG_IDENTIFIER={program}\nMESSAGE={message}\n_TRANSPORT=stdout\n_PID=812\n_UID=0\n\
             _GID=0\n_COMM={program}\n_EXE=/usr/bin/{program}\n_CMDLINE=/usr/bin/{program}\n_CAP_EFFECTIVE=1ffffffffff\n\
             _SYSTEMD_CGROUP=/system.slice/{unit}\n_SYSTEMD_UNIT={unit}\n_SYSTEMD_SLICE=system.slice\n\
             _SYSTEMD_INVOCATION_ID={ID}\n_STREAM_ID={ID}\n\n"
        )?;
    }
    out.flush()
}

/// A line of dockerd's: its start, what it says of its networks every five minutes, and now and then a full network.
fn engine(number: u64) -> String {
    let time = "time=\"2026-06-13T05:38:00.123456789Z\"";
    match number {
        0 => format!("{time} level=info msg=\"Starting up\""),
        n if n % EXHAUSTED == EXHAUSTED / 2 => format!(
            "{time} level=error msg=\"Failed allocation for service {n:025}\" error=\"could not find an available IP while allocating VIP\" module=node node.id=nodiqbfz7sj0t8368scf9urwi"
        ),
        n => format!(
            "{time} level=info msg=\"NetworkDB stats host1(5bdcab994fd0) - netID:net{:022} leaving:false netPeers:5 entries:{n} Queue qLen:0 netMsg/s:0\"",
            n % 50
        ),
    }
}

fn scan(directory: &str, cursor: Option<&str>) -> Result<(), Box<dyn Error>> {
    let source = Source::Directory(Directory {
        path: Some(directory.into()),
        unit: "docker.service".to_owned(),
        by: JournalReader::Pvcheck,
    });
    let from = cursor
        .map_or(ReadFrom::Beginning, |cursor| ReadFrom::Mark(Mark::Cursor { cursor: cursor.to_owned() }));
    let begun = Instant::now();
    let scanner = Scanner::new(Catalogue::builtin(), Window::OPEN);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let scan = runtime.block_on(source.scan(&from, &Limits::default(), scanner))?;
    let found = serde_json::json!({
        "read": scan.read,
        "exhausted": scan.exhaustion_count(),
        "incomplete": scan.incomplete,
        "took_ns": u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX),
    });
    writeln!(io::stdout(), "{found}")?;
    Ok(())
}
