//! Forgetting a person: which stored texts tell of them, and what stands there instead.
//!
//! Role: pure. Works on the stored JSON, not on each type by name: whatever the house keeps about who acted is an object
//! with an `id` and a `display_name`, and whom to ask is one with an `email`, wherever it stands, so that what is added
//! later is forgotten too.
//! Invariants: what is rewritten reads back as what it was; nothing but the person changes; what does not mention the
//! person is `None` and stays untouched, byte for byte.
//! Failure story: a value that does not read back is an internal error and nothing is written.

use domain::{
    access::Actor,
    case::Case,
    id::{KeyId, LinkId},
    link::Link,
};
use proto::error::Failure;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use crate::store::{ApiKey, Comment, Mention};

/// The name that everybody who was erased has.
const ERASED_NAME: &str = "erased person";

/// What stands in the place of erased words.
const ERASED_WORDS: &str = "[erased]";

/// The members of an object that hold the words of who stands in it.
const WORDS: [&str; 4] = ["text", "note", "reason", "recipient"];

/// The longest name of a person, in bytes.
const MAX_PERSON_BYTES: usize = 320;

/// Whom it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Person {
    /// Who acted, by principal id.
    Principal(String),
    /// Whom to ask, by mail address.
    Email(String),
}

impl Person {
    /// A person by principal id; services, the clock and who was erased are none.
    pub(crate) fn principal(id: &str) -> Result<Self, Failure> {
        let id = id.trim();
        let foreign = id.starts_with("service:") || id.starts_with("person:");
        if foreign || !id.contains(':') || !is_plain(id) {
            return Err(Failure::field(
                "person.principal",
                "write the id that stands beside the name, such as key:0193…",
            ));
        }
        Ok(Self::Principal(id.to_owned()))
    }

    /// A person by mail address.
    pub(crate) fn email(address: &str) -> Result<Self, Failure> {
        let address = address.trim();
        let whole = address
            .split_once('@')
            .is_some_and(|(who, host)| !who.is_empty() && !host.is_empty());
        if !whole || !is_plain(address) {
            return Err(Failure::field(
                "person.email",
                "write one mail address, such as it@library.example",
            ));
        }
        Ok(Self::Email(address.to_owned()))
    }

    /// The key that it is, if it is one.
    pub(super) fn key(&self) -> Option<KeyId> {
        match self {
            Self::Principal(id) => id.strip_prefix("key:")?.parse().ok(),
            Self::Email(_) => None,
        }
    }

    /// The link that they hold, if it is somebody with a link.
    pub(super) fn link(&self) -> Option<LinkId> {
        match self {
            Self::Principal(id) => id.strip_prefix("link:")?.parse().ok(),
            Self::Email(_) => None,
        }
    }

    /// How the store finds it.
    pub(super) fn mention(&self) -> Mention {
        let (name, text) = match self {
            // What was done to the link names it without the prefix.
            Self::Principal(id) => (id.strip_prefix("link:").unwrap_or(id), String::new()),
            Self::Email(address) => (address.as_str(), address.to_lowercase()),
        };
        let json = Value::String(name.to_owned()).to_string();
        // Inside of words it has no quotation marks around it.
        let bare = json.trim_matches('"').as_bytes().to_vec();
        Mention { json: bare, text }
    }
}

fn is_plain(text: &str) -> bool {
    text.len() <= MAX_PERSON_BYTES
        && !text
            .chars()
            .any(|c| c.is_control() || c.is_whitespace() || matches!(c, '"' | '\\'))
}

/// How a person is forgotten.
#[derive(Debug, Clone)]
pub(crate) struct Forgetting {
    person: Person,
    pseudonym: String,
    words: bool,
}

impl Forgetting {
    pub(super) fn new(person: &Person, pseudonym: &str, words: bool) -> Self {
        Self {
            person: person.clone(),
            pseudonym: pseudonym.to_owned(),
            words,
        }
    }

    pub(super) fn pseudonym(&self) -> &str {
        &self.pseudonym
    }

    /// The case without the person; `None`: it does not mention them.
    pub(super) fn case(&self, case: &Case) -> Result<Option<Case>, Failure> {
        let request = self.rewritten(&case.request)?;
        let mut changed = request.is_some();
        let mut next = Case {
            request: request.unwrap_or_else(|| case.request.clone()),
            grants: case.grants.clone(),
        };
        if changed {
            next.request.version += 1;
        }
        for grant in &mut next.grants {
            if let Some(mut rewritten) = self.rewritten(grant)? {
                rewritten.version += 1;
                *grant = rewritten;
                changed = true;
            }
        }
        Ok(changed.then_some(next))
    }

    /// The comment without the person.
    pub(super) fn comment(&self, comment: &Comment) -> Option<Comment> {
        let mut next = comment.clone();
        let theirs = self.is_actor(&comment.author);
        if theirs {
            next.author = self.nobody();
        }
        if theirs && self.words {
            ERASED_WORDS.clone_into(&mut next.text);
        } else if let Some(text) = self.without_address(&comment.text) {
            next.text = text;
        }
        (next != *comment).then_some(next)
    }

    /// The key without the person: what it may do and when it was made stays.
    pub(super) fn key(&self, key: &ApiKey) -> Option<ApiKey> {
        let mut next = key.clone();
        if self.is_actor(&key.created_by) {
            next.created_by = self.nobody();
        }
        next.owner = key
            .owner
            .as_ref()
            .map(|owner| self.without_name(owner).unwrap_or_else(|| owner.clone()));
        if self.person.key() == Some(key.id) {
            ERASED_NAME.clone_into(&mut next.display_name);
        }
        (next != *key).then_some(next)
    }

    /// The link without the person: who made it, for whom; what it may do and when stays.
    pub(super) fn link(&self, link: &Link) -> Result<Option<Link>, Failure> {
        self.rewritten(link)
    }

    /// An event's private details without the person.
    pub(super) fn details(&self, details: &[u8]) -> Option<Vec<u8>> {
        let mut value: Value = serde_json::from_slice(details).ok()?;
        self.walk(&mut value)
            .then(|| serde_json::to_vec(&value).ok())?
    }

    fn is_actor(&self, actor: &Actor) -> bool {
        matches!(&self.person, Person::Principal(id) if *id == actor.id)
    }

    fn nobody(&self) -> Actor {
        Actor {
            id: self.pseudonym.clone(),
            display_name: ERASED_NAME.to_owned(),
            owner: None,
        }
    }

    fn rewritten<T: Serialize + DeserializeOwned>(&self, thing: &T) -> Result<Option<T>, Failure> {
        let broken = |error: serde_json::Error| {
            tracing::error!(%error, "what was kept cannot be read back without the person");
            Failure::internal()
        };
        let mut value = serde_json::to_value(thing).map_err(broken)?;
        if !self.walk(&mut value) {
            return Ok(None);
        }
        serde_json::from_value(value).map(Some).map_err(broken)
    }

    /// Takes the person out of `value`, and says whether they were in it.
    fn walk(&self, value: &mut Value) -> bool {
        match value {
            Value::Array(items) => items
                .iter_mut()
                .fold(false, |changed, item| self.walk(item) | changed),
            Value::Object(members) => self.object(members),
            Value::String(text) => match self.without_name(text) {
                Some(rest) => {
                    *text = rest;
                    true
                }
                None => false,
            },
            Value::Null | Value::Bool(_) | Value::Number(_) => false,
        }
    }

    fn object(&self, members: &mut Map<String, Value>) -> bool {
        let text = |members: &Map<String, Value>, name: &str| {
            members.get(name).and_then(Value::as_str).map(str::to_owned)
        };
        let mut changed = self.recipient(members);
        match &self.person {
            Person::Principal(person) => {
                let named = members.contains_key("display_name");
                if named && text(members, "id").as_ref() == Some(person) {
                    members.insert("display_name".into(), ERASED_NAME.into());
                }
                let theirs = members.values().any(|value| {
                    let id = value.get("id").and_then(Value::as_str);
                    id == Some(person) && value.get("display_name").is_some()
                });
                if theirs && self.words {
                    erase_words(members);
                }
            }
            Person::Email(address) => {
                let theirs = text(members, "email")
                    .is_some_and(|email| email.trim().eq_ignore_ascii_case(address));
                if theirs {
                    for name in ["name", "email", "phone"] {
                        if let Some(value @ Value::String(_)) = members.get_mut(name) {
                            *value = "".into();
                        }
                    }
                    return true;
                }
            }
        }
        for member in members.values_mut() {
            changed |= self.walk(member);
        }
        changed
    }

    /// For whom a link was made, when the person is who holds it: in the link itself, and in what was noted about it.
    fn recipient(&self, members: &mut Map<String, Value>) -> bool {
        let Some(link) = self.person.link().map(|id| id.to_string()) else {
            return false;
        };
        let mut changed = false;
        for (of, name) in [("id", "recipient"), ("link", "note")] {
            let theirs = members.get(of).and_then(Value::as_str) == Some(link.as_str());
            if let Some(Value::String(text)) = members.get_mut(name).filter(|_| theirs)
                && !is_erased(text)
            {
                ERASED_NAME.clone_into(text);
                changed = true;
            }
        }
        changed
    }

    /// `text` without the person: an id stands alone (who acted, who owns a key), a mail address in words too.
    fn without_name(&self, text: &str) -> Option<String> {
        match &self.person {
            Person::Principal(id) => (text == id).then(|| self.pseudonym.clone()),
            Person::Email(_) => self.without_address(text),
        }
    }

    /// `text` without the person's mail address; `None`: it is not in it.
    fn without_address(&self, text: &str) -> Option<String> {
        let Person::Email(address) = &self.person else {
            return None;
        };
        // ASCII alone: both have the same bytes in the same places.
        let (low, sought) = (text.to_ascii_lowercase(), address.to_ascii_lowercase());
        let mut rest = String::with_capacity(text.len());
        let mut from = 0;
        for (at, _) in low.match_indices(&sought) {
            rest.push_str(text.get(from..at)?);
            rest.push_str(ERASED_WORDS);
            from = at + sought.len();
        }
        if from == 0 {
            return None;
        }
        rest.push_str(text.get(from..)?);
        Some(rest)
    }
}

/// Whether nobody is named any more; who was erased is not found again.
fn is_erased(text: &str) -> bool {
    text == ERASED_NAME || text == ERASED_WORDS
}

/// Erases the words of an object in which the person stands, and of the details beside them.
fn erase_words(members: &mut Map<String, Value>) {
    for name in WORDS {
        if let Some(value @ Value::String(_)) = members.get_mut(name) {
            *value = ERASED_WORDS.into();
        }
    }
    if let Some(Value::Object(details)) = members.get_mut("details") {
        erase_words(details);
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "constants")]
    use serde_json::json;

    use super::*;

    fn without(person: Person, words: bool, mut value: Value) -> Option<Value> {
        let forgetting = Forgetting::new(&person, "person:1", words);
        forgetting.walk(&mut value).then_some(value)
    }

    #[test]
    fn who_acted_is_replaced_wherever_they_stand() {
        let ria = Person::principal("key:ria").unwrap();
        let value = json!({
            "actor": {"id": "key:ria", "display_name": "Ria"},
            "details": {"note": "by me"},
            "list": [{"by": {"id": "key:ann", "display_name": "Ann", "owner": "key:ria"}}],
        });
        let kept = without(ria.clone(), false, value.clone()).unwrap();
        assert_eq!(
            kept["actor"],
            json!({"id": "person:1", "display_name": "erased person"})
        );
        assert_eq!(kept["details"]["note"], "by me");
        let bare = without(ria, true, value.clone()).unwrap();
        assert_eq!(bare["details"]["note"], "[erased]");
        assert_eq!(kept["list"][0]["by"]["owner"], "person:1");
        assert_eq!(kept["list"][0]["by"]["display_name"], "Ann");
        let ann = Person::principal("key:ann").unwrap();
        let other = without(ann, true, value.clone()).unwrap();
        assert_eq!(other["details"]["note"], "by me");
        assert_eq!(
            without(Person::principal("key:r").unwrap(), true, value),
            None
        );
    }

    #[test]
    fn whom_to_ask_is_taken_out_of_contacts_and_words() {
        let jane = Person::email("Jane@North.example").unwrap();
        let value = json!({
            "contact": {"name": "Jane", "email": "jane@north.EXAMPLE", "phone": "1"},
            "justification": "Ask JANE@north.example, or é jane@north.example!",
            "other": {"name": "Joe", "email": "joe@north.example"},
        });
        let kept = without(jane, false, value).unwrap();
        assert_eq!(
            kept["contact"],
            json!({"name": "", "email": "", "phone": ""})
        );
        assert_eq!(kept["justification"], "Ask [erased], or é [erased]!");
        assert_eq!(kept["other"]["name"], "Joe");
    }

    #[test]
    fn for_whom_a_link_was_made_goes_with_its_holder_its_maker_and_their_address() {
        let id = "019305b7-5a4e-7c3e-8a55-0e0b3f6f1c11";
        let link = json!({
            "id": id, "recipient": "Ada, ada@north.example",
            "created_by": {"id": "key:ria", "display_name": "Ria", "owner": "oidc:ria"},
        });
        let holder = || Person::principal(&format!("link:{id}")).unwrap();
        let kept = without(holder(), false, link.clone()).unwrap();
        assert_eq!(kept["recipient"], "erased person");
        assert_eq!(kept["created_by"]["display_name"], "Ria");
        assert_eq!(without(holder(), true, kept), None);

        let maker = || Person::principal("key:ria").unwrap();
        let kept = without(maker(), false, link.clone()).unwrap();
        assert_eq!(kept["recipient"], "Ada, ada@north.example");
        assert_eq!(kept["created_by"]["id"], "person:1");
        let kept = without(maker(), true, link.clone()).unwrap();
        assert_eq!(kept["recipient"], "[erased]");
        let owner = Person::principal("oidc:ria").unwrap();
        let kept = without(owner, false, link.clone()).unwrap();
        assert_eq!(kept["created_by"]["owner"], "person:1");
        let address = Person::email("Ada@north.example").unwrap();
        let kept = without(address, false, link).unwrap();
        assert_eq!(kept["recipient"], "Ada, [erased]");

        // What was noted when it was made names it.
        let made = json!({
            "actor": {"id": "key:ria", "display_name": "Ria"},
            "details": {"link": id, "note": "Ada, ada@north.example"},
        });
        let kept = without(holder(), false, made).unwrap();
        assert_eq!(kept["details"]["note"], "erased person");
        assert_eq!(kept["actor"]["display_name"], "Ria");
    }

    #[test]
    fn only_people_are_persons() {
        for id in [
            "",
            "ria",
            "service:intake",
            "person:1",
            "key:a b",
            "key:\"x\"",
        ] {
            assert!(Person::principal(id).is_err(), "{id}");
        }
        for address in ["", "jane", "@north", "jane@", "a b@north", "j\"@north"] {
            assert!(Person::email(address).is_err(), "{address}");
        }
    }
}
