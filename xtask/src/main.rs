//! Development tasks: cargo xtask pvcheck, test, bench, lab.
fn main() {}
