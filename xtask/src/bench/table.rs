//! Tables: columns as wide as their widest cell, numbers aligned to the right.

use std::fmt;

/// Rows of cells under a head; the first column is for names.
pub(super) struct Table {
    title: String,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new(title: impl Into<String>, head: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { title: title.into(), rows: vec![head.into_iter().map(Into::into).collect()] }
    }

    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = impl Into<String>>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.title)?;
        for row in &self.rows {
            let cells = row.iter().enumerate().map(|(at, cell)| {
                let column = self.rows.iter().filter_map(|row| row.get(at));
                let width = column.map(|cell| cell.chars().count()).max().unwrap_or(0);
                if at == 0 { format!("  {cell:<width$}") } else { format!("{cell:>width$}") }
            });
            writeln!(f, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
        }
        Ok(())
    }
}

/// Nanoseconds as a person reads them: ns, µs, ms or s.
pub(super) fn time(ns: u64) -> String {
    let ns = ns as f64;
    match ns {
        ..1e3 => format!("{ns:.0} ns"),
        ..1e6 => format!("{:.1} µs", ns / 1e3),
        ..1e9 => format!("{:.1} ms", ns / 1e6),
        _ => format!("{:.1} s", ns / 1e9),
    }
}

/// A whole number with commas between its thousands.
pub(super) fn whole(number: u64) -> String {
    thousands(&number.to_string())
}

/// Digits with commas between the thousands.
pub(super) fn thousands(digits: &str) -> String {
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_and_thousands() {
        assert_eq!([time(999), time(1_500), time(2_000_000)], ["999 ns", "1.5 µs", "2.0 ms"]);
        assert_eq!([time(61_000_000_000), time(0)], ["61.0 s", "0 ns"]);
        assert_eq!(
            [whole(0), whole(999), whole(1_000), whole(1_234_567)],
            ["0", "999", "1,000", "1,234,567"]
        );
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new("title", ["", "b"]);
        table.row(["name", "1,000"]);
        assert_eq!(table.to_string(), "title\n            b\n  name  1,000\n");
    }

    #[test]
    fn numbers_are_aligned_to_the_right_and_names_to_the_left() {
        let mut table = Table::new("t", ["", "a", "b"]);
        table.row(["x", "1", "2"]);
        table.row(["long", "100", "µs"]);
        assert_eq!(table.to_string(), "t\n          a   b\n  x       1   2\n  long  100  µs\n");
    }

    #[test]
    fn rows_may_be_shorter_than_the_head() {
        let mut table = Table::new("t", ["", "a", "b"]);
        table.row(["x", "1"]);
        assert_eq!(table.to_string(), "t\n     a  b\n  x  1\n");
    }
}
