//! One shape for all lists: keyset paging, so that page 1,000 costs what page 1 costs.

use crate::{Error, Result};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Serialize, de::DeserializeOwned};

/// The most items of one page.
pub const MAX_LIMIT: u32 = 100;

/// Which page is wanted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PageRequest {
    /// 1 to [`MAX_LIMIT`].
    pub limit: u32,
    /// [`Page::next`] of the page before.
    pub cursor: Option<String>,
    /// Whether to count all.
    pub with_total: bool,
}

impl Default for PageRequest {
    fn default() -> Self {
        Self { limit: 50, cursor: None, with_total: false }
    }
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// Where the next one begins; none on the last.
    pub next: Option<String>,
    /// How many there are on all pages, when asked for.
    pub total: Option<i64>,
}

impl<T> Page<T> {
    /// The same page of something else.
    #[must_use]
    pub fn map<U>(self, f: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(f).collect(), next: self.next, total: self.total }
    }
}

impl PageRequest {
    /// The key after which the page begins.
    ///
    /// # Errors
    /// [`Error::Invalid`] at `cursor` for one that this list did not give.
    pub fn after<K: DeserializeOwned>(&self) -> Result<Option<K>> {
        let Some(cursor) = &self.cursor else { return Ok(None) };
        let wrong = || {
            Error::invalid("cursor", "This cursor is not one of this list. Take `next` of the page before.")
        };
        let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| wrong())?;
        serde_json::from_slice(&bytes).map(Some).map_err(|_| wrong())
    }

    /// How many rows to read: one more than fit, which tells whether there is another page.
    #[must_use]
    pub fn fetch(&self) -> i64 {
        i64::from(self.limit.clamp(1, MAX_LIMIT)) + 1
    }

    /// Cuts what was read to the page and names where the next one begins.
    #[must_use]
    pub fn cut<T, K: Serialize>(
        &self,
        mut items: Vec<T>,
        total: Option<i64>,
        key: impl Fn(&T) -> K,
    ) -> Page<T> {
        let limit = self.limit.clamp(1, MAX_LIMIT) as usize;
        let more = items.len() > limit;
        items.truncate(limit);
        let last = items.last().filter(|_| more);
        let next = last
            .and_then(|item| serde_json::to_vec(&key(item)).ok())
            .map(|bytes| URL_SAFE_NO_PAD.encode(bytes));
        Page { items, next, total }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_leads_to_the_next_page_and_the_last_page_has_none() {
        let request = PageRequest { limit: 2, ..PageRequest::default() };
        let page = request.cut(vec![1, 2, 3], None, |n| *n);
        assert_eq!(page.items, [1, 2]);
        let next = PageRequest { cursor: page.next, ..request.clone() };
        assert_eq!(next.after::<i32>().unwrap(), Some(2));
        assert_eq!(next.cut(vec![3], None, |n| *n).next, None);
    }

    #[test]
    fn a_cursor_of_another_list_is_an_input_error() {
        for bad in ["x", "%%", "bnVsbA"] {
            let request = PageRequest { cursor: Some(bad.into()), ..PageRequest::default() };
            assert_eq!(request.after::<(String, i64)>().unwrap_err().code(), "invalid");
        }
    }
}
