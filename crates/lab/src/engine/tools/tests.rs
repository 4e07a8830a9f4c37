use std::collections::BTreeMap;

use super::*;
use crate::Cancel;

fn with_cache<T>(dir: &Path, work: impl FnOnce(&Cache<'_>) -> T) -> T {
    let cancel = Cancel::default();
    let cache = Cache::open_in(Context::new(&|_| {}, &cancel), dir.to_owned()).unwrap();
    work(&cache)
}

/// Unpacked packages that are empty files.
fn unpacked(files: &[&str]) -> (tempfile::TempDir, Unpacked) {
    let root = tempfile::tempdir().unwrap();
    for file in files {
        let file = root.path().join(file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, "").unwrap();
    }
    let unpacked = Unpacked { root: root.path().to_owned() };
    (root, unpacked)
}

#[test]
fn the_cache_folder_is_the_first_variable_that_is_set() {
    let chosen = |set: &[(&str, &str)]| {
        let set: BTreeMap<_, _> = set.iter().copied().collect();
        chosen_cache_dir(|name| set.get(name).map(OsString::from))
    };
    let some = |path: &str| Some(PathBuf::from(path));
    let all = [("PVCHECK_LAB_CACHE", "/own"), ("XDG_CACHE_HOME", "/xdg"), ("HOME", "/home/u")];
    assert_eq!(chosen(&all), some("/own"));
    assert_eq!(chosen(&all[1..]), some("/xdg/pvcheck/lab"));
    assert_eq!(chosen(&all[2..]), some("/home/u/.cache/pvcheck/lab"));
    assert_eq!(chosen(&[]), None);
    assert_eq!(chosen(&[("PVCHECK_LAB_CACHE", ""), ("HOME", "/h")]), some("/h/.cache/pvcheck/lab"));
    assert_eq!(
        chosen(&[("PVCHECK_LAB_CACHE", "here"), ("HOME", "/h")]),
        None,
        "a mistake is not passed over"
    );
}

#[test]
fn an_entry_is_made_once_and_kept() {
    let dir = tempfile::tempdir().unwrap();
    for round in 0..2 {
        let place = with_cache(dir.path(), |cache| {
            cache.entry("engine-x", |content| {
                assert_eq!(round, 0, "made a second time");
                fs::write(content.join("file"), "1").map_err(LabError::io("write", content))
            })
        });
        assert_eq!(fs::read_to_string(place.unwrap().join("file")).unwrap(), "1");
    }
}

#[test]
fn an_entry_that_fails_half_way_does_not_exist() {
    let dir = tempfile::tempdir().unwrap();
    let failed = with_cache(dir.path(), |cache| {
        cache.entry("engine-x", |content| {
            fs::write(content.join("half"), "").unwrap();
            Err(LabError::NotRoot)
        })
    });
    assert!(matches!(failed, Err(LabError::NotRoot)));
    let names: Vec<_> = fs::read_dir(dir.path()).unwrap().flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(names, ["lock"], "nothing half done is left");
}

#[test]
fn what_a_killed_process_left_is_swept_and_entries_stay() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join(".new-abc/content")).unwrap();
    fs::create_dir_all(dir.path().join("base-trixie")).unwrap();
    with_cache(dir.path(), |_| ());
    assert!(!dir.path().join(".new-abc").exists() && dir.path().join("base-trixie").is_dir());
}

#[test]
fn a_second_lab_waits_for_the_lock() {
    let dir = tempfile::tempdir().unwrap();
    let cancel = Cancel::default();
    with_cache(dir.path(), |_| {
        // The lock is held by another open file; giving up is the only way out here.
        cancel.cancel();
        let second = Cache::open_in(Context::new(&|_| {}, &cancel), dir.path().to_owned());
        assert!(matches!(second.err(), Some(LabError::Cancelled)));
    });
    with_cache(dir.path(), |_| ());
}

#[test]
fn programs_are_looked_for_where_debian_puts_them() {
    let (root, unpacked) = unpacked(&["usr/sbin/dockerd", "usr/bin/caddy", "bin/busybox", "opt/bin/other"]);
    let dirs = ["usr/sbin", "usr/bin", "bin"].map(|dir| root.path().join(dir));
    assert_eq!(unpacked.program_dirs(), dirs, "only those that are there");
    assert_eq!(unpacked.program("dockerd"), Some(root.path().join("usr/sbin/dockerd")));
    assert_eq!(unpacked.program("other"), None);
    assert!(unpacked.image_programs().is_ok());
}

#[test]
fn a_missing_program_of_an_image_is_named() {
    let (_root, unpacked) = unpacked(&["bin/busybox"]);
    let LabError::Io { path, .. } = unpacked.image_programs().unwrap_err() else { panic!("another error") };
    assert!(path.ends_with("bin/caddy"), "{}", path.display());
}

#[test]
fn libraries_are_in_the_folders_of_the_architecture() {
    let (root, unpacked) =
        unpacked(&["usr/lib/x86_64-linux-gnu/a.so", "lib/aarch64-linux-gnu/b.so", "usr/lib/systemd/c.so"]);
    let mut dirs = unpacked.library_dirs();
    dirs.sort();
    assert_eq!(dirs, ["lib/aarch64-linux-gnu", "usr/lib/x86_64-linux-gnu"].map(|dir| root.path().join(dir)));
}

#[test]
fn links_make_the_legacy_iptables_the_first_on_path() {
    let (root, unpacked) = unpacked(&["usr/sbin/xtables-legacy-multi"]);
    link_iptables(root.path()).unwrap();
    assert_eq!(unpacked.program_dirs()[0], root.path().join("links"));
    for name in ["iptables", "ip6tables-restore"] {
        let target = fs::canonicalize(root.path().join("links").join(name)).unwrap();
        assert!(target.ends_with("usr/sbin/xtables-legacy-multi"));
    }
    // The folder is renamed after it is filled: the links must not name its first place.
    assert!(fs::read_link(root.path().join("links/iptables")).unwrap().is_relative());
}

#[test]
fn packages_without_iptables_get_no_links() {
    let (root, unpacked) = unpacked(&["usr/bin/docker"]);
    link_iptables(root.path()).unwrap();
    assert_eq!(unpacked.program_dirs(), [root.path().join("usr/bin")]);
}

#[test]
fn libraries_that_ldd_does_not_find_are_named() {
    let listing = "\tlinux-vdso.so.1 (0x1)\n\tlibmnl.so.0 => not found\n\tlibc.so.6 => /lib/libc.so.6 (0x2)\n\
                   \tlibnftnl.so.11 => not found\n";
    assert_eq!(missing_libraries(listing), ["libmnl.so.0", "libnftnl.so.11"]);
    assert!(missing_libraries("\tnot a dynamic executable\n").is_empty());
}

#[test]
fn a_list_of_folders_is_a_search_path() {
    assert_eq!(join(&["/a".into(), "/b c".into()]), "/a:/b c");
    assert_eq!(join(&[]), "");
}
