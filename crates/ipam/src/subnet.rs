//! The canonical IPv4 subnet that everything here computes with.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use ipnet::Ipv4Net;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// An IPv4 subnet in canonical form: no bit set beyond the prefix.
///
/// Swarm allocates overlay addresses from IPv4 subnets only (moby
/// `daemon/libnetwork/cnmallocator/networkallocator.go`, `allocatePools`), so there is no IPv6 variant.
/// Ordered by network address, then by prefix (the wider one first). In JSON it is a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(with = "String"))]
pub struct Subnet(Ipv4Net);

/// How one subnet overlaps another, seen from the one that is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Overlap {
    /// Both are the same subnet.
    Equal,
    /// The asked one lies inside the other.
    Inside,
    /// The asked one contains the other.
    Contains,
}

impl fmt::Display for Overlap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Equal => "equals",
            Self::Inside => "lies inside",
            Self::Contains => "contains",
        })
    }
}

/// Why a text is not a canonical IPv4 subnet; each message says what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubnetError {
    /// Nothing was given.
    #[error("empty subnet: write it as address/prefix, for example 10.10.0.0/16")]
    Empty,
    /// Bits beyond the prefix are set.
    #[error("{given} has host bits set: write {canonical}")]
    HostBits {
        /// What was given.
        given: String,
        /// The subnet that the given address lies in.
        canonical: Subnet,
    },
    /// There is an address but no prefix.
    #[error("{given} has no prefix length: write for example {given}/24")]
    NoPrefix {
        /// What was given.
        given: Ipv4Addr,
    },
    /// More than one slash.
    #[error("{given} has more than one slash: write address/prefix once, for example 10.0.0.0/8")]
    ManySlashes {
        /// What was given, quoted and shortened.
        given: String,
    },
    /// The prefix is a number, but not one that IPv4 knows.
    #[error("{given} has prefix /{prefix}: an IPv4 prefix is 0 to 32, for example {address}/24")]
    PrefixRange {
        /// What was given, quoted and shortened.
        given: String,
        /// The address part.
        address: Ipv4Addr,
        /// The prefix, as written.
        prefix: String,
    },
    /// The prefix is not a plain decimal number.
    #[error("{given} has no number after the slash: write a prefix of 0 to 32, for example {address}/24")]
    PrefixSyntax {
        /// What was given, quoted and shortened.
        given: String,
        /// The address part.
        address: Ipv4Addr,
    },
    /// An IPv6 network or address.
    #[error(
        "{given} is IPv6, and Swarm overlays take their addresses from IPv4: write for example 10.10.0.0/16"
    )]
    Ipv6 {
        /// What was given, quoted and shortened.
        given: String,
    },
    /// Neither an IPv4 nor an IPv6 address before the slash.
    #[error(
        "{given} is not an IPv4 subnet: write four numbers of 0 to 255 and a prefix, for example 10.10.0.0/16"
    )]
    Address {
        /// What was given, quoted and shortened.
        given: String,
    },
}

/// Longest part of a bad input that an error repeats, in characters.
const QUOTED_CHARS: usize = 48;

/// Quotes a foreign text for a one-line message: control characters escaped, long texts cut.
pub(crate) fn quoted(text: &str) -> String {
    let mut head: String = text.chars().take(QUOTED_CHARS).flat_map(char::escape_debug).collect();
    if text.chars().nth(QUOTED_CHARS).is_some() {
        head.push('…');
    }
    format!("\"{head}\"")
}

impl Subnet {
    /// Parses `address/prefix`.
    ///
    /// # Errors
    /// If the text is not exactly one canonical IPv4 subnet: host bits are set (the error carries the canonical
    /// form), the prefix is missing or out of range, there are several slashes, it is IPv6, or anything else.
    pub fn parse(text: &str) -> Result<Self, SubnetError> {
        let (address, prefix) = split(text)?;
        let prefix = parse_prefix(text, address, prefix)?;
        let Ok(net) = Ipv4Net::new(address, prefix) else {
            return Err(prefix_range(text, address, &prefix.to_string()));
        };
        let canonical = Self(net.trunc());
        if canonical.0 == net {
            Ok(canonical)
        } else {
            Err(SubnetError::HostBits { given: net.to_string(), canonical })
        }
    }

    /// The subnet that a network with possibly set host bits lies in: `10.0.0.7/24` becomes `10.0.0.0/24`.
    ///
    /// For what the kernel or an engine reports, where host bits are usual; what a person wrote goes
    /// through [`Subnet::parse`], which refuses them.
    pub fn canonical(net: Ipv4Net) -> Self {
        Self(net.trunc())
    }

    /// The subnet that holds exactly one address, `/32`.
    pub fn host(addr: Ipv4Addr) -> Self {
        Self(Ipv4Net::from(addr))
    }

    /// The subnet of `prefix` bits that holds `addr`; `None` for a prefix above 32.
    pub fn around(addr: Ipv4Addr, prefix: u8) -> Option<Self> {
        Ipv4Net::new(addr, prefix).ok().map(Self::canonical)
    }

    /// As the `ipnet` type.
    pub fn net(self) -> Ipv4Net {
        self.0
    }

    /// Prefix length, 0 to 32.
    pub fn prefix(self) -> u8 {
        self.0.prefix_len()
    }

    /// First address, the network address.
    pub fn first(self) -> Ipv4Addr {
        self.0.network()
    }

    /// Last address, the broadcast address.
    pub fn last(self) -> Ipv4Addr {
        self.0.broadcast()
    }

    /// True iff the address lies in this subnet.
    pub fn contains(self, addr: Ipv4Addr) -> bool {
        self.0.contains(&addr)
    }

    /// How this subnet overlaps `other`; `None` if they share no address.
    pub fn overlap(self, other: &Self) -> Option<Overlap> {
        if self == *other {
            Some(Overlap::Equal)
        } else if self.0.contains(&other.0) {
            Some(Overlap::Contains)
        } else if other.0.contains(&self.0) {
            Some(Overlap::Inside)
        } else {
            None
        }
    }

    /// Number of addresses, reserved ones included: 1 for a /32, 2^32 for a /0.
    pub fn size_addrs(self) -> u64 {
        // u64, because a /0 has 2^32 addresses.
        1 << (32 - u32::from(self.prefix()))
    }

    /// Addresses that Swarm reserves: network, broadcast and gateway, at most the whole subnet.
    ///
    /// The engine takes network and broadcast only where there are more than two addresses (RFC 3021;
    /// moby `daemon/libnetwork/ipams/defaultipam`, `newPoolData`), and one gateway always: 3 down to a
    /// /30, then 1.
    pub fn reserved_addrs(self) -> u64 {
        if self.prefix() >= 31 { 1 } else { 3 }
    }

    /// Addresses left for VIPs, tasks, load balancers and attachments: 2^(32-p) - 3, so 253 for a /24 and
    /// 65,533 for a /16; 1 for a /31 (only the gateway is reserved there), 0 for a /32.
    pub fn usable(self) -> u64 {
        self.size_addrs().saturating_sub(self.reserved_addrs())
    }

    /// The subnet of one bit less that this one is half of; `None` for a /0.
    pub fn parent(self) -> Option<Self> {
        self.0.supernet().map(Self)
    }

    /// The other half of [`Subnet::parent`]; `None` for a /0.
    pub fn sibling(self) -> Option<Self> {
        let bit = self.parent()?.size_addrs() >> 1;
        let first = u64::from(u32::from(self.first())) ^ bit;
        Self::around(Ipv4Addr::from(u32::try_from(first).ok()?), self.prefix())
    }
}

impl From<Ipv4Net> for Subnet {
    /// Same as [`Subnet::canonical`].
    fn from(net: Ipv4Net) -> Self {
        Self::canonical(net)
    }
}

impl FromStr for Subnet {
    type Err = SubnetError;

    fn from_str(text: &str) -> Result<Self, SubnetError> {
        Self::parse(text)
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Subnet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Subnet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl de::Visitor<'_> for Text {
            type Value = Subnet;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an IPv4 subnet such as \"10.10.0.0/16\"")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Subnet, E> {
                Subnet::parse(text).map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Text)
    }
}

/// Address and the text after the slash.
fn split(text: &str) -> Result<(Ipv4Addr, &str), SubnetError> {
    if text.trim().is_empty() {
        return Err(SubnetError::Empty);
    }
    let (head, tail) = text.split_once('/').map_or((text, None), |(head, tail)| (head, Some(tail)));
    let Ok(address) = head.parse::<Ipv4Addr>() else {
        let given = quoted(text);
        // IPv6 is a common mistake and not a typing error, so it has an answer of its own.
        let ipv6 = head.parse::<std::net::Ipv6Addr>().is_ok();
        return Err(if ipv6 { SubnetError::Ipv6 { given } } else { SubnetError::Address { given } });
    };
    match tail {
        None => Err(SubnetError::NoPrefix { given: address }),
        Some(tail) if tail.contains('/') => Err(SubnetError::ManySlashes { given: quoted(text) }),
        Some(tail) => Ok((address, tail)),
    }
}

/// A plain decimal number of 0 to 255; no sign, no leading zero, as the engine reads it (Go's
/// `netip.ParsePrefix`).
fn parse_prefix(text: &str, address: Ipv4Addr, prefix: &str) -> Result<u8, SubnetError> {
    let digits = !prefix.is_empty() && prefix.bytes().all(|byte| byte.is_ascii_digit());
    if !digits || (prefix.len() > 1 && prefix.starts_with('0')) {
        return Err(SubnetError::PrefixSyntax { given: quoted(text), address });
    }
    prefix.parse().map_err(|_| prefix_range(text, address, prefix))
}

fn prefix_range(text: &str, address: Ipv4Addr, prefix: &str) -> SubnetError {
    let prefix = prefix.chars().take(QUOTED_CHARS).collect();
    SubnetError::PrefixRange { given: quoted(text), address, prefix }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn subnet(text: &str) -> Subnet {
        Subnet::parse(text).unwrap()
    }

    #[test]
    fn capacity_of_the_prefixes_that_matter() {
        let usable = |text| subnet(text).usable();
        assert_eq!(usable("10.0.1.0/24"), 253);
        assert_eq!(usable("10.10.0.0/16"), 65_533);
        assert_eq!(usable("10.0.0.0/28"), 13);
        assert_eq!(usable("10.0.0.0/29"), 5);
        assert_eq!(usable("10.0.0.0/30"), 1);
        assert_eq!(usable("10.0.0.0/31"), 1);
        assert_eq!(usable("10.0.0.0/32"), 0);
        assert_eq!(usable("0.0.0.0/0"), 4_294_967_293);
        assert_eq!(subnet("0.0.0.0/0").size_addrs(), 1 << 32);
    }

    #[test]
    fn bad_input_says_what_to_write() {
        let message = |text| Subnet::parse(text).unwrap_err().to_string();
        assert_eq!(message("10.0.0.7/24"), "10.0.0.7/24 has host bits set: write 10.0.0.0/24");
        assert_eq!(
            message("10.0.0.0/33"),
            "\"10.0.0.0/33\" has prefix /33: an IPv4 prefix is 0 to 32, for example 10.0.0.0/24"
        );
        assert_eq!(
            message("10.0.0.0/8/8"),
            "\"10.0.0.0/8/8\" has more than one slash: write address/prefix once, for example 10.0.0.0/8"
        );
        assert_eq!(
            message("fd00::/64"),
            "\"fd00::/64\" is IPv6, and Swarm overlays take their addresses from IPv4: write for example 10.10.0.0/16"
        );
        assert_eq!(message("10.0.0.0"), "10.0.0.0 has no prefix length: write for example 10.0.0.0/24");
        assert!(message("10.0.0.0/").contains("no number after the slash"));
        assert!(message("10.0.0.0/08").contains("no number after the slash"));
        assert!(message("10.0.0.0/+8").contains("no number after the slash"));
        assert!(message("10.0.0.0/999999999999").contains("0 to 32"));
        assert!(message("proxy").contains("is not an IPv4 subnet"));
        assert!(message(" ").starts_with("empty subnet"));
        assert!(message("a\nb").contains("a\\nb"));
        assert!(message(&"x".repeat(1 << 20)).len() < 256);
    }

    #[test]
    fn overlap_is_named_from_the_asked_side() {
        let (wide, narrow) = (subnet("10.0.0.0/8"), subnet("10.10.0.0/16"));
        assert_eq!(wide.overlap(&narrow), Some(Overlap::Contains));
        assert_eq!(narrow.overlap(&wide), Some(Overlap::Inside));
        assert_eq!(narrow.overlap(&narrow), Some(Overlap::Equal));
        assert_eq!(narrow.overlap(&subnet("10.11.0.0/16")), None);
    }

    #[test]
    fn family() {
        assert_eq!(subnet("10.10.0.0/16").sibling(), Some(subnet("10.11.0.0/16")));
        assert_eq!(subnet("10.11.0.0/16").sibling(), Some(subnet("10.10.0.0/16")));
        assert_eq!(subnet("10.11.0.0/16").parent(), Some(subnet("10.10.0.0/15")));
        assert_eq!(subnet("0.0.0.0/0").sibling(), None);
        assert_eq!(subnet("0.0.0.0/1").sibling(), Some(subnet("128.0.0.0/1")));
        assert_eq!(Subnet::around(Ipv4Addr::new(100, 95, 31, 88), 16), Some(subnet("100.95.0.0/16")));
        assert_eq!(Subnet::around(Ipv4Addr::LOCALHOST, 33), None);
    }

    #[test]
    fn json_is_a_string_and_refuses_what_parse_refuses() {
        let json = serde_json::to_string(&subnet("10.10.0.0/16")).unwrap();
        assert_eq!(json, "\"10.10.0.0/16\"");
        assert_eq!(serde_json::from_str::<Subnet>(&json).unwrap(), subnet("10.10.0.0/16"));
        let error = serde_json::from_str::<Subnet>("\"10.0.0.7/24\"").unwrap_err().to_string();
        assert!(error.contains("write 10.0.0.0/24"), "{error}");
        let error = serde_json::from_str::<Subnet>("7").unwrap_err().to_string();
        assert!(error.contains("expected an IPv4 subnet such as \"10.10.0.0/16\""), "{error}");
    }

    proptest! {
        #[test]
        fn parse_never_panics(text in "\\PC*") {
            let _ = Subnet::parse(&text);
        }

        #[test]
        fn parse_never_panics_near_subnets(text in "[0-9.:/ a-f+-]{0,24}") {
            if let Ok(subnet) = Subnet::parse(&text) {
                prop_assert_eq!(subnet.to_string(), text);
            }
        }

        #[test]
        fn host_bits_are_refused_with_a_form_that_parses(addr: u32, prefix in 0_u8..=32) {
            let net = Ipv4Net::new(Ipv4Addr::from(addr), prefix).unwrap();
            match Subnet::parse(&net.to_string()) {
                Ok(subnet) => prop_assert_eq!(subnet.net(), net),
                Err(SubnetError::HostBits { canonical, .. }) => {
                    prop_assert_ne!(canonical.net(), net);
                    prop_assert_eq!(canonical, Subnet::canonical(net));
                    prop_assert_eq!(Subnet::parse(&canonical.to_string()), Ok(canonical));
                }
                Err(error) => prop_assert!(false, "{}", error),
            }
        }

        #[test]
        fn overlap_agrees_with_address_sets(a in 0_u32..64, b in 0_u32..64, p in 26_u8..=32, q in 26_u8..=32) {
            let left = Subnet::around(Ipv4Addr::from(a), p).unwrap();
            let right = Subnet::around(Ipv4Addr::from(b), q).unwrap();
            let set = |s: Subnet| (0_u32..64).filter(move |x| s.contains(Ipv4Addr::from(*x)));
            let (l, r): (Vec<_>, Vec<_>) = (set(left).collect(), set(right).collect());
            let expected = if l == r {
                Some(Overlap::Equal)
            } else if r.iter().all(|x| l.contains(x)) {
                Some(Overlap::Contains)
            } else if l.iter().all(|x| r.contains(x)) {
                Some(Overlap::Inside)
            } else {
                prop_assert!(l.iter().all(|x| !r.contains(x)));
                None
            };
            prop_assert_eq!(left.overlap(&right), expected);
            prop_assert_eq!(left.size_addrs(), l.len() as u64);
        }
    }
}
