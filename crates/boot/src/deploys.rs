//! What a command deploys with docker.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::name::UnitName;
use crate::options::{has, value, values};
use crate::simple::program;
use crate::stack::{Deployer, is_for_routers, published, services};
use crate::variables::Variables;

/// What one command deploys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Deployment {
    /// The services of these files; the paths as written.
    Files { by: Deployer, files: Vec<String> },
    /// A container or a service.
    Single {
        /// The words that may be its image: nothing but docker itself knows which of its options have a value.
        words: Vec<String>,
        labels: Vec<(String, String)>,
        ports: Vec<u16>,
        /// False iff a route or port is among them that is not known.
        whole: bool,
    },
}

impl Deployment {
    /// True iff the text can be deployed so.
    pub(crate) fn is_compose_file(&self, text: &str) -> bool {
        match self {
            Self::Files { by, .. } => services(text, *by, &Variables::new()).is_ok(),
            Self::Single { .. } => false,
        }
    }
}

/// Something that a unit deploys and of which it is not known, or not all, what it serves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct UnreadDeploy {
    /// The unit that deploys it.
    pub unit: UnitName,
    /// The file that was not read, or in which a route or port is not known; `None` where no path is known.
    pub file: Option<String>,
}

impl fmt::Display for UnreadDeploy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.as_deref().unwrap_or("something");
        write!(f, "{} deploys {file}, of which it is not known what all of it serves", self.unit)
    }
}

/// `None` where it deploys nothing on this host.
pub(crate) fn deployment(words: &[String]) -> Option<Deployment> {
    let (first, rest) = words.split_first()?;
    let (rest, compose) = match program(first) {
        "docker" => (own_options(rest)?, false),
        "docker-compose" => (rest, true),
        _ => return None,
    };
    let word = |at: usize| rest.get(at).map(String::as_str);
    match (word(0), word(1)) {
        _ if compose => composed(rest),
        (Some("compose"), _) => composed(&rest[1..]),
        (Some("stack"), Some("deploy" | "up")) => Some(Deployment::Files {
            by: Deployer::Stack,
            files: owned(&values(rest, &["--compose-file", "-c"])),
        }),
        (Some("run"), _) => Some(single(&rest[1..])),
        (Some("container"), Some("run")) | (Some("service"), Some("create")) => Some(single(&rest[2..])),
        _ => None,
    }
}

/// What follows docker's own options; `None` if it talks to another host.
fn own_options(words: &[String]) -> Option<&[String]> {
    let mut at = 0;
    while let Some(word) = words.get(at).filter(|word| word.starts_with('-')) {
        match word.as_str() {
            "--context" | "--host" | "-H" | "-c" => return None,
            _ if word.starts_with("--context=") || word.starts_with("--host=") => return None,
            "--config" | "--log-level" | "-l" => at += 2,
            _ => at += 1,
        }
    }
    words.get(at..)
}

fn composed(words: &[String]) -> Option<Deployment> {
    let up = words.iter().position(|word| word == "up")?;
    let files = owned(&values(&words[..up], &["--file", "-f"]));
    let folder = value(&words[..up], &["--project-directory"]);
    // The names that compose looks for itself (its documentation, "The Compose file").
    let standard = || match folder {
        Some(folder) => format!("{folder}/compose.yaml"),
        None => "compose.yaml".to_owned(),
    };
    let files = if files.is_empty() { vec![standard()] } else { files };
    Some(Deployment::Files { by: Deployer::Compose, files })
}

fn single(words: &[String]) -> Deployment {
    let label = |text: &str| match text.split_once('=') {
        Some((name, value)) => (name.to_owned(), value.to_owned()),
        None => (text.to_owned(), String::new()),
    };
    let labels: Vec<(String, String)> = values(words, &["--label", "-l"]).into_iter().map(label).collect();
    let published_as = values(words, &["--publish", "-p"]);
    let is_open = |text: &str| text.contains('$') || text.is_empty();
    let open_label =
        |(name, value): &(String, String)| is_open(name) || (is_for_routers(name) && value.contains('$'));
    let open = labels.iter().any(open_label) || published_as.iter().any(|port| is_open(port));
    Deployment::Single {
        words: plain(words),
        labels,
        ports: published_as.into_iter().flat_map(published).collect(),
        whole: !open && !has(words, "--label-file"),
    }
}

/// The words that are neither options nor the values of those whose values may hold an image's name.
fn plain(words: &[String]) -> Vec<String> {
    let with_value = [
        "--env",
        "--hostname",
        "--label",
        "--name",
        "--network",
        "--publish",
        "--volume",
        "-e",
        "-h",
        "-l",
        "-p",
        "-v",
    ];
    let mut found = Vec::new();
    let mut left = words.iter();
    while let Some(word) = left.next() {
        if with_value.contains(&word.as_str()) {
            left.next();
        } else if !word.starts_with('-') && !word.contains('=') {
            found.push(word.clone());
        }
    }
    found
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> String {
        let words: Vec<String> = text.split(' ').map(str::to_owned).collect();
        match deployment(&words) {
            None => String::new(),
            Some(Deployment::Files { by, files }) => format!("{by:?} {}", files.join(" ")),
            Some(Deployment::Single { labels, ports, .. }) => format!("{labels:?} {ports:?}"),
        }
    }

    #[test]
    fn the_words_of_an_image_are_told_from_the_values_of_options() {
        let text = "docker run -d --label traefik.enable=true -e PROXY=traefik --name traefik-probe --network traefik -p 80:80 nginx a=traefik b";
        let words: Vec<String> = text.split(' ').map(str::to_owned).collect();
        let Some(Deployment::Single { words, .. }) = deployment(&words) else { panic!("{text}") };
        assert_eq!(words, ["nginx", "b"]);
    }

    #[test]
    fn a_route_or_port_that_is_not_known_is_noted() {
        for (options, expected) in [
            ("-p 80:80 -l note=$X", true),
            ("-p $PORT:80", false),
            ("--label traefik.http.routers.a.rule=Host($H)", false),
            ("--label $LABEL", false),
            ("--label-file x", false),
        ] {
            let words: Vec<String> =
                format!("docker run {options} nginx").split(' ').map(str::to_owned).collect();
            let Some(Deployment::Single { whole, .. }) = deployment(&words) else { panic!("{options}") };
            assert_eq!(whole, expected, "{options}");
        }
    }

    #[test]
    fn what_is_deployed_is_found() {
        for (text, expected) in [
            ("docker stack deploy -c a.yml --compose-file=b.yml --detach=false ci", "Stack a.yml b.yml"),
            ("/usr/bin/docker --log-level warn stack up -c /etc/a.yml ci", "Stack /etc/a.yml"),
            ("docker compose -f a.yml -p x up -d", "Compose a.yml"),
            ("docker-compose up -d", "Compose compose.yaml"),
            (
                "docker run -d -p 127.0.0.1:81:80 --label a=b --publish=82:80 nginx",
                "[(\"a\", \"b\")] [81, 82]",
            ),
            ("docker service create --publish published=81,target=80 -l a nginx", "[(\"a\", \"\")] [81]"),
            ("docker -H tcp://h:1 stack deploy -c a.yml ci", ""),
            ("docker --context=x run nginx", ""),
            ("docker stack rm ci", ""),
            ("docker compose down", ""),
            ("podman run nginx", ""),
            ("docker", ""),
        ] {
            assert_eq!(of(text), expected, "{text}");
        }
    }
}
