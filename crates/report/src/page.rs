//! The page as a whole: its head, a section for each gate, and what lets it load nothing else.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pvcheck_gates::{Bundle, BundledRun, Config, ConfigError, GateReport, mark, with_waivers};
use pvcheck_ledger::Room;
use ring::digest::{SHA256, digest};

use crate::html::Html;
use crate::{checks, head, map, room, routes};

const STYLE: &str = include_str!("assets/style.css");
const SCRIPT: &str = include_str!("assets/script.js");

/// The page of a bundle, of its reports as they were judged again, and of the room that a ledger tells of, if there is one.
///
/// # Errors
/// If the bundle's configuration cannot be read.
pub fn page(bundle: &Bundle, reports: &[GateReport], room: Option<&[Room]>) -> Result<String, ConfigError> {
    let config = bundle.config.read()?;
    let mut out = Html::default();
    begin(&mut out, bundle, reports);
    head::header(&mut out, bundle, reports);
    head::contents(&mut out, bundle, reports, room.is_some());
    out.raw("<main id=main>\n").raw(map::PATTERNS);
    for (at, (run, report)) in bundle.runs.iter().zip(reports).enumerate() {
        gate(&mut out, bundle, &config, at + 1, (run, report));
    }
    if let Some(room) = room {
        room::section(&mut out, room);
    }
    out.raw("</main>\n");
    head::footer(&mut out, bundle);
    out.raw("<script>").raw(SCRIPT).raw("</script>\n</body>\n</html>\n");
    Ok(out.finish())
}

fn begin(out: &mut Html, bundle: &Bundle, reports: &[GateReport]) {
    out.raw("<!doctype html>\n<html lang=en>\n<head>\n<meta charset=utf-8>\n");
    // By their digests: not even a script that got into the page past every escape would run.
    out.raw("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'sha256-");
    out.show(sha256(STYLE)).raw("'; script-src 'sha256-").show(sha256(SCRIPT));
    out.raw("'; base-uri 'none'; form-action 'none'\">\n");
    out.raw("<meta name=viewport content=\"width=device-width, initial-scale=1\">\n");
    out.raw(
        "<meta name=color-scheme content=\"light dark\">\n<meta name=referrer content=no-referrer>\n<title>",
    );
    for report in reports {
        let (verdict, waivers) = (report.verdict, with_waivers(report));
        out.show(format_args!("{} {verdict}{waivers}{}, ", report.gate, mark(bundle.engine)));
    }
    out.raw("pvcheck report</title>\n<style>").raw(STYLE).raw("</style>\n</head>\n<body>\n");
    out.raw("<a class=skip href=\"#main\">Skip to the report</a>\n");
}

fn sha256(text: &str) -> String {
    STANDARD.encode(digest(&SHA256, text.as_bytes()))
}

fn gate(out: &mut Html, bundle: &Bundle, config: &Config, number: usize, of: (&BundledRun, &GateReport)) {
    let (run, report) = of;
    out.raw("<section aria-labelledby=gate-").show(number).raw(">\n<h2 id=gate-").show(number).raw(">");
    out.show(&report.gate).raw(": ");
    checks::verdict(out, report.verdict, bundle.engine);
    out.show(with_waivers(report)).raw("</h2>\n");
    checks::list(out, report, bundle.engine);
    for (at, overlay) in run.facts.overlays(config).iter().enumerate() {
        map::section(out, &format!("{number}-{}", at + 1), overlay);
    }
    routes::section(out, &run.facts);
    out.raw("</section>\n");
}
