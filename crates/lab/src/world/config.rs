//! The pvcheck.toml of a world.

use std::path::Path;

use serde::Serialize;

use crate::RouteInfo;
use crate::world::cc_ci;
use crate::world::images::{BUSYBOX_IMAGE, SERVE};

#[derive(Serialize)]
struct File<'a> {
    overlay: Overlay,
    tls: Tls<'a>,
    journal: Journal<'a>,
    canary: Canary,
    churn: Churn,
    service: Vec<Service>,
    route: Vec<Route>,
}

#[derive(Serialize)]
struct Overlay {
    name: &'static str,
    subnet: &'static str,
    min_free: u32,
}

#[derive(Serialize)]
struct Tls<'a> {
    ca: &'a Path,
}

#[derive(Serialize)]
struct Journal<'a> {
    file: &'a Path,
}

#[derive(Serialize)]
struct Service {
    name: String,
    replicas: u32,
    overlay: bool,
}

#[derive(Serialize)]
struct Route {
    name: String,
    url: String,
    address: String,
    expect: Vec<u16>,
    service: String,
}

#[derive(Serialize)]
struct Canary {
    image: &'static str,
    command: Vec<String>,
    url: String,
    address: &'static str,
    expect: Vec<u16>,
}

#[derive(Serialize)]
struct Churn {
    image: &'static str,
    command: Vec<String>,
    stacks: u32,
    replicas: u32,
}

/// The configuration as TOML.
pub(crate) fn render(ca: &Path, log: &Path, routes: &[RouteInfo]) -> Result<String, toml::ser::Error> {
    let command = |linger: &str| [SERVE, "200", linger].map(str::to_owned).to_vec();
    let file = File {
        overlay: Overlay { name: cc_ci::PROXY, subnet: cc_ci::PROXY_SUBNET, min_free: 32 },
        tls: Tls { ca },
        journal: Journal { file: log },
        canary: Canary {
            image: BUSYBOX_IMAGE,
            command: command("0"),
            url: cc_ci::canary_url(),
            address: cc_ci::ROUTER,
            expect: vec![200],
        },
        // A leak needs tasks that are still stopping when their networks go.
        churn: Churn { image: BUSYBOX_IMAGE, command: command("2"), stacks: 5, replicas: 1 },
        service: cc_ci::SERVICES
            .iter()
            .map(|service| Service { name: service.name(), replicas: 1, overlay: service.overlay })
            .collect(),
        route: routes.iter().cloned().map(Route::from).collect(),
    };
    toml::to_string(&file)
}

impl From<RouteInfo> for Route {
    fn from(route: RouteInfo) -> Self {
        let RouteInfo { name, url, address, expected, service } = route;
        Self { name, url, address, expect: expected, service }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables() {
        let text = render(Path::new("/l/ca.pem"), Path::new("/l/log"), &cc_ci::routes()).unwrap();
        let value: toml::Table = toml::from_str(&text).unwrap();
        assert_eq!(value["overlay"]["subnet"].as_str(), Some("10.10.0.0/24"));
        assert_eq!(value["service"].as_array().map(Vec::len), Some(9));
        assert_eq!(value["service"][0]["name"].as_str(), Some("traefik_ci_commoninternet_net_app"));
        assert_eq!(value["route"][1]["expect"][0].as_integer(), Some(303));
        assert_eq!(value["canary"]["url"].as_str(), Some("https://{stack}.canary.ci.commoninternet.test/"));
        assert_eq!(value["churn"]["command"][2].as_str(), Some("2"));
    }
}
