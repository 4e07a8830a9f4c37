//! The labels by which things of pvcheck and of Docker's stacks are known.

/// The label on everything that pvcheck makes; its value is the [`crate::RunId`].
pub const RUN_LABEL: &str = "org.pvcheck.run";

/// The label by which Docker itself knows a stack's parts.
pub const STACK_LABEL: &str = "com.docker.stack.namespace";
