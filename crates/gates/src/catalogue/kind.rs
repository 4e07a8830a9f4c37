//! The kinds of checks. What each is about, needs and shows is its row in `rows.rs`.

/// A kind of check. A configuration with several overlays, services or routes has several checks of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    OverlaySubnet,
    OverlayOwners,
    OverlayLeaked,
    OverlayHeadroom,
    SwarmWaiting,
    Service,
    ServicesUnlisted,
    RoutesUnlisted,
    Route,
    JournalExhaustion,
    RoutesBefore,
    RoutesDuring,
    RoutesAfter,
    CanaryDeploy,
    CanaryRoute,
    CanaryRemoval,
    ChurnCensus,
    ChurnDuplicates,
    ChurnLeaks,
    ChurnRemoval,
    JournalNew,
    Residue,
    RenewalPlan,
    RenewalMembers,
    WindowClear,
    CreationDeclared,
    RenewalEnded,
    RenewalNetwork,
    RenewalRemoved,
    RenewalSpecs,
    CreationColumns,
    JournalRenewal,
    Precondition,
    Harness,
    Guard,
    CreationUnit,
}

/// What a configuration has one check of a kind for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Of {
    /// The whole Swarm, or the host on which the gate is run: one check at most.
    Swarm,
    /// The overlay on which canary and churn deploy, which the title names in the place of `the overlay`: one check.
    First,
    /// Each overlay.
    Overlay,
    /// Each service.
    Service,
    /// Each route.
    Route,
    /// Each harness.
    Harness,
    /// Each gate that must have passed before.
    Before,
}

/// In which step of a gate's work the facts of a check are collected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// Reports of gates that ran before are read.
    Before,
    /// The Swarm, its routes and its log are read.
    Control,
    /// The renewal of an overlay is planned.
    Plan,
    /// An overlay that was renewed is compared with what the renewal recorded.
    Renewed,
    /// Stacks are deployed and removed.
    Deployment,
}
