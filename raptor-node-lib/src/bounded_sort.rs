//! The first few of many items in an order, without holding all of them.

use std::cmp::Ordering;

/// Collects items and keeps the first `most` in the given order. Never holds more than twice as many.
pub(crate) struct BoundedSort<T, F> {
    kept: Vec<T>,
    most: usize,
    order: F,
    /// Whether `kept[most - 1]` is the last of the first `most` so far.
    cut: bool,
}

impl<T, F: Fn(&T, &T) -> Ordering> BoundedSort<T, F> {
    /// `most` must be at least one.
    pub(crate) fn new(most: usize, order: F) -> Self {
        Self { kept: Vec::new(), most: most.max(1), order, cut: false }
    }

    pub(crate) fn push(&mut self, item: T) {
        let last = self.kept.get(self.most - 1).filter(|_| self.cut);
        if last.is_some_and(|last| (self.order)(&item, last) != Ordering::Less) {
            return;
        }
        self.kept.push(item);
        if self.kept.len() >= self.most.saturating_mul(2) {
            self.kept.select_nth_unstable_by(self.most - 1, &self.order);
            self.kept.truncate(self.most);
            self.cut = true;
        }
    }

    /// The first items, in order.
    pub(crate) fn sorted(mut self) -> Vec<T> {
        self.kept.sort_unstable_by(&self.order);
        self.kept.truncate(self.most);
        self.kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_200_000_no_more_is_held_than_twice_a_page() {
        let mut sort = BoundedSort::new(500, u64::cmp);
        // Every number once, in a scrambled order.
        for number in 0..200_000_u64 {
            sort.push(number * 77_773 % 200_000);
            assert!(sort.kept.len() < 1_000);
        }
        assert_eq!(sort.sorted(), (0..500).collect::<Vec<_>>());
    }

    #[test]
    fn fewer_than_a_page_are_all_there() {
        let mut sort = BoundedSort::new(10, u32::cmp);
        [3, 1, 2].into_iter().for_each(|number| sort.push(number));
        assert_eq!(sort.sorted(), [1, 2, 3]);
    }
}
