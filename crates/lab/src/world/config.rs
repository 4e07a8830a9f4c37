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

    fn table(routes: &[RouteInfo]) -> toml::Table {
        toml::from_str(&render(Path::new("/l/ca.pem"), Path::new("/l/log"), routes).unwrap()).unwrap()
    }

    #[test]
    fn paths_are_the_labs_and_every_service_of_the_world_is_listed_once() {
        let value = table(&cc_ci::routes());
        assert_eq!(value["tls"]["ca"].as_str(), Some("/l/ca.pem"));
        assert_eq!(value["journal"]["file"].as_str(), Some("/l/log"));
        let services = value["service"].as_array().unwrap();
        let on_overlay = services.iter().filter(|service| service["overlay"].as_bool() == Some(true)).count();
        assert_eq!((services.len(), on_overlay), (9, 6));
        let names: std::collections::BTreeSet<&str> =
            services.iter().filter_map(|service| service["name"].as_str()).collect();
        assert_eq!(names.len(), 9);
    }

    #[test]
    fn routes_are_taken_over_field_by_field() {
        let routes = cc_ci::routes();
        let value = table(&routes);
        for (route, written) in routes.iter().zip(value["route"].as_array().unwrap()) {
            for (key, expected) in [
                ("name", &route.name),
                ("url", &route.url),
                ("address", &route.address),
                ("service", &route.service),
            ] {
                assert_eq!(written[key].as_str(), Some(expected.as_str()));
            }
        }
        assert!(table(&[])["route"].as_array().is_some_and(Vec::is_empty));
    }

    #[test]
    fn a_path_with_quotes_survives() {
        let odd = Path::new("/l/a \"b\"\\c");
        let text = render(odd, odd, &[]).unwrap();
        let value: toml::Table = toml::from_str(&text).unwrap();
        assert_eq!(value["tls"]["ca"].as_str(), odd.to_str());
    }

    #[test]
    fn throwaway_tasks_linger_in_churn_and_not_in_the_canary() {
        let value = table(&[]);
        assert_eq!(value["canary"]["command"][2].as_str(), Some("0"));
        assert_eq!(value["canary"]["image"], value["churn"]["image"]);
        assert!(value["churn"]["command"][2].as_str().unwrap().parse::<u32>().unwrap() > 0);
    }
}
