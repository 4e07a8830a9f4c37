//! The images of a lab, as tar files in the cache. No registry is asked.

use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::LabError;
use crate::engine::process::run;
use crate::engine::tools::{Cache, Tools, ldd};
use crate::engine::traefik::Traefik;
use crate::progress::Context;

/// The image of every service but the router: busybox with all its applets, and `/bin/serve`, which answers
/// HTTP on port 80.
pub const BUSYBOX_IMAGE: &str = "pvcheck-lab/busybox:1";

/// The image of a world's router.
pub(crate) const CADDY_IMAGE: &str = "pvcheck-lab/caddy:1";

/// The image of the other one.
pub(crate) const TRAEFIK_IMAGE: &str = "pvcheck-lab/traefik:1";

/// Path in [`BUSYBOX_IMAGE`]: `serve [STATUS [SECONDS]]` answers `/` on port 80 with STATUS (200, 303 or 404),
/// and after SIGTERM stays for SECONDS (default 0, which is at once).
pub(crate) const SERVE: &str = "/bin/serve";

/// As the first process of a container it would get no SIGTERM without a handler, hence the trap.
const SERVE_SCRIPT: &str = r#"#!/bin/sh
export STATUS="${1:-200}"
linger="${2:-0}"
trap 'sleep "$linger"; exit 0' TERM INT
httpd -f -p 80 -h /srv &
while :; do wait; done
"#;

/// busybox httpd calls this for `/` when there is no index.html, and takes the status from the first header.
const ANSWER_SCRIPT: &str = r#"#!/bin/sh
case "$STATUS" in
200) printf 'Status: 200 OK\r\n' ;;
303) printf 'Status: 303 See Other\r\nLocation: /login\r\n' ;;
404) printf 'Status: 404 Not Found\r\n' ;;
*) printf 'Status: 500 Unknown\r\n' ;;
esac
printf 'Content-Type: text/plain\r\n\r\n%s from %s\n' "$STATUS" "$(hostname)"
"#;

/// Tar files ready to be imported.
#[derive(Clone, Debug)]
pub(crate) struct Images {
    pub(crate) busybox: PathBuf,
    pub(crate) caddy: PathBuf,
    /// Only where it was asked for.
    pub(crate) traefik: Option<PathBuf>,
}

/// The images, made from the programs unless the cache has them.
pub(crate) fn make(context: Context<'_>, tools: &Tools) -> Result<Images, LabError> {
    let dir = Cache::open(context)?.entry(&key(tools)?, |dir| {
        context.report("making the images");
        let root = dir.join("busybox");
        busybox_root(context, tools, &root)?;
        pack(context, &root, &dir.join("busybox.tar"))?;
        let root = dir.join("caddy");
        caddy_root(context, tools, &root)?;
        pack(context, &root, &dir.join("caddy.tar"))
    })?;
    Ok(Images { busybox: dir.join("busybox.tar"), caddy: dir.join("caddy.tar"), traefik: None })
}

/// The image of this Traefik, made unless the cache has it.
pub(crate) fn make_traefik(
    context: Context<'_>,
    tools: &Tools,
    traefik: &Traefik,
) -> Result<PathBuf, LabError> {
    let name = format!("image-traefik-{}", traefik.version);
    let dir = Cache::open(context)?.entry(&name, |dir| {
        let root = dir.join("traefik");
        base_root(tools, &root)?;
        // Static, so that it is all there is to copy.
        copy(&traefik.program, &root.join("usr/bin/traefik"))?;
        pack(context, &root, &dir.join("traefik.tar"))
    })?;
    Ok(dir.join("traefik.tar"))
}

/// Another busybox, Caddy or script gives another entry of the cache.
fn key(tools: &Tools) -> Result<String, LabError> {
    let mut hasher = DefaultHasher::new();
    // The number is to be raised when the layout of the images changes.
    (SERVE_SCRIPT, ANSWER_SCRIPT, 1).hash(&mut hasher);
    for file in [&tools.busybox, &tools.caddy] {
        let meta = fs::metadata(file).map_err(LabError::io("look at", file))?;
        (file, meta.len(), meta.mtime()).hash(&mut hasher);
    }
    Ok(format!("images-{:016x}", hasher.finish()))
}

fn busybox_root(context: Context<'_>, tools: &Tools, root: &Path) -> Result<(), LabError> {
    base_root(tools, root)?;
    let applets = run(context, Command::new(&tools.busybox).arg("--list"), Duration::from_secs(20))?;
    // Links rather than copies: busybox chooses the applet by the name that it is called by.
    for applet in applets.lines().filter(|name| !["busybox", "sh"].contains(name)) {
        let link = root.join("bin").join(applet);
        symlink("busybox", &link).map_err(LabError::io("make", &link))?;
    }
    script(&root.join(SERVE.trim_start_matches('/')), SERVE_SCRIPT)?;
    script(&root.join("srv/cgi-bin/index.cgi"), ANSWER_SCRIPT)
}

fn caddy_root(context: Context<'_>, tools: &Tools, root: &Path) -> Result<(), LabError> {
    base_root(tools, root)?;
    copy(&tools.caddy, &root.join("usr/bin/caddy"))?;
    for library in linked_files(&ldd(context, &tools.caddy, &tools.libraries)?) {
        copy(&library, &root.join(place_in_image(&library)))?;
    }
    Ok(())
}

fn base_root(tools: &Tools, root: &Path) -> Result<(), LabError> {
    for dir in ["bin", "etc", "srv/cgi-bin", "tmp", "usr/bin"] {
        let dir = root.join(dir);
        fs::create_dir_all(&dir).map_err(LabError::io("make", &dir))?;
    }
    copy(&tools.busybox, &root.join("bin/busybox"))?;
    let link = root.join("bin/sh");
    symlink("busybox", &link).map_err(LabError::io("make", &link))?;
    let passwd = root.join("etc/passwd");
    fs::write(&passwd, "root:x:0:0:root:/:/bin/sh\n").map_err(LabError::io("write", &passwd))
}

/// The files that ldd(1) names: `NAME => PATH (ADDRESS)` for a library, `PATH (ADDRESS)` for the loader.
fn linked_files(listing: &str) -> Vec<PathBuf> {
    let file = |line: &str| {
        let right = line.split_once("=>").map_or(line, |(_, right)| right).trim();
        let path = right.split_once(" (")?.0;
        path.starts_with('/').then(|| PathBuf::from(path))
    };
    listing.lines().filter_map(file).collect()
}

/// System libraries keep their path; those from the cache go into a folder that every loader searches.
fn place_in_image(library: &Path) -> PathBuf {
    let system = ["/lib", "/lib64", "/usr/lib", "/usr/lib64"].iter().any(|dir| library.starts_with(dir));
    if system {
        library.strip_prefix("/").unwrap_or(library).to_owned()
    } else {
        Path::new("usr/lib").join(library.file_name().unwrap_or_default())
    }
}

fn copy(from: &Path, to: &Path) -> Result<(), LabError> {
    if let Some(dir) = to.parent() {
        fs::create_dir_all(dir).map_err(LabError::io("make", dir))?;
    }
    fs::copy(from, to).map(drop).map_err(LabError::io("copy to", to))
}

fn script(file: &Path, text: &str) -> Result<(), LabError> {
    fs::write(file, text).map_err(LabError::io("write", file))?;
    fs::set_permissions(file, fs::Permissions::from_mode(0o755))
        .map_err(LabError::io("make executable", file))
}

fn pack(context: Context<'_>, root: &Path, tar: &Path) -> Result<(), LabError> {
    let mut command = Command::new("tar");
    command.arg("-C").arg(root).args(["--owner=0", "--group=0", "--numeric-owner", "-cf"]).arg(tar).arg(".");
    run(context, &mut command, Duration::from_mins(2))?;
    fs::remove_dir_all(root).map_err(LabError::io("remove", root))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_of_a_program() {
        let listing = "\tlinux-vdso.so.1 (0x1)\n\tlibzstd.so.1 => /c/usr/lib/x-linux-gnu/libzstd.so.1 (0x2)\n\
                       \tlibc.so.6 => /lib/x-linux-gnu/libc.so.6 (0x3)\n\t/lib64/ld-linux.so.2 (0x4)\n\
                       \tlibgone.so.1 => not found\n";
        let files = linked_files(listing);
        let places: Vec<_> = files.iter().map(|file| place_in_image(file)).collect();
        assert_eq!(
            places,
            ["usr/lib/libzstd.so.1", "lib/x-linux-gnu/libc.so.6", "lib64/ld-linux.so.2"].map(PathBuf::from)
        );
    }

    /// Tools whose busybox and caddy are small scripts in a folder.
    fn tools(dir: &Path) -> Tools {
        let program = |name: &str, text: &str| {
            let file = dir.join(name);
            script(&file, text).unwrap();
            file
        };
        Tools {
            programs: Vec::new(),
            libraries: Vec::new(),
            suite: None,
            busybox: program("busybox", "#!/bin/sh\nprintf 'busybox\\nsh\\nls\\nhttpd\\n'\n"),
            caddy: program("caddy", "#!/bin/sh\n"),
        }
    }

    #[test]
    fn another_program_is_another_entry_of_the_cache() {
        let dir = tempfile::tempdir().unwrap();
        let tools = tools(dir.path());
        let first = key(&tools).unwrap();
        assert_eq!(key(&tools).unwrap(), first, "the same as long as nothing changes");
        fs::write(&tools.caddy, "#!/bin/sh\n# longer\n").unwrap();
        assert_ne!(key(&tools).unwrap(), first);
        let gone = Tools { busybox: dir.path().join("none"), ..tools };
        assert!(matches!(key(&gone), Err(LabError::Io { .. })));
    }

    #[test]
    fn busybox_is_every_applet_that_it_lists() {
        let dir = tempfile::tempdir().unwrap();
        let cancel = crate::Cancel::default();
        let root = dir.path().join("root");
        busybox_root(Context::new(&|_| {}, &cancel), &tools(dir.path()), &root).unwrap();
        for applet in ["sh", "ls", "httpd"] {
            assert_eq!(
                fs::read_link(root.join("bin").join(applet)).unwrap(),
                Path::new("busybox"),
                "{applet}"
            );
        }
        assert!(root.join("bin/busybox").is_file() && !root.join("bin/busybox").is_symlink());
        for file in ["bin/serve", "srv/cgi-bin/index.cgi"] {
            let mode = fs::metadata(root.join(file)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o755, "{file}");
        }
        assert!(fs::read_to_string(root.join("etc/passwd")).unwrap().starts_with("root:x:0:0:"));
    }

    #[test]
    fn a_root_is_packed_with_owner_root_and_then_removed() {
        let dir = tempfile::tempdir().unwrap();
        let cancel = crate::Cancel::default();
        let context = Context::new(&|_| {}, &cancel);
        let root = dir.path().join("root");
        busybox_root(context, &tools(dir.path()), &root).unwrap();
        let tar = dir.path().join("image.tar");
        pack(context, &root, &tar).unwrap();
        assert!(!root.exists());
        let mut list = Command::new("tar");
        let listing = run(context, list.arg("-tvf").arg(&tar), Duration::from_secs(20)).unwrap();
        assert!(listing.lines().all(|line| line.split_whitespace().nth(1) == Some("0/0")), "{listing}");
        assert!(listing.contains("./bin/serve") && listing.contains("./bin/ls -> busybox"), "{listing}");
    }

    #[test]
    fn the_answer_has_the_status_that_was_asked_for() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("index.cgi");
        script(&file, ANSWER_SCRIPT).unwrap();
        for (status, first) in [
            ("200", "Status: 200 OK"),
            ("303", "Status: 303 See Other"),
            ("404", "Status: 404 Not Found"),
            ("7", "Status: 500 Unknown"),
        ] {
            let output = Command::new("sh").arg(&file).env("STATUS", status).output().unwrap();
            let text = String::from_utf8(output.stdout).unwrap();
            assert_eq!(text.lines().next(), Some(first));
            assert!(text.contains("\r\n\r\n"), "a head and a body");
        }
    }
}
