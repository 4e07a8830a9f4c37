//! Mount points below a folder, as /proc/self/mountinfo (proc(5)) lists them.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// This process's mount points at or below `folder`, the latest first, which is the order to unmount them in.
pub(crate) fn mount_points_below(folder: &Path) -> Vec<PathBuf> {
    let text = fs::read("/proc/self/mountinfo").unwrap_or_default();
    let mut found: Vec<PathBuf> =
        mount_points(&text).into_iter().filter(|point| point.starts_with(folder)).collect();
    found.reverse();
    found
}

/// The fifth field of each line; blank, tab, newline and backslash in it are octal escapes.
fn mount_points(text: &[u8]) -> Vec<PathBuf> {
    text.split(|byte| *byte == b'\n')
        .filter_map(|line| line.split(|byte| *byte == b' ').nth(4))
        .map(|field| PathBuf::from(OsString::from_vec(unescape(field))))
        .collect()
}

fn unescape(field: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, after)) = rest.split_first() {
        let code = (*first == b'\\').then(|| after.get(..3).and_then(octal)).flatten();
        plain.push(code.unwrap_or(*first));
        rest = if code.is_some() { &after[3..] } else { after };
    }
    plain
}

fn octal(digits: &[u8]) -> Option<u8> {
    u8::from_str_radix(str::from_utf8(digits).ok()?, 8).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn points_with_escapes() {
        let text = b"36 35 98:0 / /mnt/a\\040b rw,noatime master:1 - ext3 /dev/root rw\n\
                     37 35 0:5 net:[1] /run/netns/x rw shared:3 - nsfs nsfs rw\n\nshort line\n";
        assert_eq!(mount_points(text), ["/mnt/a b", "/run/netns/x"].map(PathBuf::from));
    }

    #[test]
    fn the_root_is_always_there_and_an_invented_folder_is_not() {
        assert!(!mount_points_below(Path::new("/")).is_empty());
        assert!(mount_points_below(Path::new("/no/such/folder")).is_empty());
    }

    proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
            let _ = mount_points(&bytes);
        }

        #[test]
        fn escaping_round_trips(name in "[a-z \\\\\t]{0,20}") {
            let escaped: String = name.chars().map(|c| match c {
                ' ' | '\\' | '\t' => format!("\\{:03o}", c as u32),
                c => c.to_string(),
            }).collect();
            prop_assert_eq!(unescape(escaped.as_bytes()), name.into_bytes());
        }
    }

    #[test]
    fn an_escape_that_is_none_is_kept() {
        for (field, plain) in [("a\\", "a\\"), ("a\\04", "a\\04"), ("a\\999", "a\\999"), ("\\134", "\\")] {
            assert_eq!(unescape(field.as_bytes()), plain.as_bytes(), "{field}");
        }
    }
}
