//! Columns for people: as wide as their widest cell, two blanks between, nothing at line ends.

/// A table of text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these column heads.
    #[must_use]
    pub fn new(header: &[&str]) -> Self {
        Self::named(header.iter().map(ToString::to_string))
    }

    /// A table with column heads that are not known beforehand.
    #[must_use]
    pub fn named(header: impl IntoIterator<Item = String>) -> Self {
        Self {
            header: header.into_iter().collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row; empty cells show as `-`, so that columns can be counted by tools.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let cells = cells.into_iter().map(|cell| {
            if cell.is_empty() {
                "-".to_owned()
            } else {
                // One row is one line, whatever a label or a message holds.
                cell.replace(char::is_control, " ")
            }
        });
        self.rows.push(cells.collect());
    }

    /// Whether there are no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The text, each line indented by `indent` blanks.
    #[must_use]
    pub fn render(&self, headers: bool, indent: usize) -> String {
        let lines = || {
            headers
                .then_some(&self.header)
                .into_iter()
                .chain(&self.rows)
        };
        let mut widths = vec![0; self.header.len()];
        for line in lines() {
            for (width, cell) in widths.iter_mut().zip(line) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let mut text = String::new();
        for line in lines() {
            let mut row = " ".repeat(indent);
            for (width, cell) in widths.iter().zip(line) {
                row.push_str(cell);
                row.push_str(&" ".repeat(width + 2 - cell.chars().count()));
            }
            text.push_str(row.trim_end());
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Table {
        let mut table = Table::new(&["NAME", "READY"]);
        table.row(["east".to_owned(), "True".to_owned()]);
        table.row(["a-longer-name".to_owned(), String::new()]);
        table
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        assert_eq!(
            sample().render(true, 0),
            "NAME           READY\neast           True\na-longer-name  -\n"
        );
    }

    #[test]
    fn headers_can_be_left_out_and_lines_indented() {
        assert_eq!(
            sample().render(false, 2),
            "  east           True\n  a-longer-name  -\n"
        );
    }

    #[test]
    fn a_cell_never_breaks_its_line() {
        let mut table = Table::new(&["A"]);
        table.row(["x\ny\u{1b}[31m".to_owned()]);
        assert_eq!(table.render(false, 0), "x y [31m\n");
    }
}
