//! The measured side of `cargo xtask bench boot`, which builds it for release.
//!
//! `bench_boot generate UNITS DIR` writes the same units every time; `bench_boot measure DIR WAITS ROUNDS` reads them,
//! analyses that many declared waits among them, and prints one line of JSON with the median of the rounds. It is the time
//! on a core, which other work on the machine does not lengthen.

use std::error::Error;
use std::fs;
use std::io::Write;
use std::path::Path;

use pvcheck_boot::{BootReport, Serves, UnitName, Wait, analyse, read_units};
use serde_json::json;

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["generate", units, dir] => generate(units.parse()?, Path::new(dir)),
        ["measure", dir, waits, rounds] => measure(Path::new(dir), waits.parse()?, rounds.parse()?),
        _ => Err("give generate UNITS DIR, or measure DIR WAITS ROUNDS".into()),
    }
}

/// A tree of orders, each unit with a shell's text that is read and waits for nothing.
fn generate(units: usize, dir: &Path) -> Result<(), Box<dyn Error>> {
    for n in 0..units {
        let text = format!(
            "[Unit]\nAfter=u{}.service\n\n[Service]\nType=oneshot\nTimeoutStartSec=900\n\
             ExecStart=/bin/sh -c 'for i in 1 2 3; do echo \"$$i\" | logger; done; mkdir -p /run/u{n}'\n\n\
             [Install]\nWantedBy=multi-user.target\n",
            n / 2
        );
        fs::write(dir.join(format!("u{n}.service")), text)?;
    }
    Ok(())
}

fn measure(dir: &Path, waits: usize, rounds: usize) -> Result<(), Box<dyn Error>> {
    let units = fs::read_dir(dir)?.count();
    let (waits, serves) = declared(units, waits)?;
    let mut times = Vec::new();
    let mut report: Option<BootReport> = None;
    for _ in 0..rounds.max(1) {
        let since = on_a_core()?;
        let found = analyse(&read_units(&[dir], None, &[])?, &waits, &serves);
        times.push(on_a_core()? - since);
        report = Some(found);
    }
    times.sort_unstable();
    let report = report.ok_or("no round was run")?;
    let line = json!({
        "units": report.units,
        "waits": report.waits.len(),
        "deadlocks": report.deadlocks.len(),
        "ns": times[times.len() / 2],
    });
    writeln!(std::io::stdout(), "{line}")?;
    Ok(())
}

/// Nanoseconds that this thread has had a core (`Documentation/scheduler/sched-stats.rst` of the kernel).
fn on_a_core() -> Result<u64, Box<dyn Error>> {
    let text = fs::read_to_string("/proc/thread-self/schedstat")?;
    Ok(text.split(' ').next().ok_or("the kernel keeps no account of threads")?.parse()?)
}

/// Waits that are spread over all units: the factors are primes that share nothing with a round number of them.
fn declared(units: usize, waits: usize) -> Result<(Vec<Wait>, Vec<Serves>), Box<dyn Error>> {
    let name = |n: usize| format!("u{n}.service").parse::<UnitName>();
    let mut asked = Vec::new();
    for n in 0..waits {
        let url = format!("https://h{}/", (n * 101 + 7) % units).parse()?;
        asked.push(Wait { unit: name((n * 61 + n / units) % units)?, url, during: None });
    }
    let mut serves = Vec::new();
    for n in 0..units {
        serves.push(Serves {
            host: format!("h{n}"),
            port: None,
            path_prefix: None,
            unit: name(n)?,
            via: None,
        });
    }
    Ok((asked, serves))
}
