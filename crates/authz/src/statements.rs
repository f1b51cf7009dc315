//! A file of policies, cut into its statements.
//!
//! Role: finds where each policy begins and ends, so that a mistake has a line and `portreeve policy show` can print a
//! policy with the comment above it. Cedar ends a policy with `;`, which may also stand in a text or a comment.
//! Failure story: none; what is no policy is found by Cedar's own parser, on the line given here.

/// One statement as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Statement {
    /// The line of its first word, from one.
    pub(crate) line: usize,
    /// The comment above it and the statement with its `;`.
    pub(crate) text: String,
    /// The line of the file that `text` begins on.
    pub(crate) text_line: usize,
}

/// Cuts `file` at every `;` that is outside texts and comments. What follows the last one is a statement when it has a
/// word.
pub(crate) fn statements(file: &str) -> Vec<Statement> {
    let mut found = Vec::new();
    let (mut begin, mut first_word) = (0, None);
    let mut characters = file.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        match character {
            '/' if matches!(characters.peek(), Some((_, '/'))) => {
                while characters.peek().is_some_and(|(_, next)| *next != '\n') {
                    characters.next();
                }
                continue;
            }
            '"' => {
                while let Some((_, inside)) = characters.next() {
                    match inside {
                        '\\' => drop(characters.next()),
                        '"' => break,
                        _ => {}
                    }
                }
            }
            ';' => {
                found.push(cut(file, begin, at + 1, first_word.unwrap_or(at)));
                (begin, first_word) = (at + 1, None);
                continue;
            }
            _ => {}
        }
        if !character.is_whitespace() {
            first_word.get_or_insert(at);
        }
    }
    if let Some(first) = first_word {
        found.push(cut(file, begin, file.len(), first));
    }
    found
}

fn line_of(file: &str, offset: usize) -> usize {
    1 + file[..offset].matches('\n').count()
}

fn cut(file: &str, begin: usize, end: usize, first_word: usize) -> Statement {
    // Only the comment that touches the statement belongs to it: one above an empty line heads the file.
    let above = &file[begin..first_word];
    let kept = above.rfind("\n\n").map_or(0, |empty| empty + 2);
    let text = &file[begin + kept..end];
    let skipped = text.len() - text.trim_start().len();
    Statement {
        line: line_of(file, first_word),
        text: text.trim().to_owned(),
        text_line: line_of(file, begin + kept + skipped),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_ends_at_its_semicolon_and_keeps_the_comment_above_it() {
        let file = "// The file; its head.\n\n// Why; so.\n@id(\"a;\\\"b\")\npermit (principal, action, resource);\n\n\
                    forbid (principal, action, resource) // ;\n;\nrest";
        let cut = statements(file);
        let lines: Vec<_> = cut.iter().map(|s| (s.text_line, s.line)).collect();
        assert_eq!(lines, [(3, 4), (7, 7), (9, 9)]);
        assert!(cut[0].text.starts_with("// Why; so.\n@id") && cut[0].text.ends_with(';'));
        assert_eq!(cut[2].text, "rest");
        assert!(statements("// nothing; here\n").is_empty());
    }
}
