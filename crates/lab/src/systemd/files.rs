//! Files and links of a host's root, written over what the root has.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use crate::LabError;

/// One of them, by its path below the root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RootFile {
    pub(crate) path: String,
    pub(crate) content: Content,
}

/// What it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    Text(String),
    /// Readable by root only.
    Secret(String),
    Script(String),
    Link(String),
}

impl RootFile {
    pub(crate) fn text(path: impl Into<String>, text: impl Into<String>) -> Self {
        Self { path: path.into(), content: Content::Text(text.into()) }
    }

    pub(crate) fn secret(path: impl Into<String>, text: impl Into<String>) -> Self {
        Self { path: path.into(), content: Content::Secret(text.into()) }
    }

    pub(crate) fn script(path: impl Into<String>, text: impl Into<String>) -> Self {
        Self { path: path.into(), content: Content::Script(text.into()) }
    }

    pub(crate) fn link(path: impl Into<String>, to: impl Into<String>) -> Self {
        Self { path: path.into(), content: Content::Link(to.into()) }
    }

    /// Writes it below `root`.
    pub(crate) fn write(&self, root: &Path) -> Result<(), LabError> {
        let file: PathBuf = root.join(&self.path);
        if let Some(dir) = file.parent() {
            fs::create_dir_all(dir).map_err(LabError::io("make", dir))?;
        }
        let (text, mode) = match &self.content {
            Content::Text(text) => (text, 0o644),
            Content::Secret(text) => (text, 0o600),
            Content::Script(text) => (text, 0o755),
            Content::Link(to) => return symlink(to, &file).map_err(LabError::io("make", &file)),
        };
        fs::write(&file, text).map_err(LabError::io("write", &file))?;
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).map_err(LabError::io("write", &file))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_its_mode() {
        let root = tempfile::tempdir().unwrap();
        for file in [
            RootFile::text("etc/a/text", "x"),
            RootFile::secret("etc/a/secret", "x"),
            RootFile::script("usr/script", "x"),
            RootFile::link("etc/a/link", "/dev/null"),
        ] {
            file.write(root.path()).unwrap();
        }
        let mode =
            |path: &str| fs::symlink_metadata(root.path().join(path)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("etc/a/text"), mode("etc/a/secret"), mode("usr/script")), (0o644, 0o600, 0o755));
        assert_eq!(fs::read_link(root.path().join("etc/a/link")).unwrap(), Path::new("/dev/null"));
    }
}
