//! Checks have teeth: for each, a healthy world is broken in exactly the way that the check is about, and exactly that
//! check changes.

mod collect;
mod m1;
mod m2;
mod replay;
mod report;
mod support;
