//! `docker network create` in the commands of a text.

use std::collections::BTreeMap;

use pvcheck_ipam::Subnet;

use super::fact::{Asked, CreateLine};
use super::words::{Command, Word, commands};

/// Commands that print their words and do nothing with them.
const PRINTS: [&str; 4] = ["echo", "printf", "logger", ":"];

/// The most of a text that a report shows.
const SHOWN: usize = 80;

/// Options of `docker network create` that take a value (docker/cli `cli/command/network/create.go`).
const WITH_VALUE: [&str; 12] = [
    "--aux-address",
    "--config-from",
    "--driver",
    "--gateway",
    "--ip-range",
    "--ipam-driver",
    "--ipam-opt",
    "--label",
    "--opt",
    "--scope",
    "-d",
    "-o",
];

/// The lines that create this network, in their order; with those of which only running them tells whether they do, if there is
/// no other.
pub(super) fn create_lines(text: &str, network: &str) -> Vec<CreateLine> {
    let commands = commands(text);
    let variables = Variables::of(&commands);
    let mut found: Vec<CreateLine> =
        commands.iter().filter_map(|command| creation(command, &variables, network)).collect();
    found.sort_by_key(|line| line.line);
    if found.iter().any(|line| line.named.is_none()) {
        found.retain(|line| line.named.is_none());
    }
    found
}

/// Variables that the text sets; `None` for one that is set to different things, or from elsewhere.
#[derive(Default)]
struct Variables(BTreeMap<String, Option<String>>);

impl Variables {
    /// `NAME=value` of a shell, `NAME = "value";` of Nix.
    fn of(commands: &[Command]) -> Self {
        let mut all = Self::default();
        for command in commands {
            for word in command {
                if let Some((name, value)) = word.text.split_once('=') {
                    all.set(name, (!word.expands).then_some(value));
                }
            }
            for window in command.windows(3) {
                if let [name, equals, value] = window
                    && equals.text == "="
                {
                    all.set(&name.text, (!value.expands).then_some(&value.text));
                }
            }
            if let [verb, names @ ..] = command.as_slice()
                && matches!(verb.text.as_str(), "read" | "for" | "unset" | "mapfile")
            {
                for name in names {
                    all.set(&name.text, None);
                }
            }
        }
        all
    }

    fn set(&mut self, name: &str, value: Option<&str>) {
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        if name.is_empty() || !name.chars().all(is_name) {
            return;
        }
        let value = value.map(str::to_owned);
        let known = self.0.entry(name.to_owned()).or_insert_with(|| value.clone());
        if *known != value {
            *known = None;
        }
    }

    /// The value of `NAME`, or of `a.b.NAME` in Nix, which is set by its last part.
    fn get(&self, name: &str) -> Option<&str> {
        let short = name.rsplit('.').next().unwrap_or(name);
        self.0.get(name).or_else(|| self.0.get(short)).and_then(Option::as_deref)
    }
}

/// The word with its variables filled in; the word as it is written, in one line, if one of them is not known.
fn resolved(word: &Word, variables: &Variables) -> Result<String, String> {
    if !word.expands {
        return Ok(word.text.clone());
    }
    let unknown = || {
        let line = word.text.split_whitespace().collect::<Vec<_>>().join(" ");
        line.chars().take(SHOWN).collect::<String>()
    };
    let (mut text, mut rest) = (String::new(), word.text.as_str());
    while let Some((before, after)) = rest.split_once('$') {
        text.push_str(before);
        let (name, behind) = if let Some(braced) = after.strip_prefix('{') {
            braced.split_once('}').ok_or_else(unknown)?
        } else {
            let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(after.len());
            after.split_at(end)
        };
        text.push_str(variables.get(name).ok_or_else(unknown)?);
        rest = behind;
    }
    if rest.contains('`') { Err(unknown()) } else { Ok(text + rest) }
}

/// The word as a subnet's text. A variable's value that is none is a name of its own, as in `subnet = cfg.subnet;` of Nix.
fn subnet(word: &Word, variables: &Variables) -> Result<String, String> {
    let text = resolved(word, variables)?;
    let known = !word.expands || text.contains(':') || Subnet::parse(&text).is_ok();
    if known { Ok(text) } else { Err(word.text.clone()) }
}

/// What this command creates, if it creates this network, or may.
fn creation(command: &[Word], variables: &Variables, network: &str) -> Option<CreateLine> {
    let first = command.first()?;
    if PRINTS.contains(&base(&first.text)) {
        return None;
    }
    let at = command.windows(2).position(|two| two[0].text == "network" && two[1].text == "create")?;
    // Before it the program, and whatever runs that: `sudo docker --host X`, `$DOCKER`.
    let is_client = |word: &Word| word.expands || matches!(base(&word.text), "docker" | "podman");
    if !command[..at].iter().any(is_client) {
        return None;
    }
    let words = Words::of(&command[at + 2..], variables);
    let named = if words.names.iter().any(|name| name.as_deref() == Ok(network)) {
        None
    } else {
        Some(words.names.iter().find_map(|name| name.clone().err())?)
    };
    Some(CreateLine { line: command[at].line, asked: words.asked(named.is_some()), named })
}

/// The name of a program, without its folder.
fn base(text: &str) -> &str {
    text.rsplit('/').next().unwrap_or(text)
}

/// The words behind `docker network create`.
#[derive(Default)]
struct Words {
    /// Values of `--subnet`.
    subnets: Vec<Result<String, String>>,
    /// What is no option, and no option's value.
    names: Vec<Result<String, String>>,
}

impl Words {
    fn of(words: &[Word], variables: &Variables) -> Self {
        let mut found = Self::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let (option, value) = match word.text.split_once('=') {
                Some((option, value)) => (option, Some(Word { text: value.to_owned(), ..word.clone() })),
                None => (word.text.as_str(), None),
            };
            if option == "--subnet" {
                let value = value.or_else(|| words.next().cloned());
                found.subnets.extend(value.map(|value| subnet(&value, variables)));
            } else if WITH_VALUE.contains(&option) {
                if value.is_none() {
                    words.next();
                }
            } else if !option.starts_with('-') {
                found.names.push(resolved(word, variables));
            }
        }
        found
    }

    /// Which subnet is asked for. A word that is not known may be options.
    fn asked(&self, name_is_unknown: bool) -> Asked {
        let unknown =
            self.names.iter().filter_map(|name| name.as_ref().err()).nth(usize::from(name_is_unknown));
        let first_unknown = self.subnets.iter().find_map(|subnet| subnet.as_ref().err()).or(unknown);
        if let Some(text) = first_unknown {
            return Asked::Unresolved(text.clone());
        }
        let known: Vec<&str> = self.subnets.iter().flatten().flat_map(|text| text.split(',')).collect();
        if known.is_empty() {
            return Asked::DefaultPool;
        }
        asked(&known)
    }
}

/// What these texts ask for; IPv6 subnets are another matter.
pub(super) fn asked(texts: &[&str]) -> Asked {
    let ipv4 = texts.iter().filter(|text| !text.contains(':'));
    let subnets: Result<Vec<Subnet>, &str> =
        ipv4.map(|text| Subnet::parse(text).map_err(|_| *text)).collect();
    subnets.map_or_else(|text| Asked::NoSubnet(text.to_owned()), Asked::Subnets)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn wide() -> Asked {
        asked(&["10.10.0.0/16"])
    }

    /// What the lines ask for, each with its number; `name: ` before it where the name is not known.
    fn found(text: &str) -> Vec<String> {
        let shown = |line: &CreateLine| {
            let name = line.named.as_ref().map(|name| format!("{name}: ")).unwrap_or_default();
            format!("{} {name}{}", line.line, line.asked)
        };
        create_lines(text, "proxy").iter().map(shown).collect()
    }

    #[test]
    fn the_subnet_is_found_however_the_line_is_written() {
        for text in [
            "docker network create --driver overlay --attachable --subnet 10.10.0.0/16 proxy",
            "docker network create proxy -d overlay --subnet=10.10.0.0/16 --attachable",
            "docker network create --subnet '10.10.0.0/16' \"proxy\" >/dev/null 2>&1",
            "sudo /usr/bin/docker --host unix:///x network create --label a=b --subnet 10.10.0.0/16 proxy",
            "docker network inspect proxy >/dev/null || docker network create --subnet 10.10.0.0/16 proxy",
            "if ! docker network inspect proxy; then docker network create --subnet 10.10.0.0/16 proxy; fi",
            "docker network create --subnet 10.10.0.0/16 --gateway 10.10.0.1 --opt encrypted proxy # the /24 is full",
            "id=$(docker network create --subnet 10.10.0.0/16 proxy)",
            "ssh host 'docker network create --subnet 10.10.0.0/16 proxy'",
            "sh -c \"docker network create --subnet 10.10.0.0/16 proxy\"",
            "SUBNET=10.10.0.0/16; docker network create --subnet \"$SUBNET\" proxy",
            "export NET=proxy; $DOCKER network create --subnet 10.10.0.0/16 ${NET}",
            "ExecStart=/usr/bin/docker network create --subnet 10.10.0.0/16 proxy",
            "ExecStart = \"${pkgs.docker}/bin/docker network create --subnet 10.10.0.0/16 proxy\";",
            "docker network create --subnet 10.10.0.0/16 --subnet fd00:7::/64 --ipv6 proxy",
        ] {
            let lines = create_lines(text, "proxy");
            assert_eq!(lines, [CreateLine { line: 1, asked: wide(), named: None }], "{text}");
        }
    }

    #[test]
    fn a_line_that_goes_on_is_named_by_its_beginning() {
        let text = "#!/bin/sh\n# docker network create --subnet 10.9.0.0/16 proxy\nset -e\n\
                    docker network create \\\n  --driver overlay \\\n  --subnet 10.10.0.0/16 \\\n  proxy\n";
        assert_eq!(found(text), ["4 10.10.0.0/16"]);
    }

    #[test]
    fn a_nix_module_gives_its_scripts_line() {
        let text = r#"{ config, pkgs, lib, ... }:
let
  # docker network create --subnet 10.8.0.0/16 proxy
  proxySubnet = "10.10.0.0/16";
  docker' = pkgs.docker;
in {
  /* An overlay is a /24 if nobody says otherwise:
     docker network create proxy */
  systemd.services.swarm-init = {
    description = "Don't leave the overlay to the default";
    script = ''
      if ! ${pkgs.docker}/bin/docker network inspect proxy >/dev/null 2>&1; then
        ${pkgs.docker}/bin/docker network create --driver overlay --attachable \
          --subnet ${proxySubnet} proxy
      fi
    '';
  };
}
"#;
        assert_eq!(found(text), ["13 10.10.0.0/16"]);
        assert_eq!(found(&text.replace("\"10.10.0.0/16\"", "cfg.subnet")), ["13 ${proxySubnet}"]);
    }

    #[test]
    fn what_only_running_it_tells_is_not_resolved() {
        for (text, expected) in [
            ("docker network create --subnet $SUBNET proxy", "1 $SUBNET"),
            ("S=10.10.0.0/16\nS=10.11.0.0/16\ndocker network create --subnet $S proxy", "3 $S"),
            ("S=${S:-10.10.0.0/16}\ndocker network create --subnet $S proxy", "2 $S"),
            ("S=10.10.0.0/16\nread S\ndocker network create --subnet $S proxy", "3 $S"),
            ("docker network create --subnet ${S:-10.10.0.0/16} proxy", "1 ${S:-10.10.0.0/16}"),
            ("docker network create --subnet $(cat subnet) proxy", "1 $(cat subnet)"),
            ("docker network create $OPTIONS proxy", "1 $OPTIONS"),
            ("docker network create --subnet 10.10.0.0/16 $NAME", "1 $NAME: 10.10.0.0/16"),
        ] {
            assert_eq!(found(text), [expected], "{text}");
        }
    }

    #[test]
    fn only_lines_that_create_this_network_count() {
        for text in [
            "",
            "docker network create --subnet 10.10.0.0/16 other",
            "docker network create --subnet 10.10.0.0/16 proxy2",
            "docker network create --label proxy --subnet 10.10.0.0/16 other",
            "# docker network create --subnet 10.10.0.0/16 proxy",
            "echo docker network create --subnet 10.10.0.0/16 proxy",
            "docker network rm proxy",
            "docker network inspect proxy",
            "network create --subnet 10.10.0.0/16 proxy",
        ] {
            assert_eq!(found(text), [""; 0], "{text}");
        }
        let several = "docker network create --subnet 10.9.0.0/16 other\n\
                       docker network create --subnet 10.10.0.0/16 proxy\n\
                       docker network create --subnet 10.8.0.0/16 $NAME\n";
        assert_eq!(found(several), ["2 10.10.0.0/16"]);
    }

    #[test]
    fn without_a_subnet_the_default_pool_decides_and_two_lines_are_both_there() {
        assert_eq!(found("docker network create -d overlay --attachable proxy"), ["1 no subnet"]);
        assert_eq!(found("docker network create --subnet 10.10/16 proxy"), ["1 10.10/16"]);
        let two = "docker network create --subnet 10.10.0.0/16 proxy\ndocker network create proxy\n";
        assert_eq!(found(two), ["1 10.10.0.0/16", "2 no subnet"]);
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(text in r#"(?s)([\\'"$`(){};#|&<>=/* \n]|docker|network|create|--subnet|proxy|.){0,60}"#) {
            create_lines(&text, "proxy");
        }
    }
}
