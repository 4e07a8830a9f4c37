//! Whether a journal ends in a burst, of which journald may have dropped a part.
//!
//! journald says that it dropped lines of a unit when the unit's next line comes after the interval of its rate limit, and not
//! before: of 100,000 lines that were written at once 37,500 were in the journal of systemd 252, and `Suppressed 62500 messages` came
//! with the first line half a minute later, while a scan in between saw no gap.

/// `RateLimitIntervalSec=` and `RateLimitBurst=` as they are by default (journald.conf(5)). journald multiplies the burst by up to
/// six, by the room on the disk.
const INTERVAL_USEC: i64 = 30_000_000;
const BURST: usize = 10_000;

/// The times of the last records.
#[derive(Debug, Default)]
pub(super) struct Burst {
    times: Vec<i64>,
    /// Where the oldest of them is, once there are enough.
    oldest: usize,
    last: i64,
}

impl Burst {
    /// Takes the time of the next record, in microseconds.
    pub(super) fn saw(&mut self, at_usec: i64) {
        self.last = at_usec;
        if self.times.len() < BURST {
            return self.times.push(at_usec);
        }
        self.times[self.oldest] = at_usec;
        self.oldest = (self.oldest + 1) % BURST;
    }

    /// True iff as many records as the limit allows came in one interval, and none after it.
    pub(super) fn is_open(&self) -> bool {
        self.times.len() == BURST && self.last.saturating_sub(self.times[self.oldest]) <= INTERVAL_USEC
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn burst(times: impl IntoIterator<Item = i64>) -> Burst {
        let mut burst = Burst::default();
        times.into_iter().for_each(|at| burst.saw(at));
        burst
    }

    #[test]
    fn a_journal_ends_in_a_burst_until_a_record_comes_after_the_interval() {
        let at_once = |records: i64| (0..records).map(|number| number * 2_000);
        assert!(!burst(at_once(9_999)).is_open());
        assert!(burst(at_once(10_000)).is_open());
        assert!(burst(at_once(35_000)).is_open());
        assert!(!burst(at_once(35_000).chain([200_000_000])).is_open());
        assert!(!burst((0..50_000).map(|number| number * 4_000)).is_open(), "ten thousand in 40 s");
        assert!(!Burst::default().is_open());
    }
}
