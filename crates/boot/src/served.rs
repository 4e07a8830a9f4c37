//! Which unit serves what: declared, or found in what units deploy, start and listen on.

use pvcheck_audit::{Site, SitePath, Takes, declared_routes};

use crate::command::{Command, Deploys};
use crate::deploys::{Deployment, UnreadDeploy};
use crate::evidence::Evidence;
use crate::name::UnitName;
use crate::place::Place;
use crate::simple::program;
use crate::stack::{Service, services};
use crate::unit::{Listen, Unit};
use crate::wait::{Fit, Serves};

/// Names of the host itself, by which its published ports are reached.
const LOCAL: [&str; 3] = ["127.0.0.1", "localhost", "[::1]"];

/// The ports of a router that says nothing else.
const WEB: [u16; 2] = [80, 443];

/// The engine's own socket (`dockerd(8)`, `--host`).
const ENGINE: &str = "/run/docker.sock";

/// A declaration of who serves what, or what was found to be as good as one.
#[derive(Clone, Debug)]
pub(crate) struct Served {
    pub(crate) serves: Serves,
    pub(crate) how: How,
}

/// How it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// The unit's own service answers there.
    Answers(String),
    Declared,
    /// The unit only listens: a connection is accepted, and what answers is another matter.
    Listens(String),
    /// The unit publishes the port: it accepts connections, and it answers.
    Publishes(String),
    /// A router serves it on these ports.
    Routed(String, Vec<u16>),
}

impl Served {
    pub(crate) fn declared(serves: Serves) -> Self {
        Self { serves, how: How::Declared }
    }

    pub(crate) fn units(&self) -> impl Iterator<Item = &UnitName> {
        self.serves.units()
    }

    pub(crate) fn is_declared(&self) -> bool {
        self.how == How::Declared
    }

    /// True iff another URL can be asked in its place: what only has a port may speak anything.
    pub(crate) fn has_url(&self) -> bool {
        matches!(self.how, How::Declared | How::Routed(..))
    }

    /// `None` when it does not fit.
    pub(crate) fn fit(&self, place: &Place) -> Option<Fit> {
        let kind = match (&self.how, place) {
            (How::Declared, _)
            | (How::Listens(_), Place::File(_) | Place::Tcp { .. })
            | (How::Answers(_), Place::Http(_) | Place::Unix(_))
            | (How::Publishes(_), Place::Http(_) | Place::Tcp { .. }) => true,
            (How::Routed(_, ports), Place::Http(url)) => ports.contains(&url.port()),
            _ => false,
        };
        let place = match place {
            Place::File(path) => &Place::File(run_folder(path)),
            Place::Unix(path) => &Place::Unix(run_folder(path)),
            other => other,
        };
        self.serves.fit(place).filter(|_| kind)
    }

    /// The sentence for a chain.
    pub(crate) fn evidence(&self) -> String {
        match &self.how {
            How::Declared => format!("declared: {}", self.serves),
            How::Answers(how) | How::Listens(how) | How::Publishes(how) | How::Routed(how, _) => {
                format!("{}: {how}", self.serves)
            }
        }
    }
}

/// `/var/run` is a link to `/run` (`file-hierarchy(7)`).
fn run_folder(path: &str) -> String {
    path.strip_prefix("/var/run/").map_or_else(|| path.to_owned(), |rest| format!("/run/{rest}"))
}

/// What these units are found to serve.
pub(crate) fn found<'a>(units: impl Iterator<Item = &'a Unit> + Clone) -> Vec<Served> {
    let parts: Vec<Part<'_>> = units.clone().flat_map(deployed).collect();
    let routers: Vec<&Part<'_>> = parts.iter().filter(|part| part.is_router()).collect();
    let mut found: Vec<Served> = parts.iter().flat_map(|part| part.routed(&routers)).collect();
    found.extend(parts.iter().flat_map(Part::published));
    found.extend(units.clone().flat_map(listening));
    let engines = units.filter_map(engine);
    let engines: Vec<Served> =
        engines.filter(|engine| !found.iter().any(|known| known.serves.host == engine.serves.host)).collect();
    found.extend(engines);
    found
}

/// One service that a unit deploys.
struct Part<'a> {
    unit: &'a UnitName,
    service: Service,
    /// The stack file; `None` where all of it stands in the command.
    file: Option<String>,
    by: Evidence,
}

fn deployed(unit: &Unit) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    for command in &unit.commands {
        for deploys in command.deploys() {
            let part =
                |(service, file)| Part { unit: &unit.name, service, file, by: deploys.evidence.clone() };
            parts.extend(services_of(command, &deploys).into_iter().map(part));
        }
    }
    parts
}

fn services_of(command: &Command, deploys: &Deploys) -> Vec<(Service, Option<String>)> {
    match &deploys.deployment {
        Deployment::Files { by, .. } => {
            let asked = deploys.files.iter().flatten();
            let read = asked.filter_map(|path| command.stacks.iter().find(|stack| stack.asked == *path));
            let services = read.flat_map(|stack| {
                // What is no Compose file is not deployed either.
                let found = services(&stack.text, *by, &deploys.variables).unwrap_or_default();
                found.into_iter().map(|service| (service, Some(stack.path.clone())))
            });
            services.collect()
        }
        Deployment::Single { words, labels, ports, whole } => {
            let labels = labels.iter().map(|(name, value)| (name.clone(), value.clone(), 0)).collect();
            let ports = ports.iter().map(|port| (*port, 0)).collect();
            vec![(Service { image: words.join(" "), labels, ports, whole: *whole }, None)]
        }
    }
}

/// What the unit deploys and of which it is not known, or not all, what it serves.
pub(crate) fn unread(unit: &Unit) -> Vec<UnreadDeploy> {
    let deploys = unit.commands.iter().flat_map(|c| c.deploys().into_iter().map(move |deploys| (c, deploys)));
    let files = deploys.flat_map(|(command, deploys)| unread_files(command, &deploys));
    files.map(|file| UnreadDeploy { unit: unit.name.clone(), file }).collect()
}

/// The files that were not read or not understood whole; `None` where no path is known.
fn unread_files(command: &Command, deploys: &Deploys) -> Vec<Option<String>> {
    let Deployment::Files { by, .. } = &deploys.deployment else {
        let whole = services_of(command, deploys).iter().all(|(service, _)| service.whole);
        return if whole { Vec::new() } else { vec![None] };
    };
    if deploys.files.is_empty() {
        return vec![None];
    }
    let is_known = |file: &&Option<String>| {
        let stack = command.stacks.iter().find(|stack| Some(&stack.asked) == file.as_ref());
        let found = stack.and_then(|stack| services(&stack.text, *by, &deploys.variables).ok());
        found.is_some_and(|services| services.iter().all(|service| service.whole))
    };
    deploys.files.iter().filter(|file| !is_known(file)).cloned().collect()
}

impl Part<'_> {
    /// By the image: nothing else tells a router from what it routes to.
    fn is_router(&self) -> bool {
        ["caddy", "traefik"].iter().any(|name| self.service.image.contains(name))
    }

    fn evidence(&self, what: &str, line: u64) -> String {
        match &self.file {
            Some(file) => format!("{what} ({file}:{line}), deployed by {}", self.by),
            None => format!("{what}, {}", self.by),
        }
    }

    /// The routes of its labels, once for each router that may serve them.
    fn routed(&self, routers: &[&Part<'_>]) -> Vec<Served> {
        let labels = self.service.labels.iter().map(|(name, value, _)| (name.as_str(), value.as_str()));
        let mut found = Vec::new();
        for route in declared_routes(labels) {
            let Takes::Sites(sites) = &route.takes else { continue };
            let line = self.service.labels.iter().find(|(name, ..)| *name == route.label).map_or(0, |l| l.2);
            let how = self.evidence(&format!("label {}", route.label), line);
            for site in sites {
                let vias: Vec<Option<&Part<'_>>> = if routers.is_empty() {
                    vec![None]
                } else {
                    routers.iter().map(|router| Some(*router)).collect()
                };
                found.extend(vias.into_iter().map(|via| self.site(site, via, how.clone())));
            }
        }
        found
    }

    fn site(&self, site: &Site, via: Option<&Part<'_>>, how: String) -> Served {
        let path_prefix = match &site.path {
            SitePath::Any => None,
            SitePath::Begins(path) | SitePath::Is(path) => Some(path.clone()),
        };
        let published = via.map(|via| via.service.ports.iter().map(|(port, _)| *port).collect::<Vec<_>>());
        let ports = match (site.port, published) {
            (Some(port), _) => vec![port],
            (None, Some(ports)) if !ports.is_empty() => ports,
            (None, _) => WEB.to_vec(),
        };
        let serves = Serves {
            host: site.host.clone(),
            port: site.port,
            path_prefix,
            unit: self.unit.clone(),
            via: via.map(|via| via.unit.clone()),
        };
        Served { serves, how: How::Routed(how, ports) }
    }

    fn published(&self) -> Vec<Served> {
        let ports = self.service.ports.iter().flat_map(|(port, line)| {
            let how = self.evidence(&format!("port {port}"), *line);
            LOCAL.iter().map(move |host| Served {
                serves: serves(host, Some(*port), self.unit),
                how: How::Publishes(how.clone()),
            })
        });
        ports.collect()
    }
}

fn serves(host: &str, port: Option<u16>, unit: &UnitName) -> Serves {
    Serves { host: host.to_owned(), port, path_prefix: None, unit: unit.clone(), via: None }
}

/// A socket accepts connections once it listens; what answers is the service that it activates.
fn listening(socket: &Unit) -> Vec<Served> {
    let service = socket.activates.clone().or_else(|| format!("{}.service", socket.name.stem()).parse().ok());
    let mut found = Vec::new();
    for listen in &socket.listens {
        for (host, port) in hosts(listen) {
            let how = listen.evidence.to_string();
            found.push(Served { serves: serves(&host, port, &socket.name), how: How::Listens(how.clone()) });
            if let Some(service) = &service {
                let serves = Serves { via: Some(socket.name.clone()), ..serves(&host, port, service) };
                found.push(Served { serves, how: How::Answers(how) });
            }
        }
    }
    found
}

/// The host and port, or the path, of what a socket listens on (`systemd.socket(5)`, `ListenStream=`).
fn hosts(listen: &Listen) -> Vec<(String, Option<u16>)> {
    let on = listen.on.as_str();
    if on.starts_with('/') {
        return vec![(run_folder(on), None)];
    }
    let (address, port) = on.rsplit_once(':').map_or((None, on), |(address, port)| (Some(address), port));
    let Ok(port) = port.parse::<u16>() else { return Vec::new() };
    match address {
        None | Some("0.0.0.0" | "[::]") => {
            LOCAL.iter().map(|host| ((*host).to_owned(), Some(port))).collect()
        }
        Some("127.0.0.1") => LOCAL[..2].iter().map(|host| ((*host).to_owned(), Some(port))).collect(),
        Some(address) => vec![(address.to_owned(), Some(port))],
    }
}

/// The engine listens on its socket where no socket unit does so for it.
fn engine(unit: &Unit) -> Option<Served> {
    let starts = |command: &&Command| {
        command.line.split_whitespace().next().is_some_and(|first| program(first) == "dockerd")
    };
    let command = unit.commands.iter().find(starts)?;
    Some(Served {
        serves: serves(ENGINE, None, &unit.name),
        how: How::Answers(format!("dockerd, {}", command.evidence)),
    })
}
