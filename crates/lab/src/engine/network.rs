//! Network namespaces: one per engine, and with several engines one more that holds the bridge between them.

use std::fs::File;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::engine::process::run;
use crate::progress::Context;
use crate::{LabError, LabName};

/// Time for one `ip` command.
const LIMIT: Duration = Duration::from_secs(20);

/// The lab's own name server, on the loopback interface of each engine's namespace, where containers reach it
/// through their gateway. Of TEST-NET-2 (RFC 5737).
pub(crate) const RESOLVER_ADDRESS: &str = "198.51.100.53";

/// Names and addresses of a lab's namespaces.
#[derive(Clone, Debug)]
pub(crate) struct NetworkPlan {
    /// One per engine.
    pub(crate) engines: Vec<String>,
    /// The one with the bridge, when there is more than one engine.
    pub(crate) bridge: Option<String>,
}

impl NetworkPlan {
    pub(crate) fn new(name: &LabName, engines: usize) -> Self {
        Self {
            engines: (0..engines).map(|index| format!("pvl-{name}-{index}")).collect(),
            bridge: (1 < engines).then(|| format!("pvl-{name}-br")),
        }
    }

    pub(crate) fn all(&self) -> Vec<String> {
        self.engines.iter().chain(&self.bridge).cloned().collect()
    }

    /// The address that engine `index` advertises. With a bridge it is of TEST-NET-1 (RFC 5737), which no
    /// network uses.
    pub(crate) fn address(&self, index: usize) -> String {
        if self.bridge.is_some() { format!("192.0.2.{}", 10 + index) } else { "127.0.0.1".to_owned() }
    }

    pub(crate) fn make(&self, context: Context<'_>) -> Result<(), LabError> {
        for namespace in self.all() {
            ip(context, &["netns", "add", &namespace])?;
            ip(context, &["-n", &namespace, "link", "set", "lo", "up"])?;
        }
        for engine in &self.engines {
            // A /32 on lo: containers reach it through their gateway, and nothing outside of the namespace can.
            ip(context, &["-n", engine, "address", "add", &format!("{RESOLVER_ADDRESS}/32"), "dev", "lo"])?;
        }
        let Some(bridge) = &self.bridge else { return Ok(()) };
        ip(context, &["-n", bridge, "link", "add", "br0", "type", "bridge"])?;
        ip(context, &["-n", bridge, "address", "add", "192.0.2.1/24", "dev", "br0"])?;
        ip(context, &["-n", bridge, "link", "set", "br0", "up"])?;
        for index in 0..self.engines.len() {
            self.join_bridge(context, bridge, index)?;
        }
        Ok(())
    }

    /// Link `vN` in the bridge's namespace is the cable of engine N; setting it down cuts that engine off.
    fn join_bridge(&self, context: Context<'_>, bridge: &str, index: usize) -> Result<(), LabError> {
        let engine = self.engines[index].as_str();
        let port = format!("v{index}");
        let address = format!("{}/24", self.address(index));
        ip(
            context,
            &["-n", bridge, "link", "add", &port, "type", "veth", "peer", "name", "eth0", "netns", engine],
        )?;
        ip(context, &["-n", bridge, "link", "set", &port, "master", "br0", "up"])?;
        ip(context, &["-n", engine, "address", "add", &address, "dev", "eth0"])?;
        ip(context, &["-n", engine, "link", "set", "eth0", "up"])?;
        // The engine wants a default route to learn its address; behind it there is nothing.
        ip(context, &["-n", engine, "route", "add", "default", "via", "192.0.2.1"])
    }
}

fn ip(context: Context<'_>, args: &[&str]) -> Result<(), LabError> {
    run(context, Command::new("ip").args(args), LIMIT).map(drop)
}

/// The file that names a namespace (ip-netns(8)).
pub(crate) fn namespace_file(namespace: &str) -> PathBuf {
    Path::new("/run/netns").join(namespace)
}

/// Runs `work` on a thread of its own inside a network namespace; sockets that it makes stay in there.
pub(crate) fn in_namespace<T: Send>(namespace: &str, work: impl FnOnce() -> T + Send) -> Result<T, LabError> {
    let path = namespace_file(namespace);
    let file = File::open(&path).map_err(LabError::io("open", &path))?;
    // A namespace belongs to a thread, so the work gets one of its own that ends with it.
    let enter = || {
        move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))
            .map_err(|error| LabError::Io { action: "enter", path: path.clone(), source: error.into() })
    };
    let result = thread::scope(|scope| scope.spawn(|| enter().map(|()| work())).join());
    result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans() {
        let name: LabName = "abcdefghijk".parse().unwrap();
        let one = NetworkPlan::new(&name, 1);
        assert_eq!(
            (one.all(), one.address(0)),
            (vec!["pvl-abcdefghijk-0".to_owned()], "127.0.0.1".to_owned())
        );
        let three = NetworkPlan::new(&name, 3);
        assert_eq!(three.all().len(), 4);
        assert_eq!(three.address(2), "192.0.2.12");
    }

    #[test]
    fn names_fit_and_no_two_labs_share_one() {
        let (one, two) = ("a".parse().unwrap(), "a-0".parse().unwrap());
        let all = |name: &LabName| NetworkPlan::new(name, crate::spec::MAX_ENGINES).all();
        let mut names: Vec<String> = all(&one).into_iter().chain(all(&two)).collect();
        assert!(names.iter().all(|name| namespace_file(name).starts_with("/run/netns")));
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!((names.len(), count), (16, 16));
    }

    #[test]
    fn every_engine_has_an_address_of_its_own_in_test_net_1() {
        let plan = NetworkPlan::new(&"x".parse().unwrap(), crate::spec::MAX_ENGINES);
        let addresses: std::collections::BTreeSet<std::net::Ipv4Addr> =
            (0..crate::spec::MAX_ENGINES).map(|index| plan.address(index).parse().unwrap()).collect();
        assert_eq!(addresses.len(), crate::spec::MAX_ENGINES);
        let bridge = std::net::Ipv4Addr::new(192, 0, 2, 1);
        assert!(addresses.iter().all(|addr| addr.octets()[..3] == [192, 0, 2] && *addr != bridge));
        assert!(!RESOLVER_ADDRESS.starts_with("192.0.2."), "the name server is on another network");
    }

    #[test]
    fn one_engine_needs_no_bridge() {
        let plan = NetworkPlan::new(&"x".parse().unwrap(), 1);
        assert_eq!((plan.bridge.as_deref(), plan.all().len()), (None, 1));
        assert_eq!(NetworkPlan::new(&"x".parse().unwrap(), 2).bridge.as_deref(), Some("pvl-x-br"));
    }

    #[test]
    fn a_namespace_that_is_gone_is_named() {
        let error = in_namespace("pvl-no-such-0", || ()).unwrap_err();
        assert_eq!(error.to_string(), "cannot open /run/netns/pvl-no-such-0");
    }
}
