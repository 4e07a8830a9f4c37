//! The drawing: one path for each kind of address, on rows of the kind that most of them are.

use std::fmt::Write;
use std::net::Ipv4Addr;

use pvcheck_audit::{Block, Cell, Occupancy};

use super::layout::{Layout, Row};
use super::words;
use crate::html::Html;

/// Patterns of the kinds that colour alone would not tell apart, once for the page.
pub(crate) const PATTERNS: &str = include_str!("../assets/patterns.svg");

/// The size of the cells of a map.
struct Scale {
    width: usize,
    height: usize,
    /// From one row to the next.
    pitch: usize,
    /// What the row labels take.
    gutter: usize,
}

impl Scale {
    fn of(layout: &Layout) -> Self {
        if layout.columns <= 16 {
            Self { width: 24, height: 22, pitch: 24, gutter: 44 }
        } else {
            Self { width: 4, height: 11, pitch: 13, gutter: 104 }
        }
    }
}

/// The map of one subnet, and a slider that goes through its addresses. `of` names the network and its table of holders.
pub(crate) fn figure(out: &mut Html, id: &str, of: (&str, &str), block: &Block, all: &Occupancy) {
    let layout = Layout::of(block);
    let scale = Scale::of(&layout);
    let (network, table) = of;
    out.raw("<figure class=\"map ").raw(if layout.columns <= 16 { "small" } else { "large" });
    out.raw("\" data-first=\"").show(block.subnet.first()).raw("\" data-columns=").show(layout.columns);
    out.raw(" data-width=")
        .show(scale.width)
        .raw(" data-pitch=")
        .show(scale.pitch)
        .raw(" data-gutter=")
        .show(scale.gutter);
    out.raw(" data-table=holders-").show(table).raw(" data-rest=\"").show(rest(all)).raw("\" data-rows=\"");
    for row in &layout.rows {
        out.show(row.count).raw(" ");
    }
    out.raw("\">\n").scroll(format_args!("Address map of {network}, {}", block.subnet));
    let (width, height) = (scale.gutter + layout.columns * scale.width, layout.rows.len() * scale.pitch);
    out.raw("<svg viewBox=\"0 0 ").show(width).raw(" ").show(height).raw("\" role=img aria-label=\"Map of ");
    out.show(network).raw(": the numbers are in the legend, the holders in the table below\">\n");
    rows(out, &layout, &scale, block);
    out.raw("<rect class=mark width=").show(scale.width).raw(" height=").show(scale.height);
    out.raw(" visibility=hidden />\n</svg></div>\n");
    walk(out, id, network, block);
    out.raw("</figure>\n");
}

/// What an address is that no row of the table names.
fn rest(all: &Occupancy) -> String {
    let kind = if all.unsettled.is_some() { Cell::Unknown } else { Cell::Free };
    words::what(kind, all.unsettled)
}

fn rows(out: &mut Html, layout: &Layout, scale: &Scale, block: &Block) {
    let grounds = [Cell::Free, Cell::Unknown];
    for kind in grounds.into_iter().chain(Cell::ALL.into_iter().filter(|kind| !grounds.contains(kind))) {
        let path = path(layout, scale, block, kind);
        if !path.is_empty() {
            out.raw("<path class=\"c ").raw(words::class(kind)).raw("\" stroke-width=").show(scale.height);
            out.raw(" d=\"").show(path).raw("\"/>\n");
        }
    }
    if layout.columns <= 16 {
        grid(out, layout, scale);
    }
    for (at, row) in layout.rows.iter().enumerate() {
        labels(out, layout, scale, block, (at, *row));
    }
}

/// The runs of one kind as one path: strokes as wide as a row is high, each from the end of the one before.
fn path(layout: &Layout, scale: &Scale, block: &Block, kind: Cell) -> String {
    let mut path = String::new();
    for (at, row) in layout.rows.iter().enumerate() {
        // A row that stands for several is of one kind.
        let cells = &block.cells[row.first..row.first + row.count.min(layout.columns)];
        let mut end = None;
        for run in Layout::runs(cells, kind) {
            let (from, length) = (run.column * scale.width, run.count * scale.width);
            // Writing to a String cannot fail.
            let _ = match end {
                None => {
                    write!(path, "M{} {}h{length}", scale.gutter + from, at * scale.pitch + scale.height / 2)
                }
                Some(end) => write!(path, "m{} 0h{length}", from - end),
            };
            end = Some(from + length);
        }
    }
    path
}

/// What sets large cells apart.
fn grid(out: &mut Html, layout: &Layout, scale: &Scale) {
    out.raw("<path class=grid d=\"");
    for column in 1..layout.columns {
        out.raw("M")
            .show(scale.gutter + column * scale.width)
            .raw(" 0v")
            .show(layout.rows.len() * scale.pitch);
    }
    out.raw("\"/>\n");
}

/// The first address of a row, and in large cells the signs of their kinds. These are all of one /24, so that the last part of
/// the address will do.
fn labels(out: &mut Html, layout: &Layout, scale: &Scale, block: &Block, (at, row): (usize, Row)) {
    let base = at * scale.pitch + scale.height - if layout.columns <= 16 { 6 } else { 2 };
    let first = address(block, row.first);
    out.raw("<text class=row x=").show(scale.gutter - 8).raw(" y=").show(base).raw(">");
    match first.octets() {
        [.., last] if layout.columns <= 16 => out.raw(".").show(last),
        _ => out.show(first),
    };
    out.raw("</text>");
    if layout.columns < row.count {
        out.raw("<text class=many x=").show(scale.gutter + 8).raw(" y=").show(base).raw(">to ");
        out.show(address(block, row.first + row.count - 1))
            .raw(": ")
            .number(row.count as u64)
            .raw(" alike</text>");
    } else if layout.columns <= 16 {
        signs(out, scale, &block.cells[row.first..row.first + row.count], base);
    }
    out.raw("\n");
}

fn signs(out: &mut Html, scale: &Scale, cells: &[Cell], base: usize) {
    for (column, kind) in cells.iter().enumerate().filter(|(_, kind)| !words::sign(**kind).is_empty()) {
        out.raw("<text class=\"s ").raw(words::class(*kind)).raw("\" x=");
        out.show(scale.gutter + column * scale.width + scale.width / 2).raw(" y=").show(base).raw(">");
        out.raw(words::sign(*kind)).raw("</text>");
    }
}

fn address(block: &Block, offset: usize) -> Ipv4Addr {
    let offset = u32::try_from(offset).unwrap_or(u32::MAX);
    u32::from(block.subnet.first()).saturating_add(offset).into()
}

/// The slider, which the script shows: without it there is nothing to slide.
fn walk(out: &mut Html, id: &str, network: &str, block: &Block) {
    out.raw("<div class=walk hidden><label for=walk-").show(id).raw(">Address of ").show(network);
    out.raw("</label> <input type=range id=walk-")
        .show(id)
        .raw(" min=0 max=")
        .show(block.cells.len().saturating_sub(1));
    out.raw(" value=0 step=1> <output for=walk-").show(id).raw(" aria-live=polite></output></div>\n");
}

/// A cell of this kind, for a legend.
pub(crate) fn swatch(out: &mut Html, kind: Cell) {
    out.raw("<svg class=swatch viewBox=\"0 0 24 22\" aria-hidden=true><path class=\"c ")
        .raw(words::class(kind));
    out.raw("\" stroke-width=22 d=\"M0 11h24\"/><text class=\"s ")
        .raw(words::class(kind))
        .raw("\" x=12 y=16>");
    out.raw(words::sign(kind)).raw("</text></svg>");
}
