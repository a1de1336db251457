//! Pagination of all lists with keyset cursors, so that page 1,000 costs as much as page 1.

use crate::{Error, Result};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Serialize, de::DeserializeOwned};

/// Most items per page.
pub const MAX_LIMIT: u32 = 100;

/// Which page to return.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PageRequest {
    /// Items per page, 1 to [`MAX_LIMIT`].
    pub limit: u32,
    /// [`Page::next`] of the previous page; `None` for the first page.
    pub cursor: Option<String>,
    /// Whether to count the items of all pages.
    pub with_total: bool,
}

impl Default for PageRequest {
    fn default() -> Self {
        Self { limit: 50, cursor: None, with_total: false }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// The cursor of the next page; `None` on the last one.
    pub next: Option<String>,
    /// The number of items on all pages, if requested.
    pub total: Option<i64>,
}

impl<T> Page<T> {
    /// Converts the items.
    #[must_use]
    pub fn map<U>(self, f: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(f).collect(), next: self.next, total: self.total }
    }
}

impl PageRequest {
    /// The key after which the page begins.
    ///
    /// # Errors
    /// [`Error::Invalid`] at `cursor` if it isn't from this list.
    pub fn after<K: DeserializeOwned>(&self) -> Result<Option<K>> {
        let Some(cursor) = &self.cursor else { return Ok(None) };
        let wrong = || {
            Error::invalid("cursor", "This cursor is not from this list. Use `next` of the previous page.")
                .because("cursor")
        };
        let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| wrong())?;
        serde_json::from_slice(&bytes).map(Some).map_err(|_| wrong())
    }

    /// How many rows to read: one more than fits, to know whether there is another page.
    #[must_use]
    pub fn fetch(&self) -> i64 {
        i64::from(self.limit.clamp(1, MAX_LIMIT)) + 1
    }

    /// Truncates rows to the page, and creates the cursor of the next one.
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
