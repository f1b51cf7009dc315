//! Collecting a page whose filter SQL cannot judge whole.
//!
//! Role: as [`super`], for what is judged row by row. Failure story: none.

use super::{LOOKED_AT_AT_MOST, PAGE_AT_MOST};
use crate::store::{Page, PageKey};

/// Collects a page of items, also where a filter has to be judged on what was read.
pub(in crate::store) struct Paging<T> {
    items: Vec<T>,
    wanted: usize,
    /// Rows to be read at once, and how many may still be looked at.
    batch: u32,
    left: u32,
    after: Option<PageKey>,
    /// Of the last row that was looked at, when there is more behind it.
    next: Option<PageKey>,
    done: bool,
}

impl<T> Paging<T> {
    /// `judged`: rows that were read may still be left out.
    pub(in crate::store) fn new(after: Option<&PageKey>, limit: u32, judged: bool) -> Self {
        let limit = limit.clamp(1, PAGE_AT_MOST);
        let batch = if judged { limit.max(200) } else { limit };
        Self {
            items: Vec::new(),
            wanted: usize::try_from(limit).unwrap_or(usize::MAX),
            batch,
            left: if judged {
                LOOKED_AT_AT_MOST.max(batch)
            } else {
                batch
            },
            after: after.cloned(),
            next: None,
            done: false,
        }
    }

    /// How many rows to read next, one more than will be looked at; `None` when the page is complete.
    pub(in crate::store) fn batch(&self) -> Option<u32> {
        (!self.done && self.left > 0).then_some(self.batch.min(self.left) + 1)
    }

    /// Where to read on.
    pub(in crate::store) fn after(&self) -> Option<&PageKey> {
        self.after.as_ref()
    }

    /// Looks at the rows that were read; `judge` says whether one belongs to the page, and its key.
    pub(in crate::store) fn take<E>(
        &mut self,
        rows: impl ExactSizeIterator<Item = Result<T, E>>,
        judge: impl Fn(&T) -> (bool, PageKey),
    ) -> Result<(), E> {
        let batch = self.batch.min(self.left);
        let mut unread = rows.len();
        self.next = None;
        for row in rows.take(usize::try_from(batch).unwrap_or(usize::MAX)) {
            let row = row?;
            unread -= 1;
            self.left -= 1;
            let (belongs, key) = judge(&row);
            if belongs {
                self.items.push(row);
            }
            self.done = self.items.len() >= self.wanted;
            self.after = Some(key);
            if self.done {
                break;
            }
        }
        if unread > 0 {
            self.next.clone_from(&self.after);
        } else {
            self.done = true;
        }
        Ok(())
    }

    /// The page.
    pub(in crate::store) fn finish(self) -> Page<T> {
        Page {
            items: self.items,
            next: self.next,
        }
    }
}
