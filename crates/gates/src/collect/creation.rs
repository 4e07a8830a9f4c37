//! The files that create an overlay: what is declared, and what is deployed.

use std::convert::Infallible;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use crate::cause::Unseen;
use crate::config::{Config, OverlayConfig};
use crate::creation::{Activation, CreationFacts, Place, Places, create_lines};
use crate::observed::{Observed, Seen};
use crate::systemd::properties;

/// The longest file that is read.
const MOST_BYTES: u64 = 1 << 20;
/// The settings of a unit that run something at its start.
const SETTINGS: [&str; 3] = ["ExecStartPre", "ExecStart", "ExecStartPost"];
/// Programs whose first word is the script that they run.
const INTERPRETERS: [&str; 6] = ["sh", "bash", "dash", "ash", "env", "busybox"];

/// Reads the files that the configuration names for this overlay. Nothing is run but `systemctl show`.
pub(super) async fn read_creation(config: &Config, overlay: &OverlayConfig) -> Observed<CreationFacts> {
    let read = async {
        let (network, creation) = (&overlay.name, &overlay.creation);
        let file = |path: &PathBuf| seen(in_file(&config.file(path), network).map(|place| vec![place]));
        let declared = creation.declared.as_ref().map_or_else(|| not_named("`declared`"), file);
        let deployed = match (&creation.deployed, &creation.unit) {
            (Some(path), _) => file(path),
            (None, Some(unit)) => seen(of_unit(unit, network).await),
            (None, None) => not_named("`deployed` or `unit`"),
        };
        let activation = match &creation.unit {
            Some(unit) => Some(activation(unit).await),
            None => None,
        };
        Ok::<_, Infallible>(CreationFacts { network: network.clone(), declared, deployed, activation })
    };
    Observed::of("files", read).await
}

async fn activation(unit: &str) -> Seen<Activation> {
    let shown = properties(unit, &Activation::PROPERTIES).await;
    match shown.and_then(|shown| Activation::of(unit, &shown)) {
        Ok(activation) => Seen::Known(activation),
        Err(why) => Seen::Unknown(Unseen::Failed { error: format!("{unit}: {why}") }),
    }
}

fn not_named(fields: &str) -> Seen<Places> {
    Seen::Unknown(Unseen::NotConfigured { fields: fields.to_owned() })
}

fn seen(read: Result<Places, String>) -> Seen<Places> {
    read.map_or_else(|error| Seen::Unknown(Unseen::Failed { error }), Seen::Known)
}

fn in_file(path: &Path, network: &str) -> Result<Place, String> {
    let failed = |why: String| format!("{}: {why}", path.display());
    let text = text(path).map_err(failed)?.ok_or_else(|| failed("it is not a text".to_owned()))?;
    let lines = create_lines(path, &text, network).map_err(failed)?;
    Ok(Place { file: path.display().to_string(), run_by: None, lines })
}

/// The text of a file; `None` if it is a program.
fn text(path: &Path) -> Result<Option<String>, String> {
    // Opening anything else may not return.
    if !std::fs::metadata(path).map_err(|e| e.to_string())?.is_file() {
        return Err("it is no file".to_owned());
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|e| e.to_string())?;
    file.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(|e| e.to_string())?;
    if bytes.contains(&0) {
        return Ok(None);
    }
    if MOST_BYTES < bytes.len() as u64 {
        return Err(format!("it has more than {} MiB", MOST_BYTES >> 20));
    }
    Ok(String::from_utf8(bytes).ok())
}

/// The commands of a unit, and the scripts that they run; scripts of scripts are not followed.
async fn of_unit(unit: &str, network: &str) -> Result<Places, String> {
    let shown = properties(unit, &SETTINGS).await.map_err(|why| format!("{unit}: {why}"))?;
    let mut places = Vec::new();
    for (setting, value) in shown.iter().filter(|(setting, _)| SETTINGS.contains(&setting.as_str())) {
        let Some(words) = argv(value) else { continue };
        let run_by = Some(format!("{setting} of {unit}"));
        let own = create_lines(Path::new(unit), words, network)?;
        if !own.is_empty() {
            places.push(Place { file: unit.to_owned(), run_by: run_by.clone(), lines: own });
        }
        let Some(script) = script(words) else { continue };
        match text(Path::new(script)).map_err(|why| format!("{script} ({setting} of {unit}): {why}"))? {
            None => {}
            Some(text) => {
                let lines = create_lines(Path::new(script), &text, network)?;
                places.push(Place { file: script.to_owned(), run_by, lines });
            }
        }
    }
    // What creates nothing is named where nothing creates it.
    if places.is_empty() {
        places.push(Place { file: unit.to_owned(), run_by: None, lines: Vec::new() });
    }
    Ok(places)
}

/// The words of a command as `systemctl show` prints it: `{ path=/x ; argv[]=/x a b ; ignore_errors=no ; … }`.
fn argv(value: &str) -> Option<&str> {
    let (_, words) = value.split_once("argv[]=")?;
    let end = words.find(" ; ignore_errors=").unwrap_or(words.len());
    Some(words[..end].trim())
}

/// The script that these words run: the program itself, or what an interpreter reads.
fn script(words: &str) -> Option<&str> {
    let mut words = words.split_whitespace();
    let program = words.next()?;
    let base = program.rsplit('/').next().unwrap_or(program);
    if !INTERPRETERS.contains(&base) {
        return Some(program).filter(|path| path.starts_with('/'));
    }
    words.find(|word| word.starts_with('/') && !INTERPRETERS.iter().any(|i| word.ends_with(&format!("/{i}"))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_of_a_command_is_its_program_or_what_an_interpreter_reads() {
        let shown = |words: &str| {
            format!(
                "{{ path=/x ; argv[]={words} ; ignore_errors=no ; start_time=[n/a] ; pid=0 ; status=0/0 }}"
            )
        };
        for (words, expected) in [
            (
                "/nix/store/a-unit-script-swarm-init-start/bin/swarm-init-start",
                Some("/nix/store/a-unit-script-swarm-init-start/bin/swarm-init-start"),
            ),
            ("/bin/sh /usr/local/bin/swarm-init --now", Some("/usr/local/bin/swarm-init")),
            ("/usr/bin/env /bin/bash -eu /opt/init", Some("/opt/init")),
            ("/bin/sh -c true", None),
            ("swarm-init", None),
        ] {
            let value = shown(words);
            assert_eq!(argv(&value), Some(words));
            assert_eq!(argv(&value).and_then(script), expected, "{words}");
        }
        assert_eq!(argv(""), None);
    }

    #[test]
    fn a_file_is_a_text_a_program_or_cannot_be_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("init.sh");
        let read = |bytes: &[u8]| {
            std::fs::write(&file, bytes).expect("a file");
            in_file(&file, "proxy")
        };
        let place = read(b"docker network create --subnet 10.10.0.0/16 proxy\n").expect("a text");
        assert_eq!((place.lines.len(), place.file), (1, file.display().to_string()));
        assert!(read(b"\x7fELF\0\0").expect_err("a program").ends_with("it is not a text"));
        assert!(read(b"\xff\xfe").expect_err("no text").ends_with("it is not a text"));
        let long = vec![b'x'; usize::try_from(MOST_BYTES).expect("small") + 1];
        assert!(read(&long).expect_err("too long").ends_with("more than 1 MiB"));
        assert!(in_file(folder.path(), "proxy").expect_err("a folder").ends_with("it is no file"));
        assert!(in_file(&folder.path().join("none"), "proxy").is_err());
    }
}
