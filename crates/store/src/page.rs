//! Pages of a list, newest first.

use uuid::Uuid;

/// The most items of a page.
pub const MAX_PAGE: u32 = 100;
/// Items of a page where none are asked for.
pub const DEFAULT_PAGE: u32 = 50;

/// Which page is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageRequest {
    /// At most so many items, 1 to [`MAX_PAGE`].
    pub limit: u32,
    /// Only what comes after this record; `None` starts at the newest.
    pub after: Option<Uuid>,
}

impl Default for PageRequest {
    fn default() -> Self {
        Self { limit: DEFAULT_PAGE, after: None }
    }
}

/// A page, and where the next one starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The items, newest first.
    pub items: Vec<T>,
    /// The last item's id when there are more.
    pub next: Option<Uuid>,
}

impl<T> Page<T> {
    /// From up to `limit + 1` items: the one beyond only tells that there are more.
    pub fn from_overfull(mut items: Vec<T>, limit: u32, id: impl Fn(&T) -> Uuid) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = items.len() > limit;
        items.truncate(limit);
        let next = if more { items.last().map(id) } else { None };
        Self { items, next }
    }

    /// The same page of something else.
    pub fn map<U>(self, each: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(each).collect(), next: self.next }
    }
}
