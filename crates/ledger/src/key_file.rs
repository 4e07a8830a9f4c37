//! Key files: a private key for its owner alone, and its public part beside it.

use std::fs::{File, OpenOptions, remove_file};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use ring::rand::SystemRandom;
use ring::signature::Ed25519KeyPair;
use thiserror::Error;

use crate::keys::{KeyError, PrivateKey, PublicKey, pem};

/// The longest key file that is read.
const LIMIT_BYTES: u64 = 4096;

/// A key file cannot be used. No error holds anything of a private key.
#[derive(Debug, Error)]
pub enum KeyFileError {
    /// It cannot be read.
    #[error("cannot read the key {}: {source}; name another with --key FILE", .path.display())]
    Read {
        /// Its path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It cannot be written.
    #[error("cannot write the key {}: {source}; name another FILE", .path.display())]
    Write {
        /// Its path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is no regular file.
    #[error("the key {} is no regular file; name another with --key FILE", .path.display())]
    NotRegular {
        /// Its path.
        path: PathBuf,
    },
    /// Others than its owner can read it.
    #[error("the private key {0} has mode {mode:04o}, so others may have read it; chmod 600 {0}, or make a new one", .path.display())]
    Open {
        /// Its path.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// It holds no such key.
    #[error("{}: {source}", .path.display())]
    Key {
        /// Its path.
        path: PathBuf,
        /// Why.
        source: KeyError,
    },
    /// The system gives no random bytes.
    #[error("the system gives no random bytes")]
    NoRandomness,
}

/// A key that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewKey {
    /// The file of the private key.
    pub private: PathBuf,
    /// The file of its public part.
    pub public: PathBuf,
    /// The public part.
    pub key: PublicKey,
}

/// Makes a key: the private part in a new file of mode 0600, the public part in a new one with `.pub` behind its name.
///
/// # Errors
/// If one of the files is there, or cannot be written.
pub fn new_key(path: &Path) -> Result<NewKey, KeyFileError> {
    let pkcs8 =
        Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(|_| KeyFileError::NoRandomness)?;
    let text = pem(pkcs8.as_ref());
    let read = PrivateKey::from_pem(text.as_bytes());
    let key = read.map_err(|source| KeyFileError::Key { path: path.to_owned(), source })?.public();
    let mut public = path.as_os_str().to_owned();
    public.push(".pub");
    let public = PathBuf::from(public);
    let failed = |path: &Path| {
        let path = path.to_owned();
        |source| KeyFileError::Write { path, source }
    };
    // The public one first: a private key is never left without it, nor overwritten.
    write_new(&public, 0o644, &format!("{key}\n")).map_err(failed(&public))?;
    if let Err(error) = write_new(path, 0o600, &text) {
        // It was made a moment ago, and is of no use.
        let _ = remove_file(&public);
        return Err(failed(path)(error));
    }
    Ok(NewKey { private: path.to_owned(), public, key })
}

fn write_new(path: &Path, mode: u32, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Reads a private key.
///
/// # Errors
/// If the file cannot be read, can be read by others than its owner, or holds no such key.
pub fn read_private(path: &Path) -> Result<PrivateKey, KeyFileError> {
    let owned = || path.to_owned();
    let failed = |source| KeyFileError::Read { path: owned(), source };
    // Without O_NONBLOCK, opening a FIFO waits for a writer. The mode is that of the open file, so that no other takes its
    // place meanwhile.
    let file = OpenOptions::new().read(true).custom_flags(nonblocking()).open(path).map_err(failed)?;
    let meta = file.metadata().map_err(failed)?;
    if !meta.is_file() {
        return Err(KeyFileError::NotRegular { path: owned() });
    }
    let mode = meta.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(KeyFileError::Open { path: owned(), mode });
    }
    let text = bounded(file).map_err(failed)?;
    PrivateKey::from_pem(&text).map_err(|source| KeyFileError::Key { path: owned(), source })
}

/// Reads a public key.
///
/// # Errors
/// If the file cannot be read or holds none.
pub fn read_public(path: &Path) -> Result<PublicKey, KeyFileError> {
    let failed = |source| KeyFileError::Read { path: path.to_owned(), source };
    let file = OpenOptions::new().read(true).custom_flags(nonblocking()).open(path).map_err(failed)?;
    let text = bounded(file).map_err(failed)?;
    let key = std::str::from_utf8(&text).map_err(|_| KeyError::NotPublic).and_then(str::parse);
    key.map_err(|source| KeyFileError::Key { path: path.to_owned(), source })
}

fn bounded(file: File) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    file.take(LIMIT_BYTES).read_to_end(&mut text)?;
    Ok(text)
}

fn nonblocking() -> i32 {
    i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, read_to_string, set_permissions, write};

    use super::*;

    fn folder() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("builder.key");
        (dir, path)
    }

    #[test]
    fn a_new_key_is_for_its_owner_alone_and_reads_back() {
        let (_dir, path) = folder();
        let made = new_key(&path).expect("a fresh folder");
        let mode = |path: &Path| path.metadata().expect("there").permissions().mode() & 0o777;
        assert_eq!(mode(&made.private), 0o600);
        assert_eq!(read_private(&path).expect("its own").public(), made.key);
        assert_eq!(read_public(&made.public).expect("its own"), made.key);
        assert_eq!(read_to_string(&made.public).expect("text"), format!("{}\n", made.key));
    }

    #[test]
    fn no_key_is_overwritten() {
        let (_dir, path) = folder();
        let made = new_key(&path).expect("a fresh folder");
        assert!(matches!(new_key(&path), Err(KeyFileError::Write { .. })));
        remove_file(&made.public).expect("there");
        assert!(matches!(new_key(&path), Err(KeyFileError::Write { .. })));
        assert!(!made.public.exists(), "no public part of a key that was not written");
        assert_eq!(read_private(&path).expect("untouched").public(), made.key);
    }

    #[test]
    fn a_key_that_others_can_read_is_refused_whatever_they_may() {
        let (_dir, path) = folder();
        new_key(&path).expect("a fresh folder");
        for mode in [0o640, 0o604, 0o660, 0o601, 0o700 | 0o004] {
            set_permissions(&path, Permissions::from_mode(mode)).expect("ours");
            let error = read_private(&path).expect_err("too open");
            assert!(matches!(error, KeyFileError::Open { mode: is, .. } if is == mode), "{error}");
        }
        set_permissions(&path, Permissions::from_mode(0o400)).expect("ours");
        assert!(read_private(&path).is_ok(), "for its owner alone, to read");
    }

    #[test]
    fn what_is_no_key_file_is_named_and_its_text_is_not() {
        let (dir, path) = folder();
        assert!(matches!(read_private(&path), Err(KeyFileError::Read { .. })));
        set_permissions(dir.path(), Permissions::from_mode(0o700)).expect("ours");
        assert!(matches!(read_private(dir.path()), Err(KeyFileError::NotRegular { .. })));
        let made = new_key(&path).expect("a fresh folder");
        let secret = read_to_string(&path).expect("text");
        write(&path, secret.replace("BEGIN PRIVATE", "BEGIN SECRET")).expect("ours");
        let error = read_private(&path).expect_err("no PEM of a private key");
        let body = secret.lines().nth(1).expect("a line of the key");
        assert!(!format!("{error} {error:?}").contains(&body[..16]), "{error}");
        write(&made.public, "\u{ff}").expect("ours");
        assert!(read_public(&made.public).is_err());
    }
}
