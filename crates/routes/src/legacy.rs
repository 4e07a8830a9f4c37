//! What a server chooses from what this program's TLS does not offer: key exchange by RSA, CBC, TLS 1.0 and 1.1.
//!
//! rustls refuses these on purpose, and a server that has nothing else answers its hello with an alert that says as much
//! as a broken server's. A second hello, written here, tells the two apart. It never becomes a session.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The question is asked after the answer to the first hello, so the server is known to be awake.
const PATIENCE: Duration = Duration::from_secs(3);

/// A record holds at most 2^14 bytes (RFC 8446, section 5.1); a ServerHello is far smaller.
const RECORD_LIMIT: usize = 1 << 14;

/// Suites of OpenSSL that rustls lacks, with their names in the IANA registry. None of rustls's own: a server that would
/// choose one of those refused the first hello for another reason.
const SUITES: [(u16, &str); 20] = [
    (0xc009, "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA"),
    (0xc00a, "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA"),
    (0xc013, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA"),
    (0xc014, "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA"),
    (0xc023, "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256"),
    (0xc024, "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384"),
    (0xc027, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256"),
    (0xc028, "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384"),
    (0x009e, "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256"),
    (0x009f, "TLS_DHE_RSA_WITH_AES_256_GCM_SHA384"),
    (0x0033, "TLS_DHE_RSA_WITH_AES_128_CBC_SHA"),
    (0x0039, "TLS_DHE_RSA_WITH_AES_256_CBC_SHA"),
    (0x0067, "TLS_DHE_RSA_WITH_AES_128_CBC_SHA256"),
    (0x009c, "TLS_RSA_WITH_AES_128_GCM_SHA256"),
    (0x009d, "TLS_RSA_WITH_AES_256_GCM_SHA384"),
    (0x003c, "TLS_RSA_WITH_AES_128_CBC_SHA256"),
    (0x003d, "TLS_RSA_WITH_AES_256_CBC_SHA256"),
    (0x002f, "TLS_RSA_WITH_AES_128_CBC_SHA"),
    (0x0035, "TLS_RSA_WITH_AES_256_CBC_SHA"),
    (0x000a, "TLS_RSA_WITH_3DES_EDE_CBC_SHA"),
];

/// What the server chose, such as `TLS 1.2 with TLS_RSA_WITH_AES_128_CBC_SHA`; `None` if it refuses this hello too.
pub(crate) async fn offer(address: SocketAddr, host: &str) -> Option<String> {
    timeout(PATIENCE, ask(address, host)).await.ok()?
}

async fn ask(address: SocketAddr, host: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    stream.write_all(&hello(host)).await.ok()?;
    let mut head = [0; 5];
    stream.read_exact(&mut head).await.ok()?;
    let length = usize::from(u16::from_be_bytes([head[3], head[4]])).min(RECORD_LIMIT);
    let mut record = vec![0; length];
    stream.read_exact(&mut record).await.ok()?;
    // 22 is a handshake; an alert (21) is a refusal.
    (head[0] == 22).then(|| chosen(&record)).flatten()
}

/// Version and suite of a ServerHello (RFC 5246, section 7.4.1.3).
fn chosen(record: &[u8]) -> Option<String> {
    // Type 2, three bytes of length, two of version, 32 of randomness, and a session id before the suite.
    if *record.first()? != 2 {
        return None;
    }
    let version = match record.get(4..6)? {
        [3, 1] => "TLS 1.0",
        [3, 2] => "TLS 1.1",
        [3, 3] => "TLS 1.2",
        _ => return None,
    };
    let suite_at = 39 + usize::from(*record.get(38)?);
    let suite = u16::from_be_bytes(record.get(suite_at..suite_at + 2)?.try_into().ok()?);
    let name = SUITES.iter().find(|(number, _)| *number == suite).map(|(_, name)| (*name).to_owned());
    Some(format!("{version} with {}", name.unwrap_or_else(|| format!("cipher suite 0x{suite:04x}"))))
}

/// A ClientHello of TLS 1.2 (RFC 5246, section 7.4.1.2) in a record of its own.
fn hello(host: &str) -> Vec<u8> {
    let suites: Vec<u8> = SUITES.iter().flat_map(|(number, _)| number.to_be_bytes()).collect();
    let mut body = vec![3, 3];
    // No session follows, so the randomness protects nothing.
    body.extend([0x5a; 32]);
    body.push(0);
    body.extend(sized(&suites));
    body.extend([1, 0]);
    body.extend(sized(&extensions(host)));
    let mut message = vec![1, 0];
    message.extend(sized(&body));
    let mut record = vec![22, 3, 1];
    record.extend(sized(&message));
    record
}

fn extensions(host: &str) -> Vec<u8> {
    let mut all = Vec::new();
    // A name only: addresses are not sent (RFC 6066, section 3).
    if host.parse::<IpAddr>().is_err() {
        let mut name = vec![0];
        name.extend(sized(host.as_bytes()));
        all.extend(extension(0, &sized(&name)));
    }
    let groups: Vec<u8> = [0x001d_u16, 0x0017, 0x0018, 0x0019].iter().flat_map(|g| g.to_be_bytes()).collect();
    all.extend(extension(10, &sized(&groups)));
    all.extend(extension(11, &[1, 0]));
    let schemes =
        [0x0403_u16, 0x0503, 0x0603, 0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601, 0x0203, 0x0201];
    let schemes: Vec<u8> = schemes.iter().flat_map(|scheme| scheme.to_be_bytes()).collect();
    all.extend(extension(13, &sized(&schemes)));
    all
}

fn extension(kind: u16, data: &[u8]) -> Vec<u8> {
    let mut whole = kind.to_be_bytes().to_vec();
    whole.extend(sized(data));
    whole
}

/// The bytes with their length in two bytes before them. A host has at most 253 bytes, so none of them is cut.
fn sized(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    length.to_be_bytes().into_iter().chain(bytes.iter().copied()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_server_hello_names_version_and_suite() {
        let mut record = vec![2, 0, 0, 40, 3, 3];
        record.extend([0; 32]);
        record.extend([0, 0, 0x2f, 0]);
        assert_eq!(chosen(&record).as_deref(), Some("TLS 1.2 with TLS_RSA_WITH_AES_128_CBC_SHA"));
        record[5] = 1;
        record[40] = 0xff;
        assert_eq!(chosen(&record).as_deref(), Some("TLS 1.0 with cipher suite 0x00ff"));
    }

    #[test]
    fn lengths_add_up() {
        for host in ["ci.example.net", "127.0.0.1"] {
            let hello = hello(host);
            assert_eq!(usize::from(u16::from_be_bytes([hello[3], hello[4]])) + 5, hello.len());
            assert_eq!(usize::from(u16::from_be_bytes([hello[7], hello[8]])) + 9, hello.len());
        }
    }

    proptest! {
        #[test]
        fn never_panics(bytes in any::<Vec<u8>>()) {
            chosen(&bytes);
        }
    }
}
