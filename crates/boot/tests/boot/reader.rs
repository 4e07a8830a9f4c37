//! Reading directories as systemd does.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use pvcheck_boot::{Reference, Unit, UnitSet, UnreadKind, read_units};
use tempfile::TempDir;

fn write(directory: &TempDir, name: &str, text: &str) {
    let path = directory.path().join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn unit<'a>(set: &'a UnitSet, name: &str) -> &'a Unit {
    set.units.iter().find(|unit| unit.name.as_str() == name).unwrap_or_else(|| panic!("{name} in {set:#?}"))
}

fn names(list: &[Reference]) -> Vec<&str> {
    list.iter().map(|reference| reference.unit.as_str()).collect()
}

#[test]
fn units_are_read_with_their_drop_ins_in_order() {
    let dir = TempDir::new().unwrap();
    write(&dir, "deploy-proxy.service", "[Service]\nTimeoutStartSec=900\n");
    write(&dir, "README", "[Service]\n");
    write(&dir, "deploy-proxy.service.d/20-late.conf", "[Service]\nTimeoutStartSec=20\n");
    write(&dir, "deploy-proxy.service.d/note.txt", "[Service]\nTimeoutStartSec=1\n");
    write(&dir, "deploy-.service.d/30-later.conf", "[Unit]\nAfter=a.service\n");
    write(&dir, "service.d/10-early.conf", "[Service]\nTimeoutStartSec=10\n");
    write(&dir, "service.d/20-late.conf", "[Service]\nTimeoutStartSec=11\n");
    let set = read_units(&[dir.path()], None, &[]).unwrap();
    assert_eq!((set.units.len(), set.warnings.as_slice()), (1, &[][..]));
    let proxy = unit(&set, "deploy-proxy.service");
    assert_eq!(proxy.start_bound(), Some(Duration::from_secs(20)), "the specific 20-late.conf comes last");
    assert_eq!(names(&proxy.after), ["a.service"]);
    let source = &proxy.timeout_start.as_ref().unwrap().1.source;
    assert!(source.ends_with("deploy-proxy.service.d/20-late.conf"), "{source}");
}

#[test]
fn the_earlier_directory_wins_and_masks() {
    let (etc, lib) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    write(&etc, "a.service", "[Unit]\nAfter=etc.service\n");
    write(&lib, "a.service", "[Unit]\nAfter=lib.service\n");
    symlink("/dev/null", etc.path().join("b.service")).unwrap();
    write(&lib, "b.service", "[Unit]\nAfter=lib.service\n");
    write(&etc, "c.service", "");
    symlink("/dev/null", {
        fs::create_dir(etc.path().join("a.service.d")).unwrap();
        etc.path().join("a.service.d/x.conf")
    })
    .unwrap();
    write(&lib, "a.service.d/x.conf", "[Unit]\nAfter=x.service\n");
    write(&lib, "a.service.d/y.conf", "[Unit]\nAfter=y.service\n");
    let set = read_units(&[etc.path(), lib.path()], None, &[]).unwrap();
    assert_eq!(names(&unit(&set, "a.service").after), ["etc.service", "y.service"]);
    let masked: Vec<_> = set.units.iter().map(|unit| (unit.name.as_str(), unit.masked)).collect();
    assert_eq!(masked, [("a.service", false), ("b.service", true), ("c.service", true)]);
}

#[test]
fn links_are_followed_and_other_names_are_aliases() {
    let (etc, store) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    write(&store, "proxy.service", "[Unit]\nAfter=a.service\n");
    write(&store, "far.service", "[Unit]\nAfter=b.service\n");
    let link = |target: &str, name: &str| symlink(store.path().join(target), etc.path().join(name)).unwrap();
    link("proxy.service", "proxy.service");
    link("proxy.service", "traefik.service");
    link("far.service", "near.service");
    let set = read_units(&[etc.path()], None, &[]).unwrap();
    assert_eq!(set.units.len(), 2);
    let aliases = |name| unit(&set, name).aliases.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(aliases("proxy.service"), ["traefik.service"]);
    assert_eq!(aliases("far.service"), ["near.service"]);
    assert_eq!(names(&unit(&set, "far.service").after), ["b.service"]);
}

#[test]
fn what_is_linked_into_wants_is_wanted_even_without_the_targets_file() {
    let dir = TempDir::new().unwrap();
    write(&dir, "a.service", "[Unit]\n");
    fs::create_dir(dir.path().join("multi-user.target.wants")).unwrap();
    symlink("../a.service", dir.path().join("multi-user.target.wants/a.service")).unwrap();
    write(&dir, "a.service.requires/b.service", "x");
    write(&dir, "elsewhere.service.d/x.conf", "[Unit]\nAfter=a.service\n");
    let set = read_units(&[dir.path()], None, &[]).unwrap();
    let multi_user = unit(&set, "multi-user.target");
    assert_eq!(
        names(&multi_user.wants),
        ["remote-fs.target", "a.service"],
        "systemd's own file has the first"
    );
    assert_eq!(names(&unit(&set, "a.service").requires), ["b.service"]);
    assert_eq!(set.units.len(), 2, "of a service without its file too little is known");
    let warned: Vec<_> = set.warnings.iter().map(|warning| warning.source.as_str()).collect();
    assert_eq!(warned, ["elsewhere.service", "multi-user.target"]);
}

#[test]
fn what_cannot_be_read_is_a_warning_and_a_missing_directory_an_error() {
    let dir = TempDir::new().unwrap();
    write(&dir, "huge.service", &"#".repeat(1024 * 1024 + 1));
    fs::create_dir(dir.path().join("folder.service")).unwrap();
    symlink("nowhere", dir.path().join("broken.service")).unwrap();
    fs::write(dir.path().join("bytes.service"), b"[Unit]\n\xff\xfe=\xff\nAfter=a.service\n").unwrap();
    write(&dir, "odd.service", "After=a.service\n");
    let set = read_units(&[dir.path()], None, &[]).unwrap();
    let warned: Vec<_> =
        set.warnings.iter().map(|w| Path::new(&w.source).file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(warned, ["broken.service", "bytes.service", "folder.service", "huge.service", "odd.service"]);
    let kinds: Vec<_> = set.unread.iter().map(|unread| unread.why.clone()).collect();
    assert_eq!(
        kinds,
        [
            UnreadKind::Dangling(dir.path().join("nowhere")),
            UnreadKind::NotUtf8,
            UnreadKind::NotAFile,
            UnreadKind::TooLarge(1024 * 1024),
        ]
    );
    assert!(set.warnings[3].text.contains("larger than 1048576 bytes"), "{}", set.warnings[2]);
    assert_eq!(names(&unit(&set, "bytes.service").after), ["a.service"]);
    let missing = dir.path().join("gone");
    let error = read_units(&[&missing], None, &[]).unwrap_err().to_string();
    assert!(error.contains("gone cannot be read: check the path"), "{error}");
}
