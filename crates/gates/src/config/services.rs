//! `[[service]]`: which services must run, and how many of their tasks.

use std::fmt;
use std::num::NonZeroU64;

use pvcheck_audit::Service;
use serde::{Deserialize, Deserializer};
use thiserror::Error;

use super::forms::{Placement, meant, stars_match};

/// Services that must run.
#[derive(Clone, Debug)]
pub struct ServiceConfig {
    /// Which services of the Swarm these are.
    pub which: Which,
    /// How many tasks of each must run.
    pub tasks: TasksWanted,
    /// On which overlay they must be, with addresses of its subnet.
    pub overlay: Placement,
}

/// Which services of a Swarm an entry is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// Those whose names this is, with any characters in the place of each `*`: `name = "shop_*"`.
    Alike(String),
    /// The service of this name: `name = "shop_app"`.
    Named(String),
    /// Those of the stack of this name, by the label `com.docker.stack.namespace`: `stack = "shop"`.
    OfStack(String),
}

impl Which {
    /// True iff this service is one of them. A service that a run of pvcheck made is so by its whole name alone: it is gone
    /// when the run ends.
    pub fn contains(&self, service: &Service) -> bool {
        match self {
            Self::Alike(pattern) => service.run.is_none() && stars_match(pattern, &service.name),
            Self::Named(name) => service.name == *name,
            Self::OfStack(stack) => service.run.is_none() && service.stack.as_ref() == Some(stack),
        }
    }

    /// True iff it is about one service alone.
    pub fn is_one(&self) -> bool {
        matches!(self, Self::Named(_))
    }

    /// As the end of a sentence about services: `named shop_*`, `of stack shop`.
    pub(crate) fn phrase(&self) -> String {
        match self {
            Self::Alike(name) | Self::Named(name) => format!("named {name}"),
            Self::OfStack(stack) => format!("of stack {stack}"),
        }
    }

    /// What stands for it in the id of its check: the name as it is written, `@STACK` for a stack. No service's name begins
    /// with `@` (moby `daemon/names`: letters, digits, `.`, `_` and `-`).
    pub(crate) fn id(&self) -> String {
        match self {
            Self::Alike(name) | Self::Named(name) => name.clone(),
            Self::OfStack(stack) => format!("@{stack}"),
        }
    }
}

impl fmt::Display for Which {
    /// `shop_app`, `shop_*` or `stack shop`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Alike(name) | Self::Named(name) => f.write_str(name),
            Self::OfStack(stack) => write!(f, "stack {stack}"),
        }
    }
}

/// How many tasks of a service must run, or of a job have ended well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TasksWanted {
    /// As many as the service itself asks for, and at least one.
    #[default]
    AsAsked,
    /// So many or more, of a service that asks for so many or more: `at_least = 2`.
    AtLeast(NonZeroU64),
    /// So many, of a service that asks for so many: `replicas = 2`.
    Exactly(u64),
}

impl fmt::Display for TasksWanted {
    /// As the end of a sentence: `3 tasks`, `at least 1 task`, `as many tasks as asked for`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tasks = |number: u64| if number == 1 { "task" } else { "tasks" };
        match self {
            Self::AsAsked => f.write_str("as many tasks as asked for"),
            Self::AtLeast(least) => write!(f, "at least {least} {}", tasks(least.get())),
            Self::Exactly(number) => write!(f, "{number} {}", tasks(*number)),
        }
    }
}

impl<'de> Deserialize<'de> for ServiceConfig {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        meant::<WrittenService, _, _>(from)
    }
}

/// As it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenService {
    name: Option<String>,
    stack: Option<String>,
    replicas: Option<u64>,
    at_least: Option<NonZeroU64>,
    #[serde(default)]
    overlay: Placement,
}

/// What is wrong with an entry as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
enum FormFault {
    #[error("a [[service]] has neither `name` nor `stack`; give it one of them")]
    Nothing,
    #[error("a [[service]] has both `name` and `stack`; keep one, and write a [[service]] for the other")]
    Both,
    #[error("a [[service]] has an empty `stack`; name one")]
    EmptyStack,
    #[error("a [[service]] has both `replicas` and `at_least`; keep one")]
    TwoNumbers,
}

impl TryFrom<WrittenService> for ServiceConfig {
    type Error = FormFault;

    fn try_from(written: WrittenService) -> Result<Self, FormFault> {
        let which = match (written.name, written.stack) {
            (None, None) => return Err(FormFault::Nothing),
            (Some(_), Some(_)) => return Err(FormFault::Both),
            (None, Some(stack)) if stack.is_empty() => return Err(FormFault::EmptyStack),
            (None, Some(stack)) => Which::OfStack(stack),
            (Some(name), None) if name.contains('*') => Which::Alike(name),
            (Some(name), None) => Which::Named(name),
        };
        let tasks = match (written.replicas, written.at_least) {
            (None, None) => TasksWanted::AsAsked,
            (Some(number), None) => TasksWanted::Exactly(number),
            (None, Some(least)) => TasksWanted::AtLeast(least),
            (Some(_), Some(_)) => return Err(FormFault::TwoNumbers),
        };
        Ok(Self { which, tasks, overlay: written.overlay })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &str) -> Result<ServiceConfig, String> {
        toml::from_str(lines).map_err(|error| error.message().to_owned())
    }

    #[test]
    fn an_entry_is_a_name_a_pattern_or_a_stack_with_a_number_or_none() {
        let of = |lines: &str| read(lines).map(|s| (s.which.id(), s.which.to_string(), s.tasks.to_string()));
        let said = |id: &str, text: &str, tasks: &str| Ok((id.into(), text.into(), tasks.into()));
        assert_eq!(of("name = \"shop\""), said("shop", "shop", "as many tasks as asked for"));
        assert_eq!(of("name = \"shop_*\"\nat_least = 2"), said("shop_*", "shop_*", "at least 2 tasks"));
        assert_eq!(of("stack = \"shop\"\nreplicas = 0"), said("@shop", "stack shop", "0 tasks"));
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for (lines, part) in [
            ("replicas = 1", "neither `name` nor `stack`"),
            ("name = \"a\"\nstack = \"a\"", "both `name` and `stack`"),
            ("stack = \"\"", "empty `stack`"),
            ("name = \"a\"\nreplicas = 1\nat_least = 1", "both `replicas` and `at_least`"),
            ("name = \"a\"\nat_least = 0", "nonzero"),
            ("name = \"a\"\natleast = 1", "unknown field `atleast`"),
        ] {
            let error = read(lines).expect_err(lines);
            assert!(error.contains(part), "{lines}: {error}");
        }
    }
}
