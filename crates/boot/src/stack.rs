//! Stack files: which routes their services declare and which ports they publish.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

use crate::variables::Variables;

/// What a file is deployed by: which of a service's labels a router sees depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deployer {
    /// `docker compose up`: labels of containers.
    Compose,
    /// `docker stack deploy`: labels of services, which stand below `deploy`.
    Stack,
}

/// A service of a stack file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Service {
    pub(crate) image: String,
    /// The labels that a router sees, each with its line.
    pub(crate) labels: Vec<(String, String, u64)>,
    /// The published ports of TCP, each with its line.
    pub(crate) ports: Vec<(u16, u64)>,
    /// False iff a label for routers or a port has a variable that is not known.
    pub(crate) whole: bool,
}

/// True iff a router may read the label of this name, as it is written.
pub(crate) fn is_for_routers(name: &str) -> bool {
    ["$", "caddy", "traefik."].iter().any(|begin| name.starts_with(begin))
}

/// The services of a stack file with its variables filled in. Labels with a variable that is not known are left out.
///
/// # Errors
/// If the text is no Compose file; the text of the error is one line.
pub(crate) fn services(text: &str, by: Deployer, known: &Variables) -> Result<Vec<Service>, String> {
    let file: Option<File> = serde_saphyr::from_str(text).map_err(|error| {
        let text = error.to_string();
        text.lines().next().unwrap_or_default().trim().to_owned()
    })?;
    let services = file.and_then(|file| file.services).unwrap_or_default();
    Ok(services.into_values().flatten().map(|written| written.service(by, known)).collect())
}

#[derive(Deserialize)]
struct File {
    services: Option<BTreeMap<String, Option<Written>>>,
}

/// A service as it is written.
#[derive(Deserialize)]
struct Written {
    image: Option<String>,
    labels: Option<Labels>,
    deploy: Option<Deploy>,
    ports: Option<Vec<Spanned<Port>>>,
}

#[derive(Deserialize)]
struct Deploy {
    labels: Option<Labels>,
}

impl Written {
    fn service(self, by: Deployer, known: &Variables) -> Service {
        let labels = match by {
            Deployer::Compose => self.labels,
            Deployer::Stack => self.deploy.and_then(|deploy| deploy.labels),
        };
        let labels = labels.map(|labels| labels.0).unwrap_or_default();
        let label = |(name, value, line): (String, String, u64)| {
            Some((filled(&name, known)?, filled(&value, known)?, line))
        };
        let ports = self.ports.unwrap_or_default();
        let open_label = |(name, value, _): &(String, String, u64)| {
            is_for_routers(name) && (filled(name, known).is_none() || filled(value, known).is_none())
        };
        let open_port = |port: &Spanned<Port>| filled(&port.value.0, known).is_none();
        let whole = !labels.iter().any(open_label) && !ports.iter().any(open_port);
        let ports = ports.iter().flat_map(|port| {
            let line = port.referenced.line();
            let text = filled(&port.value.0, known).unwrap_or_default();
            published(&text).into_iter().map(move |port| (port, line)).collect::<Vec<_>>()
        });
        Service {
            // `traefik:$TAG` is a router whatever the tag is.
            image: self.image.map(|image| filled(&image, known).unwrap_or(image)).unwrap_or_default(),
            whole,
            ports: ports.collect(),
            labels: labels.into_iter().filter_map(label).collect(),
        }
    }
}

/// The most ports of one range.
const RANGE_LIMIT: u16 = 64;

/// The host's ports of `PORT:PORT`, `IP:PORT:PORT` or a range, and of `published=PORT,target=PORT`. A port that the engine
/// chooses is not among them, nor is one of UDP.
pub(crate) fn published(text: &str) -> Vec<u16> {
    let (text, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    if protocol != "tcp" || text.contains("protocol=udp") {
        return Vec::new();
    }
    let host = if text.contains('=') {
        text.split(',').find_map(|part| part.strip_prefix("published="))
    } else {
        text.rsplit_once(':').map(|(before, _)| before.rsplit_once(':').map_or(before, |(_, port)| port))
    };
    let (first, last) = host.map_or(("", ""), |host| host.split_once('-').unwrap_or((host, host)));
    match (first.parse::<u16>(), last.parse::<u16>()) {
        (Ok(first), Ok(last)) if 0 < first => (first..=last).take(usize::from(RANGE_LIMIT)).collect(),
        _ => Vec::new(),
    }
}

/// The text with `$NAME`, `${NAME}` and `${NAME:-DEFAULT}` filled in and `$$` undone; `None` if one is not known.
fn filled(text: &str, known: &Variables) -> Option<String> {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((plain, after)) = rest.split_once('$') {
        filled.push_str(plain);
        if let Some(behind) = after.strip_prefix('$') {
            filled.push('$');
            rest = behind;
            continue;
        }
        let end = |c: char| !c.is_ascii_alphanumeric() && c != '_';
        let (name, default, behind) = if let Some(braced) = after.strip_prefix('{') {
            let (inner, behind) = braced.split_once('}')?;
            let (name, modifier) = inner.split_at(inner.find(end).unwrap_or(inner.len()));
            (name, modifier.strip_prefix(":-").or_else(|| modifier.strip_prefix('-')), behind)
        } else {
            let (name, behind) = after.split_at(after.find(end).unwrap_or(after.len()));
            (name, None, behind)
        };
        filled.push_str(known.get(name).map(String::as_str).or(default)?);
        rest = behind;
    }
    filled.push_str(rest);
    Some(filled)
}

/// Labels as a list of `NAME=VALUE` or as a map. Not an untagged enum: that would lose the lines.
struct Labels(Vec<(String, String, u64)>);

impl<'de> Deserialize<'de> for Labels {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Labels;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("labels as a list or a map")
            }

            fn visit_unit<E>(self) -> Result<Labels, E> {
                Ok(Labels(Vec::new()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Labels, A::Error> {
                let mut labels = Vec::new();
                while let Some(label) = list.next_element::<Spanned<String>>()? {
                    let (name, value) = label.value.split_once('=').unwrap_or((&label.value, ""));
                    labels.push((name.to_owned(), value.to_owned(), label.referenced.line()));
                }
                Ok(Labels(labels))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Labels, A::Error> {
                let mut labels = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, Spanned<Option<Scalar>>>()? {
                    let line = value.referenced.line();
                    labels.push((name, value.value.map(|value| value.0).unwrap_or_default(), line));
                }
                Ok(Labels(labels))
            }
        }
        input.deserialize_any(Read)
    }
}

/// A text, a number or a yes, as text.
struct Scalar(String);

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        input.deserialize_any(ScalarOrPort { long: false }).map(Self)
    }
}

/// A port in its short form; its long form is brought into that of `docker service create`.
struct Port(String);

impl<'de> Deserialize<'de> for Port {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        input.deserialize_any(ScalarOrPort { long: true }).map(Self)
    }
}

struct ScalarOrPort {
    long: bool,
}

impl<'de> Visitor<'de> for ScalarOrPort {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.long { "a port" } else { "a single value" })
    }

    fn visit_bool<E>(self, value: bool) -> Result<String, E> {
        Ok(value.to_string())
    }

    fn visit_i64<E>(self, value: i64) -> Result<String, E> {
        Ok(value.to_string())
    }

    fn visit_u64<E>(self, value: u64) -> Result<String, E> {
        Ok(value.to_string())
    }

    fn visit_f64<E>(self, value: f64) -> Result<String, E> {
        Ok(value.to_string())
    }

    fn visit_str<E>(self, value: &str) -> Result<String, E> {
        Ok(value.to_owned())
    }

    fn visit_unit<E>(self) -> Result<String, E> {
        Ok(String::new())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<String, A::Error> {
        let mut parts = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            if matches!(name.as_str(), "protocol" | "published") {
                parts.push(format!("{name}={}", map.next_value::<Scalar>()?.0));
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(parts.join(","))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FILE: &str = "\
x-common: &common
  restart: always
services:
  app:
    <<: *common
    image: nginx:1
    labels: [\"traefik.of=container\"]
    deploy:
      labels:
        - \"traefik.enable=true\"
        - \"traefik.http.routers.${NAME:-app}.rule=Host(`${DOMAIN}`)\"
        - \"unknown=${OTHER}\"
        - \"cost=$$5\"
    ports:
      - 8080
      - \"8081:80\"
      - 127.0.0.1:8082:80/tcp
      - 8083:80/udp
      - target: 80
        published: 8084
      - {target: 80, published: \"8085\", protocol: udp}
      - \"9000-9001:9000-9001\"
  db:
    deploy:
      labels:
        caddy: db.example
        number: 5
        yes: true
        none:
  idle:
";

    fn read(text: &str, by: Deployer) -> Vec<Service> {
        let known = Variables::from([("DOMAIN".to_owned(), "ci.example".to_owned())]);
        services(text, by, &known).unwrap()
    }

    fn labels(service: &Service) -> Vec<String> {
        service.labels.iter().map(|(name, value, line)| format!("{line} {name}={value}")).collect()
    }

    #[test]
    fn labels_and_ports_have_their_lines() {
        let services = read(FILE, Deployer::Stack);
        assert_eq!(services.len(), 2);
        let expected =
            ["10 traefik.enable=true", "11 traefik.http.routers.app.rule=Host(`ci.example`)", "13 cost=$5"];
        assert_eq!(labels(&services[0]), expected);
        assert_eq!(services[0].ports, [(8081, 16), (8082, 17), (8084, 19), (9000, 22), (9001, 22)]);
        assert!(services[0].whole && services[1].whole, "nothing that is not known is for a router");
        assert_eq!(labels(&services[1]), ["26 caddy=db.example", "27 number=5", "28 yes=true", "29 none="]);
        assert_eq!(labels(&read(FILE, Deployer::Compose)[0]), ["7 traefik.of=container"]);
    }

    #[test]
    fn what_is_not_known_of_a_service_is_noted() {
        for (text, whole) in [
            ("image: traefik:${TAG}", true),
            ("deploy: {labels: [\"note=${X}\"]}", true),
            ("deploy: {labels: [\"traefik.http.routers.a.rule=Host(`${X}`)\"]}", false),
            ("deploy: {labels: {caddy: \"${X}\"}}", false),
            ("ports: [\"${X}:80\"]", false),
        ] {
            let services = read(&format!("services:\n  a:\n    {text}\n"), Deployer::Stack);
            assert_eq!(services[0].whole, whole, "{text}");
        }
    }

    #[test]
    fn what_is_no_compose_file_is_an_error_of_one_line() {
        for text in ["services: [", "services: 7\n", "- a\n", "services:\n  a:\n    ports: 7\n"] {
            let error = services(text, Deployer::Stack, &Variables::new()).unwrap_err();
            assert!(!error.is_empty() && !error.contains('\n'), "{text}: {error}");
        }
        assert_eq!(read("", Deployer::Stack), []);
    }

    proptest! {
        #[test]
        fn never_panics(
            text in r"(?s)(services:|\n|  |a:|deploy:|labels:|ports:|- |[&*<>{}\[\]|$]|.){0,40}",
            port in "[0-9:/a-z=,-]{0,20}",
        ) {
            let _ = services(&text, Deployer::Stack, &Variables::new());
            prop_assert!(published(&port).len() <= usize::from(RANGE_LIMIT));
        }
    }
}
