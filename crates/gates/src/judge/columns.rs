//! Declared, deployed, live: the three places in which an overlay's subnet stands.
//!
//! "In git" is not "deployed", and what is deployed creates only a network that is missing: a subnet that was changed in one
//! of them shows in no other by itself.

use pvcheck_audit::{Network, Snapshot};
use pvcheck_ipam::Subnet;

use super::finding::{Finding, Sight};
use crate::cause::Unseen;
use crate::config::OverlayConfig;
use crate::creation::{Column, CreationFacts, Places, subnet_of};
use crate::fault::list;
use crate::observed::{Observed, Seen};
use crate::reason::Reason;
use crate::renewal_reason::RenewalReason;
use crate::repeat;

/// Passes iff the declared file creates the overlay with the configuration's subnet.
pub(super) fn declared(creation: &Sight<'_, CreationFacts>, overlay: &OverlayConfig) -> Finding {
    let wanted = overlay.subnet;
    match column(Column::Declared, &creation.declared, overlay) {
        Err(finding) => *finding,
        Ok((subnet, at)) if subnet == wanted => {
            creation.pass(Reason::Renewal(RenewalReason::Declared { at, subnet }))
        }
        Ok((subnet, at)) => {
            Finding::fail(Reason::Renewal(RenewalReason::DeclaredDiffers { at, subnet, wanted }))
        }
    }
}

/// Passes iff the declared and the deployed files create the overlay with the one subnet that it has.
pub(super) fn columns(
    creation: &Sight<'_, CreationFacts>,
    overlay: &OverlayConfig,
    snapshot: &Observed<Snapshot>,
) -> Finding {
    let live = match snapshot.sight() {
        Ok(snapshot) => snapshot.overlay(&overlay.name).map_or_else(Vec::new, Network::subnets),
        Err(why) => return Finding::unknown(Reason::NotSeen(why.clone())),
    };
    let read = [(Column::Declared, &creation.declared), (Column::Deployed, &creation.deployed)]
        .map(|(which, places)| (which, column(which, places, overlay)));
    let mut table: Vec<(String, Option<String>)> =
        read.iter().map(|(which, read)| (row(*which, read), Some(shown_by(*which, overlay)))).collect();
    table.push((format!("live      {}  network {}", list(&live, ", "), overlay.name), None));
    let others: Vec<String> = read
        .iter()
        .filter_map(|(which, read)| read.as_ref().ok().map(|(subnet, at)| (which, subnet, at)))
        .filter(|(_, subnet, _)| live != [**subnet])
        .map(|(which, subnet, at)| format!("{which} has {subnet} ({at})"))
        .collect();
    // What is known to be wrong goes before what is not known.
    let (mut unknown, mut wrong) = (None, None);
    for (_, read) in read {
        match read {
            Err(finding) if finding.fails() => wrong = wrong.or(Some(*finding)),
            Err(finding) => unknown = unknown.or(Some(*finding)),
            Ok(_) => {}
        }
    }
    let differ = (!others.is_empty())
        .then(|| Finding::fail(Reason::Renewal(RenewalReason::ColumnsDiffer { live: live.clone(), others })));
    let finding = wrong.or(differ).or(unknown).unwrap_or_else(|| match live.as_slice() {
        [subnet] => creation.pass(Reason::Renewal(RenewalReason::ColumnsAgree { subnet: *subnet })),
        _ => Finding::fail(Reason::NotAllocated { overlay: overlay.name.clone() }),
    });
    table.into_iter().fold(finding, |finding, (row, command)| finding.shown_by(row, command))
}

fn shown_by(which: Column, overlay: &OverlayConfig) -> String {
    match which {
        Column::Declared => repeat::declared(overlay),
        Column::Deployed => repeat::deployed(overlay),
    }
}

/// The subnet of a column and where it stands, or what its lack means.
type Read = Result<(Subnet, String), Box<Finding>>;

fn column(which: Column, places: &Seen<Places>, overlay: &OverlayConfig) -> Read {
    let places = match places {
        Seen::Known(places) => places,
        Seen::Unknown(why) => return Err(Box::new(Finding::unknown(not_seen(which, why)))),
    };
    subnet_of(places, &overlay.name).map_err(|error| {
        let is_fault = error.is_fault();
        let reason = Reason::Renewal(RenewalReason::Column { column: which, error });
        Box::new(if is_fault { Finding::fail(reason) } else { Finding::unknown(reason) })
    })
}

fn not_seen(which: Column, why: &Unseen) -> Reason {
    Reason::NotSeen(match why {
        Unseen::Failed { error } => Unseen::Failed { error: format!("{which}: {error}") },
        other => other.clone(),
    })
}

fn row(which: Column, read: &Read) -> String {
    match read {
        Ok((subnet, at)) => format!("{which:<9} {subnet}  {at}"),
        Err(finding) => format!("{which:<9} unknown  {}", finding.reason()),
    }
}
