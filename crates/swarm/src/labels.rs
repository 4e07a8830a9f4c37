//! Labels that say which run, or which stack, an object belongs to.

/// The label of every object that pvcheck creates; its value is the [`crate::RunId`].
pub const RUN_LABEL: &str = "org.pvcheck.run";

/// The label by which the Docker CLI recognises the parts of a stack; its value is the stack's name.
pub const STACK_LABEL: &str = "com.docker.stack.namespace";

/// The label of what a renewal keeps in the Swarm while it is under way; its value is the network's name.
pub(crate) const RENEWAL_LABEL: &str = "org.pvcheck.renewal";
