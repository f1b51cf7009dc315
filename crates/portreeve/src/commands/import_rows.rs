//! Rows of a file as a network team keeps it: CSV with a heading.
//!
//! Role: reads the heading (in any order, commas or semicolons, with or without a byte order mark) and turns each row
//! into what is asked for. Shared by `import` and `import --already-open`.
//! Invariants: cells travel as they were written, so that findings point into them; an unknown column is a mistake,
//! because what it holds would be lost; a row's idempotency key depends on its content alone, so running a file again
//! repeats nothing.
//! Failure story: a heading that cannot be used ends the command; a row that cannot be used is reported, and the rest
//! goes on.

use std::path::Path;

use proto::types::v1::{Asked, Contact, Direction, Validity, validity::End};

use super::asked::read_until;
use crate::{input::read_text, trouble::Trouble};

/// Largest file that is read, in bytes.
const MAX_FILE_BYTES: u64 = 256 * 1024 * 1024;

/// The columns, with what they hold; `--help` shows them.
pub const COLUMNS: &[(&str, &str)] = &[
    ("institution", "id of the institution that asks (needed)"),
    ("product", "product id, or cross-product"),
    (
        "sources",
        "addresses and networks; several separated by ; or blanks",
    ),
    ("destinations", "host names or addresses of hosted servers"),
    ("services", "protocol and ports, such as tcp/443 or https"),
    ("until", "access ends then: 2026-12-18 or RFC 3339"),
    ("for", "access lasts that long from its opening: 14 days"),
    (
        "permanent",
        "yes: access does not end (one of until, for, permanent)",
    ),
    ("start", "not before then: RFC 3339"),
    ("emergency", "why it is an emergency; empty: it is none"),
    ("justification", "what the access is for"),
    ("contact", "name, address or Name <address> of whom to ask"),
    ("case", "the portal's own reference"),
    ("direction", "to-hosted (or empty) or to-local"),
    (
        "external_id",
        "names the row; needed with --already-open, else free",
    ),
    (
        "since",
        "only with --already-open: open since then, RFC 3339",
    ),
];

/// One row.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Its line in the file, from 1.
    pub line: u64,
    /// Whose.
    pub institution: String,
    /// What is asked for.
    pub asked: Asked,
    /// Names the row.
    pub external_id: String,
    /// Open since; raw.
    pub since: String,
    /// Names its content: 40 hexadecimal digits.
    pub digest: String,
}

/// A row, or why it cannot be used.
pub type ReadRow = Result<Row, (u64, String)>;

/// Every row of a file; `-` is standard input.
///
/// # Errors
/// [`Trouble::Usage`] for a file or a heading that cannot be used.
pub fn read(path: &Path, ignored: &[String]) -> Result<Vec<ReadRow>, Trouble> {
    let text = read_text(path, MAX_FILE_BYTES)?;
    parse(&text, ignored).map_err(|why| Trouble::Usage(format!("{}: {why}", path.display())))
}

/// Every row of a text.
///
/// # Errors
/// What is wrong with the heading.
pub fn parse(text: &str, ignored: &[String]) -> Result<Vec<ReadRow>, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let first = text.lines().next().unwrap_or_default();
    let semicolons = first.matches(';').count() > first.matches(',').count();
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(if semicolons { b';' } else { b',' })
        .flexible(true)
        .comment(Some(b'#'))
        .from_reader(text.as_bytes());
    let heads = reader.headers().map_err(|error| error.to_string())?.clone();
    let columns = heading(&heads, ignored)?;
    let mut rows = Vec::new();
    let mut lines = Lines::new(text);
    for record in reader.records() {
        rows.push(match record {
            Ok(record) if record.iter().all(|cell| cell.trim().is_empty()) => continue,
            Ok(record) => {
                let line = lines.of(record.position().map_or(0, csv::Position::byte));
                row(&columns, heads.len(), &record, line)
            }
            Err(error) => {
                let line = lines.of(error.position().map_or(0, csv::Position::byte));
                Err((line, error.to_string()))
            }
        });
    }
    Ok(rows)
}

/// Finds the line of a record: the reader's own place lies before the blank lines and comments in front of it.
struct Lines<'a> {
    text: &'a str,
    /// The line that was reached, from 1, and where it ends, its line feed included.
    line: u64,
    end: usize,
}

impl<'a> Lines<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            text,
            line: 1,
            end: end_of_line(text, 0),
        }
    }

    /// The line of the record that is read from `byte` on; asked in rising order. A carriage return alone ends a record
    /// and no line, so a record may begin inside a line, and a long line may hold very many.
    fn of(&mut self, byte: u64) -> u64 {
        let mut from = usize::try_from(byte).unwrap_or(usize::MAX);
        // Behind the last line there is no record.
        while self.end < self.text.len() {
            let own = self.text.get(from..self.end).unwrap_or_default();
            let skipped = own.starts_with('#') || own.trim_start().is_empty();
            if from < self.end && !skipped {
                break;
            }
            from = from.max(self.end);
            self.end = end_of_line(self.text, self.end);
            self.line += 1;
        }
        self.line
    }
}

/// Where the line that begins at `start` ends.
fn end_of_line(text: &str, start: usize) -> usize {
    let rest = text.get(start..).unwrap_or_default();
    rest.find('\n').map_or(text.len(), |at| start + at + 1)
}

/// Which column of ours each column of the file is; `None` is ignored.
fn heading(
    heads: &csv::StringRecord,
    ignored: &[String],
) -> Result<Vec<Option<&'static str>>, String> {
    let mut columns = Vec::new();
    for head in heads {
        let name = head.trim().to_lowercase().replace([' ', '-'], "_");
        let known = COLUMNS
            .iter()
            .map(|(known, _)| *known)
            .find(|known| *known == name);
        if known.is_none()
            && !ignored
                .iter()
                .any(|ignored| ignored.eq_ignore_ascii_case(head.trim()))
        {
            let names: Vec<&str> = COLUMNS.iter().map(|(known, _)| *known).collect();
            return Err(format!(
                "no column is called '{head}'; the columns are {}; leave others out with --ignore-column",
                names.join(", ")
            ));
        }
        if known.is_some() && columns.contains(&known) {
            return Err(format!("the column '{head}' is there twice"));
        }
        columns.push(known);
    }
    if columns.contains(&Some("institution")) {
        Ok(columns)
    } else {
        Err("the column 'institution' is missing; is the first line the heading?".into())
    }
}

fn row(
    columns: &[Option<&'static str>],
    width: usize,
    record: &csv::StringRecord,
    line: u64,
) -> ReadRow {
    let wrong = |why: String| (line, why);
    if record.len() > width {
        return Err(wrong(format!(
            "{} cells under {width} headings; put cells with separators into double quotes",
            record.len()
        )));
    }
    if record.iter().any(|cell| cell.contains('\0')) {
        return Err(wrong(
            "it holds the character U+0000, which no text can; is the file really CSV in UTF-8?"
                .into(),
        ));
    }
    let cell = |name: &str| {
        let place = columns.iter().position(|column| *column == Some(name));
        place
            .and_then(|place| record.get(place))
            .unwrap_or_default()
            .trim()
            .to_owned()
    };
    let one = |name: &str| Some(cell(name)).filter(|text| !text.is_empty());
    let permanent =
        yes(&cell("permanent")).ok_or_else(|| wrong("permanent: write yes or no".into()))?;
    let ends = [
        one("until").map(|text| read_until(&text)),
        one("for").map(End::Length),
        permanent.then_some(End::Permanent(())),
    ];
    let mut ends = ends.into_iter().flatten();
    let end = ends.next();
    if ends.next().is_some() {
        return Err(wrong(
            "until, for and permanent: fill in one of them alone".into(),
        ));
    }
    let start_time = match one("start") {
        None => None,
        Some(text) => Some(
            super::asked::read_instant("start", &text).map_err(|error| wrong(error.to_string()))?,
        ),
    };
    let direction = match cell("direction").replace('_', "-").as_str() {
        "" | "to-hosted" => Direction::Unspecified,
        "to-local" => Direction::ToLocal,
        other => {
            return Err(wrong(format!(
                "direction: '{other}' is none; write to-hosted or to-local"
            )));
        }
    };
    let product = cell("product");
    let cross_product = matches!(
        product.to_lowercase().replace([' ', '_'], "-").as_str(),
        "cross-product"
    );
    let emergency_reason = cell("emergency");
    let list = |name: &str| one(name).into_iter().collect::<Vec<_>>();
    let asked = Asked {
        direction: direction.into(),
        product: if cross_product {
            String::new()
        } else {
            product
        },
        cross_product,
        sources: list("sources"),
        destinations: list("destinations"),
        services: list("services"),
        validity: (end.is_some() || start_time.is_some()).then_some(Validity { end, start_time }),
        emergency: !emergency_reason.is_empty(),
        emergency_reason,
        justification: cell("justification"),
        contact: one("contact").map(|text| contact(&text)),
        case_reference: cell("case"),
    };
    let content: Vec<String> = COLUMNS.iter().map(|(name, _)| cell(name)).collect();
    // The unit separator stands between cells, so that moving text from one to the next makes another row.
    let digest = service_kit::random::hex(&service_kit::random::sha256(
        content.join("\u{1f}").as_bytes(),
    ));
    Ok(Row {
        line,
        institution: cell("institution"),
        asked,
        external_id: cell("external_id"),
        since: cell("since"),
        digest: digest.chars().take(40).collect(),
    })
}

fn yes(text: &str) -> Option<bool> {
    match text.to_lowercase().as_str() {
        "" | "no" | "n" | "false" | "0" => Some(false),
        "yes" | "y" | "true" | "1" | "x" => Some(true),
        _ => None,
    }
}

/// `Name <address>`, an address, or a name.
fn contact(text: &str) -> Contact {
    let (name, email) = match text
        .split_once('<')
        .and_then(|(name, rest)| Some((name, rest.strip_suffix('>')?)))
    {
        Some((name, email)) => (name.trim(), email.trim()),
        None if text.contains('@') => ("", text),
        None => (text, ""),
    };
    Contact {
        name: name.to_owned(),
        email: email.to_owned(),
        phone: String::new(),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
    use super::*;

    fn one(text: &str) -> Row {
        parse(text, &[]).unwrap().remove(0).unwrap()
    }

    #[test]
    fn commas_semicolons_and_a_byte_order_mark_read_the_same() {
        let comma =
            one("institution,product,sources,for\nnorth,alma,\"9.9.9.9; 1.1.1.1\",14 days\n");
        let semicolon = one(
            "\u{feff}Institution;Product;Sources;For\nnorth;alma;\"9.9.9.9; 1.1.1.1\";14 days\n",
        );
        assert_eq!(comma, semicolon);
        assert_eq!(comma.asked.sources, ["9.9.9.9; 1.1.1.1"]);
    }

    #[test]
    fn the_digest_names_the_content_and_not_the_order_of_columns() {
        let left = one("institution,product,case\nnorth,alma,7\n");
        let right = one("case,institution,product\n7,north,alma\n");
        let other = one("institution,product,case\nnorth,alma,8\n");
        let moved = one("institution,product,justification\nnorth,alma,7\n");
        assert_eq!(left.digest, right.digest);
        assert_ne!(left.digest, other.digest);
        assert_ne!(left.digest, moved.digest);
    }

    #[test]
    fn unknown_doubled_and_missing_columns_are_mistakes() {
        assert!(
            parse("institution,colour\nnorth,red\n", &[])
                .unwrap_err()
                .contains("colour")
        );
        assert!(parse("institution,colour\nnorth,red\n", &["colour".into()]).is_ok());
        assert!(
            parse("institution,case,case\n", &[])
                .unwrap_err()
                .contains("twice")
        );
        assert!(parse("north,alma\n", &[]).is_err());
        assert!(parse("", &[]).is_err());
    }

    #[test]
    fn a_row_that_cannot_be_used_leaves_the_others() {
        let rows = parse(
            "institution,until,for\nnorth,2026-12-18,14 days\nsouth,,14 days\n\nnorth,a,b,c\n",
            &[],
        )
        .unwrap();
        assert_eq!(rows.len(), 3);
        assert!(
            rows[0]
                .as_ref()
                .is_err_and(|(line, why)| *line == 2 && why.contains("one of them"))
        );
        assert!(rows[1].is_ok());
        assert!(
            rows[2]
                .as_ref()
                .is_err_and(|(line, why)| *line == 5 && why.contains("4 cells"))
        );
    }

    #[test]
    fn contacts_are_names_addresses_or_both() {
        assert_eq!(
            contact("Ann <ann@north.example>").email,
            "ann@north.example"
        );
        assert_eq!(contact("ann@north.example").name, "");
        assert_eq!(contact("Ann").name, "Ann");
    }
}
