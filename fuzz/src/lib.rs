//! Fuzz targets of every parser of foreign bytes; see this crate's `README.md`.

mod checks;

/// Runs a target's check.
///
/// # Panics
///
/// If the check finds something, or no check has that name.
pub fn run(target: &str, data: &[u8]) {
    let check = checks::CHECKS.iter().find(|(name, _)| *name == target);
    check.expect("a target has its check").1(data);
}
