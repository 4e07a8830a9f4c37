//! The router of an embedded world: TLS on loopback in front of services that the model runs.
//!
//! It follows the labels by which Traefik finds services in a Swarm, as the model has them at the moment of each request. So
//! whoever deploys a service with such labels reaches it through the router as soon as a task of it runs.

mod certificates;
mod rule;
mod serve;
mod table;

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crate::server::Sim;
pub(crate) use table::routers;

/// Why a [`Router`] did not start.
#[derive(Debug, thiserror::Error)]
pub enum RouterError {
    /// The router's certificates could not be made.
    #[error("could not make the router's certificates")]
    Certificate(#[from] rcgen::Error),
    /// No port of loopback could be bound, or the router's thread not be started.
    #[error("could not start the router")]
    Start(#[from] io::Error),
}

/// A running router. It listens on a port of 127.0.0.1 that the system chose, on a thread of its own; dropping it ends both.
///
/// One certificate, of an authority of the router's own, is shown whatever name is asked for. The answers: what the service
/// answers (200, or its label `pvcheck.sim.answer`); 404 where no service's labels take the request; 503 where a service's do
/// and none of its tasks runs; 504 where its tasks are on no network of the router. While no task of the service with the
/// label `pvcheck.sim.router` runs, connections end at once.
#[derive(Debug)]
pub struct Router {
    address: SocketAddr,
    ca: String,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Router {
    /// Starts a router in front of the services of this engine, with a certificate for `names`; `*.DOMAIN` covers one label.
    ///
    /// # Errors
    /// If a name cannot stand in a certificate, or no port or thread is to be had.
    pub fn start(sim: Arc<Sim>, names: &[String]) -> Result<Self, RouterError> {
        let certificates = certificates::make(names)?;
        let tls = TlsAcceptor::from(Arc::new(certificates.server()?));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (stop, stopped) = watch::channel(false);
        // A runtime of its own, for the reason that `Sim` has one.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = std::thread::Builder::new().name("pvcheck-router".to_owned());
        let thread = thread.spawn(move || runtime.block_on(serve::serve(sim, listener, tls, stopped)))?;
        Ok(Self { address, ca: certificates.ca, stop, thread: Some(thread) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The authority that clients trust, as PEM.
    pub fn ca(&self) -> &str {
        &self.ca
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take() {
            // A panic of the router's thread was printed there; there is nothing left to stop.
            let _ = thread.join();
        }
    }
}
