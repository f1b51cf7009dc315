//! A name that no setting has: the message, with the nearest known name.
//!
//! Role: shared by the file and the other sources. Failure: none; names from outside are cut before they are compared.

use super::Setting;

/// The message for a name that no setting has.
pub(super) fn unknown(
    what: &str,
    name: &str,
    settings: &[Setting],
    name_of: impl Fn(&Setting) -> String,
) -> String {
    // Names come from outside: long ones are shown cut, and not compared.
    let shown: String = name.chars().take(80).collect();
    let nearest = (name.len() <= 80)
        .then(|| settings.iter().map(&name_of))
        .into_iter()
        .flatten()
        .map(|known| (distance(name, &known), known))
        .min()
        .filter(|(distance, known)| *distance <= known.len() / 3);
    match nearest {
        Some((_, known)) => format!("no {what} is called {shown}; perhaps {known}?"),
        None => format!("no {what} is called {shown}"),
    }
}

/// How many single letters must change to make one name the other (Levenshtein).
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (above, letter) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = above + 1;
        for (place, other) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != *other);
            diagonal = row[place + 1];
            row[place + 1] = replaced.min(diagonal + 1).min(row[place] + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}
