//! Renewals of `proxy`, and what they must not change: for every test program of this crate that renews.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;

use pvcheck_audit::SavedSnapshot;
use pvcheck_ipam::Subnet;
use pvcheck_sim::Sim;
use pvcheck_swarm::{
    Engine, NewSubnet, Operation, RenewalError, RenewalFacts, RenewalOptions, RenewalPlan, RenewalPoint,
    RenewalRequest, RenewalStrategy, RunId, plan_renewal, renew, silent,
};
use serde_json::Value;

use crate::support::{PATIENCE, connect, list, permit};

pub(crate) fn subnet(text: &str) -> Subnet {
    Subnet::parse(text).expect("a subnet")
}

pub(crate) fn request(strategy: RenewalStrategy) -> RenewalRequest {
    RenewalRequest {
        network: "proxy".into(),
        to: NewSubnet::Subnet(subnet("10.10.0.0/16")),
        range: None,
        strategy: Some(strategy),
        rerun_jobs: false,
        readdress: false,
    }
}

pub(crate) fn options<'a>(
    state: &Path,
    hook: &'a (dyn Fn(RenewalPoint) + Send + Sync),
) -> RenewalOptions<'a> {
    RenewalOptions {
        holder: "a test".into(),
        break_lock: None,
        patience: PATIENCE,
        hold: false,
        state: state.to_owned(),
        lock_lasts: PATIENCE,
        hook,
    }
}

/// As the command reads them.
pub(crate) async fn facts(engine: &Engine) -> Result<RenewalFacts, RenewalError> {
    let snapshot = engine.snapshot().await?;
    let counts = pvcheck_swarm::read_counts(engine, &snapshot).await;
    let saved = SavedSnapshot { snapshot, host: None, host_unknown: Some("a model has none".into()), counts };
    RenewalFacts::of(engine, saved, "proxy").await
}

pub(crate) async fn planned(engine: &Engine, strategy: RenewalStrategy) -> RenewalPlan {
    planned_for(engine, &request(strategy)).await
}

pub(crate) async fn planned_for(engine: &Engine, request: &RenewalRequest) -> RenewalPlan {
    plan_renewal(&facts(engine).await.expect("the facts"), request, &[])
}

/// The specs of all services, with the id of `proxy` written as a word.
pub(crate) fn specs(sim: &Sim) -> BTreeMap<String, Value> {
    sim.with_model(|model| {
        let proxy = list(model, "networks").into_iter().find(|n| n["Name"] == "proxy");
        let neutral = |spec: &Value| -> Value {
            let Some(id) = proxy.as_ref().and_then(|network| network["Id"].as_str()) else {
                return spec.clone();
            };
            serde_json::from_str(&spec.to_string().replace(id, "PROXY")).expect("JSON")
        };
        let services = list(model, "services");
        services
            .iter()
            .map(|s| (s["Spec"]["Name"].as_str().unwrap_or_default().to_owned(), neutral(&s["Spec"])))
            .collect()
    })
}

/// What `proxy` is but for its id and its age; `null` if it is not there.
pub(crate) fn settings(sim: &Sim) -> Value {
    sim.with_model(|model| {
        let proxy = list(model, "networks").into_iter().find(|n| n["Name"] == "proxy");
        let Some(mut proxy) = proxy else { return Value::Null };
        for key in ["Id", "Created", "Containers", "Peers"] {
            proxy[key] = Value::Null;
        }
        proxy["Options"]["com.docker.network.driver.overlay.vxlanid_list"] = Value::Null;
        proxy
    })
}

/// Runs a renewal up to a point, where its process ends.
pub(crate) async fn killed_at(sim: &Sim, strategy: RenewalStrategy, at: &RenewalPoint) {
    let engine = connect(sim).await;
    let plan = planned(&engine, strategy).await;
    let (reached, waits) = tokio::sync::oneshot::channel();
    let (reached, at) = (Mutex::new(Some(reached)), at.clone());
    let state = tempfile::tempdir().expect("a folder");
    let work = tokio::spawn(async move {
        let run = RunId::unique();
        let hook = move |point: RenewalPoint| {
            if point == at {
                let _ = reached.lock().expect("no panic").take().map(|to| to.send(()));
                // The future ends here, as with its process.
                std::panic::resume_unwind(Box::new("killed"));
            }
        };
        let op = Operation::new(&engine, permit(), &run, &silent);
        renew(op, &plan, &options(state.path(), &hook)).await.map(drop)
    });
    assert!(work.await.is_err_and(|e| e.is_panic()), "it was not killed");
    waits.await.expect("the point was reached");
}
