//! World `cc-ci`: what it consists of. Names, networks and statuses are those of a real CI host, under `.test`
//! (RFC 6761).

use crate::Router;
use crate::world::scene::{Scene, Site, Target, canary};
use crate::world::service::{Place, Service, Work};

/// Where the router listens: on the first node, where all services run.
const ROUTER: &str = "127.0.0.1:443";

const DOMAIN: &str = "ci.commoninternet.test";

const TRAEFIK: &str = "traefik_ci_commoninternet_net";
const KEYCLOAK: &str = "warm-keycloak_ci_commoninternet_net";
const BACKUPS: &str = "backups_ci_commoninternet_net";
const DRONE: &str = "drone_ci_commoninternet_net";

const PRIVATE_NETWORKS: [(&str, &str, &str); 3] = [
    (TRAEFIK, "internal", "10.0.2.0/24"),
    (KEYCLOAK, "internal", "10.0.3.0/24"),
    (BACKUPS, "default", "10.0.4.0/24"),
];

const fn service(
    stack: &'static str,
    task: &'static str,
    overlay: bool,
    private: Option<&'static str>,
    work: Work,
) -> Service {
    Service { stack, task, overlay, private, work, place: Place::First }
}

const SERVICES: [Service; 9] = [
    service(TRAEFIK, "app", true, Some("internal"), Work::Route),
    service(TRAEFIK, "socket-proxy", false, Some("internal"), Work::Answer(200)),
    service(DRONE, "app", true, None, Work::Answer(303)),
    service(KEYCLOAK, "app", true, Some("internal"), Work::Answer(200)),
    service(KEYCLOAK, "db", false, Some("internal"), Work::Answer(200)),
    service("ccci-bridge", "app", true, None, Work::Answer(404)),
    service("ccci-dashboard", "app", true, None, Work::Answer(200)),
    service("ccci-reports", "app", true, None, Work::Answer(200)),
    service(BACKUPS, "app", false, Some("default"), Work::Answer(200)),
];

/// The world.
pub(crate) fn scene(router: Router) -> Scene {
    let site = |route, prefix: &str, target| Site { route, host: format!("{prefix}{DOMAIN}"), target };
    let app = |stack: &str| Target::Service(format!("{stack}_app"));
    Scene {
        router,
        services: &SERVICES,
        private: &PRIVATE_NETWORKS,
        sites: vec![
            site(Some("dashboard"), "", app("ccci-dashboard")),
            site(Some("drone"), "drone.", app(DRONE)),
            site(Some("report"), "report.", app("ccci-reports")),
            site(Some("bridge"), "bridge.", app("ccci-bridge")),
            site(Some("traefik"), "traefik.", Target::Router),
            site(None, "keycloak.", app(KEYCLOAK)),
            canary(DOMAIN),
        ],
        domain: DOMAIN,
        listens: vec![ROUTER.to_owned()],
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn six_of_nine_are_on_the_overlay_and_names_are_unique() {
        let names: BTreeSet<String> = SERVICES.iter().map(Service::name).collect();
        assert_eq!(names.len(), 9);
        assert_eq!(SERVICES.iter().filter(|service| service.overlay).count(), 6);
    }

    #[test]
    fn the_routes_are_those_of_the_real_host() {
        let routes = scene(Router::Caddy).routes();
        let said: Vec<(&str, u16)> = routes.iter().map(|r| (r.url.as_str(), r.expected[0])).collect();
        assert_eq!(
            said,
            [
                ("https://ci.commoninternet.test/", 200),
                ("https://drone.ci.commoninternet.test/", 303),
                ("https://report.ci.commoninternet.test/", 200),
                ("https://bridge.ci.commoninternet.test/", 404),
                ("https://traefik.ci.commoninternet.test/api/version", 200),
            ]
        );
    }
}
