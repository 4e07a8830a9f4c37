//! Why a call is refused, in the engine's own words.

/// A refused call. `Display` is the engine's own text, letter for letter, since clients match on it; the texts
/// without another note were read off engine 20.10.24.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No object of this kind has this id, name or id prefix.
    #[error("{kind} {term} not found")]
    NotFound {
        /// `network`, `service`, `task`, `node`, `secret` or `config`.
        kind: &'static str,
        /// What was asked for.
        term: String,
    },
    /// Several objects have this id prefix (moby `network_routes.go`).
    #[error("{kind} {term} is ambiguous ({matches} matches found based on ID prefix)")]
    Ambiguous {
        /// The kind of object.
        kind: &'static str,
        /// What was asked for.
        term: String,
        /// How many answer to it, two or more.
        matches: usize,
    },
    /// There is a network of this name.
    #[error("network with name {0} already exists")]
    NetworkNameTaken(String),
    /// There is a service of this name.
    #[error(
        "rpc error: code = AlreadyExists desc = name conflicts with an existing object: service {0} already exists"
    )]
    ServiceNameTaken(String),
    /// There is a secret or config of this name.
    #[error("rpc error: code = AlreadyExists desc = {kind} {name} already exists")]
    ObjectNameTaken {
        /// `secret` or `config`.
        kind: &'static str,
        /// The name.
        name: String,
    },
    /// The network cannot be removed yet.
    #[error("rpc error: code = FailedPrecondition desc = network {network} is in use by {kind} {user}")]
    NetworkInUse {
        /// The network's id.
        network: String,
        /// `service` or `task`.
        kind: &'static str,
        /// The id of the first user that was found.
        user: String,
    },
    /// The ingress network cannot be removed yet.
    #[error(
        "rpc error: code = FailedPrecondition desc = ingress network cannot be removed because service {0} depends on it"
    )]
    IngressInUse(String),
    /// The network is the engine's own.
    #[error("{0} is a pre-defined network and cannot be removed")]
    Predefined(String),
    /// The network is of this node only, so no service can use it.
    #[error(
        "The network {0} cannot be used with services. Only networks scoped to the swarm can be used, such as those created with the overlay driver."
    )]
    NotSwarmScoped(String),
    /// The network was not created as attachable.
    #[error("rpc error: code = PermissionDenied desc = network {0} not manually attachable")]
    NotAttachable(String),
    /// The container is on the network already, as the text says (moby `daemon/container_operations.go`).
    #[error("{0}")]
    AlreadyAttached(String),
    /// No container of this node has this id or name.
    #[error("No such container: {0}")]
    NoContainer(String),
    /// The network itself has the address.
    #[error("Address already in use")]
    AddressInUse,
    /// The object changed since it was read.
    #[error("rpc error: code = Unknown desc = update out of sequence")]
    OutOfSequence,
    /// A service uses a network that does not exist; unlike a request for that network this is a 500.
    #[error("network {0} not found")]
    NoTarget(String),
    /// The request is against the rules.
    #[error("rpc error: code = InvalidArgument desc = {0}")]
    InvalidArgument(String),
    /// The object is in a state in which this cannot be done.
    #[error("rpc error: code = FailedPrecondition desc = {0}")]
    FailedPrecondition(String),
    /// A change that swarmkit does not support: of a service's name or of its kind of mode.
    #[error("rpc error: code = Unimplemented desc = {0}")]
    Unimplemented(&'static str),
    /// The request cannot be read.
    #[error("{0}")]
    Malformed(String),
    /// A value that the engine finds wrong only while it works, so a 500.
    #[error("{0}")]
    Internal(String),
    /// An overlay was to be local (moby `daemon/network.go`, `createNetwork`).
    #[error("cannot downgrade network scope for overlay networks")]
    ScopeDowngrade,
    /// There is an ingress network, with this id (swarmkit `manager/controlapi/network.go`, `CreateNetwork`).
    #[error("rpc error: code = AlreadyExists desc = ingress network ({0}) is already present")]
    IngressPresent(String),
    /// The engine is a worker.
    #[error(
        "This node is not a swarm manager. Worker nodes can't be used to view or modify cluster state. Please run this command on a manager node or promote the current node to a manager."
    )]
    Worker,
    /// The engine is in no Swarm.
    #[error(
        "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to connect this node to swarm and try again."
    )]
    Inactive,
    /// There is no such path.
    #[error("page not found")]
    NoPage,
}

impl Refusal {
    /// The HTTP status that the engine answers with.
    pub fn status(&self) -> u16 {
        match self {
            Self::NotFound { .. } | Self::NoContainer(_) | Self::NoPage => 404,
            Self::NetworkNameTaken(_)
            | Self::ServiceNameTaken(_)
            | Self::ObjectNameTaken { .. }
            | Self::AlreadyAttached(_)
            | Self::IngressPresent(_) => 409,
            Self::ScopeDowngrade
            | Self::AddressInUse
            | Self::Predefined(_)
            | Self::NotSwarmScoped(_)
            | Self::NotAttachable(_) => 403,
            Self::Ambiguous { .. }
            | Self::NetworkInUse { .. }
            | Self::IngressInUse(_)
            | Self::InvalidArgument(_)
            | Self::FailedPrecondition(_)
            | Self::Malformed(_) => 400,
            Self::OutOfSequence | Self::NoTarget(_) | Self::Internal(_) => 500,
            Self::Unimplemented(_) => 501,
            Self::Worker | Self::Inactive => 503,
        }
    }

    pub(crate) fn not_found(kind: &'static str, term: &str) -> Self {
        Self::NotFound { kind, term: term.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> String {
        text.to_owned()
    }

    /// One of each. The match has no wildcard: a new variant does not compile until it has its line here.
    fn sample(number: usize) -> Option<Refusal> {
        let all = [
            Refusal::not_found("task", "t"),
            Refusal::Ambiguous { kind: "node", term: text("n"), matches: 3 },
            Refusal::NetworkNameTaken(text("net")),
            Refusal::ServiceNameTaken(text("web")),
            Refusal::ObjectNameTaken { kind: "config", name: text("c") },
            Refusal::NetworkInUse { network: text("net"), kind: "task", user: text("t") },
            Refusal::IngressInUse(text("web")),
            Refusal::Predefined(text("bridge")),
            Refusal::NotSwarmScoped(text("bridge")),
            Refusal::NotAttachable(text("net")),
            Refusal::AlreadyAttached(text("c is already attached to network net")),
            Refusal::NoContainer(text("c")),
            Refusal::AddressInUse,
            Refusal::OutOfSequence,
            Refusal::NoTarget(text("net")),
            Refusal::InvalidArgument(text("no")),
            Refusal::FailedPrecondition(text("no")),
            Refusal::Unimplemented("no"),
            Refusal::Malformed(text("EOF")),
            Refusal::Internal(text("no")),
            Refusal::ScopeDowngrade,
            Refusal::IngressPresent(text("id")),
            Refusal::Worker,
            Refusal::Inactive,
            Refusal::NoPage,
        ];
        all.into_iter().nth(number)
    }

    fn expected(refusal: &Refusal) -> (u16, &'static str) {
        match refusal {
            Refusal::NotFound { .. } => (404, "task t not found"),
            Refusal::Ambiguous { .. } => (400, "node n is ambiguous (3 matches found based on ID prefix)"),
            Refusal::NetworkNameTaken(_) => (409, "network with name net already exists"),
            Refusal::ServiceNameTaken(_) => (
                409,
                "rpc error: code = AlreadyExists desc = name conflicts with an existing object: service web already exists",
            ),
            Refusal::ObjectNameTaken { .. } => {
                (409, "rpc error: code = AlreadyExists desc = config c already exists")
            }
            Refusal::NetworkInUse { .. } => {
                (400, "rpc error: code = FailedPrecondition desc = network net is in use by task t")
            }
            Refusal::IngressInUse(_) => (
                400,
                "rpc error: code = FailedPrecondition desc = ingress network cannot be removed because service web depends on it",
            ),
            Refusal::Predefined(_) => (403, "bridge is a pre-defined network and cannot be removed"),
            Refusal::NotSwarmScoped(_) => (
                403,
                "The network bridge cannot be used with services. Only networks scoped to the swarm can be used, such as those created with the overlay driver.",
            ),
            Refusal::NotAttachable(_) => {
                (403, "rpc error: code = PermissionDenied desc = network net not manually attachable")
            }
            Refusal::AlreadyAttached(_) => (409, "c is already attached to network net"),
            Refusal::NoContainer(_) => (404, "No such container: c"),
            Refusal::AddressInUse => (403, "Address already in use"),
            Refusal::OutOfSequence => (500, "rpc error: code = Unknown desc = update out of sequence"),
            Refusal::NoTarget(_) => (500, "network net not found"),
            Refusal::InvalidArgument(_) => (400, "rpc error: code = InvalidArgument desc = no"),
            Refusal::FailedPrecondition(_) => (400, "rpc error: code = FailedPrecondition desc = no"),
            Refusal::Unimplemented(_) => (501, "rpc error: code = Unimplemented desc = no"),
            Refusal::Malformed(_) => (400, "EOF"),
            Refusal::Internal(_) => (500, "no"),
            Refusal::ScopeDowngrade => (403, "cannot downgrade network scope for overlay networks"),
            Refusal::IngressPresent(_) => {
                (409, "rpc error: code = AlreadyExists desc = ingress network (id) is already present")
            }
            Refusal::Worker => (
                503,
                "This node is not a swarm manager. Worker nodes can't be used to view or modify cluster state. Please run this command on a manager node or promote the current node to a manager.",
            ),
            Refusal::Inactive => (
                503,
                "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to connect this node to swarm and try again.",
            ),
            Refusal::NoPage => (404, "page not found"),
        }
    }

    #[test]
    fn texts_and_statuses_are_the_engines() {
        let samples: Vec<Refusal> = (0..).map_while(sample).collect();
        assert_eq!(samples.len(), 25);
        for refusal in samples {
            assert_eq!((refusal.status(), refusal.to_string().as_str()), expected(&refusal), "{refusal:?}");
        }
    }
}
