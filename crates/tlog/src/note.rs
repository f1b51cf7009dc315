//! Signed notes: a text with the signatures under it, as C2SP signed-note with Ed25519.
//!
//! Role: [`Signer`] signs heads, [`Verifier`] opens notes. A key has a name, which is part of its id.
//! Invariants: signatures of other keys are no business of ours; a signature of our key that is not good refuses the whole
//! note. The seed is never shown.
//! Failure story: whatever is wrong with a note or a key is a [`NoteError`].

use std::{fmt, str::FromStr};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use sha2::{Digest as _, Sha256};

use crate::{Head, head::HeadError};

/// The byte that says Ed25519.
const ALGORITHM: u8 = 1;

/// Longest note that is looked at, in bytes, and most signatures.
const MAX_BYTES: usize = 64 * 1024;
const MAX_SIGNATURES: usize = 100;

/// What a signature line begins with.
const DASH: &str = "\u{2014} ";

/// Why a note or a key is not good.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// The name of a key.
    #[error("a key's name is not empty and has no space, no plus sign and no line end")]
    Name,
    /// The text of a key.
    #[error("a verifier key is NAME+ID+KEY, an Ed25519 key")]
    Key,
    /// The form of a note.
    #[error(
        "a signed note is a text, an empty line and signature lines that begin with a long dash"
    )]
    Form,
    /// Not signed by the key.
    #[error("{0} has not signed it")]
    NotSigned(String),
    /// The signature is wrong.
    #[error(
        "the signature of {0} is wrong: the text was altered, or signed by another key of that name"
    )]
    BadSignature(String),
    /// The text is no checkpoint.
    #[error(transparent)]
    Head(#[from] HeadError),
}

/// The id of a key.
type Id = [u8; 4];

fn checked(name: &str) -> Result<(), NoteError> {
    let odd = |character: char| character.is_whitespace() || character == '+';
    if name.is_empty() || name.len() > 255 || name.chars().any(odd) {
        return Err(NoteError::Name);
    }
    Ok(())
}

fn id(name: &str, key: &[u8]) -> Id {
    let hash = Sha256::new()
        .chain_update(name)
        .chain_update([b'\n', ALGORITHM])
        .chain_update(key)
        .finalize();
    let mut id = Id::default();
    id.copy_from_slice(hash.get(..4).unwrap_or(&[0; 4]));
    id
}

/// Signs heads.
pub struct Signer {
    pair: Ed25519KeyPair,
    verifier: Verifier,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({})", self.verifier)
    }
}

impl Signer {
    /// The signer of this name with a random seed.
    ///
    /// # Errors
    /// [`NoteError::Name`].
    pub fn new(name: &str, seed: &[u8; 32]) -> Result<Self, NoteError> {
        checked(name)?;
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| NoteError::Key)?;
        let key: [u8; 32] = pair
            .public_key()
            .as_ref()
            .try_into()
            .map_err(|_| NoteError::Key)?;
        let verifier = Verifier {
            id: id(name, &key),
            name: name.to_owned(),
            key,
        };
        Ok(Self { pair, verifier })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.verifier.name
    }

    /// The key that checks what it signs.
    pub const fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// The signed note of a head.
    pub fn sign(&self, head: &Head) -> String {
        self.sign_text(&head.text())
    }

    fn sign_text(&self, text: &str) -> String {
        let mut signature = self.verifier.id.to_vec();
        signature.extend_from_slice(self.pair.sign(text.as_bytes()).as_ref());
        format!(
            "{text}\n{DASH}{} {}\n",
            self.verifier.name,
            STANDARD.encode(signature)
        )
    }
}

/// Checks signatures. Its text is the verifier key of C2SP signed-note: `NAME+ID+KEY`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verifier {
    name: String,
    id: Id,
    key: [u8; 32],
}

impl fmt::Display for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut key = vec![ALGORITHM];
        key.extend_from_slice(&self.key);
        let id = u32::from_be_bytes(self.id);
        write!(f, "{}+{id:08x}+{}", self.name, STANDARD.encode(key))
    }
}

impl FromStr for Verifier {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, NoteError> {
        let mut parts = text.splitn(3, '+');
        let mut part = || parts.next().ok_or(NoteError::Key);
        let (name, id_text, key) = (part()?, part()?, part()?);
        checked(name)?;
        let key = STANDARD.decode(key).map_err(|_| NoteError::Key)?;
        let Some((&ALGORITHM, key)) = key.split_first() else {
            return Err(NoteError::Key);
        };
        let verifier = Self {
            id: id(name, key),
            name: name.to_owned(),
            key: key.try_into().map_err(|_| NoteError::Key)?,
        };
        // The id repeats what the rest says: a slip of the pen shows.
        if verifier.to_string() != text || id_text.len() != 8 {
            return Err(NoteError::Key);
        }
        Ok(verifier)
    }
}

impl Verifier {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The head in a note that this key has signed.
    ///
    /// # Errors
    /// [`NoteError`].
    pub fn open(&self, note: &str) -> Result<Head, NoteError> {
        Ok(Head::parse(self.open_text(note)?)?)
    }

    /// The text of a note that this key has signed.
    ///
    /// # Errors
    /// [`NoteError`].
    pub fn open_text<'n>(&self, note: &'n str) -> Result<&'n str, NoteError> {
        let control = |character: char| character.is_control() && character != '\n';
        if note.len() > MAX_BYTES || note.contains(control) {
            return Err(NoteError::Form);
        }
        let split = note.rfind("\n\n").ok_or(NoteError::Form)?;
        let (text, signatures) = note.split_at(split + 1);
        let signatures = signatures
            .strip_prefix('\n')
            .and_then(|lines| lines.strip_suffix('\n'))
            .ok_or(NoteError::Form)?;
        let mut signed = false;
        for (count, line) in signatures.split('\n').enumerate() {
            let (name, signature) = line
                .strip_prefix(DASH)
                .and_then(|line| line.split_once(' '))
                .filter(|_| count < MAX_SIGNATURES)
                .ok_or(NoteError::Form)?;
            let signature = STANDARD.decode(signature).map_err(|_| NoteError::Form)?;
            let (id, signature) = signature.split_at_checked(4).ok_or(NoteError::Form)?;
            if name != self.name || id != self.id {
                continue;
            }
            UnparsedPublicKey::new(&ED25519, self.key)
                .verify(text.as_bytes(), signature)
                .map_err(|_| NoteError::BadSignature(self.name.clone()))?;
            signed = true;
        }
        if signed {
            Ok(text)
        } else {
            Err(NoteError::NotSigned(self.name.clone()))
        }
    }
}
