//! Snapshots that were recorded on real engines, 20.10.24, 26.1.5 and 28.5.2, with services in every kind of trouble: what is
//! said of them without an engine is what was seen there.

use std::collections::BTreeSet;

use pvcheck_audit::{Audit, Finding, Loss, LossKind, Remedy, SavedSnapshot, Verdict, Why, audit_with, why};

const RECORDED: [(&str, &str); 3] = [
    ("20.10.24", include_str!("fixtures/stuck-bookworm.json")),
    ("26.1.5", include_str!("fixtures/stuck-trixie.json")),
    ("28.5.2", include_str!("fixtures/stuck-sid.json")),
];

fn recorded() -> impl Iterator<Item = (&'static str, SavedSnapshot)> {
    RECORDED
        .into_iter()
        .map(|(version, text)| (version, SavedSnapshot::from_json(text).expect("a saved snapshot")))
}

fn asked(saved: &SavedSnapshot, subject: &str) -> Why {
    why(&saved.snapshot, &saved.counts, subject).expect("it is there")
}

fn audited(saved: &SavedSnapshot) -> Audit {
    audit_with(&saved.snapshot, &saved.counts, &pvcheck_ipam::Thresholds::default())
}

fn kind(loss: &Loss) -> &'static str {
    match loss.kind {
        LossKind::RetriesLoseAddresses { .. } => "retries lose addresses",
        LossKind::LiveVipFreed { .. } => "live VIP freed",
        LossKind::SameAddress { .. } => "same address",
    }
}

fn kinds(found: &Why) -> Vec<&'static str> {
    found.findings.iter().filter_map(Finding::loss).map(kind).collect()
}

fn first_command(found: &Why) -> Option<String> {
    found.remedies.iter().find_map(Remedy::command)
}

/// Six services of a VIP and a task, and a load balancer, fill a /28; the seventh waits for one of them to go.
#[test]
fn a_full_28_names_its_network_its_holders_and_the_remedy() {
    for (version, saved) in recorded() {
        assert!(saved.snapshot.engine.version.starts_with(version), "{}", saved.snapshot.engine.version);
        let found = asked(&saved, "seventh");
        assert_eq!(found.verdict, Verdict::Address, "{version}");
        assert_eq!(found.summary, "service seventh waits for an address: network proxy is full");
        let network = found.network.as_ref().expect("a network");
        assert_eq!((network.name.as_str(), network.usable, network.owned), ("proxy", 13, 13));
        assert_eq!((network.leaked, network.free, network.load_balancers), (Some(0), Some(0), 1));
        let holders: BTreeSet<_> =
            network.holders.iter().map(|h| (h.service.as_str(), h.vips, h.tasks)).collect();
        let six = ["s1", "s2", "s3", "s4", "s5", "s6"].map(|name| (name, 1, 1));
        assert_eq!(holders, BTreeSet::from(six), "{version}");
        assert_eq!(
            first_command(&found),
            Some("pvcheck stack rm st1 --apply".into()),
            "{:?}",
            found.remedies
        );
        assert!(!found.remedies.iter().any(|m| m.command().is_some_and(|c| c.contains("reclaim"))));
        assert_eq!(kinds(&found), Vec::<&str>::new(), "one network loses nothing");
    }
}

/// L2: it waits on two networks, of which the later one is full.
#[test]
fn a_service_that_waits_for_its_second_network_loses_addresses_on_the_first() {
    for (version, saved) in recorded() {
        let found = asked(&saved, "whole");
        assert_eq!(found.verdict, Verdict::VipPending, "{version}");
        assert_eq!(found.network.as_ref().map(|n| (n.name.as_str(), n.free)), Some(("q", Some(0))));
        assert_eq!(kinds(&found), ["retries lose addresses"]);
        assert_eq!(found.findings[0].networks(), ["p"]);
        let report = audited(&saved);
        let in_audit =
            report.findings.iter().find(|f| f.loss().is_some_and(|l| l.service() == Some("whole")));
        assert_eq!(in_audit, Some(&found.findings[0]), "the audit says the same");
        let p = report.networks.iter().find(|n| n.name == "p").expect("p");
        assert_eq!((p.owned.total(), p.leaked), (0, None), "nothing is owned there, and losses are unknown");
        assert!(
            p.notes.iter().any(|n| n.to_string().contains("a census is refused while service")),
            "{:?}",
            p.notes
        );
    }
}

/// L3: an update that asked for a full network freed the VIP of `live`, and the eleventh new service was given it too.
#[test]
fn a_freed_address_is_in_two_hands() {
    for (version, saved) in recorded() {
        let found = asked(&saved, "live");
        assert_eq!(found.verdict, Verdict::VipPending, "{version}");
        assert_eq!(found.network.as_ref().map(|n| n.name.as_str()), Some("full"));
        assert!(kinds(&found).contains(&"live VIP freed"), "{:?}", found.findings);
        assert_eq!(first_command(&found), Some("docker service update --network-rm full live".into()));
        let report = audited(&saved);
        let roomy = report.networks.iter().find(|n| n.name == "roomy").expect("roomy");
        let [twice] = roomy.duplicate_holders.as_slice() else { panic!("{:?}", roomy.duplicate_holders) };
        let holders: BTreeSet<_> = twice.holders.iter().filter_map(|h| h.service.as_deref()).collect();
        assert_eq!(twice.address.to_string(), "10.82.1.2");
        assert_eq!(holders, BTreeSet::from(["live", "new11"]), "{version}");
        let same: Vec<_> =
            report.findings.iter().filter_map(Finding::loss).filter(|f| kind(f) == "same address").collect();
        assert!(matches!(same.as_slice(), [one] if one.networks() == ["roomy"]), "{same:?}");
    }
}

#[test]
fn what_is_not_a_matter_of_addresses() {
    for (version, saved) in recorded() {
        let verdict = |subject| asked(&saved, subject).verdict;
        for subject in ["nowhere", "imageless"] {
            assert_eq!(verdict(subject), Verdict::NotAddress, "{version}: {subject}");
        }
        for subject in ["s1", "wide", "new1"] {
            assert_eq!(verdict(subject), Verdict::Running, "{version}: {subject}");
        }
        assert_eq!(verdict("homeless"), Verdict::Network, "{version}");
        assert_eq!(asked(&saved, "homeless").network.map(|n| n.name), Some("second".into()));
        assert_eq!(audited(&saved).networks[0].name, "ingress");
        assert!(
            audited(&saved).allocator_unknown.is_some_and(|w| w.to_string().contains("1.52")),
            "{version}"
        );
    }
}

/// Nothing of the machine they were made on, and no value of a variable.
#[test]
fn the_recordings_are_redacted() {
    for (version, text) in RECORDED {
        for word in
            ["/work", "/tmp", "/root", "/home", "/usr/", "SWMTKN", "http", "PASS", "\"hostname\": \"\""]
        {
            assert!(!text.contains(word), "{version} has {word}");
        }
        let saved = SavedSnapshot::from_json(text).expect("a saved snapshot");
        assert!(saved.snapshot.nodes.iter().all(|n| n.hostname == "node-0"), "{version}");
        assert_eq!(saved.host, None, "{version}: routes of the machine");
    }
}
