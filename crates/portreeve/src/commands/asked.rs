//! What is asked for, from flags and files.
//!
//! Role: the flags that `request submit`, `edit` and `respond` share, and the JSON file that may stand instead.
//! Invariants: nothing is judged here: addresses, ports and lengths travel as they were written, so that the service's
//! findings point into what the user typed. Only an instant is told from a date.

use std::path::PathBuf;

use clap::Args;
use prost::Message as _;
use proto::types::v1::{Asked, Contact, Direction, validity::End};

use crate::{input::read_text, trouble::Trouble};

/// Largest file that is read, in bytes.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// What is asked for. Lists may be repeated or pasted with commas, blanks and line ends.
#[derive(Debug, Clone, Default, Args)]
pub struct AskedArgs {
    /// Product id, as `portreeve product list` shows it.
    #[arg(
        long,
        conflicts_with = "cross_product",
        help_heading = "What is asked for"
    )]
    pub product: Option<String>,
    /// The question is about several products.
    #[arg(long, help_heading = "What is asked for")]
    pub cross_product: bool,
    /// Public addresses or networks that need access, such as 9.9.9.9 or 9.9.9.0/24.
    #[arg(
        long = "source",
        value_name = "ADDRESS",
        help_heading = "What is asked for"
    )]
    pub sources: Vec<String>,
    /// The hosted server: host name or address.
    #[arg(
        long = "destination",
        value_name = "HOST",
        help_heading = "What is asked for"
    )]
    pub destinations: Vec<String>,
    /// Protocol and ports, such as tcp/443, tcp/8000-8100 or https.
    #[arg(
        long = "service",
        value_name = "SERVICE",
        help_heading = "What is asked for"
    )]
    pub services: Vec<String>,
    /// Access ends then: a date (through the end of that day in the institution's time zone) or RFC 3339.
    #[arg(
        long,
        value_name = "WHEN",
        group = "end",
        help_heading = "What is asked for"
    )]
    pub until: Option<String>,
    /// Access lasts that long from the moment it is open: '14 days', 2h, P14D.
    #[arg(
        long = "for",
        value_name = "LENGTH",
        group = "end",
        help_heading = "What is asked for"
    )]
    pub length: Option<String>,
    /// Access does not end.
    #[arg(long, group = "end", help_heading = "What is asked for")]
    pub permanent: bool,
    /// Not before then (RFC 3339).
    #[arg(long, value_name = "WHEN", help_heading = "What is asked for")]
    pub start: Option<String>,
    /// An urgent change is needed; say why.
    #[arg(long, value_name = "REASON", help_heading = "What is asked for")]
    pub emergency: Option<String>,
    /// What the access is for.
    #[arg(long, value_name = "TEXT", help_heading = "What is asked for")]
    pub justification: Option<String>,
    /// Whom to ask.
    #[arg(long, value_name = "NAME", help_heading = "What is asked for")]
    pub contact_name: Option<String>,
    /// Whom to ask: mail address.
    #[arg(long, value_name = "ADDRESS", help_heading = "What is asked for")]
    pub contact_email: Option<String>,
    /// Whom to ask: telephone.
    #[arg(long, value_name = "NUMBER", help_heading = "What is asked for")]
    pub contact_phone: Option<String>,
    /// The portal's own reference of the case.
    #[arg(
        long = "case",
        value_name = "REFERENCE",
        help_heading = "What is asked for"
    )]
    pub case_reference: Option<String>,
    /// From the vendor's support into a server at the institution, instead of into a hosted server.
    #[arg(long, help_heading = "What is asked for")]
    pub to_local: bool,
    /// Read what is asked for from a JSON file, spelled as in HTTP; flags win over it.
    #[arg(long, value_name = "FILE", help_heading = "What is asked for")]
    pub file: Option<PathBuf>,
}

impl AskedArgs {
    /// What is asked for, and which fields were given (in proto spelling), for a change.
    ///
    /// # Errors
    /// [`Trouble::Usage`] for a file that cannot be read and times that are none.
    pub fn read(&self) -> Result<(Asked, Vec<String>), Trouble> {
        let (mut asked, mut mask) = match &self.file {
            Some(path) => from_file(path)?,
            None => (Asked::default(), Vec::new()),
        };
        let mut given = |field: &str| {
            if !mask.iter().any(|known| known == field) {
                mask.push(field.to_owned());
            }
        };
        if let Some(product) = &self.product {
            asked.product.clone_from(product);
            asked.cross_product = false;
            given("product");
            given("cross_product");
        }
        if self.cross_product {
            asked.product.clear();
            asked.cross_product = true;
            given("product");
            given("cross_product");
        }
        for (field, flags, list) in [
            ("sources", &self.sources, &mut asked.sources),
            ("destinations", &self.destinations, &mut asked.destinations),
            ("services", &self.services, &mut asked.services),
        ] {
            if !flags.is_empty() {
                list.clone_from(flags);
                given(field);
            }
        }
        if let Some(end) = self.end() {
            asked.validity.get_or_insert_default().end = Some(end);
            given("validity");
        }
        if let Some(start) = &self.start {
            let start = read_instant("--start", start)?;
            asked.validity.get_or_insert_default().start_time = Some(start);
            given("validity");
        }
        if let Some(reason) = &self.emergency {
            asked.emergency = true;
            asked.emergency_reason.clone_from(reason);
            given("emergency");
            given("emergency_reason");
        }
        for (field, flag, text) in [
            (
                "justification",
                &self.justification,
                &mut asked.justification,
            ),
            (
                "case_reference",
                &self.case_reference,
                &mut asked.case_reference,
            ),
        ] {
            if let Some(flag) = flag {
                text.clone_from(flag);
                given(field);
            }
        }
        let contact = [&self.contact_name, &self.contact_email, &self.contact_phone];
        if contact.iter().any(|part| part.is_some()) {
            let known = asked.contact.get_or_insert_default();
            let Contact { name, email, phone } = known;
            for (flag, text) in contact.into_iter().zip([name, email, phone]) {
                if let Some(flag) = flag {
                    text.clone_from(flag);
                }
            }
            given("contact");
        }
        if self.to_local {
            asked.direction = Direction::ToLocal.into();
            given("direction");
        }
        Ok((asked, mask))
    }

    fn end(&self) -> Option<End> {
        match (&self.until, &self.length, self.permanent) {
            (Some(until), _, _) => Some(read_until(until)),
            (_, Some(length), _) => Some(End::Length(length.clone())),
            (_, _, true) => Some(End::Permanent(())),
            _ => None,
        }
    }
}

/// An end given as a date or an instant. What is neither travels as a date, and the service says what is wrong with it.
pub fn read_until(text: &str) -> End {
    match text.trim().parse::<domain::time::Instant>() {
        Ok(instant) => End::UntilTime(proto::convert::instant_to_wire(instant)),
        Err(_) => End::UntilDate(text.to_owned()),
    }
}

/// An instant in RFC 3339.
///
/// # Errors
/// [`Trouble::Usage`] that names the form.
pub fn read_instant(name: &str, text: &str) -> Result<prost_types::Timestamp, Trouble> {
    let instant: domain::time::Instant = text
        .trim()
        .parse()
        .map_err(|error| Trouble::Usage(format!("{name}: '{text}' is no instant; {error}")))?;
    Ok(proto::convert::instant_to_wire(instant))
}

fn from_file(path: &std::path::Path) -> Result<(Asked, Vec<String>), Trouble> {
    let wrong = |why: String| Trouble::Usage(format!("{}: {why}", path.display()));
    let text = read_text(path, MAX_FILE_BYTES)?;
    let value: serde_json::Value =
        serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    let bytes = gateway::message_from_json("portreeve.type.v1.Asked", &value).map_err(|error| {
        wrong(format!(
            "{error}\n'portreeve openapi' holds the fields of Asked"
        ))
    })?;
    let asked = Asked::decode(bytes.as_slice()).map_err(|error| wrong(error.to_string()))?;
    // The names of the file, in proto spelling: `caseReference` is `case_reference`.
    let names = value
        .as_object()
        .into_iter()
        .flat_map(serde_json::Map::keys);
    let mask = names.map(|name| snake(name)).collect();
    Ok((asked, mask))
}

fn snake(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
    use super::*;

    #[test]
    fn an_instant_is_told_from_a_date_and_the_rest_is_left_to_the_service() {
        assert!(matches!(
            read_until("2026-12-18T17:00:00Z"),
            End::UntilTime(_)
        ));
        for text in ["2026-12-18", "18.12.2026", "tomorrow"] {
            assert_eq!(read_until(text), End::UntilDate(text.into()));
        }
    }

    #[test]
    fn only_what_was_given_is_in_the_mask() {
        let args = AskedArgs {
            sources: vec!["9.9.9.9".into()],
            length: Some("14 days".into()),
            contact_email: Some("net@north.example".into()),
            ..AskedArgs::default()
        };
        let (asked, mask) = args.read().unwrap();
        assert_eq!(mask, ["sources", "validity", "contact"]);
        assert_eq!(
            asked.validity.unwrap().end,
            Some(End::Length("14 days".into()))
        );
    }
}
