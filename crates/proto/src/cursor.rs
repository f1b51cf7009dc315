//! Places in the event feed, as the outside sees them: opaque and sealed (design decision D3).
//!
//! Role: turns (feed epoch, position) into a token and back. A position counts the events of every institution, so it
//! never leaves the house in clear: the token is AES-256-GCM-SIV (RFC 8452) with a fixed nonce, which is deterministic
//! and leaks equality alone.
//! Failure story: a token that was changed, cut or made by another ledger is `CursorError::Invalid`; one of an epoch
//! that a restore has ended is `CursorError::EpochEnded`, and the reader starts again from a snapshot.

use aes_gcm_siv::{
    Aes256GcmSiv, Nonce,
    aead::{Aead, KeyInit},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

/// Longest token that is looked at, in bytes.
const MAX_TOKEN_BYTES: usize = 128;

/// Why a cursor cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CursorError {
    /// Not a token of this ledger.
    #[error("the cursor is not one that this ledger made")]
    Invalid,
    /// Made before the ledger was restored.
    #[error("the cursor belongs to a feed that a restore has ended")]
    EpochEnded,
}

/// Seals and opens cursors of one feed.
#[derive(Clone)]
pub struct CursorSeal {
    cipher: Aes256GcmSiv,
    epoch: u32,
}

impl CursorSeal {
    /// The seal of the feed `epoch`, with the ledger's key.
    pub fn new(key: &[u8; 32], epoch: u32) -> Self {
        Self {
            cipher: Aes256GcmSiv::new(key.into()),
            epoch,
        }
    }

    /// The epoch that this seal makes cursors for.
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// The token of `position`.
    pub fn seal(&self, position: u64) -> String {
        let mut plain = [0u8; 12];
        plain[..4].copy_from_slice(&self.epoch.to_be_bytes());
        plain[4..].copy_from_slice(&position.to_be_bytes());
        // Encrypting twelve bytes cannot fail; an empty token would be refused on return, never believed.
        let sealed = self
            .cipher
            .encrypt(&Nonce::default(), plain.as_slice())
            .unwrap_or_default();
        URL_SAFE_NO_PAD.encode(sealed)
    }

    /// The position of `token`.
    ///
    /// # Errors
    /// [`CursorError::Invalid`] or [`CursorError::EpochEnded`].
    pub fn open(&self, token: &str) -> Result<u64, CursorError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(CursorError::Invalid);
        }
        let sealed = URL_SAFE_NO_PAD
            .decode(token)
            .map_err(|_| CursorError::Invalid)?;
        let plain = self
            .cipher
            .decrypt(&Nonce::default(), sealed.as_slice())
            .map_err(|_| CursorError::Invalid)?;
        let (epoch, position) = plain.split_first_chunk::<4>().ok_or(CursorError::Invalid)?;
        let position = <[u8; 8]>::try_from(position).map_err(|_| CursorError::Invalid)?;
        if u32::from_be_bytes(*epoch) != self.epoch {
            return Err(CursorError::EpochEnded);
        }
        Ok(u64::from_be_bytes(position))
    }
}

impl std::fmt::Debug for CursorSeal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CursorSeal")
            .field("epoch", &self.epoch)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_opens_to_its_position_and_hides_it() {
        let seal = CursorSeal::new(&[7; 32], 3);
        let token = seal.seal(41);
        assert_eq!(seal.open(&token), Ok(41));
        assert_ne!(token, seal.seal(42));
    }

    #[test]
    fn a_changed_cut_or_foreign_cursor_is_invalid() {
        let seal = CursorSeal::new(&[7; 32], 3);
        let token = seal.seal(41);
        let changed = format!("A{}", &token[1..]);
        for bad in [
            "",
            "x",
            &token[..10],
            &changed,
            &CursorSeal::new(&[8; 32], 3).seal(41),
            &"a".repeat(500),
        ] {
            assert_eq!(seal.open(bad), Err(CursorError::Invalid), "{bad}");
        }
    }

    #[test]
    fn a_cursor_of_an_ended_epoch_says_so() {
        let old = CursorSeal::new(&[7; 32], 3).seal(41);
        assert_eq!(
            CursorSeal::new(&[7; 32], 4).open(&old),
            Err(CursorError::EpochEnded)
        );
    }
}
