//! Room over time, from the figures of a ledger: a chart for each overlay of each Swarm, and the figures as a table.

use std::collections::BTreeMap;

use jiff::Timestamp;
use pvcheck_ledger::Room;

use crate::html::Html;

const WIDTH: u64 = 640;
const HEIGHT: u64 = 220;
/// What the labels take: left of the chart, right of it, and above and below.
const LEFT: u64 = 80;
const RIGHT: u64 = 100;
const EDGE: u64 = 18;

/// A figure of a point, by its name and the class that has its colour and dashes.
type Series = (&'static str, &'static str, fn(&Room) -> Option<u64>);

const SERIES: [Series; 3] = [
    ("free", "r-free", |room| room.free),
    ("owned", "r-owned", |room| room.owned),
    ("leaked", "r-leaked", |room| room.leaked),
];

/// The part of the page that a ledger fills.
pub(crate) fn section(out: &mut Html, room: &[Room]) {
    out.raw("<section aria-labelledby=room>\n<h2 id=room>Room over time</h2>\n");
    if room.is_empty() {
        out.raw("<p>No claim or verdict of the ledger has figures of <code>overlay.headroom</code>.</p>\n");
    }
    // Figures of two Swarms, or of a Swarm and a model, are no course of anything.
    let mut of_overlay: BTreeMap<_, Vec<&Room>> = BTreeMap::new();
    for point in room {
        let of = (point.overlay.as_deref(), point.swarm.as_deref(), point.engine.mark());
        of_overlay.entry(of).or_default().push(point);
    }
    for ((overlay, swarm, mark), points) in of_overlay {
        out.raw("<h3>").show(overlay.unwrap_or("The overlay of the configuration"));
        match swarm {
            Some(swarm) => out.raw(", Swarm ").show(swarm),
            None => out.raw(", Swarm not recorded"),
        };
        out.raw(mark).raw("</h3>\n<figure class=room>\n");
        chart(out, &points);
        out.raw("<figcaption>Addresses that are free (solid line, circles), owned (dashed, squares) and leaked (dotted, ");
        out.raw("triangles), by the claims and verdicts of the ledger.</figcaption>\n</figure>\n");
        table(out, &points);
    }
    out.raw("</section>\n");
}

/// Where a point stands in the chart.
struct Frame {
    first: Timestamp,
    last: Timestamp,
    most: u64,
}

impl Frame {
    fn of(points: &[&Room]) -> Option<Self> {
        let times = points.iter().map(|point| point.at);
        let figures = points.iter().flat_map(|p| [p.usable, p.owned, p.leaked, p.free]).flatten();
        Some(Self {
            first: times.clone().min()?,
            last: times.max()?,
            most: figures.max().unwrap_or(0).max(1),
        })
    }

    /// The middle, where there is one time only.
    fn x(&self, at: Timestamp) -> u64 {
        let width = WIDTH - LEFT - RIGHT;
        let ms = |from: Timestamp, to: Timestamp| to.as_millisecond().abs_diff(from.as_millisecond());
        match ms(self.first, self.last) {
            0 => LEFT + width / 2,
            whole => LEFT + share(ms(self.first, at), whole, width),
        }
    }

    fn y(&self, figure: u64) -> u64 {
        let height = HEIGHT - 2 * EDGE;
        HEIGHT - EDGE - share(figure, self.most, height)
    }
}

/// This share of a length, at most all of it.
fn share(part: u64, whole: u64, of: u64) -> u64 {
    let share = u128::from(part.min(whole)) * u128::from(of) / u128::from(whole.max(1));
    u64::try_from(share).unwrap_or(of)
}

fn chart(out: &mut Html, points: &[&Room]) {
    let Some(frame) = Frame::of(points) else { return };
    out.raw("<svg viewBox=\"0 0 ").show(WIDTH).raw(" ").show(HEIGHT);
    out.raw("\" role=img aria-label=\"Free, owned and leaked addresses over time; the table below has the figures\">\n");
    axes(out, &frame);
    for series in SERIES {
        line(out, &frame, points, series);
    }
    out.raw("</svg>\n");
}

fn axes(out: &mut Html, frame: &Frame) {
    let (bottom, right) = (HEIGHT - EDGE, WIDTH - RIGHT);
    out.raw("<path class=axis d=\"M")
        .show(LEFT)
        .raw(" ")
        .show(EDGE)
        .raw("V")
        .show(bottom)
        .raw("H")
        .show(right)
        .raw("\"/>");
    for figure in [0, frame.most] {
        out.raw("<text class=row x=")
            .show(LEFT - 6)
            .raw(" y=")
            .show(frame.y(figure) + 4)
            .raw(">")
            .number(figure);
        out.raw("</text>");
    }
    out.raw("<text class=when x=")
        .show(LEFT)
        .raw(" y=")
        .show(HEIGHT - 3)
        .raw(">")
        .show(day(frame.first))
        .raw("</text>");
    if day(frame.first) != day(frame.last) {
        out.raw("<text class=\"when end\" x=")
            .show(right)
            .raw(" y=")
            .show(HEIGHT - 3)
            .raw(">")
            .show(day(frame.last));
        out.raw("</text>");
    }
    out.raw("\n");
}

fn day(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
}

/// The line of one figure, broken where it was not measured, with a mark at each point and its name at the end.
fn line(out: &mut Html, frame: &Frame, points: &[&Room], (name, class, figure): Series) {
    let mut path = String::new();
    for gapless in points.split(|point| figure(point).is_none()) {
        for (at, point) in gapless.iter().enumerate() {
            let letter = if at == 0 { 'M' } else { 'L' };
            path += &format!("{letter}{} {}", frame.x(point.at), frame.y(figure(point).unwrap_or(0)));
        }
    }
    out.raw("<path class=\"line ").raw(class).raw("\" d=\"").show(path).raw("\"/>");
    let known = || points.iter().filter_map(|point| Some((frame.x(point.at), frame.y(figure(point)?))));
    for (x, y) in known() {
        out.raw("<path class=\"dot ").raw(class).raw("\" d=\"M").show(x).raw(" ").show(y).raw(match class {
            "r-free" => "m-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0z",
            "r-owned" => "m-4 -4h8v8h-8z",
            _ => "m0 -5l5 9h-10z",
        });
        out.raw("\"/>");
    }
    if let Some((x, y)) = known().next_back() {
        out.raw("<text class=name x=").show(x + 8).raw(" y=").show(y + 4).raw(">").raw(name).raw("</text>");
    }
    out.raw("\n");
}

fn table(out: &mut Html, points: &[&Room]) {
    out.scroll("Room over time")
        .raw("<table>\n<caption>The figures</caption>\n<thead><tr><th scope=col>measured");
    out.raw("<th scope=col>line<th scope=col>of<th scope=col class=n>usable<th scope=col class=n>owned");
    out.raw("<th scope=col class=n>leaked<th scope=col class=n>free</thead>\n<tbody>\n");
    for point in points {
        out.raw("<tr><th scope=row>")
            .time(point.at)
            .raw("<td>")
            .show(point.line)
            .raw(" ")
            .raw(point.said_by.as_str());
        out.raw("<td>").show(&point.gate).raw(point.engine.mark());
        for figure in [point.usable, point.owned, point.leaked, point.free] {
            out.raw("<td class=n>");
            match figure {
                Some(n) => out.number(n),
                None => out.raw("not counted"),
            };
        }
        out.raw("\n");
    }
    out.raw("</tbody></table></div>\n");
}

#[cfg(test)]
mod tests {
    use pvcheck_ledger::{Engine, SaidBy};

    use super::*;

    fn point(second: i64, owned: u64, leaked: Option<u64>) -> Room {
        Room {
            line: 2,
            said_by: SaidBy::Claim,
            gate: "pvcheck.m1".into(),
            overlay: None,
            swarm: Some("a".into()),
            engine: Engine::Embedded,
            at: Timestamp::from_second(second).expect("in range"),
            usable: Some(253),
            owned: Some(owned),
            leaked,
            free: leaked.map(|leaked| 253 - owned - leaked),
        }
    }

    fn drawn(room: &[Room]) -> String {
        let mut out = Html::default();
        section(&mut out, room);
        out.finish()
    }

    #[test]
    fn a_figure_stands_where_time_and_number_put_it() {
        let page = drawn(&[point(0, 0, Some(0)), point(50, 253, Some(0)), point(100, 253, Some(0))]);
        // 640 less 80 and 100 is 460 wide, 220 less 36 is 184 high.
        assert!(page.contains("class=\"line r-owned\" d=\"M80 202L310 18L540 18\""), "{page}");
        assert!(page.contains("pvcheck.m1 (embedded engine)"), "{page}");
    }

    #[test]
    fn a_line_is_of_one_swarm_and_one_kind_of_engine() {
        let one = || point(0, 1, Some(0));
        let other = Room { swarm: Some("b".into()), ..point(50, 2, Some(0)) };
        let real = Room { engine: Engine::Real, ..point(100, 3, Some(0)) };
        let unnamed = Room { swarm: None, ..real.clone() };
        let page = drawn(&[one(), other, real, unnamed]);
        assert_eq!(page.matches("<svg").count(), 4, "{page}");
        for heading in [
            "Swarm a (embedded engine)</h3>",
            "Swarm b (embedded engine)</h3>",
            "Swarm a</h3>",
            "Swarm not recorded</h3>",
        ] {
            assert!(page.contains(heading), "{heading}: {page}");
        }
        assert_eq!(drawn(&[one(), one()]).matches("<svg").count(), 1);
    }

    #[test]
    fn what_was_not_counted_breaks_the_line_and_is_no_zero() {
        let page = drawn(&[point(0, 1, Some(3)), point(50, 1, None), point(100, 1, Some(3))]);
        assert!(page.contains("class=\"line r-leaked\" d=\"M80 200M540 200\""), "{page}");
        assert_eq!(page.matches("not counted").count(), 2, "leaked and free of one line");
    }

    #[test]
    fn one_time_or_none_makes_a_page_too() {
        assert!(drawn(&[point(7, 12, Some(0))]).contains("M310 "));
        assert!(drawn(&[]).contains("No claim or verdict"));
        let far = Room { at: Timestamp::MAX, usable: Some(u64::MAX), ..point(0, 1, None) };
        assert!(
            drawn(&[Room { at: Timestamp::MIN, ..far.clone() }, far]).contains("18,446,744,073,709,551,615")
        );
    }
}
