//! What several turns show together.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use pvcheck_ipam::LeakReport;

use super::doubt::Doubt;

/// What one turn amounts to.
pub(super) struct Settled {
    pub(super) report: LeakReport,
    /// Every address that it was given.
    pub(super) handed_out: BTreeSet<Ipv4Addr>,
    /// The address of the asked node's own load balancer, if it named one.
    pub(super) local_load_balancer: Option<Ipv4Addr>,
}

impl Settled {
    /// True iff an undisturbed turn ends the census: every usable address was handed out, or has an owner or a load
    /// balancer, or the turn before showed the very same.
    pub(super) fn is_final(&self, earlier: Option<&Self>) -> bool {
        let report = &self.report;
        let nothing_left = report.suspects.len() as u64 == report.load_balancers_unnamed;
        let same = |earlier: &Self| {
            earlier.handed_out == self.handed_out
                && earlier.report.suspects == report.suspects
                && earlier.report.free_and_owned == report.free_and_owned
        };
        (nothing_left && report.free_and_owned.is_empty()) || earlier.is_some_and(same)
    }
}

/// Addresses that an earlier turn was given: at that moment they were free, so they were not leaked.
#[derive(Default)]
pub(super) struct Evidence(BTreeSet<Ipv4Addr>);

impl Evidence {
    pub(super) fn add(&mut self, settled: &Settled) {
        self.0.extend(&settled.handed_out);
    }

    /// Why the suspects of a report cannot all be leaked; `None` where nothing contradicts them.
    ///
    /// An address that was free a moment ago and has no owner now was lost in between, or is held by something that no list
    /// shows. As many of them as there are unnamed load balancers may be one that a node has just got.
    pub(super) fn contradicts(&self, report: &LeakReport) -> Option<Doubt> {
        let addresses = report.suspects.intersection(&self.0).count() as u64;
        (report.load_balancers_unnamed < addresses).then_some(Doubt::FreeBefore { addresses })
    }
}

/// Why the parts of a count do not make up the whole; `None` where they do.
pub(super) fn parts(report: &LeakReport) -> Option<Doubt> {
    // What is free and owned at once was handed out, and is counted there.
    let owned = report.owned.saturating_sub(report.free_and_owned.len() as u64);
    let (free, load_balancers, leaked) = (report.handed_out, report.load_balancers_unnamed, report.leaked);
    let whole = free + owned + load_balancers + leaked == report.usable;
    (!whole).then_some(Doubt::PartsDiffer { usable: report.usable, free, owned, load_balancers, leaked })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(host: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, 0, 1, host)
    }

    fn report(suspects: &[u8], load_balancers: u64) -> LeakReport {
        LeakReport {
            usable: 13,
            handed_out: 13 - suspects.len() as u64,
            owned: 0,
            load_balancers_unnamed: load_balancers,
            leaked: (suspects.len() as u64).saturating_sub(load_balancers),
            suspects: suspects.iter().map(|host| address(*host)).collect(),
            load_balancers_missing: 0,
            free_and_owned: BTreeSet::new(),
            foreign: BTreeSet::new(),
        }
    }

    fn settled(suspects: &[u8], load_balancers: u64) -> Settled {
        let handed_out = (2..15).filter(|host| !suspects.contains(host)).map(address).collect();
        Settled {
            report: report(suspects, load_balancers),
            handed_out,
            local_load_balancer: Some(address(2)),
        }
    }

    #[test]
    fn one_turn_suffices_where_nothing_is_left_over() {
        assert!(settled(&[], 0).is_final(None) && settled(&[5], 1).is_final(None));
        assert!(!settled(&[5], 0).is_final(None), "a suspect needs a second turn");
        let mut shared = settled(&[], 0);
        shared.report.free_and_owned.insert(address(7));
        assert!(!shared.is_final(None), "so does an address that is free and owned");
        assert!(shared.is_final(Some(&shared)));
    }

    #[test]
    fn two_turns_must_show_the_same() {
        let (first, same, other) = (settled(&[5, 6], 0), settled(&[5, 6], 0), settled(&[5], 0));
        assert!(same.is_final(Some(&first)) && !other.is_final(Some(&first)));
        let mut fewer = settled(&[5, 6], 0);
        fewer.handed_out.remove(&address(9));
        assert!(!fewer.is_final(Some(&first)), "fewer were handed out");
    }

    #[test]
    fn what_was_free_is_not_called_leaked() {
        let mut known = Evidence::default();
        assert_eq!(known.contradicts(&report(&[5, 6], 0)), None);
        known.add(&settled(&[6], 0));
        assert_eq!(known.contradicts(&report(&[5, 6], 0)), Some(Doubt::FreeBefore { addresses: 1 }));
        assert_eq!(known.contradicts(&report(&[6], 0)), None);
        let balanced = known.contradicts(&report(&[5, 6], 1));
        assert_eq!(balanced, None, "it may be the load balancer of another node");
    }

    #[test]
    fn parts_that_do_not_make_up_the_whole_are_no_count() {
        assert_eq!(parts(&report(&[5, 6], 1)), None);
        assert_eq!(parts(&LeakReport { handed_out: 8, owned: 3, ..report(&[5, 6], 1) }), None);
        let off = LeakReport { owned: 1, ..report(&[5, 6], 1) };
        let doubt = Doubt::PartsDiffer { usable: 13, free: 11, owned: 1, load_balancers: 1, leaked: 1 };
        assert_eq!(parts(&off), Some(doubt));
        let shared = LeakReport { owned: 1, free_and_owned: [address(9)].into(), ..report(&[5, 6], 1) };
        assert_eq!(parts(&shared), None, "what is free and owned is counted once");
    }
}
