//! Ids of networks, services, tasks and nodes, as the engine wrote them.

use std::borrow::Borrow;
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
            /// Takes the text as it is; nothing is checked, because the engine's own words are kept.
            pub fn new(id: impl Into<String>) -> Self {
                Self(id.into())
            }

            /// The text of it.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(id: &str) -> Self {
                Self::new(id)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id! {
    /// A network as the engine wrote it: mostly the 25 characters of its id, in a few lines its name.
    NetworkId
}
id! {
    /// A service's id, 25 characters of base 36 (swarmkit `identity.NewID`).
    ServiceId
}
id! {
    /// A task's id, 25 characters of base 36 (swarmkit `identity.NewID`).
    TaskId
}
id! {
    /// A node's id, 25 characters of base 36 (swarmkit `identity.NewID`).
    NodeId
}
