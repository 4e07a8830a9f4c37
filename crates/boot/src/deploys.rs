//! What a command deploys with docker.

use crate::options::{value, values};
use crate::shell::program;
use crate::stack::{Deployer, published};

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
    },
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
    Deployment::Single {
        words: words.iter().filter(|word| !word.starts_with('-')).cloned().collect(),
        labels: values(words, &["--label", "-l"]).into_iter().map(label).collect(),
        ports: values(words, &["--publish", "-p"]).into_iter().flat_map(published).collect(),
    }
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
