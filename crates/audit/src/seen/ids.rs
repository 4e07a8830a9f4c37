//! Names of things, one type each: mixing two must not compile.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Wraps an id as the Engine API gave it.
            pub fn new(id: impl Into<String>) -> Self {
                Self(id.into())
            }

            /// The id as the Engine API writes it.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id!(
    /// Id of a Docker config object.
    ConfigId
);
id!(
    /// Id of a container.
    ContainerId
);
id!(
    /// Id of a network: 25 characters for Swarm's own, 64 for a node-local one.
    NetworkId
);
id!(
    /// Id of a Swarm node.
    NodeId
);
id!(
    /// Id of a Docker secret.
    SecretId
);
id!(
    /// Id of a Swarm service.
    ServiceId
);
id!(
    /// Id of a Swarm task.
    TaskId
);
