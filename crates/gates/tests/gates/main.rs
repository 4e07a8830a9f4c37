//! Checks have teeth: for each, a healthy world is broken in exactly the way that the check is about, and exactly that
//! check changes.

mod activation;
mod any_swarm;
mod before;
mod bundle;
mod collect;
mod coverage;
mod every_fault;
mod evidence;
mod fix;
mod fix_coverage;
mod fixed;
mod formats;
mod guard;
mod harness;
mod init;
mod m1;
mod m2;
mod overlays;
mod replay;
mod report;
mod services;
mod support;
mod teeth;
mod under_way;
mod waivers;
