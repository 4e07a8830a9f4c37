//! An audit as a value: a tool of one's own decides what it means.
//!
//! `cargo run --example audit_as_value -- unix:///var/run/docker.sock` (or DOCKER_HOST) prints each overlay that is more
//! than half owned, or on which a service waits, as one JSON object a line. It sends GET only.

use std::error::Error;
use std::io::Write as _;

use pvcheck_audit::audit;
use pvcheck_swarm::{Engine, Host};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let engine = Engine::connect(&host()?).await?;
    // A snapshot in a fixed number of calls. What follows is pure: it could be a snapshot that was saved last week.
    let snapshot = engine.snapshot().await?;
    for network in audit(&snapshot).networks {
        let busy = network.usable < 2 * network.owned.total();
        if busy || !network.stuck.is_empty() {
            writeln!(std::io::stdout(), "{}", serde_json::to_string(&network)?)?;
        }
    }
    Ok(())
}

/// The engine: the first argument, else DOCKER_HOST, else Docker's own socket.
fn host() -> Result<Host, Box<dyn Error>> {
    let given = std::env::args().nth(1).or_else(|| std::env::var("DOCKER_HOST").ok());
    Ok(given.map_or_else(|| Ok(Host::default_socket()), |text| text.parse())?)
}
