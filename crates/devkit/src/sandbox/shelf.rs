//! Licenses or users in the order of their creation, found by id and by the one name that must be unique.

use std::collections::{BTreeMap, HashMap};

/// What a shelf holds.
pub(super) trait Item {
    fn id(&self) -> &str;
    /// What no other item of the shelf may have too.
    fn unique_name(&self) -> String;
}

/// All items of one kind.
#[derive(Debug)]
pub(super) struct Shelf<T> {
    rows: BTreeMap<u64, Row<T>>,
    by_id: HashMap<String, u64>,
    by_name: HashMap<String, u64>,
    next_row: u64,
    lists_answered: u64,
}

#[derive(Debug)]
struct Row<T> {
    item: T,
    /// Number of answered lists from which on a list shows the item.
    listed_from: u64,
}

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Shelf {
            rows: BTreeMap::new(),
            by_id: HashMap::new(),
            by_name: HashMap::new(),
            next_row: 0,
            lists_answered: 0,
        }
    }
}

impl<T: Item> Shelf<T> {
    /// Adds an item that the next `stale_lists` lists do not show.
    pub(super) fn insert(&mut self, item: T, stale_lists: u32) {
        let row = self.next_row;
        self.next_row += 1;
        self.by_id.insert(item.id().to_owned(), row);
        self.by_name.insert(item.unique_name(), row);
        let listed_from = self.lists_answered + u64::from(stale_lists);
        self.rows.insert(row, Row { item, listed_from });
    }

    pub(super) fn get(&self, id: &str) -> Option<&T> {
        self.by_id.get(id).and_then(|row| self.rows.get(row)).map(|row| &row.item)
    }

    /// Id of the item that has the unique name.
    pub(super) fn holder(&self, name: &str) -> Option<&str> {
        self.by_name.get(name).and_then(|row| self.rows.get(row)).map(|row| row.item.id())
    }

    /// Puts a changed item in the place of the one with its id.
    pub(super) fn replace(&mut self, item: T) {
        let Some(row) = self.by_id.get(item.id()) else {
            return;
        };
        let Some(place) = self.rows.get_mut(row) else {
            return;
        };
        self.by_name.remove(&place.item.unique_name());
        self.by_name.insert(item.unique_name(), *row);
        place.item = item;
    }

    pub(super) fn remove(&mut self, id: &str) -> Option<T> {
        let item = self.rows.remove(&self.by_id.remove(id)?)?.item;
        self.by_name.remove(&item.unique_name());
        Some(item)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &T> {
        self.rows.values().map(|row| &row.item)
    }

    pub(super) fn all_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.rows.values_mut().map(|row| &mut row.item)
    }

    /// What a list call sees; it counts as answered.
    pub(super) fn list(&mut self) -> impl Iterator<Item = &T> {
        let answered = self.lists_answered;
        self.lists_answered += 1;
        self.rows.values().filter(move |row| row.listed_from <= answered).map(|row| &row.item)
    }
}
