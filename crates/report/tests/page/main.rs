//! Pages of runs: what stands on them, that nothing from outside becomes markup, how large they are, and that their maps
//! agree with the checks.

mod counts;
mod escaping;
mod parts;
mod size;
mod support;
