//! Which cells stand in which row: rows of 16 up to a /24, rows of a /24 above, those with nothing of note in one.

use pvcheck_audit::{Block, Cell};

/// The most addresses that are drawn as rows of 16.
const SMALL: usize = 256;

/// How the cells of a block are laid out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    /// Cells of a row.
    pub(crate) columns: usize,
    /// The rows, from the first address to the last.
    pub(crate) rows: Vec<Row>,
}

/// A row of cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// The offset of its first address.
    pub(crate) first: usize,
    /// How many addresses it has: more than there are columns where several rows are one.
    pub(crate) count: usize,
}

/// Cells of one kind that stand side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    /// The column of the first.
    pub(crate) column: usize,
    /// How many they are.
    pub(crate) count: usize,
}

impl Layout {
    /// The layout of a block.
    pub(crate) fn of(block: &Block) -> Self {
        let cells = &block.cells;
        let columns = if cells.len() <= SMALL { 16.min(cells.len()) } else { 256 };
        let mut rows: Vec<Row> = Vec::new();
        for (at, row) in cells.chunks(columns).enumerate() {
            let (first, count) = (at * columns, row.len());
            let last = rows.last_mut().filter(|_| SMALL < cells.len());
            match (last, idle(row)) {
                // What is of one kind with the row before is one with it.
                (Some(last), Some(kind))
                    if idle(&cells[last.first..last.first + last.count]) == Some(kind) =>
                {
                    last.count += count;
                }
                _ => rows.push(Row { first, count }),
            }
        }
        Self { columns, rows }
    }

    /// The runs of a kind in a row that stands alone.
    pub(crate) fn runs(cells: &[Cell], kind: Cell) -> impl Iterator<Item = Run> + '_ {
        let mut column = 0;
        cells.chunk_by(|a, b| a == b).filter_map(move |run| {
            let at = column;
            column += run.len();
            (run.first() == Some(&kind)).then_some(Run { column: at, count: run.len() })
        })
    }
}

/// The kind of a row with nothing to look at: all free, or all unknown.
fn idle(row: &[Cell]) -> Option<Cell> {
    let first = row.first().copied().filter(|kind| matches!(kind, Cell::Free | Cell::Unknown))?;
    row.iter().all(|kind| *kind == first).then_some(first)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use pvcheck_ipam::Subnet;

    use super::*;

    fn block(prefix: u8, cell: impl Fn(usize) -> Cell) -> Block {
        let subnet = Subnet::parse(&format!("10.0.0.0/{prefix}")).expect("a subnet");
        Block { subnet, cells: (0..1 << (32 - prefix)).map(cell).collect() }
    }

    #[test]
    fn a_24_has_rows_of_16_and_a_larger_one_rows_of_256() {
        let shape = |prefix| {
            let layout = Layout::of(&block(prefix, |at| if at % 2 == 0 { Cell::Task } else { Cell::Free }));
            (layout.columns, layout.rows.len())
        };
        assert_eq!(shape(24), (16, 16));
        assert_eq!([shape(28), shape(30), shape(32)], [(16, 1), (4, 1), (1, 1)]);
        assert_eq!([shape(23), shape(16)], [(256, 2), (256, 256)]);
    }

    #[test]
    fn rows_with_nothing_but_free_are_one() {
        let one_task = |at| if at == 256 * 7 + 3 { Cell::Task } else { Cell::Free };
        let rows: Vec<_> =
            Layout::of(&block(16, one_task)).rows.iter().map(|row| (row.first, row.count)).collect();
        assert_eq!(rows, [(0, 7 * 256), (7 * 256, 256), (8 * 256, 248 * 256)]);
        assert_eq!(Layout::of(&block(24, |_| Cell::Free)).rows.len(), 16, "a small one has all of its rows");
    }

    proptest! {
        #[test]
        fn every_cell_is_in_one_row_and_one_run(seed in proptest::collection::vec(0_usize..9, 1..40), prefix in 21_u8..=32) {
            let block = block(prefix, |at| Cell::ALL[seed[(at / 3) % seed.len()]]);
            let layout = Layout::of(&block);
            let mut next = 0;
            for row in &layout.rows {
                prop_assert_eq!(row.first, next);
                next += row.count;
                let cells = &block.cells[row.first..row.first + row.count];
                if layout.columns < row.count {
                    prop_assert!(idle(cells).is_some());
                }
                let mut runs: Vec<_> = Cell::ALL.iter().flat_map(|kind| Layout::runs(cells, *kind).map(move |run| (run.column, run.count, *kind))).collect();
                runs.sort_by_key(|(column, ..)| *column);
                let again: Vec<Cell> = runs.iter().flat_map(|(_, count, kind)| vec![*kind; *count]).collect();
                prop_assert_eq!(again.as_slice(), cells);
            }
            prop_assert_eq!(next, block.cells.len());
        }
    }
}
