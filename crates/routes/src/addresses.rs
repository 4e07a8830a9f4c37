//! Addresses that stand in for what a name resolves to.

use std::fmt;
use std::net::SocketAddr;

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// Where a route is asked instead of where its name resolves to, as `curl --resolve` does; empty where the resolver
/// decides. It makes a probe independent of DNS. Name and SNI stay those of the URL.
///
/// In a file it is one address, or a list: one for each node that has a router. Of a list each is tried until one
/// answers, so a request fails only if none does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Addresses(Vec<SocketAddr>);

impl Addresses {
    /// The addresses, in the order in which they are tried.
    pub fn as_slice(&self) -> &[SocketAddr] {
        &self.0
    }

    /// True iff there is none, so that the name is looked up.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Begins with the next address from now on, as the clients of a name with several addresses do in turn.
    pub(crate) fn next_first(&mut self) {
        if !self.0.is_empty() {
            self.0.rotate_left(1);
        }
    }
}

impl From<SocketAddr> for Addresses {
    fn from(address: SocketAddr) -> Self {
        Self(vec![address])
    }
}

impl FromIterator<SocketAddr> for Addresses {
    fn from_iter<I: IntoIterator<Item = SocketAddr>>(addresses: I) -> Self {
        Self(addresses.into_iter().collect())
    }
}

impl<'de> Deserialize<'de> for Addresses {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(OneOrSeveral)
    }
}

/// A visitor, not an untagged enum, which would lose the place and the reason of what is wrong.
struct OneOrSeveral;

impl<'de> Visitor<'de> for OneOrSeveral {
    type Value = Addresses;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an address such as \"192.0.2.10:443\", or a list of them")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Addresses, E> {
        One::read(text).map(|One(address)| Addresses::from(address))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Addresses, A::Error> {
        let mut addresses = Vec::new();
        while let Some(One(address)) = list.next_element()? {
            addresses.push(address);
        }
        if addresses.is_empty() {
            return Err(A::Error::custom(
                "the list of addresses is empty: leave it out to have the name looked up",
            ));
        }
        Ok(Addresses(addresses))
    }
}

/// One of them. The standard library's own words on a text that is none do not say how it is written.
struct One(SocketAddr);

impl One {
    fn read<E: Error>(text: &str) -> Result<Self, E> {
        text.parse().map(Self).map_err(|_| {
            E::custom(format!("{text:?} is no address with a port: write it as \"192.0.2.10:443\""))
        })
    }
}

impl<'de> Deserialize<'de> for One {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Self::read(&String::deserialize(from)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Addresses, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn one_address_and_a_list_are_read() {
        let [first, second] =
            ["192.0.2.10:443", "[2001:db8::1]:443"].map(|a| a.parse::<SocketAddr>().unwrap());
        assert_eq!(read("\"192.0.2.10:443\"").unwrap(), Addresses::from(first));
        let both = read("[\"192.0.2.10:443\", \"[2001:db8::1]:443\"]").unwrap();
        assert_eq!(both.as_slice(), [first, second]);
        assert!(Addresses::default().is_empty() && !both.is_empty());
    }

    #[test]
    fn what_is_no_address_is_named_with_the_way_to_write_it() {
        for (json, part) in [
            ("\"192.0.2.10\"", "\"192.0.2.10\" is no address with a port: write it as"),
            ("[]", "leave it out"),
            ("[\"192.0.2.10:443\", \"x\"]", "\"x\" is no address"),
            ("7", "an address such as"),
        ] {
            let error = read(json).unwrap_err();
            assert!(error.contains(part), "{json}: {error}");
        }
    }

    #[test]
    fn each_is_the_first_in_its_turn() {
        let all: Vec<SocketAddr> = (1..=3).map(|n| SocketAddr::from(([192, 0, 2, n], 443))).collect();
        let mut turning: Addresses = all.iter().copied().collect();
        let mut firsts = Vec::new();
        for _ in 0..4 {
            firsts.push(turning.as_slice()[0]);
            turning.next_first();
        }
        assert_eq!(firsts, [all[0], all[1], all[2], all[0]]);
        Addresses::default().next_first();
    }
}
