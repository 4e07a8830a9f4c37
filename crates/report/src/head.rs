//! What the page is about: gates, engine, version and configuration; and where to find what.

use pvcheck_audit::EngineKind;
use pvcheck_gates::{Bundle, GateReport, tally, with_waivers};

use crate::checks::verdict;
use crate::html::Html;

/// The title and what the page is about.
pub(crate) fn header(out: &mut Html, bundle: &Bundle, reports: &[GateReport]) {
    out.raw("<header>\n<h1>pvcheck report</h1>\n");
    out.scroll("Gates").raw("<table>\n<caption>Gates, in the order in which they were run</caption>\n");
    out.raw("<thead><tr><th scope=col>gate<th scope=col>verdict<th scope=col>checks<th scope=col>time</thead>\n<tbody>\n");
    for (at, report) in reports.iter().enumerate() {
        out.raw("<tr><th scope=row><a href=\"#gate-")
            .show(at + 1)
            .raw("\">")
            .show(&report.gate)
            .raw("</a><td>");
        verdict(out, report.verdict, bundle.engine);
        out.show(with_waivers(report)).raw("<td>").show(tally(report)).raw("<td>").time(report.at).raw("\n");
    }
    out.raw("</tbody></table></div>\n<dl class=about>\n");
    fact(out, "Swarm", reports.iter().find_map(|report| report.swarm.as_deref()).unwrap_or("not recorded"));
    fact(
        out,
        "engine",
        match bundle.engine {
            EngineKind::Real => "a real one",
            EngineKind::Embedded => "the embedded engine: a model of a Swarm, no real one was asked",
        },
    );
    fact(out, "configuration", &bundle.config.file);
    fact(out, "its SHA-256", &bundle.config.digest);
    fact(out, "judged with", &format!("pvcheck {}", bundle.pvcheck));
    out.raw("</dl>\n</header>\n");
}

fn fact(out: &mut Html, what: &'static str, is: &str) {
    out.raw("<div><dt>").raw(what).raw("<dd>").show(is).raw("</div>\n");
}

/// Where to find what.
pub(crate) fn contents(out: &mut Html, bundle: &Bundle, reports: &[GateReport], has_room: bool) {
    if reports.len() < 2 && !has_room {
        return;
    }
    out.raw("<nav aria-label=Sections><ul>\n");
    for (at, report) in reports.iter().enumerate() {
        out.raw("<li><a href=\"#gate-").show(at + 1).raw("\">").show(&report.gate).raw("</a> ");
        verdict(out, report.verdict, bundle.engine);
        out.show(with_waivers(report)).raw("\n");
    }
    if has_room {
        out.raw("<li><a href=\"#room\">room over time</a>\n");
    }
    out.raw("</ul></nav>\n");
}

/// What the page rests on.
pub(crate) fn footer(out: &mut Html, bundle: &Bundle) {
    out.raw("<footer>\n<p>Every verdict was judged again from the facts of the bundle before this page was written.");
    if bundle.engine == EngineKind::Embedded {
        out.raw(" (embedded engine: a model of a Swarm, no real one was asked)");
    }
    out.raw("</p>\n</footer>\n");
}
