//! The tables of the guide's page on TLS: what they say is what is tested.

/// The cell of a table in docs/tls.md: of the row that begins with `row`, in the column of that
/// name.
#[track_caller]
pub(crate) fn cell(row: &str, column: &str) -> String {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/tls.md");
    let page = std::fs::read_to_string(page).unwrap();
    let row = format!("| `{row}` |");
    let mut columns = Vec::new();
    for line in page.lines().filter(|line| line.starts_with('|')) {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
        if cells[0] == "defect" {
            columns = cells;
        } else if line.starts_with(&row)
            && let Some(index) = columns.iter().position(|name| *name == column)
        {
            return cells[index].to_owned();
        }
    }
    panic!("docs/tls.md has no table with the row {row} and the column {column}");
}
