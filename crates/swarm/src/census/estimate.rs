//! Whether a census will end in its time, from the time that the engine takes for a call.

use std::fmt;
use std::time::Duration;

use super::report::CensusMethod;

/// Calls of one step of the cursor: creation, its VIP, removal, and the look-up that shows it gone.
const CALLS_PER_STEP: u32 = 4;
/// Steps of the cursor at a time, once the network is known to have that many addresses free.
const LANES: u32 = 4;
/// Calls of one batch, and of the waits in it: each list of tasks twice at least.
const CALLS_PER_BATCH: u32 = 10;
/// Batches of a turn: they grow to a quarter of the network.
const BATCHES: u32 = 8;
/// Turns of a census that finds suspects; one is enough where it finds none.
const TURNS: u32 = 2;
/// Shortest time for a call that is worth a word: a healthy engine answers in a few milliseconds.
const SLOW: Duration = Duration::from_millis(100);

/// A census that will not end in its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Late {
    /// What one call takes.
    per_call: Duration,
    /// What the census will take, about.
    needs: Duration,
    /// What it has.
    deadline: Duration,
    /// True iff bulk would end in that time.
    bulk_helps: bool,
}

/// What is known before the first turn: `calls` calls took `took`. `None` if the census will end in its time, or if the
/// engine is quick, so that the estimate would be of the lists' size and not of its pace.
pub(super) fn late(
    method: CensusMethod,
    usable: u64,
    (calls, took): (u32, Duration),
    deadline: Duration,
) -> Option<Late> {
    let per_call = took / calls.max(1);
    let needs = expected(method, usable, per_call);
    let bulk_helps =
        method == CensusMethod::Cursor && expected(CensusMethod::Bulk, usable, per_call) <= deadline;
    (SLOW <= per_call && deadline < needs).then_some(Late { per_call, needs, deadline, bulk_helps })
}

fn expected(method: CensusMethod, usable: u64, per_call: Duration) -> Duration {
    let calls = match method {
        CensusMethod::Status | CensusMethod::Waiting => 0,
        CensusMethod::Cursor => {
            u32::try_from(usable).unwrap_or(u32::MAX).saturating_mul(CALLS_PER_STEP) / LANES
        }
        CensusMethod::Bulk => BATCHES * CALLS_PER_BATCH,
    };
    per_call.saturating_mul(calls.saturating_mul(TURNS))
}

impl fmt::Display for Late {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { per_call, needs, deadline, bulk_helps } = self;
        write!(
            f,
            "the engine takes {:.1} s for a call, so this needs about {} s and has {} s; give it a longer --deadline{}",
            per_call.as_secs_f32(),
            needs.as_secs(),
            deadline.as_secs(),
            if *bulk_helps { ", or --method bulk, which asks for many addresses at once" } else { "" }
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HALF: Duration = Duration::from_millis(500);
    const LIMIT: Duration = Duration::from_mins(2);

    #[test]
    fn a_slow_engine_is_said_early_with_what_helps() {
        let found = late(CensusMethod::Cursor, 253, (6, HALF * 6), LIMIT).expect("253 steps of 0.5 s a call");
        assert!(found.bulk_helps);
        let text = found.to_string();
        assert!(
            text.contains("0.5 s for a call") && text.contains("needs about 253 s and has 120 s"),
            "{text}"
        );
        assert!(text.contains("--deadline") && text.contains("--method bulk"), "{text}");
    }

    #[test]
    fn nothing_is_said_where_the_time_suffices_or_the_engine_is_quick() {
        for (method, usable, per_call) in [
            (CensusMethod::Cursor, 13, HALF),
            (CensusMethod::Bulk, 253, HALF),
            (CensusMethod::Status, 65_533, HALF),
            // Long lists make a snapshot slow, and not the small calls of a census.
            (CensusMethod::Cursor, 65_533, Duration::from_millis(50)),
        ] {
            assert_eq!(late(method, usable, (6, per_call * 6), LIMIT), None, "{method:?} {usable}");
        }
    }

    #[test]
    fn bulk_is_not_offered_where_it_does_not_help() {
        let slow = Duration::from_secs(10);
        for method in [CensusMethod::Bulk, CensusMethod::Cursor] {
            let found = late(method, 65_533, (6, slow * 6), LIMIT).expect("10 s a call");
            assert!(!found.to_string().contains("bulk"), "{found}");
        }
        // Two turns of eight batches of ten calls.
        let bulk = late(CensusMethod::Bulk, 65_533, (1, slow), LIMIT).expect("10 s a call");
        assert_eq!(bulk.needs, slow * 160);
        assert_eq!(late(CensusMethod::Cursor, 253, (0, Duration::ZERO), LIMIT), None);
    }
}
