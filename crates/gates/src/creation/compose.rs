//! A network in a Compose file.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_saphyr::Spanned;

use super::fact::{Asked, CreateLine};
use super::shell::asked;

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    networks: Option<BTreeMap<String, Option<Spanned<Network>>>>,
}

#[derive(Default, Deserialize)]
struct Network {
    name: Option<String>,
    external: Option<External>,
    ipam: Option<Ipam>,
}

/// `external: true`, or before version 3.5 `external: {name: …}`.
#[derive(Deserialize)]
#[serde(untagged)]
enum External {
    Flag(bool),
    Named(IgnoredAny),
}

#[derive(Deserialize)]
struct Ipam {
    config: Option<Vec<Config>>,
}

#[derive(Deserialize)]
struct Config {
    subnet: Option<Spanned<String>>,
}

impl Network {
    fn is_external(&self) -> bool {
        match &self.external {
            None => false,
            Some(External::Flag(flag)) => *flag,
            Some(External::Named(_)) => true,
        }
    }

    fn subnets(&self) -> Vec<&Spanned<String>> {
        let configs = self.ipam.iter().flat_map(|ipam| ipam.config.iter().flatten());
        configs.filter_map(|config| config.subnet.as_ref()).collect()
    }
}

/// The network of this name, if the file creates it. One without a name of its own is called STACK_KEY once it is deployed.
///
/// # Errors
/// If the text is no Compose file; the text of the error is one line.
pub(super) fn create_lines(text: &str, network: &str) -> Result<Vec<CreateLine>, String> {
    // Of Compose files only networks are read, where nothing can be a number or a yes.
    let file: Option<File> = serde_saphyr::from_str(text).map_err(|error| {
        let text = error.to_string();
        text.lines().next().unwrap_or_default().trim().to_owned()
    })?;
    let networks = file.and_then(|file| file.networks).unwrap_or_default();
    let mut found: Vec<CreateLine> =
        networks.into_iter().filter_map(|(key, declared)| line(&key, declared.as_ref(), network)).collect();
    found.sort_by_key(|line| line.line);
    Ok(found)
}

fn line(key: &str, declared: Option<&Spanned<Network>>, network: &str) -> Option<CreateLine> {
    let own = Network::default();
    let (body, at) = declared.map_or((&own, 0), |spanned| (&spanned.value, spanned.referenced.line()));
    let is_it = match &body.name {
        Some(name) => name == network,
        None => key == network || network.ends_with(&format!("_{key}")),
    };
    if !is_it || body.is_external() {
        return None;
    }
    let subnets = body.subnets();
    let line = subnets.first().map_or(at, |subnet| subnet.referenced.line());
    let texts: Vec<&str> = subnets.iter().map(|subnet| subnet.value.as_str()).collect();
    let asked = match texts.iter().find(|text| text.contains('$')) {
        Some(text) => Asked::Unresolved((*text).to_owned()),
        None if texts.is_empty() => Asked::DefaultPool,
        None => asked(&texts),
    };
    Some(CreateLine { line, asked, named: None })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found(text: &str, network: &str) -> Vec<String> {
        let lines = create_lines(text, network).expect("YAML");
        lines.iter().map(|line| format!("{} {}", line.line, line.asked)).collect()
    }

    const FILE: &str = "services:\n  app:\n    image: x\n    networks: [proxy]\nnetworks:\n  proxy:\n    \
                        driver: overlay\n    attachable: true\n    ipam:\n      config:\n        \
                        - subnet: 10.10.0.0/16\n          gateway: 10.10.0.1\n  internal:\n  \
                        web:\n    name: front\n    ipam: {config: [{subnet: \"10.11.0.0/16\"}, {subnet: \"fd00::/64\"}]}\n  \
                        given:\n    external: true\n  old:\n    external:\n      name: proxy\n";

    #[test]
    fn a_network_is_found_by_its_name_or_its_key() {
        assert_eq!(found(FILE, "proxy"), ["11 10.10.0.0/16"]);
        assert_eq!(found(FILE, "stack_proxy"), ["11 10.10.0.0/16"]);
        assert_eq!(found(FILE, "front"), ["16 10.11.0.0/16"]);
        assert_eq!(found(FILE, "web"), [""; 0], "its name is another");
        assert_eq!(found(FILE, "given"), [""; 0], "another creates it");
        assert_eq!(found("networks:\nservices: {}\n", "proxy"), [""; 0]);
        assert_eq!(found("", "proxy"), [""; 0]);
    }

    #[test]
    fn without_a_subnet_or_with_a_variable_it_says_so() {
        assert_eq!(found(FILE, "x_internal").len(), 1);
        assert!(found(FILE, "x_internal")[0].ends_with(" no subnet"));
        let variable = FILE.replace("10.10.0.0/16", "${SUBNET:-10.10.0.0/16}");
        assert_eq!(found(&variable, "proxy"), ["11 ${SUBNET:-10.10.0.0/16}"]);
    }

    #[test]
    fn merged_anchors_count() {
        let text = "x-net: &net\n  ipam:\n    config:\n      - subnet: 10.10.0.0/16\nnetworks:\n  proxy:\n    <<: *net\n    name: proxy\n";
        let lines = create_lines(text, "proxy").expect("YAML");
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0].asked, asked(&["10.10.0.0/16"]));
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(text in r"(?s)(networks:|\n|  |proxy:|ipam:|config:|subnet:|- |[&*<>{}\[\]|]|.){0,40}") {
            let _ = create_lines(&text, "proxy");
        }
    }

    #[test]
    fn what_is_no_compose_file_is_an_error_of_one_line() {
        for text in ["networks: [", "networks: 7\n", "networks:\n  proxy:\n    ipam: no\n", "- a\n- b\n"] {
            let error = create_lines(text, "proxy").expect_err(text);
            assert!(!error.is_empty() && !error.contains('\n'), "{error}");
        }
    }
}
