//! Probes against servers on loopback, each with the exact verdict it deserves.

// The attribute tells clippy that these are tests: a panic is how a helper of theirs reports a fault.
#[cfg(test)]
mod answers;
mod attempts;
mod causes;
mod conditions;
#[cfg(test)]
mod kinds;
mod pages;
mod request;
#[cfg(test)]
mod support;
#[cfg(test)]
mod tls;
#[cfg(test)]
mod watch;
