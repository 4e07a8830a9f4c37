//! Tables of pages that are written from the code: what a page says of a check is what the catalogue says.
//!
//! `cargo xtask test --only pages --bless` writes them.

mod bundle;
mod checks;
mod page;
mod requirements;
