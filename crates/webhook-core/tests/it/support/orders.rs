//! Orders in which events may come.

/// Every order of `items`, by exchanging one after the other.
pub(crate) fn orders<T: Copy>(items: &[T]) -> Vec<Vec<T>> {
    let Some((first, rest)) = items.split_first() else { return vec![Vec::new()] };
    let insert = |order: Vec<T>| {
        let places = 0..=order.len();
        places.map(move |place| [&order[..place], &[*first], &order[place..]].concat())
    };
    orders(rest).into_iter().flat_map(insert).collect()
}
