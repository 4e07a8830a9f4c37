//! How long each phase of a request took, as a bar.

use pvcheck_routes::TimingMs;

use crate::html::Html;

/// The width of the longest bar.
const WIDTH: u64 = 1000;

/// The phases in their order, with the class that has a colour.
pub(crate) const PHASES: [(&str, &str); 5] =
    [("name look-up", "p-1"), ("connect", "p-2"), ("TLS", "p-3"), ("first byte", "p-4"), ("rest", "p-5")];

/// The length of each phase; the last is what of the whole is in none of the others.
pub(crate) fn phases(timing: &TimingMs) -> [Option<u64>; 5] {
    let known = [timing.resolve, timing.connect, timing.tls, timing.first_byte];
    let sum: u64 = known.iter().flatten().fold(0, |sum, ms| sum.saturating_add(*ms));
    let [resolve, connect, tls, first_byte] = known;
    [resolve, connect, tls, first_byte, timing.total.checked_sub(sum)]
}

/// The bar, on a scale on which `longest` is all of it. The numbers stand beside it.
pub(crate) fn bar(out: &mut Html, timing: &TimingMs, longest: u64) {
    out.raw("<svg class=bar viewBox=\"0 0 ")
        .show(WIDTH)
        .raw(" 14\" preserveAspectRatio=none aria-hidden=true>");
    let mut at = 0;
    for ((_, class), ms) in PHASES.into_iter().zip(phases(timing)) {
        let width = scaled(ms.unwrap_or(0), longest).min(WIDTH - at);
        if 0 < width {
            out.raw("<rect class=")
                .raw(class)
                .raw(" x=")
                .show(at)
                .raw(" width=")
                .show(width)
                .raw(" height=14 />");
        }
        at += width;
    }
    out.raw("</svg>");
}

/// This share of the width; 0 of 0.
fn scaled(ms: u64, longest: u64) -> u64 {
    let share = u128::from(ms) * u128::from(WIDTH) / u128::from(longest.max(1));
    u64::try_from(share).unwrap_or(WIDTH).min(WIDTH)
}

/// What the colours of bars are.
pub(crate) fn legend(out: &mut Html) {
    out.raw("<ul class=legend>");
    for (name, class) in PHASES {
        out.raw("<li><svg class=swatch viewBox=\"0 0 24 22\" aria-hidden=true><rect class=").raw(class);
        out.raw(" width=24 height=22 /></svg><span>").raw(name).raw("</span>\n");
    }
    out.raw("</ul>\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(timing: &TimingMs, longest: u64) -> String {
        let mut out = Html::default();
        bar(&mut out, timing, longest);
        out.finish()
    }

    #[test]
    fn the_phases_follow_one_another_and_the_rest_is_what_is_left() {
        let timing =
            TimingMs { resolve: Some(1), connect: Some(2), tls: None, first_byte: Some(5), total: 10 };
        assert_eq!(phases(&timing), [Some(1), Some(2), None, Some(5), Some(2)]);
        let bar = drawn(&timing, 20);
        for part in
            ["p-1 x=0 width=50 ", "p-2 x=50 width=100 ", "p-4 x=150 width=250 ", "p-5 x=400 width=100 "]
        {
            assert!(bar.contains(part), "{part}: {bar}");
        }
        assert!(!bar.contains("p-3"), "a phase that was not needed has no part: {bar}");
    }

    #[test]
    fn figures_that_cannot_be_still_make_a_bar() {
        let absurd = TimingMs {
            resolve: Some(u64::MAX),
            connect: Some(u64::MAX),
            tls: None,
            first_byte: None,
            total: 0,
        };
        assert_eq!(phases(&absurd)[4], None, "a part is longer than the whole");
        assert!(drawn(&absurd, 0).contains("p-1 x=0 width=1000 "));
        assert!(!drawn(&TimingMs::default(), 0).contains("rect"), "nothing took no time");
    }
}
