//! The first of many in an order, without holding the many.

use std::cmp::Ordering;

/// Takes items one by one and keeps the `most` that come first. It never holds more than twice as many.
pub(crate) struct Smallest<T, F> {
    kept: Vec<T>,
    most: usize,
    order: F,
    /// Whether `kept[most - 1]` is the last of the first `most` so far.
    cut: bool,
}

impl<T, F: Fn(&T, &T) -> Ordering> Smallest<T, F> {
    /// `most`: at least one.
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

    /// The first ones, in order.
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
        let mut smallest = Smallest::new(500, u64::cmp);
        // Every number once, in an order that looks like none.
        for number in 0..200_000_u64 {
            smallest.push(number * 77_773 % 200_000);
            assert!(smallest.kept.len() < 1_000);
        }
        assert_eq!(smallest.sorted(), (0..500).collect::<Vec<_>>());
    }

    #[test]
    fn fewer_than_a_page_are_all_there() {
        let mut smallest = Smallest::new(10, u32::cmp);
        [3, 1, 2].into_iter().for_each(|number| smallest.push(number));
        assert_eq!(smallest.sorted(), [1, 2, 3]);
    }
}
