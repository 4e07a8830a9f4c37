//! The routes that labels declare, as routes of a configuration.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use pvcheck_audit::{DeclaredRoute, Service, Site, SitePath, Snapshot, Takes};
use pvcheck_routes::{Expected, RouteFact, RouteSpec, RouteUrl, Verdict, judge};
use toml::Value;

use super::facts::InitFacts;
use super::page::{Page, Table, inline};

/// A route that labels declare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Proposed {
    name: String,
    service: String,
    label: String,
    /// Where it may be asked: one URL where the labels say whether TLS is spoken, else two.
    urls: Vec<String>,
    /// Why it cannot be asked, in the place of a URL.
    unclear: Option<String>,
}

/// Every declared route, in the order of services and labels. Runs of pvcheck's own are left out.
pub(super) fn proposed(snapshot: &Snapshot) -> Vec<Proposed> {
    let (mut all, mut names, mut urls) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
    let mut services: Vec<&Service> = snapshot.services.iter().filter(|s| s.run.is_none()).collect();
    services.sort_by(|a, b| a.name.cmp(&b.name));
    for service in services {
        for declared in service.declared.iter().flatten() {
            let of_label = match &declared.takes {
                Takes::Sites(sites) => sites.iter().map(|site| of_site(service, declared, site)).collect(),
                Takes::Unclear(why) => vec![unclear(service, declared, format!("it {why}"))],
            };
            for mut route in of_label {
                // Two routers for one site, as for the old and the new name of an entry point, are one route to ask.
                let is_new = route.urls.first().is_none_or(|url| urls.insert(url.clone()));
                if is_new {
                    // What cannot be asked gets no name, and so takes none.
                    if route.unclear.is_none() {
                        route.name = free(&route.name, &mut names);
                    }
                    all.push(route);
                }
            }
        }
    }
    all
}

/// The name, or the name with the first number that is free.
fn free(name: &str, taken: &mut BTreeSet<String>) -> String {
    let name = if name.is_empty() { "route" } else { name };
    let numbered = (2..).map(|number| format!("{name}-{number}"));
    let mut names = std::iter::once(name.to_owned()).chain(numbered);
    // As many names are taken as there are routes, so that one is free.
    let free = names.find(|name| !taken.contains(name)).unwrap_or_default();
    taken.insert(free.clone());
    free
}

fn unclear(service: &Service, declared: &DeclaredRoute, why: String) -> Proposed {
    Proposed {
        name: name_of(service, declared),
        service: service.name.clone(),
        label: declared.label.clone(),
        urls: Vec::new(),
        unclear: Some(why),
    }
}

/// The name of Traefik's router; of a site of Caddy that of its service.
fn name_of(service: &Service, declared: &DeclaredRoute) -> String {
    let router = declared.label.strip_prefix("traefik.http.routers.");
    router.and_then(|rest| rest.strip_suffix(".rule")).unwrap_or(&service.name).to_owned()
}

fn of_site(service: &Service, declared: &DeclaredRoute, site: &Site) -> Proposed {
    let path = match &site.path {
        SitePath::Any => "/",
        SitePath::Is(path) | SitePath::Begins(path) => path.as_str(),
    };
    if path.contains(['{', '*', '?', '#']) || !path.starts_with('/') {
        return unclear(service, declared, format!("the path {path} is a pattern"));
    }
    let schemes: &[&str] = match declared.tls {
        Some(true) => &["https"],
        Some(false) => &["http"],
        None => &["https", "http"],
    };
    let port = site.port.map_or_else(String::new, |port| format!(":{port}"));
    let urls: Vec<String> =
        schemes.iter().map(|scheme| format!("{scheme}://{}{port}{path}", site.host)).collect();
    match urls.iter().find_map(|url| RouteUrl::parse(url).err()) {
        Some(error) => unclear(service, declared, error.to_string()),
        None => Proposed { urls, unclear: None, ..unclear(service, declared, String::new()) },
    }
}

impl Proposed {
    /// The requests by which its URL is found out: the first that answers is the one.
    pub(super) fn specs(&self, addresses: &[SocketAddr]) -> Vec<RouteSpec> {
        let urls = self.urls.iter().filter_map(|url| RouteUrl::parse(url).ok());
        let spec = |url| {
            let mut spec = RouteSpec::new(&self.name, url);
            spec.address = addresses.iter().copied().collect();
            spec
        };
        urls.map(spec).collect()
    }

    /// Writes it. Returns true iff it counts.
    pub(super) fn write(&self, page: &mut Page, facts: &InitFacts) -> bool {
        let from = format!("From label {} of {}.", inline(&self.label), inline(&self.service));
        if let Some(why) = &self.unclear {
            page.note(&format!("{from} No route: {}.", inline(why)));
            return false;
        }
        let Some(answers) = &facts.answers else {
            page.table(self.table(facts, from, self.urls.first()).field_off("expect", statuses(200)));
            return true;
        };
        let answer = answers.iter().find(|fact| fact.name == self.name);
        let url = answer.map(|fact| &fact.url).or(self.urls.first());
        let from = match facts.without_tls.get(&self.name) {
            Some(why) => format!("{from}\nhttps gave no answer ({}); asked without TLS.", inline(why)),
            None => from,
        };
        let table = self.table(facts, from, url);
        match answer.map_or_else(|| Err("it was not asked".to_owned()), status) {
            Ok(status) => {
                page.table(table.field("expect", statuses(status)));
                true
            }
            Err(why) => {
                page.table_off(&format!("Left out: {}", inline(&why)), table.field("expect", statuses(200)));
                false
            }
        }
    }

    fn table(&self, facts: &InitFacts, from: String, url: Option<&String>) -> Table {
        let guessed = 1 < self.urls.len() && facts.answers.is_none();
        let guess = "\nIts labels do not say whether TLS is spoken there: https or http?";
        let table = Table::new("[[route]]").about(if guessed { from + guess } else { from });
        let table = table.field("name", self.name.as_str()).field("url", url.cloned().unwrap_or_default());
        let addresses: Vec<Value> = facts.addresses.iter().map(|a| Value::from(a.to_string())).collect();
        let table = match addresses.as_slice() {
            [] => table,
            [one] => table.field("address", one.clone()),
            _ => table.field("address", addresses),
        };
        table.field("service", self.service.as_str())
    }
}

fn statuses(status: u16) -> Vec<Value> {
    vec![Value::from(i64::from(status))]
}

/// The status that is fine from now on, or why what was answered shows nothing: everything that keeps a route from passing but
/// its status, and an error of the server.
fn status(fact: &RouteFact) -> Result<u16, String> {
    let Some(status) = fact.status else { return Err(judge(fact).reason.to_string()) };
    let expecting = RouteFact { expected: vec![Expected::Status(status)], ..fact.clone() };
    let verdict = judge(&expecting);
    match verdict.verdict {
        Verdict::Pass if status < 500 => Ok(status),
        Verdict::Pass => Err(format!("it answers {status}, an error of the server")),
        Verdict::Fail | Verdict::Unknown => Err(verdict.reason.to_string()),
    }
}
