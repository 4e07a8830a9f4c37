//! The world in which nothing is free any more.

use std::time::Duration;

use crate::draft::{NetworkDraft, ServiceDraft};
use crate::model::Model;
use crate::refusal::Refusal;
use crate::settings::Settings;
use crate::state::TaskState;
use crate::world::cc_ci_with;

/// Tasks of each deployment on `proxy`.
const REPLICAS: u64 = 3;
/// More deployments than a /24 has addresses, so that the loop ends whatever the model does.
const MOST_DEPLOYMENTS: u64 = 256;
/// Long enough for a deployment to run, and for its tasks to stop and be forgotten.
const SETTLE: Duration = Duration::from_secs(2);
/// How long the last deployment has waited: longer than a task does that is only about to be given its addresses.
const WAITED: Duration = Duration::from_mins(1);

/// World `cc-ci` at the end of many days: deployments were removed in the docker client's order, services and at once
/// their networks, until `proxy` was full of addresses without an owner. The last deployment is still there, and waits
/// for an address: `ghos-N_app`, with tasks in `New`.
///
/// # Errors
/// If the model refuses a deployment, or still has addresses after so many, which would be a defect of this crate.
pub fn incident(settings: Settings) -> Result<Model, Refusal> {
    let mut model = cc_ci_with(settings)?;
    for number in 1..=MOST_DEPLOYMENTS {
        let stack = format!("ghos-{number}");
        deploy(&mut model, &stack)?;
        if waits(&model) {
            model.advance(WAITED);
            return Ok(model);
        }
        model.remove_service(&format!("{stack}_app"))?;
        model.remove_network(&format!("{stack}_internal"))?;
        model.advance(SETTLE);
    }
    Err(Refusal::Internal(format!("proxy has addresses left after {MOST_DEPLOYMENTS} deployments")))
}

fn deploy(model: &mut Model, stack: &str) -> Result<(), Refusal> {
    let internal = format!("{stack}_internal");
    let network = NetworkDraft::overlay(&internal).label("com.docker.stack.namespace", stack);
    model.create_network(&network.json())?;
    let service = ServiceDraft::new(&format!("{stack}_app")).stack(stack).on("proxy").on(&internal);
    model.create_service(service.replicas(REPLICAS).json())?;
    model.advance(SETTLE);
    Ok(())
}

fn waits(model: &Model) -> bool {
    model.tasks.values().any(|task| task.state == TaskState::New)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Engine;

    #[test]
    fn proxy_is_full_of_leaks_and_a_service_waits_on_every_engine() {
        for engine in Engine::ALL {
            let model = incident(Settings { engine, ..Settings::default() }).unwrap();
            let truth = model.truth();
            let proxy = truth.network("proxy").unwrap();
            assert_eq!(proxy.free, Some(0), "{engine:?}");
            let owned = proxy.owners.len();
            assert_eq!(proxy.leaked.len() + owned, 253, "{engine:?}: leaked or owned, and nothing else");
            assert!(
                owned < 20 && proxy.duplicates.is_empty() && proxy.lost.is_empty(),
                "{engine:?}: {proxy:?}"
            );
            let waiting: Vec<_> = model.tasks.values().filter(|task| task.state == TaskState::New).collect();
            assert!(waiting.iter().all(|task| task.name().starts_with("ghos-")), "{engine:?}");
            assert!(!waiting.is_empty(), "{engine:?}");
        }
    }
}
