//! Tables for people.
//!
//! Role: rows under headings, without frames, so that they can be copied and cut; as wide as the terminal.
//! Invariants: every cell is cleaned; a column that is empty in all rows is left out.

use comfy_table::{ContentArrangement, Table, presets};

use crate::out;

fn empty() -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    // In a pipe lines stay whole, however long.
    if let Some(width) = terminal_width() {
        table.set_width(width);
    } else {
        table.set_content_arrangement(ContentArrangement::Disabled);
    }
    table
}

/// The width of the terminal that standard output is, in columns.
fn terminal_width() -> Option<u16> {
    if !out::stdout_is_terminal() {
        return None;
    }
    let asked = terminal_size::terminal_size().map(|(width, _)| width.0);
    asked.filter(|width| *width >= 20)
}

/// Rows under headings; `(none)` without rows.
pub fn table(heads: &[&str], rows: &[Vec<String>]) -> String {
    if rows.is_empty() {
        return "(none)".into();
    }
    let kept: Vec<usize> = (0..heads.len())
        .filter(|column| {
            rows.iter()
                .any(|row| row.get(*column).is_some_and(|cell| !cell.is_empty()))
        })
        .collect();
    let mut table = empty();
    let shout = |column: &usize| {
        heads
            .get(*column)
            .map_or_else(String::new, |head| head.to_uppercase())
    };
    table.set_header(kept.iter().map(shout));
    for row in rows {
        table.add_row(kept.iter().map(|column| {
            row.get(*column)
                .map_or_else(String::new, |cell| out::clean(cell))
        }));
    }
    trim(&table)
}

/// One thing, line by line; empty values are left out.
pub fn details(lines: &[(&'static str, String)]) -> String {
    let mut table = empty();
    for (name, value) in lines.iter().filter(|(_, value)| !value.is_empty()) {
        table.add_row(vec![(*name).to_owned(), out::clean(value)]);
    }
    trim(&table)
}

/// Values of a list in one cell.
pub fn list(values: &[String]) -> String {
    values.join(", ")
}

fn trim(table: &Table) -> String {
    let lines: Vec<String> = table
        .lines()
        .map(|line| line.trim_end().to_owned())
        .collect();
    // Without frames every line begins with one blank.
    let indented = lines
        .iter()
        .all(|line| line.is_empty() || line.starts_with(' '));
    let lines: Vec<&str> = lines
        .iter()
        .map(|line| {
            if indented {
                line.get(1..).unwrap_or_default()
            } else {
                line.as_str()
            }
        })
        .collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_columns_are_left_out_and_cells_are_cleaned() {
        let rows = [vec!["a\u{7}".to_owned(), String::new(), "b".to_owned()]];
        let text = table(&["one", "two", "three"], &rows);
        assert!(
            text.contains("ONE") && text.contains("THREE") && !text.contains("TWO"),
            "{text}"
        );
        assert!(text.contains("a\\u{7}"), "{text}");
        assert_eq!(table(&["one"], &[]), "(none)");
    }
}
