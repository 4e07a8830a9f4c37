use super::*;

fn remedy(kind: RemedyKind) -> Remedy {
    Remedy { kind }
}

fn text(text: &str) -> String {
    text.to_owned()
}

/// One of each kind, with its name in JSON and its command.
fn all() -> Vec<(RemedyKind, &'static str, Option<&'static str>)> {
    use RemedyKind as R;
    let (network, service) = (|| text("net"), || text("app"));
    let placement = "docker service inspect --format '{{json .Spec.TaskTemplate.Placement}}' app";
    vec![
        (R::AdaptNodes, "adapt_nodes", Some("docker node ls")),
        (
            R::ChooseLargerSubnet { network: network(), owned: 200, prefix: 23 },
            "choose_larger_subnet",
            Some("pvcheck plan-subnet --prefix 23 --name net"),
        ),
        (R::ChooseSubnet { network: network() }, "choose_subnet", Some("pvcheck plan-subnet --name net")),
        (
            R::CountCandidate { network: network(), owned: 3, usable: 13 },
            "count_candidate",
            Some("pvcheck census net"),
        ),
        (R::CountLost { network: network() }, "count_lost", Some("pvcheck census net")),
        (
            R::CreateIngress,
            "create_ingress",
            Some("docker network create --driver overlay --ingress ingress"),
        ),
        (R::DeployAgain { service: service(), stack: None }, "deploy_again", None),
        (
            R::HealError { signature: text("pool-overlap"), remedy: text("choose another subnet") },
            "heal_error",
            Some("pvcheck explain pool-overlap"),
        ),
        (R::InspectPlacement { service: service() }, "inspect_placement", Some(placement)),
        (R::PublishInHostMode, "publish_in_host_mode", None),
        (
            R::Reclaim { network: network(), leaked: 4, led_by: None },
            "reclaim",
            Some("pvcheck reclaim --apply"),
        ),
        (R::Recreate { network: network() }, "recreate", None),
        (
            R::RecreateUnallocated { network: network(), service: service(), stack: None },
            "recreate_unallocated",
            Some("docker service rm app && docker network rm net"),
        ),
        (
            R::RemoveNode { node: text("host"), network: network(), addresses: 2 },
            "remove_node",
            Some("docker node rm --force host"),
        ),
        (R::Wait { network: network(), stopping: 2 }, "wait", None),
    ]
}

fn others() -> Vec<(RemedyKind, &'static str, Option<&'static str>)> {
    use RemedyKind as R;
    let (network, service) = (|| text("net"), || text("app"));
    let stack = || Some(text("shop"));
    vec![
        (
            R::RemoveService { service: service(), network: network(), addresses: 2 },
            "remove_service",
            Some("docker service rm app"),
        ),
        (
            R::RemoveStack { stack: text("shop"), network: network(), addresses: 2 },
            "remove_stack",
            Some("pvcheck stack rm shop --apply"),
        ),
        (
            R::RemoveWaiting { service: service(), stack: stack(), on: vec![network()], certain: true },
            "remove_waiting",
            Some("pvcheck stack rm shop --apply"),
        ),
        (
            R::Retry { network: network(), service: None },
            "retry",
            Some("docker service update --force SERVICE"),
        ),
        (R::SeeLog, "see_log", Some("pvcheck journal scan --since-engine-start")),
        (R::SeeNode { service: service() }, "see_node", Some("docker service ps --no-trunc app")),
        (
            R::SeeServiceLog { service: service() },
            "see_service_log",
            Some("docker service logs --tail 50 app"),
        ),
        (
            R::SeeTaskErrors { service: service() },
            "see_task_errors",
            Some("docker service ps --no-trunc app"),
        ),
        (R::StartNode { node: text("host") }, "start_node", Some("docker node rm --force host")),
        (
            R::TakeUpdateBack {
                service: service(),
                freed_on: vec![network()],
                added: vec![text("b"), text("c")],
            },
            "take_update_back",
            Some("docker service update --network-rm b --network-rm c app"),
        ),
    ]
}

/// Those about several networks, and about updates.
fn ways_out() -> Vec<(RemedyKind, &'static str, Option<&'static str>)> {
    use RemedyKind as R;
    let (network, service) = (|| text("net"), || text("app"));
    vec![
        (
            R::Probe { subject: service(), networks: vec![network()] },
            "probe",
            Some("pvcheck why app --probe"),
        ),
        (
            R::ReclaimCandidates { networks: vec![network()], led_by: None },
            "reclaim_candidates",
            Some("pvcheck reclaim --apply"),
        ),
        (R::RollBack { service: service() }, "roll_back", Some("docker service rollback app")),
        (
            R::StopFirst { service: service(), force: true },
            "stop_first",
            Some("docker service update --update-order stop-first --force app"),
        ),
    ]
}

fn every() -> impl Iterator<Item = (RemedyKind, &'static str, Option<&'static str>)> {
    all().into_iter().chain(others()).chain(ways_out())
}

#[test]
fn each_kind_has_its_name_its_command_and_one_line_of_words() {
    for (kind, name, command) in every() {
        let remedy = remedy(kind);
        assert_eq!(remedy.command().as_deref(), command, "{name}");
        let written = serde_json::to_value(&remedy).unwrap();
        assert_eq!((&written["kind"], &written["command"]), (&name.into(), &command.into()));
        let words = written["what"].as_str().unwrap();
        assert_eq!(words, remedy.to_string());
        assert!(!words.is_empty() && !words.contains('\n') && !words.contains("  "), "{words}");
        assert_eq!(serde_json::from_value::<Remedy>(written).unwrap(), remedy);
    }
}

/// A step that is read alone must not lean on the one before it.
#[test]
fn no_step_begins_in_the_middle() {
    for (kind, name, _) in every() {
        let words = remedy(kind).to_string();
        for start in ["then ", "and ", "once ", "first "] {
            assert!(!words.starts_with(start), "{name}: {words}");
        }
    }
}

#[test]
fn the_words_say_how_certain_a_loss_is() {
    let words = |certain| {
        let on = vec![text("a"), text("b")];
        remedy(RemedyKind::RemoveWaiting { service: text("app"), stack: None, on, certain }).to_string()
    };
    assert!(words(true).ends_with("each attempt to serve it loses an address on a and b"), "{}", words(true));
    assert!(words(false).ends_with("may lose an address on a and b"), "{}", words(false));
}
