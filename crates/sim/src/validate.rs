//! What the manager refuses of a specification before it looks at the Swarm (swarmkit `manager/controlapi`:
//! `common.go`, `service.go`), in its order and its words.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::json::{items, text};
use crate::refusal::Refusal;

/// Longest name of a service or network.
const LONGEST_NAME: usize = 63;
/// Longest name of a config or secret.
const LONGEST_BLOB_NAME: usize = 64;
/// Smallest limit or reservation of memory.
const LEAST_MEMORY: i64 = 4 << 20;
/// Smallest limit or reservation of processor time, in billionths of a processor.
const LEAST_NANO_CPUS: i64 = 1_000_000;

/// Checks the name of a service or network.
pub(crate) fn name(name: &str) -> Result<(), Refusal> {
    if name.is_empty() {
        return Err(invalid("meta: name must be provided"));
    }
    let inner = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !name.chars().all(inner) || !has_alphanumeric_ends(name) {
        return Err(invalid("name must be valid as a DNS name component"));
    }
    if LONGEST_NAME < name.len() {
        return Err(invalid("name must be 63 characters or fewer"));
    }
    Ok(())
}

/// Checks the name of a config or secret.
pub(crate) fn blob_name(name: &str) -> Result<(), Refusal> {
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() {
        return Err(invalid("name must be provided"));
    }
    if LONGEST_BLOB_NAME < name.len() || !name.chars().all(inner) || !has_alphanumeric_ends(name) {
        return Err(invalid(
            "invalid name, only 64 [a-zA-Z0-9-_.] characters allowed, and the start and end character must be [a-zA-Z0-9]",
        ));
    }
    Ok(())
}

/// Checks a service's name and the template of its tasks.
pub(crate) fn service(raw: &Value) -> Result<(), Refusal> {
    name(text(&raw["Name"]))?;
    let template = &raw["TaskTemplate"];
    for kind in ["Limits", "Reservations"] {
        resources(&template["Resources"][kind])?;
    }
    for constraint in items(&template["Placement"]["Constraints"]) {
        self::constraint(text(constraint))?;
    }
    let container = &template["ContainerSpec"];
    image(text(&container["Image"]))?;
    let mut targets = BTreeSet::new();
    for mount in items(&container["Mounts"]) {
        let target = text(&mount["Target"]);
        if !targets.insert(target) {
            return Err(invalid(&format!("ContainerSpec: duplicate mount point: {target}")));
        }
    }
    Ok(())
}

fn resources(raw: &Value) -> Result<(), Refusal> {
    let number = |key: &str| raw[key].as_i64().unwrap_or(0);
    let (cpus, memory) = (number("NanoCPUs"), number("MemoryBytes"));
    if cpus != 0 && cpus < LEAST_NANO_CPUS {
        // Whole nanos, as the smallest value that can be asked for, in billionths.
        let decimals = format!("{:.9}", std::time::Duration::from_nanos(cpus.unsigned_abs()).as_secs_f64());
        let shown = decimals.trim_end_matches('0');
        return Err(invalid(&format!("invalid cpu value {shown}: Must be at least 0.001")));
    }
    if memory != 0 && memory < LEAST_MEMORY {
        return Err(invalid(&format!("invalid memory value {memory}: Must be at least 4MiB")));
    }
    Ok(())
}

/// `KEY == VALUE` or `KEY != VALUE` (swarmkit `manager/constraint`). Without a gRPC code of its own, so a 500.
fn constraint(raw: &str) -> Result<(), Refusal> {
    let unknown = |text: String| Err(Refusal::Internal(format!("rpc error: code = Unknown desc = {text}")));
    let Some((key, value)) = raw.split_once("==").or_else(|| raw.split_once("!=")) else {
        return unknown("constraint expected one operator from ==, !=".to_owned());
    };
    let (key, value) = (key.trim(), value.trim());
    let first = |c: char| c.is_ascii_alphabetic() || c == '_';
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if key.len() < 2 || !key.starts_with(first) || !key.chars().skip(1).all(inner) {
        return unknown(format!("key '{key}' is invalid"));
    }
    let of_value =
        |c: char| c.is_ascii_alphanumeric() || c.is_ascii_whitespace() || r":-_.*()?+[]\^$|/".contains(c);
    if value.is_empty() || !value.chars().all(of_value) {
        return unknown(format!("value '{value}' is invalid"));
    }
    Ok(())
}

fn image(image: &str) -> Result<(), Refusal> {
    if image.is_empty() {
        return Err(invalid("ContainerSpec: image reference must be provided"));
    }
    if is_reference(image) {
        Ok(())
    } else {
        Err(invalid(&format!("ContainerSpec: {image:?} is not a valid repository/tag")))
    }
}

/// True iff it is `[HOST[:PORT]/]PATH[:TAG][@DIGEST]`, as far as characters go (the grammar of the package
/// `distribution/reference`).
fn is_reference(image: &str) -> bool {
    let (named, digest) =
        image.split_once('@').map_or((image, None), |(named, digest)| (named, Some(digest)));
    let of_digest = |c: char| c.is_ascii_alphanumeric() || c == ':';
    if digest.is_some_and(|digest| !digest.contains(':') || !digest.chars().all(of_digest)) {
        return false;
    }
    // A colon before the last slash is a port's.
    let tag_at = named.rfind(':').filter(|at| named.rfind('/').is_none_or(|slash| slash < *at));
    let (path, tag) = tag_at.map_or((named, None), |at| (&named[..at], Some(&named[at + 1..])));
    let of_tag = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if tag.is_some_and(|tag| tag.is_empty() || tag.starts_with(['-', '.']) || !tag.chars().all(of_tag)) {
        return false;
    }
    let path = match path.split_once('/') {
        Some((host, rest)) if host.contains(['.', ':']) || host == "localhost" => rest,
        _ => path,
    };
    let of_path = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.');
    path.split('/').all(|part| part.chars().all(of_path) && has_alphanumeric_ends(part))
}

fn has_alphanumeric_ends(name: &str) -> bool {
    let ends = |c: char| c.is_ascii_alphanumeric();
    name.starts_with(ends) && name.ends_with(ends)
}

fn invalid(text: &str) -> Refusal {
    Refusal::InvalidArgument(text.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::draft::ServiceDraft;

    fn refused(change: impl FnOnce(&mut Value)) -> String {
        let mut raw = ServiceDraft::new("web").json();
        change(&mut raw);
        service(&raw).expect_err("a refusal").to_string()
    }

    #[test]
    fn names_are_those_of_dns() {
        for good in ["a", "7", "a_b-c9", "warm-keycloak_ci", "a--b", &"x".repeat(63)] {
            assert_eq!(name(good), Ok(()), "{good}");
        }
        for bad in ["", "-a", "a-", "_a", "a.b", "a b", "ä", &"x".repeat(64)] {
            assert!(name(bad).is_err(), "{bad}");
        }
        assert_eq!(blob_name("key.pem_1"), Ok(()));
        for bad in ["", ".a", "a.", "a b", &"x".repeat(65)] {
            assert!(blob_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn images_are_references() {
        for good in [
            "a",
            "a/b:1",
            "pvcheck-lab/busybox:1",
            "host:5000/a/b:T_1.x",
            "Host.test/a",
            "a@sha256:0a",
            "a__b",
        ] {
            assert!(is_reference(good), "{good}");
        }
        for bad in ["A", "Bad:Image", "a:", "a:-1", "a/", "/a", "a//b", "-a", "a b", "a@sha256", "a:1:2"] {
            assert!(!is_reference(bad), "{bad}");
        }
    }

    #[test]
    fn refusals_are_the_engines() {
        let at = |path: &'static str, value: Value| {
            refused(|raw| {
                *raw.pointer_mut("/TaskTemplate").expect("a template") = {
                    let mut template = raw["TaskTemplate"].clone();
                    template[path] = value;
                    template
                }
            })
        };
        let memory = at("Resources", json!({"Limits": {"MemoryBytes": 1024}}));
        assert!(memory.ends_with("desc = invalid memory value 1024: Must be at least 4MiB"), "{memory}");
        let cpus = at("Resources", json!({"Reservations": {"NanoCPUs": 500_000}}));
        assert!(cpus.ends_with("desc = invalid cpu value 0.0005: Must be at least 0.001"), "{cpus}");
        for (constraint, text) in [
            ("node.role=manager", "constraint expected one operator from ==, !="),
            ("a==b", "key 'a' is invalid"),
            ("node.role==", "value '' is invalid"),
            ("node.role!=a,b", "value 'a,b' is invalid"),
        ] {
            let said = at("Placement", json!({"Constraints": [constraint]}));
            assert_eq!(said, format!("rpc error: code = Unknown desc = {text}"));
        }
        let mounts = json!({"Image": "i", "Mounts": [{"Target": "/d"}, {"Target": "/d"}]});
        assert!(at("ContainerSpec", mounts).ends_with("desc = ContainerSpec: duplicate mount point: /d"));
    }

    proptest! {
        #[test]
        fn never_panics(text in ".{0,30}") {
            let _ = (name(&text), blob_name(&text), image(&text), constraint(&text));
        }
    }
}
