//! Refusing an image that the engine will refuse, before anything is written.

use std::fmt;

use pvcheck_audit::{NodeAvailability, Snapshot};
use thiserror::Error;

use crate::engine::{CallError, Engine, wire};

/// The longest name of a repository (distribution/reference `reference.go`, `NameTotalLengthMax`).
const LONGEST_NAME: usize = 255;

/// Why an image cannot be deployed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ImageError {
    /// It is no reference to an image.
    #[error("image {image:?}: {fault}; write it as NAME:TAG or NAME@sha256:DIGEST, for example busybox:1.36")]
    Invalid {
        /// What was given.
        image: String,
        /// What is wrong with it.
        fault: ImageFault,
    },
    /// The only node does not have it, and no registry gives it.
    #[error(
        "image `{image}` is not on the only node, and its registry does not give it: {reason}; pull or load it first"
    )]
    NotThere {
        /// What was given.
        image: String,
        /// What the engine said about the registry.
        reason: String,
    },
}

/// What is wrong with a reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageFault {
    /// There is none.
    Empty,
    /// The name has a part that no repository can have.
    Name,
    /// Longer than any repository's name.
    TooLong,
    /// The tag is none.
    Tag,
    /// The digest is none.
    Digest,
}

impl fmt::Display for ImageFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "it is empty",
            Self::Name => {
                "the name may have lower-case letters, digits, and `.`, `_`, `-` and `/` between them"
            }
            Self::TooLong => "the name has more than 255 characters",
            Self::Tag => "the tag may have letters, digits, `_`, `.` and `-`, and at most 128 of them",
            Self::Digest => "the digest must be sha256: and 64 hexadecimal digits",
        })
    }
}

/// Checks a reference by the grammar of images (distribution/reference, `regexp.go`). No registry is asked.
///
/// # Errors
/// If no engine would take it.
pub fn check_image(image: &str) -> Result<(), ImageError> {
    fault(image).map_or(Ok(()), |fault| Err(ImageError::Invalid { image: image.to_owned(), fault }))
}

fn fault(image: &str) -> Option<ImageFault> {
    if image.is_empty() {
        return Some(ImageFault::Empty);
    }
    let (named, digest) = image.split_once('@').map_or((image, None), |(name, digest)| (name, Some(digest)));
    // The colon of a tag comes behind the last slash; one before it belongs to a registry's port.
    let (name, tag) = match named.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
        _ => (named, None),
    };
    if LONGEST_NAME < name.len() {
        Some(ImageFault::TooLong)
    } else if !is_name(name) {
        Some(ImageFault::Name)
    } else if tag.is_some_and(|tag| !is_tag(tag)) {
        Some(ImageFault::Tag)
    } else if digest.is_some_and(|digest| !is_digest(digest)) {
        Some(ImageFault::Digest)
    } else {
        None
    }
}

fn is_name(name: &str) -> bool {
    let (first, rest) = name.split_once('/').map_or((name, None), |(first, rest)| (first, Some(rest)));
    // As Docker's own client decides it: what has a dot, a colon or an upper-case letter before a slash is a registry.
    let is_registry = first == "localhost" || first.contains(['.', ':']) || first.to_lowercase() != first;
    match rest {
        Some(rest) if is_registry => is_domain(first) && rest.split('/').all(is_component),
        _ => name.split('/').all(is_component),
    }
}

fn is_domain(domain: &str) -> bool {
    if let Some(rest) = domain.strip_prefix('[') {
        return rest.split_once(']').is_some_and(|(ip, port)| {
            ip.parse::<std::net::Ipv6Addr>().is_ok()
                && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port))
        });
    }
    let (host, port) = domain.split_once(':').map_or((domain, None), |(host, port)| (host, Some(port)));
    let label = |l: &str| {
        let inner = |c: char| c.is_ascii_alphanumeric() || c == '-';
        !l.is_empty() && l.chars().all(inner) && !l.starts_with('-') && !l.ends_with('-')
    };
    host.split('.').all(label) && port.is_none_or(is_port)
}

fn is_port(port: &str) -> bool {
    !port.is_empty() && port.chars().all(|c| c.is_ascii_digit())
}

/// Lower-case letters and digits, with `.`, `_`, `__` or any number of `-` between them.
fn is_component(part: &str) -> bool {
    let alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let separators = part.split(alphanumeric);
    let between = |s: &str| matches!(s, "" | "." | "_" | "__") || s.chars().all(|c| c == '-');
    part.starts_with(alphanumeric) && part.ends_with(alphanumeric) && separators.into_iter().all(between)
}

fn is_tag(tag: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    tag.starts_with(word) && tag.len() <= 128 && tag.chars().all(|c| word(c) || matches!(c, '.' | '-'))
}

fn is_digest(digest: &str) -> bool {
    let hex = digest.strip_prefix("sha256:").unwrap_or_default();
    hex.len() == 64 && hex.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'))
}

/// Asks the engine whether the image can run where it would have to.
///
/// Only a Swarm of one node can say no: another node may have an image that neither this one nor a registry has.
///
/// # Errors
/// If the image is not to be had.
pub(super) async fn find_image(engine: &Engine, seen: &Snapshot, image: &str) -> Result<(), ImageError> {
    if 1 < seen.nodes.iter().filter(|n| n.availability == NodeAvailability::Active).count() {
        return Ok(());
    }
    let ask = |path: String| async move { engine.connection().get::<wire::Identified>(&path).await };
    // Any other answer than that there is none, an old engine's or a broken one, is no reason to refuse.
    let none = |e: &CallError| e.is_not_found() && e.message().to_lowercase().starts_with("no such image");
    match ask(format!("/images/{image}/json")).await {
        Err(error) if none(&error) => {}
        _ => return Ok(()),
    }
    // The engine passes on what the registry says; with 200 it answers a descriptor, which has no id.
    match ask(format!("/distribution/{image}/json")).await {
        Err(error) if error.status().is_some() => {
            Err(ImageError::NotThere { image: image.to_owned(), reason: error.message().to_owned() })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_those_of_engines() {
        let digest = format!("busybox@sha256:{}", "a".repeat(64));
        for good in [
            "busybox",
            "busybox:1.36",
            "a/b/c:x",
            "localhost/a",
            "localhost:5000/a:1",
            "r.example.com/a__b/c.d-e--f",
            "UPPER.example/a",
            "127.0.0.1:5000/x",
            "[::1]:5000/x:1",
            "sim/busybox:1",
            &digest,
        ] {
            assert_eq!(fault(good), None, "{good}");
        }
        let long = "a".repeat(256);
        for (bad, why) in [
            ("", ImageFault::Empty),
            (" ", ImageFault::Name),
            ("BusyBox", ImageFault::Name),
            ("busy box", ImageFault::Name),
            ("/a", ImageFault::Name),
            ("a//b", ImageFault::Name),
            ("a/", ImageFault::Name),
            ("-a", ImageFault::Name),
            ("a___b", ImageFault::Name),
            (":1", ImageFault::Name),
            ("http://r/a", ImageFault::Name),
            ("r.example.com:x/a", ImageFault::Name),
            ("a:", ImageFault::Tag),
            ("a:b c", ImageFault::Tag),
            ("a:.b", ImageFault::Tag),
            ("a@sha256:12", ImageFault::Digest),
            ("a@", ImageFault::Digest),
            (&long, ImageFault::TooLong),
        ] {
            assert_eq!(fault(bad), Some(why), "{bad:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_judged(text in ".{0,60}") {
            let _ = fault(&text);
        }
    }
}
