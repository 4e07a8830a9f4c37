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

    #[test]
    fn all_end_before_the_first_error_is_given() {
        use std::sync::atomic::{AtomicUsize, Ordering};
        let ended = AtomicUsize::new(0);
        let gate = std::sync::Barrier::new(3);
        let result = side_by_side(&[0, 1, 2], |n| {
            // None can go on before all have begun: they do run at once.
            gate.wait();
            ended.fetch_add(1, Ordering::SeqCst);
            if *n == 0 { Err(LabError::Cancelled) } else { Ok(()) }
        });
        assert!(matches!(result, Err(LabError::Cancelled)));
        assert_eq!(ended.load(Ordering::SeqCst), 3);
    }

    #[test]
    fn the_error_of_the_first_item_counts() {
        let failed = side_by_side(&[1, 2, 3], |n| match n {
            1 => Ok(()),
            2 => Err(LabError::NotRoot),
            _ => Err(LabError::Cancelled),
        });
        assert!(matches!(failed, Err(LabError::NotRoot)));
        assert!(side_by_side::<u8, ()>(&[], |_| Err(LabError::NotRoot)).unwrap().is_empty());
    }
}
