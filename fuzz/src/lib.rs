//! Fuzz targets of every parser that reads what others wrote; see `README.md` beside this crate.

mod checks;

/// Runs a target's check.
///
/// # Panics
///
/// When the check finds something, or there is none of that name.
pub fn run(target: &str, data: &[u8]) {
    let check = checks::CHECKS.iter().find(|(name, _)| *name == target);
    check.expect("a target has its check").1(data);
}
