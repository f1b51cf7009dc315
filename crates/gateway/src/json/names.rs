//! Spellings of names: proto to JSON and back, pointers, and what a misspelled name was perhaps meant to be.
//!
//! Role: small pure text. Failure story: none; any text gives a text.

/// `update_mask` gives `updateMask`; what is camel already stays.
pub(crate) fn camel(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    let mut capital = false;
    for character in name.chars() {
        if character == '_' {
            capital = true;
        } else if std::mem::take(&mut capital) {
            text.push(character.to_ascii_uppercase());
        } else {
            text.push(character);
        }
    }
    text
}

/// `updateMask` gives `update_mask`; what is snake already stays.
pub(crate) fn snake(name: &str) -> String {
    let mut text = String::with_capacity(name.len() + 4);
    for character in name.chars() {
        if character.is_ascii_uppercase() {
            text.push('_');
        }
        text.push(character.to_ascii_lowercase());
    }
    text
}

/// Adds one step to an RFC 6901 pointer.
pub(crate) fn push_step(pointer: &mut String, step: &str) {
    pointer.push('/');
    for character in step.chars() {
        match character {
            '~' => pointer.push_str("~0"),
            '/' => pointer.push_str("~1"),
            other => pointer.push(other),
        }
    }
}

/// The known name that `name` was perhaps meant to be: at most two slips away, and fewer for short names.
pub(crate) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // A name longer than any of ours is not compared: the work stays bounded.
    if name.len() > 64 {
        return None;
    }
    let lower = name.to_ascii_lowercase();
    known
        .map(|candidate| (distance(&lower, &candidate.to_ascii_lowercase()), candidate))
        .filter(|(slips, candidate)| *slips <= 2 && *slips * 2 < candidate.len())
        .min_by_key(|(slips, _)| *slips)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein distance.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (index, character) in left.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], index + 1);
        for (column, other) in right.iter().enumerate() {
            let changed = diagonal + usize::from(character != *other);
            diagonal = row[column + 1];
            row[column + 1] = changed.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_the_name_that_was_meant() {
        let known = ["sources", "services", "destinations", "id"];
        assert_eq!(nearest("sorces", known.into_iter()), Some("sources"));
        assert_eq!(
            nearest("Destinatons", known.into_iter()),
            Some("destinations")
        );
        assert_eq!(nearest("colour", known.into_iter()), None);
        assert_eq!(nearest("xy", known.into_iter()), None);
    }

    #[test]
    fn names_change_their_spelling_and_keep_their_words() {
        assert_eq!(camel("update_mask"), "updateMask");
        assert_eq!(snake("updateMask"), "update_mask");
        assert_eq!(snake(&camel("emergency_reason")), "emergency_reason");
        let mut pointer = String::new();
        push_step(&mut pointer, "a/b~c");
        assert_eq!(pointer, "/a~1b~0c");
    }
}
