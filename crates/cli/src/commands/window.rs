//! `pvcheck window`.

use pvcheck_gates::{Window, WindowVerdict, collect_window, judge_window};

use crate::args::{self, Args};
use crate::failure::{DONE, Failure, REFUSED};
use crate::printer::Printer;
use crate::report::Document;
use crate::session::configured;

impl Document for Window {
    const KIND: &'static str = "window";
}

pub(crate) async fn run(args: &Args, asked: &args::Window, printer: &Printer) -> Result<u8, Failure> {
    let (config, session) = configured(args, printer).await?;
    let facts = collect_window(&session.engine, &config.window).await?;
    let network = asked.network.as_deref().or_else(|| config.overlay().map(|o| o.name.as_str()));
    if let Some(name) = asked.network.as_deref() {
        facts.snapshot.named_overlay(name)?;
    }
    let window = judge_window(&config.window, &facts, network);
    printer.done();
    printer.result(&window, || text(&window))?;
    Ok(match window.verdict {
        WindowVerdict::Clear => DONE,
        WindowVerdict::Busy => REFUSED,
    })
}

fn text(window: &Window) -> String {
    let verdict = match window.verdict {
        WindowVerdict::Clear => "CLEAR",
        WindowVerdict::Busy => "BUSY",
    };
    let mut lines = vec![verdict.to_owned()];
    lines.extend(window.signals.iter().map(|signal| format!("  {signal}")));
    lines.push("looked at:".to_owned());
    lines.extend(window.looked_at.iter().map(|what| format!("  {what}")));
    if let Some(network) = &window.network {
        let list = |stacks: &[String]| if stacks.is_empty() { "none".to_owned() } else { stacks.join(", ") };
        lines.push(format!("stacks on {network}: {}", list(&window.on_network)));
        lines.push(format!("other stacks: {}", list(&window.not_on_network)));
    }
    lines.join("\n") + "\n"
}
