//! What root may do: in a container or a sandbox not everything.

/// What a lab needs for its namespaces, mounts and bridges, by bit (capabilities(7), linux/capability.h).
const NEEDED: [(u32, &str); 2] = [(12, "CAP_NET_ADMIN"), (21, "CAP_SYS_ADMIN")];

/// The first needed capability that is not in effect, by the text of `/proc/self/status` (proc(5)); `None` also where that text
/// does not say.
pub(crate) fn missing(status: &str) -> Option<&'static str> {
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    let effective = u64::from_str_radix(line.trim(), 16).ok()?;
    NEEDED.into_iter().find(|(bit, _)| effective >> bit & 1 == 0).map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_capability_that_is_not_in_effect_is_named() {
        for (effective, lacking) in [
            ("000001ffffffffff", None),
            // Docker's default for containers.
            ("00000000a80425fb", Some("CAP_NET_ADMIN")),
            ("00000000a80435fb", Some("CAP_SYS_ADMIN")),
            ("0000000000000000", Some("CAP_NET_ADMIN")),
            ("odd", None),
        ] {
            assert_eq!(
                missing(&format!("Name:\tx\nCapEff:\t{effective}\nSeccomp:\t0\n")),
                lacking,
                "{effective}"
            );
        }
        assert_eq!(missing(""), None);
    }
}
