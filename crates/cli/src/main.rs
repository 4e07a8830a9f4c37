//! The pvcheck command.
fn main() {}
