//! The part of the page that is about one overlay.

use pvcheck_audit::{Cell, Occupancy};
use pvcheck_gates::SeenOverlay;

use super::{drawing, holders, words};
use crate::html::Html;

/// The map of one overlay. `number` makes its ids those of no other map of the page.
pub(crate) fn section(out: &mut Html, number: &str, overlay: &SeenOverlay) {
    out.raw("<h3 id=map-").show(number).raw(">Addresses of ").show(&overlay.name).raw("</h3>\n");
    let occupancy = match &overlay.occupancy {
        Ok(occupancy) => occupancy,
        Err(why) => {
            out.raw("<p>No map: ").show(why).raw("</p>\n");
            return;
        }
    };
    summary(out, overlay, occupancy);
    legend(out, occupancy, overlay.leaks.as_ref().ok().map(|leaks| leaks.leaked));
    for (at, block) in occupancy.blocks.iter().enumerate() {
        drawing::figure(out, &format!("{number}-{}", at + 1), (&overlay.name, number), block, occupancy);
    }
    holders::table(out, number, &overlay.name, occupancy);
}

/// The sum that the cells make, and what it rests on.
fn summary(out: &mut Html, overlay: &SeenOverlay, all: &Occupancy) {
    out.raw("<p>");
    for (at, block) in all.blocks.iter().enumerate() {
        out.raw(if at == 0 { "" } else { ", " }).show(block.subnet);
    }
    out.raw(": ").number(all.usable).raw(" usable addresses. ");
    match overlay.held_at {
        Some(at) => out.raw("Holders as of ").time(at).raw(". "),
        None => out.raw("Who holds which is not among the facts. "),
    };
    match &overlay.leaks {
        Ok(leaks) => {
            out.number(leaks.leaked).raw(" leaked, ").show(&leaks.by).raw(", as of ").time(leaks.at).raw(".")
        }
        Err(why) => out.raw("How many are leaked is not known: ").show(why).raw("."),
    };
    out.raw("</p>\n");
    remarks(out, overlay, all);
}

/// What the cells alone do not show.
fn remarks(out: &mut Html, overlay: &SeenOverlay, all: &Occupancy) {
    if let Some((counted, listed)) = overlay.drift {
        out.raw("<p>The count saw ").number(counted).raw(" holders and the list has ").number(listed);
        out.raw(": some came or went in between, and the map shows those of the list.</p>\n");
    }
    let nameless = all.owners.load_balancers.len() as u64;
    if 0 < nameless {
        out.raw("<p>").number(nameless).raw(" of the addresses without a named holder ");
        out.raw(if nameless == 1 { "is the load balancer" } else { "are load balancers" });
        out.raw(" of ").show(holders::hosts(all)).raw(".</p>\n");
    }
    let several = [
        (
            "Free for the allocator although held: ",
            overlay.free_and_held.iter().map(ToString::to_string).collect(),
        ),
        ("With more than one holder: ", all.owners.duplicates().iter().map(ToString::to_string).collect()),
        (
            "Held, and not the network's to give: ",
            all.outside().map(|owner| owner.address.to_string()).collect(),
        ),
    ];
    for (what, addresses) in several.iter().filter(|(_, addresses): &&(_, Vec<String>)| !addresses.is_empty())
    {
        out.raw("<p>").raw(what).show(addresses.join(", ")).raw("</p>\n");
    }
}

/// Each kind that is there, with its sign, its colour and its number. That none is leaked or free is told where it was counted.
fn legend(out: &mut Html, all: &Occupancy, leaked: Option<u64>) {
    out.raw("<ul class=legend>\n");
    for kind in Cell::ALL {
        let count = all.count(kind);
        let is_told = all.unsettled.is_none()
            && match kind {
                Cell::Leaked => leaked == Some(0),
                Cell::Free => leaked.is_some(),
                _ => false,
            };
        if count == 0 && !is_told {
            continue;
        }
        out.raw("<li>");
        drawing::swatch(out, kind);
        out.raw("<span>").show(words::what(kind, all.unsettled));
        if let (Cell::Suspect, Some(leaked)) = (kind, leaked) {
            out.raw(": ").number(leaked).raw(if leaked == 1 {
                " of them is leaked"
            } else {
                " of them are leaked"
            });
        }
        out.raw("</span> <b>").number(count).raw("</b>\n");
    }
    out.raw("</ul>\n");
}
