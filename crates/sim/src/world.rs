//! Ready-made Swarms for tests, demonstrations and `--engine embedded`.

use std::net::Ipv4Addr;
use std::time::Duration;

use pvcheck_ipam::Subnet;

use crate::draft::{NetworkDraft, ServiceDraft};
use crate::model::Model;
use crate::refusal::Refusal;
use crate::settings::Settings;

/// Long enough for every task of a fresh world to run.
const SETTLE: Duration = Duration::from_secs(2);
/// Every host name of [`cc_ci`] ends so (`.test`: RFC 6761).
pub(crate) const DOMAIN: &str = "ci.commoninternet.test";
/// Network of [`Model::with`].
const SHARED: &str = "shared";
/// Its network address, outside of 10.0.0.0/8, which Swarm's default pool covers.
const SHARED_FROM: Ipv4Addr = Ipv4Addr::new(11, 0, 0, 0);

impl Model {
    /// A Swarm with `services` running VIP services `svc-1`, `svc-2`, … of `replicas` tasks each, all on the
    /// attachable network `shared`: a /16, or the wider subnet that holds them.
    ///
    /// # Errors
    /// If that needs more addresses than a /8 has, or more replicas than the model takes.
    pub fn with(services: u64, replicas: u64) -> Result<Self, Refusal> {
        let mut model = Self::new();
        let needed = replicas.saturating_add(1).saturating_mul(services).saturating_add(1);
        let prefix = prefix_for(needed)
            .ok_or_else(|| Refusal::InvalidArgument(format!("{needed} addresses do not fit a /8")))?;
        model.create_network(
            &NetworkDraft::overlay(SHARED).subnet(&format!("{SHARED_FROM}/{prefix}")).attachable().json(),
        )?;
        for number in 1..=services {
            model.create_service(
                ServiceDraft::new(&format!("svc-{number}")).on(SHARED).replicas(replicas).json(),
            )?;
        }
        model.advance(SETTLE);
        Ok(model)
    }
}

/// A CI host in small: one manager, ingress 10.0.0.0/24, the attachable overlay `proxy` 10.10.0.0/24, and seven
/// stacks of nine services, all running, with the addresses of that host: the router at .2 without a VIP, the
/// load balancer at .3, then a VIP and a task each for five services.
///
/// # Errors
/// If the model refuses one of these drafts, which would be a defect of this crate.
pub fn cc_ci() -> Result<Model, Refusal> {
    cc_ci_with(Settings::default())
}

/// As [`cc_ci`], with these settings.
///
/// # Errors
/// As [`cc_ci`].
pub fn cc_ci_with(settings: Settings) -> Result<Model, Refusal> {
    cc_ci_on("10.10.0.0/24", settings)
}

/// As [`cc_ci_with`], with this subnet for `proxy`.
///
/// # Errors
/// If the subnet cannot be read.
pub fn cc_ci_on(proxy: &str, settings: Settings) -> Result<Model, Refusal> {
    let mut model = Model::with_settings(settings);
    model.create_network(&NetworkDraft::overlay("proxy").subnet(proxy).attachable().json())?;
    // Name and stack, then name, prefix and answer of its route: a redirect to the login, and a 404 of the bridge's own.
    let on_proxy = [
        ("drone_ci_commoninternet_net_app", "drone", "drone", "drone.", 303),
        ("warm-keycloak_ci_commoninternet_net_app", "warm-keycloak", "keycloak", "keycloak.", 200),
        ("ccci-bridge_app", "ccci-bridge", "bridge", "bridge.", 404),
        ("ccci-dashboard_app", "ccci-dashboard", "dashboard", "", 200),
        ("ccci-reports_app", "ccci-reports", "report", "report.", 200),
    ];
    let off_proxy = [
        ("traefik_ci_commoninternet_net_socket-proxy", "traefik"),
        ("warm-keycloak_ci_commoninternet_net_db", "warm-keycloak"),
        ("backups_ci_commoninternet_net_app", "backups"),
    ];
    let stacks = ["backups", "traefik", "warm-keycloak"];
    for stack in stacks {
        let internal = NetworkDraft::overlay(&format!("{stack}_internal"));
        model.create_network(&internal.label("com.docker.stack.namespace", stack).json())?;
    }
    // First and alone, so that it gets .2 and its node's balancer .3, as on that host.
    let router = ServiceDraft::new("traefik_ci_commoninternet_net_app").stack("traefik").on("proxy");
    let router = router.is_router().routed("traefik", &format!("traefik.{DOMAIN}"));
    let router = router.label("traefik.http.routers.traefik.service", "api@internal");
    let router = router.on("traefik_internal").dnsrr().publish(80, 80, "host").publish(443, 443, "host");
    model.create_service(router.json())?;
    model.advance(SETTLE);
    for (name, stack, route, prefix, status) in on_proxy {
        let mut service = ServiceDraft::new(name).stack(stack).on("proxy");
        service = service.routed(route, &format!("{prefix}{DOMAIN}"));
        if status != 200 {
            service = service.answers(status);
        }
        if stack == "warm-keycloak" {
            service = service.on("warm-keycloak_internal");
        }
        model.create_service(service.json())?;
    }
    for (name, stack) in off_proxy {
        let service = ServiceDraft::new(name).stack(stack).on(&format!("{stack}_internal"));
        model.create_service(service.json())?;
    }
    model.advance(SETTLE);
    Ok(model)
}

/// The narrowest prefix up to 16 whose subnet holds so many addresses; `None` if a /8 does not.
fn prefix_for(needed: u64) -> Option<u8> {
    let fits =
        |prefix: &u8| Subnet::around(SHARED_FROM, *prefix).is_some_and(|subnet| needed <= subnet.usable());
    (8..=16).rev().find(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prefix_grows_with_the_need() {
        for (needed, prefix) in
            [(0, Some(16)), (65_533, Some(16)), (65_534, Some(15)), (16_777_213, Some(8)), (16_777_214, None)]
        {
            assert_eq!(prefix_for(needed), prefix, "{needed}");
        }
    }
}
