//! What the routes answered while stacks came and went.

use pvcheck_gates::{Observed, RouteWatch, Seen};
use pvcheck_routes::judge;

use crate::html::Html;

/// How often the routes were asked, and what became of that.
pub(crate) fn part(out: &mut Html, watched: &Observed<RouteWatch>) {
    out.raw("<h4>While stacks came and went</h4>\n<p>");
    let watch = match &watched.seen {
        Seen::Known(watch) => watch,
        Seen::Unknown(why) => {
            out.raw("UNKNOWN: ").show(why).raw("</p>\n");
            return;
        }
    };
    out.raw("The core routes were asked ").number(watch.rounds).raw(if watch.rounds == 1 {
        " time"
    } else {
        " times"
    });
    out.raw(" in ").number(watched.elapsed_ms).raw(" ms, until ").time(watched.at).raw(". ");
    match watch.died {
        None if watch.rounds == 0 => out.raw("UNKNOWN: no round had ended."),
        None => out.raw("None of them failed twice in a row."),
        Some(step) => out.raw("One did not pass twice in a row ").show(step).raw(", and the gate stopped:"),
    };
    out.raw("</p>\n");
    if watch.routes.is_empty() {
        return;
    }
    out.scroll("Routes while stacks came and went").raw("<table>\n<caption>");
    out.raw(if watch.died.is_some() { "Those that did not pass" } else { "The last time" });
    out.raw("</caption>\n<thead><tr><th scope=col>route<th scope=col>asked<th scope=col>answer<th scope=col class=n>ms</thead>\n<tbody>\n");
    for fact in &watch.routes {
        let judged = judge(fact);
        out.raw("<tr><th scope=row>")
            .show(&fact.name)
            .raw("<td>")
            .time(fact.at)
            .raw("<td>")
            .show(judged.verdict);
        out.raw(" ").show(&judged.reason).raw("<td class=n>").number(fact.timing_ms.total).raw("\n");
    }
    out.raw("</tbody></table></div>\n");
}
