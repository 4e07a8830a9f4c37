//! `cargo xtask bench routes`: many routes over TLS on loopback, beside curl in parallel and curl one by one.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;

use super::build::release_build;
use super::compare::{median, time};
use crate::lab;

/// How many connections curl has at a time: its own default.
const PARALLEL: &str = "50";
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nshop\n";

/// Arguments of `bench routes`.
#[derive(Args, Debug)]
pub(crate) struct Routes {
    /// Routes, each with a name of its own, so that none shares a connection
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=2000))]
    routes: u32,
    /// Rounds; each runs every side once
    #[arg(long, default_value_t = 9, value_parser = clap::value_parser!(u32).range(3..=1000))]
    rounds: u32,
}

/// Times `pvcheck routes` and both ways of curl, and prints the ratios.
pub(crate) fn run(args: &Routes) -> anyhow::Result<ExitCode> {
    let pvcheck = release_build(&["--package", "pvcheck-cli"])?.join("pvcheck");
    let folder = tempfile::tempdir().context("cannot make a folder")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let address = runtime.block_on(serve(folder.path()))?;
    let names: Vec<String> = (0..args.routes).map(|n| format!("r{n}.bench.test")).collect();
    fs::write(folder.path().join("pvcheck.toml"), config(&names, address))?;
    fs::write(folder.path().join("curl.txt"), curl_config(&names, address))?;

    let (mut ours, mut parallel, mut one_by_one) = (Vec::new(), Vec::new(), Vec::new());
    for round in 1..=args.rounds {
        let words = ["routes", "-o", "json", "--quiet", "--config", "pvcheck.toml"];
        ours.push(time(Command::new(&pvcheck).args(words).current_dir(folder.path()))?);
        parallel.push(time(&mut curl(folder.path(), &["--parallel", "--parallel-max", PARALLEL]))?);
        one_by_one.push(time(&mut curl(folder.path(), &[]))?);
        lab::say(&format!("round {round} of {}", args.rounds));
    }
    let middle = |times: &[Duration]| median(times).context("no round was run");
    let sides = [middle(&ours)?, middle(&parallel)?, middle(&one_by_one)?];
    lab::say(&table(args, sides));
    Ok(ExitCode::SUCCESS)
}

fn table(args: &Routes, [ours, parallel, one_by_one]: [Duration; 3]) -> String {
    let ratio = |theirs: Duration| theirs.as_secs_f64() / ours.as_secs_f64();
    let mut text = format!("{} routes over TLS on loopback, median of {} rounds\n", args.routes, args.rounds);
    for (side, took) in
        [("pvcheck routes -o json", ours), ("curl --parallel", parallel), ("curl one by one", one_by_one)]
    {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  {side:24} {:8.1} ms, ratio {:.2}", took.as_secs_f64() * 1e3, ratio(took));
    }
    text.trim_end().to_owned()
}

fn curl(folder: &Path, words: &[&str]) -> Command {
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--fail", "--http1.1", "--cacert", "ca.pem"]).args(words);
    command.args(["--config", "curl.txt"]).current_dir(folder);
    command
}

/// The same routes for curl. The facts that it prints are fewer.
fn curl_config(names: &[String], address: SocketAddr) -> String {
    let mut text = String::new();
    let port = address.port();
    for name in names {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "resolve = \"{name}:{port}:{}\"", address.ip());
        let _ = writeln!(text, "url = \"https://{name}:{port}/\"\noutput = \"/dev/null\"");
    }
    text + "write-out = \"%{http_code} %{time_connect} %{time_appconnect} %{time_total} %{ssl_verify_result}\\n\"\n"
}

fn config(names: &[String], address: SocketAddr) -> String {
    let mut text = "[tls]\nca = \"ca.pem\"\n".to_owned();
    for name in names {
        let url = format!("https://{name}:{}/", address.port());
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "[[route]]\nname = \"{name}\"\nurl = \"{url}\"\naddress = \"{address}\"\nhttp = \"1.1\"\n"
        );
    }
    text
}

/// A server on loopback that answers every name with one page; its authority is `ca.pem` in the folder.
async fn serve(folder: &Path) -> anyhow::Result<SocketAddr> {
    let mut authority = CertificateParams::new(Vec::new())?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    // OpenSSL takes a certificate of its issuer's own name for the issuer.
    authority.distinguished_name.push(DnType::CommonName, "authority of the bench");
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;
    let key = KeyPair::generate()?;
    let leaf = CertificateParams::new(vec!["*.bench.test".to_owned()])?.signed_by(&key, &authority)?;
    fs::write(folder.join("ca.pem"), authority.pem())?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let tls = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], key)?;
    let acceptor = TlsAcceptor::from(Arc::new(tls));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            // A client that goes away has its answer, or is a side of the bench that fails by itself.
            tokio::spawn(async move { answer(acceptor, stream).await.ok() });
        }
    });
    Ok(address)
}

async fn answer(acceptor: TlsAcceptor, stream: TcpStream) -> std::io::Result<()> {
    let mut stream = acceptor.accept(stream).await?;
    let mut asked = Vec::new();
    loop {
        let mut part = [0; 2048];
        let read = stream.read(&mut part).await?;
        if read == 0 {
            return Ok(());
        }
        asked.extend_from_slice(&part[..read]);
        if asked.ends_with(b"\r\n\r\n") {
            asked.clear();
            stream.write_all(ANSWER).await?;
            stream.flush().await?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_ask_the_same_routes() {
        let (names, address) =
            (["a.bench.test".to_owned(), "b.bench.test".to_owned()], "127.0.0.1:4433".parse().unwrap());
        for name in &names {
            let url = format!("\"https://{name}:4433/\"");
            assert!(curl_config(&names, address).contains(&url) && config(&names, address).contains(&url));
        }
    }

    #[test]
    fn each_side_has_its_ratio_to_ours() {
        let args = Routes { routes: 200, rounds: 9 };
        let text = table(&args, [200, 300, 4_000].map(Duration::from_millis));
        assert!(text.contains("curl --parallel             300.0 ms, ratio 1.50"), "{text}");
        assert!(text.ends_with("curl one by one            4000.0 ms, ratio 20.00"), "{text}");
    }
}
