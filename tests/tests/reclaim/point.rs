//! A process that is killed, or kills the private engine, between two actions of a reclaim.

use std::process::Command;

use pvcheck_swarm::{Engine, Operation, Permit, ReclaimOptions, RunId, StepPoint, Wish, reclaim, silent};
use pvcheck_tests::Outcome;

/// Who is killed, and where.
#[derive(Clone, Debug)]
pub(crate) struct Kill {
    /// `STEP:begun` or `STEP:acted`.
    pub(crate) at: String,
    pub(crate) pvcheck: bool,
    pub(crate) engine: bool,
}

impl Kill {
    pub(crate) fn victims(&self) -> &'static str {
        match (self.pvcheck, self.engine) {
            (true, true) => "pvcheck and the engine",
            (true, false) => "pvcheck",
            (false, _) => "the engine",
        }
    }
}

/// The steps of `borrow` in their order.
pub(crate) const STEPS: [&str; 15] = [
    "lock",
    "safeguard",
    "namespace",
    "engine",
    "compact",
    "patience",
    "join",
    "freeze",
    "thaw",
    "demote",
    "leave",
    "heartbeat",
    "remove",
    "tokens",
    "unlock",
];

/// Every boundary between two actions of `borrow`, with every process that can be killed there. Nothing happens between the
/// end of one step and the beginning of the next, so `begun` stands for both. `PVCHECK_POINT` selects a single one.
pub(crate) fn all() -> Vec<Kill> {
    let mut kills = Vec::new();
    for step in STEPS {
        for moment in ["begun", "acted"] {
            let at = format!("{step}:{moment}");
            kills.push(Kill { at: at.clone(), pvcheck: true, engine: false });
            let runs = ["compact", "patience", "join", "freeze", "thaw", "demote", "leave", "heartbeat"]
                .contains(&step)
                || at == "engine:acted"
                || at == "remove:begun";
            if runs {
                kills.push(Kill { at: at.clone(), pvcheck: false, engine: true });
                kills.push(Kill { at, pvcheck: true, engine: true });
            }
        }
    }
    if let Ok(only) = std::env::var("PVCHECK_POINT") {
        kills.retain(|kill| kill.at == only);
    }
    kills
}

fn kill(pid: u32) {
    let _ = Command::new("kill").args(["-9", &pid.to_string()]).status();
}

fn at_point(point: StepPoint) {
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    let here = serde_json::json!([point.step, point.moment]);
    let here = format!("{}:{}", here[0].as_str().unwrap_or("?"), here[1].as_str().unwrap_or("?"));
    if variable("POINT") != here {
        return;
    }
    let victims = variable("POINT_VICTIMS");
    if victims.contains("engine") {
        let Some(engine) = point.engine else { panic!("the private engine does not run at {here}") };
        kill(engine);
    }
    crate::world::say(&format!("killed {victims} at {here}"));
    if victims.contains("pvcheck") {
        kill(std::process::id());
        std::thread::park();
    }
}

/// Not a test by itself: [`crate::world::World::reclaim_until`] runs it inside a lab, in a process of its own.
#[tokio::test]
async fn ends_at_a_point() -> Outcome {
    let Some(state) = std::env::var_os("POINT_STATE") else { return Ok(()) };
    let engine = Engine::connect(&std::env::var("DOCKER_HOST")?.parse()?).await?;
    let options = ReclaimOptions {
        networks: Vec::new(),
        wish: Wish { only: None, restart_allowed: false, busy_allowed: false },
        state: state.into(),
        holder: "a test".to_owned(),
        break_lock: None,
        restart_command: "false".to_owned(),
        force_new_cluster: false,
        hook: &at_point,
    };
    let permit = Permit::granted_by_operator();
    match reclaim(Operation::new(&engine, permit, &RunId::unique(), &silent), &[], &options).await {
        Ok(done) => crate::world::say(&format!("left: {:?}", done.left())),
        Err(error) => crate::world::say(&format!("error: {error}")),
    }
    Ok(())
}
