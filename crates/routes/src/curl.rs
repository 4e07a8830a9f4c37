//! The same request for curl, so that anyone can repeat it.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use crate::request::{Method, SecretSource, SentValue};
use crate::spec::{HttpVersion, RouteSpec};
use crate::url::Scheme;

/// A line for a POSIX shell that asks as the probe did: at `address`, if one was asked, trusting `ca`. Credentials and
/// values of headers are named, not shown: `$NAME` of a variable, `$(cat FILE)` of a file, `$QUERY` for the query.
pub(crate) fn line(spec: &RouteSpec, address: Option<SocketAddr>, ca: Option<&Path>) -> String {
    // -q: no .curlrc. A probe obeys no proxy variable either.
    let mut words: Vec<String> = ["curl", "-q", "-sS", "-i", "--noproxy", "'*'"].map(str::to_owned).into();
    // curl takes seconds, with three decimals.
    let (seconds, millis) = (spec.deadline.as_secs(), spec.deadline.subsec_millis());
    words.push(format!("--max-time {seconds}.{millis:03}"));
    words.extend(version(spec).map(str::to_owned));
    words.extend(address.and_then(|address| pin(spec, address)));
    let request = &spec.request;
    // curl takes one CA file; that of the route is asked for because the others do not suffice.
    let ca = request.ca.as_deref().or(ca).filter(|_| spec.url.scheme() == Scheme::Https);
    words.extend(ca.map(|ca| format!("--cacert {}", path(ca))));
    if let Some(pem) = &request.client_certificate {
        words.push(format!("--cert {} --key {}", path(&pem.certificate), path(&pem.key)));
    }
    match request.method {
        Method::Get => {}
        Method::Head => words.push("-I".to_owned()),
        other => words.push(format!("-X {}", other.as_str())),
    }
    for (name, value) in &request.headers {
        words.push(match value {
            SentValue::Text(_) => format!("-H \"{name}: ${}\"", variable(name)),
            SentValue::Secret(source) => format!("-H \"{name}: {}\"", named(source)),
        });
    }
    if let Some(basic) = &request.basic {
        words.push(format!("-u \"{}:{}\"", in_double(&basic.user), named(&basic.password)));
    }
    words.extend(
        request.bearer.as_ref().map(|token| format!("-H \"Authorization: Bearer {}\"", named(token))),
    );
    words.push(target(spec));
    words.join(" ")
}

fn version(spec: &RouteSpec) -> Option<&'static str> {
    match (spec.http, spec.url.scheme()) {
        (None, Scheme::Https) => None,
        (Some(HttpVersion::Http1) | None, _) => Some("--http1.1"),
        (Some(HttpVersion::Http2), Scheme::Https) => Some("--http2"),
        (Some(HttpVersion::Http2), Scheme::Http) => Some("--http2-prior-knowledge"),
    }
}

/// `--resolve` keeps the port of the URL; where another was asked `--connect-to` has both.
fn pin(spec: &RouteSpec, address: SocketAddr) -> Option<String> {
    let (host, port) = (spec.url.host(), spec.url.port());
    if host.parse() == Ok(address.ip()) && port == address.port() {
        return None;
    }
    let ip = bracketed(address.ip());
    // curl resolves names only, and an address in the URL is none.
    if let Ok(literal) = host.parse() {
        return Some(format!(
            "--connect-to {}:{port}:{ip}:{}",
            shell_quoted(&bracketed(literal)),
            address.port()
        ));
    }
    Some(if port == address.port() {
        format!("--resolve {}", shell_quoted(&format!("{host}:{port}:{ip}")))
    } else {
        format!("--connect-to {}", shell_quoted(&format!("{host}:{port}:{ip}:{}", address.port())))
    })
}

fn bracketed(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}

/// A query often holds a token, so it is left to the reader.
fn target(spec: &RouteSpec) -> String {
    let url = spec.url.without_query();
    if spec.url.has_query() { format!("\"{}?$QUERY\"", in_double(&url)) } else { shell_quoted(&url) }
}

/// The variable that stands for a header's value: `$X_TENANT` for `x-tenant`.
fn variable(header: &str) -> String {
    let upper = header.to_ascii_uppercase();
    let kept = upper.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' });
    format!("{{{}}}", kept.collect::<String>())
}

fn named(source: &SecretSource) -> String {
    match source {
        SecretSource::Env(name) => format!("${{{name}}}"),
        SecretSource::File(file) => format!("$(cat {})", path(file)),
    }
}

fn path(path: &Path) -> String {
    shell_quoted(&path.display().to_string())
}

/// A word quoted so that a POSIX shell changes nothing in it; plain where it would not anyway.
pub fn shell_quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-:[]".contains(c) && c != '[' && c != ']';
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Escaped for the inside of double quotes.
fn in_double(text: &str) -> String {
    text.chars().flat_map(|c| "\\\"$`".contains(c).then_some('\\').into_iter().chain([c])).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::url::RouteUrl;

    fn of(url: &str, request: &str, address: Option<&str>) -> String {
        let mut spec = RouteSpec::new("r", RouteUrl::parse(url).unwrap());
        spec.request = serde_json::from_str(request).unwrap();
        spec.deadline = Duration::from_millis(2500);
        line(&spec, address.map(|address| address.parse().unwrap()), Some(Path::new("/etc/ca.pem")))
    }

    const HEAD: &str = "curl -q -sS -i --noproxy '*' --max-time 2.500";

    #[test]
    fn a_line_asks_the_same_address_with_the_same_words() {
        for (url, request, address, rest) in [
            ("http://h/", "{}", None, "--http1.1 http://h/"),
            (
                "https://h/a'b",
                "{}",
                Some("192.0.2.1:443"),
                "--resolve h:443:192.0.2.1 --cacert /etc/ca.pem 'https://h/a'\\''b'",
            ),
            (
                "https://h/",
                "{}",
                Some("[::1]:8443"),
                "--connect-to 'h:443:[::1]:8443' --cacert /etc/ca.pem https://h/",
            ),
            ("http://127.0.0.1:80/", "{}", Some("127.0.0.1:80"), "--http1.1 http://127.0.0.1/"),
            ("http://h/?t=s3cret", r#"{"method":"HEAD"}"#, None, "--http1.1 -I \"http://h/?$QUERY\""),
            (
                "https://h/",
                r#"{"method":"POST","ca":"own ca.pem","headers":{"accept":"a b","x-key":{"env":"K"}},"basic":{"user":"a$b","password":{"file":"p w"}}}"#,
                None,
                "--cacert 'own ca.pem' -X POST -H \"accept: ${ACCEPT}\" -H \"x-key: ${K}\" -u \"a\\$b:$(cat 'p w')\" https://h/",
            ),
            (
                "https://h/",
                r#"{"bearer":{"env":"T"},"client_certificate":{"certificate":"c.pem","key":"k.pem"}}"#,
                None,
                "--cacert /etc/ca.pem --cert c.pem --key k.pem -H \"Authorization: Bearer ${T}\" https://h/",
            ),
        ] {
            assert_eq!(of(url, request, address), format!("{HEAD} {rest}"));
        }
    }
}
