//! Name resolution.

use std::io;
use std::net::SocketAddr;

use tokio::net::lookup_host;

use crate::cause::Cause;
use crate::fact::Failure;
use crate::spec::RouteSpec;

/// The addresses to try, in the resolver's order, and whether a look-up was needed.
pub(crate) async fn addresses(spec: &RouteSpec) -> Result<(Vec<SocketAddr>, bool), Failure> {
    if !spec.address.is_empty() {
        return Ok((spec.address.as_slice().to_vec(), false));
    }
    let (host, port) = (spec.url.host(), spec.url.port());
    // A literal address needs no resolver, so its look-up time stays unknown instead of 0.
    if let Ok(address) = host.parse() {
        return Ok((vec![SocketAddr::new(address, port)], false));
    }
    let found: Vec<SocketAddr> = match lookup_host((host, port)).await {
        Ok(found) => found.collect(),
        Err(error) => return Err(lookup_failure(host, &error)),
    };
    if found.is_empty() {
        return Err(Failure::because(Cause::NameWithoutAddress { name: host.to_owned() }));
    }
    Ok((found, true))
}

/// Distinguishes "this name does not exist" from "no resolver answered".
///
/// `getaddrinfo` reports both as errors without a kind, so their text decides (`gai_strerror` of glibc, musl and
/// macOS). A text that is not known to be an answer counts as no answer.
fn lookup_failure(host: &str, error: &io::Error) -> Failure {
    const NO_SUCH_NAME: [&str; 6] = [
        "Name or service not known",
        "No address associated with hostname",
        "Name does not resolve",
        "Name has no usable address",
        "nodename nor servname provided",
        "No such host is known",
    ];
    let (text, name) = (error.to_string(), host.to_owned());
    let is_answer = NO_SUCH_NAME.iter().any(|known| text.contains(known));
    let cause = if is_answer { Cause::NameNotFound { name } } else { Cause::NoResolver { name } };
    Failure::because(cause).with_evidence(&text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phase::Phase;
    use crate::url::RouteUrl;

    fn spec(url: &str) -> RouteSpec {
        RouteSpec::new("r", RouteUrl::parse(url).unwrap())
    }

    #[test]
    fn a_name_that_does_not_exist_differs_from_a_silent_resolver() {
        for (text, phase) in [
            ("failed to lookup address information: Name or service not known", Phase::Resolve),
            ("failed to lookup address information: Temporary failure in name resolution", Phase::Local),
            ("failed to lookup address information: Try again", Phase::Local),
            ("something new", Phase::Local),
        ] {
            assert_eq!(lookup_failure("h", &io::Error::other(text)).phase, phase, "{text}");
        }
    }

    #[tokio::test]
    async fn addresses_come_from_the_pin_the_url_or_the_resolver() {
        let pin: SocketAddr = "127.0.0.1:8443".parse().unwrap();
        let pinned = RouteSpec { address: pin.into(), ..spec("https://no.such.name.invalid/") };
        assert_eq!(addresses(&pinned).await.unwrap(), (vec![pin], false));
        let literal = addresses(&spec("https://[::1]:8443/")).await.unwrap();
        assert_eq!(literal, (vec!["[::1]:8443".parse().unwrap()], false));
        let (found, looked_up) = addresses(&spec("http://localhost:81/")).await.unwrap();
        assert!(looked_up && found.iter().all(|a| a.ip().is_loopback() && a.port() == 81), "{found:?}");
    }
}
