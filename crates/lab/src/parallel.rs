//! The same work for several engines or services at once.

use std::thread;

use crate::LabError;

/// Does `work` for all items at once; the first error counts.
pub(crate) fn side_by_side<T: Sync, R: Send>(
    items: &[T],
    work: impl Fn(&T) -> Result<R, LabError> + Sync,
) -> Result<Vec<R>, LabError> {
    thread::scope(|scope| {
        let work = &work;
        let running: Vec<_> = items.iter().map(|item| scope.spawn(move || work(item))).collect();
        // All are waited for before the first error is looked at.
        let ended: Vec<_> = running.into_iter().map(thread::ScopedJoinHandle::join).collect();
        ended
            .into_iter()
            .map(|result| result.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn side_by_side_keeps_order_and_reports_an_error() {
        assert_eq!(side_by_side(&[1, 2, 3], |n| Ok(n * 2)).unwrap(), [2, 4, 6]);
        let failed = side_by_side(&[1, 2], |n| if *n == 2 { Err(LabError::NotRoot) } else { Ok(()) });
        assert!(matches!(failed, Err(LabError::NotRoot)));
    }
}
