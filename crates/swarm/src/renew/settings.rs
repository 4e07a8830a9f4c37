//! A network's own settings: what its creation has to repeat, with another subnet.

use std::net::Ipv4Addr;

use pvcheck_ipam::{Pool, Subnet};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::attachments::digest;

/// Set by the allocator at creation; asked for again, it could be another network's.
const VXLAN_IDS: &str = "com.docker.network.driver.overlay.vxlanid_list";

/// The body of a network's creation, without its name and subnets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct Settings(Map<String, Value>);

/// Why a pool cannot be carried over to another subnet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub(super) enum NotCarried {
    /// The ip-range is not in the new subnet.
    Range(Subnet),
    /// The gateway was chosen, and is not in the new subnet.
    Gateway(Ipv4Addr),
}

impl Settings {
    /// The settings of an inspected network.
    pub(super) fn of_inspected(network: &Value) -> Self {
        // Not EnableIPv4: engines before 28.3 show false where the asked manager has no copy of the network, and 28.0 refuses a
        // creation with that (moby `daemon/cluster/convert/network.go`).
        let mut kept = Map::new();
        for key in ["Driver", "Scope", "EnableIPv6", "Internal", "Attachable", "Ingress", "Labels"] {
            if let Some(value) = network.get(key).filter(|value| !value.is_null()) {
                kept.insert(key.to_owned(), value.clone());
            }
        }
        let mut options = network["Options"].as_object().cloned().unwrap_or_default();
        options.shift_remove(VXLAN_IDS);
        kept.insert("Options".to_owned(), Value::Object(options));
        kept.insert(
            "IPAM".to_owned(),
            json!({"Driver": network["IPAM"]["Driver"], "Options": network["IPAM"]["Options"]}),
        );
        // IPv6 pools stay as they are: they are never used up.
        kept.insert(
            "ipv6".to_owned(),
            Value::Array(configs(network).filter(|c| is_ipv6(c)).cloned().collect()),
        );
        Self(kept)
    }

    /// Leaves out the values of labels and options, of which nobody knows what is in them; their names stay.
    pub(super) fn leave_out_values(&mut self) {
        for key in ["Labels", "Options"] {
            let values = self.0.get_mut(key).and_then(Value::as_object_mut);
            for value in values.into_iter().flat_map(Map::values_mut) {
                *value = json!("…");
            }
        }
    }

    /// SHA-256 of all of it, in hex.
    pub(super) fn digest(&self) -> String {
        digest(&Value::Object(self.0.clone()))
    }

    /// The body of `POST /networks/create` for a network of this name with these pools.
    pub(super) fn body(&self, name: &str, pools: &[Pool]) -> Value {
        let mut body = self.0.clone();
        let ipv6 = body.shift_remove("ipv6");
        let ipv6 = ipv6.as_ref().and_then(Value::as_array).into_iter().flatten();
        let configs: Vec<Value> = pools.iter().map(config).chain(ipv6.map(written)).collect();
        body.insert("Name".to_owned(), json!(name));
        // Engines before 25 create a second network of the same name without it.
        body.insert("CheckDuplicate".to_owned(), json!(true));
        if let Some(ipam) = body.get_mut("IPAM") {
            ipam["Config"] = json!(configs);
        }
        Value::Object(body)
    }

    /// The same for a network that only holds services for a while: it carries these labels, and has no IPv6 subnet, since the
    /// renewed network has its own at the same time and two that overlap are not both allocated (20.10.24).
    pub(super) fn holding_body(&self, name: &str, pool: &Pool, labels: Value) -> Value {
        let mut plain = self.clone();
        plain.0.shift_remove("ipv6");
        plain.0.insert("EnableIPv6".to_owned(), json!(false));
        let mut body = plain.body(name, std::slice::from_ref(pool));
        body["Labels"] = labels;
        body
    }
}

/// The IPv4 pools of an inspected network. The gateway is left out where it is the engine's own choice, the first address:
/// the engine shows it like an operator's.
pub(super) fn pools(network: &Value) -> Vec<Pool> {
    configs(network).filter_map(pool).collect()
}

fn pool(config: &Value) -> Option<Pool> {
    let subnet = subnet(config["Subnet"].as_str()?)?;
    let gateway: Option<Ipv4Addr> = config["Gateway"].as_str().and_then(|text| text.parse().ok());
    let range = config["IPRange"].as_str().and_then(self::subnet);
    let usual = Pool { subnet, range, gateway: None }.ring().ok().map(|ring| ring.gateway());
    Some(Pool { subnet, range, gateway: gateway.filter(|g| Some(*g) != usual) })
}

/// The pool on another subnet: ip-range and a chosen gateway stay, if they are in it.
///
/// # Errors
/// If one of them is not.
pub(super) fn carried(pool: &Pool, subnet: Subnet) -> Result<Pool, NotCarried> {
    if let Some(range) = pool.range.filter(|r| !subnet.contains(r.first()) || !subnet.contains(r.last())) {
        return Err(NotCarried::Range(range));
    }
    if let Some(gateway) = pool.gateway.filter(|gateway| !subnet.contains(*gateway)) {
        return Err(NotCarried::Gateway(gateway));
    }
    Ok(Pool { subnet, ..*pool })
}

fn config(pool: &Pool) -> Value {
    let mut config = json!({"Subnet": pool.subnet});
    if let Some(range) = pool.range {
        config["IPRange"] = json!(range);
    }
    if let Some(gateway) = pool.gateway {
        config["Gateway"] = json!(gateway);
    }
    config
}

/// An IPv6 pool as it is: its range, and its gateway, chosen or not, stay those that its containers know.
fn written(shown: &Value) -> Value {
    let keys = ["Subnet", "IPRange", "Gateway"].into_iter();
    let set = keys.filter(|key| shown[*key].as_str().is_some_and(|text| !text.is_empty()));
    Value::Object(set.map(|key| (key.to_owned(), shown[key].clone())).collect())
}

fn configs(network: &Value) -> impl Iterator<Item = &Value> {
    network["IPAM"]["Config"].as_array().into_iter().flatten()
}

fn is_ipv6(config: &Value) -> bool {
    config["Subnet"].as_str().is_some_and(|text| text.contains(':'))
}

fn subnet(text: &str) -> Option<Subnet> {
    let (address, prefix) = text.split_once('/')?;
    Subnet::around(address.parse().ok()?, prefix.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inspected(config: &Value) -> Value {
        json!({
            "Name": "proxy", "Id": "n0", "Scope": "swarm", "Driver": "overlay", "EnableIPv6": false,
            "Attachable": true, "Internal": false, "Ingress": false, "Created": "2026-01-01T00:00:00Z",
            "Containers": {"c": {}},
            "Options": {"encrypted": "", VXLAN_IDS: "4097"},
            "Labels": {"owner": "ops"},
            "IPAM": {"Driver": "default", "Options": null, "Config": config},
        })
    }

    fn net(text: &str) -> Subnet {
        Subnet::parse(text).unwrap()
    }

    #[test]
    fn all_but_the_subnet_and_the_vxlan_id_is_carried_over() {
        let network = inspected(&json!([
            {"Subnet": "10.10.0.0/24", "Gateway": "10.10.0.1"},
            {"Subnet": "fd00:7::/64", "Gateway": "fd00:7::1", "IPRange": ""},
            {"Subnet": "fd00:8::/64", "IPRange": "fd00:8::/80", "Gateway": "fd00:8::7"},
        ]));
        let settings = Settings::of_inspected(&network);
        let pools = pools(&network);
        assert_eq!(pools, [Pool::new(net("10.10.0.0/24"))], "the usual gateway is the engine's");
        let wider = carried(&pools[0], net("10.10.0.0/16")).unwrap();
        let body = settings.body("proxy", &[wider]);
        let expected = json!({
            "Driver": "overlay", "Scope": "swarm", "EnableIPv6": false, "Internal": false, "Attachable": true,
            "Ingress": false, "Labels": {"owner": "ops"}, "Options": {"encrypted": ""},
            "IPAM": {"Driver": "default", "Options": null, "Config": [
                {"Subnet": "10.10.0.0/16"},
                {"Subnet": "fd00:7::/64", "Gateway": "fd00:7::1"},
                {"Subnet": "fd00:8::/64", "IPRange": "fd00:8::/80", "Gateway": "fd00:8::7"},
            ]},
            "Name": "proxy", "CheckDuplicate": true,
        });
        assert_eq!(body, expected);
    }

    #[test]
    fn the_holding_network_has_no_ipv6_subnet() {
        let mut network = inspected(
            &json!([{"Subnet": "10.10.0.0/24"}, {"Subnet": "fd00:7::/64", "Gateway": "fd00:7::1"}]),
        );
        network["EnableIPv6"] = json!(true);
        let pool = Pool::new(net("10.99.0.0/24"));
        let body = Settings::of_inspected(&network).holding_body("hold", &pool, json!({"a": "b"}));
        assert_eq!(body["IPAM"]["Config"], json!([{"Subnet": "10.99.0.0/24"}]));
        assert_eq!(
            [&body["EnableIPv6"], &body["Labels"], &body["Attachable"]],
            [&json!(false), &json!({"a": "b"}), &json!(true)]
        );
    }

    #[test]
    fn a_gateway_that_the_engine_chose_in_a_range_is_not_asked_for_again() {
        let shown =
            json!([{"Subnet": "10.10.0.0/16", "IPRange": "10.10.128.0/17", "Gateway": "10.10.128.0"}]);
        let range = Some(net("10.10.128.0/17"));
        assert_eq!(pools(&inspected(&shown)), [Pool { subnet: net("10.10.0.0/16"), range, gateway: None }]);
    }

    #[test]
    fn a_range_and_a_chosen_gateway_stay_or_are_refused() {
        let chosen =
            json!([{"Subnet": "10.10.0.0/24", "Gateway": "10.10.0.254", "IPRange": "10.10.0.128/25"}]);
        let pool = pools(&inspected(&chosen)).remove(0);
        assert_eq!((pool.gateway, pool.range), (Some([10, 10, 0, 254].into()), Some(net("10.10.0.128/25"))));
        assert_eq!(carried(&pool, net("10.10.0.0/16")).unwrap().subnet, net("10.10.0.0/16"));
        assert_eq!(carried(&pool, net("10.20.0.0/16")), Err(NotCarried::Range(net("10.10.0.128/25"))));
        let bare = Pool { range: None, ..pool };
        assert_eq!(carried(&bare, net("10.20.0.0/16")), Err(NotCarried::Gateway([10, 10, 0, 254].into())));
    }

    #[test]
    fn as_evidence_labels_and_options_keep_their_names_alone() {
        let network =
            json!({"Driver": "overlay", "Labels": {"owner": "pv-canary"}, "Options": {"key": "pv-canary"}});
        let mut settings = Settings::of_inspected(&network);
        settings.leave_out_values();
        let kept = serde_json::to_value(&settings).expect("plain data");
        assert_eq!((&kept["Labels"], &kept["Options"]), (&json!({"owner": "…"}), &json!({"key": "…"})));
        assert_eq!(kept["Driver"], "overlay");
    }
}
