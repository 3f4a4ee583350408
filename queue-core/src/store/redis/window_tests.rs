use std::ops::Range;

use super::*;

const AGE: u64 = 7;

fn tag_of(row: i64, incarnation: &str, payload: &str) -> DeliveryTag {
    let payload = Bytes::from(payload.to_owned());
    DeliveryTag { incarnation: incarnation.into(), list: "mail".into(), row, suspect: false, payload }
}

fn tags(rows: Range<i64>) -> Vec<DeliveryTag> {
    rows.map(|row| tag_of(row, "me", &row.to_string())).collect()
}

fn lease(order: &HeldOrder, tags: &[DeliveryTag], age: u64) {
    let _leasing = order.leasing();
    tags.iter().for_each(|tag| order.note(0, tag, Some(age), false));
}

/// A book with these rows leased, and their tags.
fn leased(rows: Range<i64>) -> (HeldOrder, Vec<DeliveryTag>) {
    let (order, all) = (HeldOrder::default(), tags(rows));
    lease(&order, &all, AGE);
    (order, all)
}

/// Where those at these places stand.
fn window(order: &HeldOrder, all: &[DeliveryTag], places: impl IntoIterator<Item = usize>) -> Option<Window> {
    order.window(0, AGE, &places.into_iter().map(|place| &all[place]).collect::<Vec<_>>())
}

fn plain(length: usize) -> Option<Window> {
    Some(Window { length, staying: Vec::new() })
}

fn with(length: usize, staying: &[(usize, &str)]) -> Option<Window> {
    let staying = staying.iter().map(|(place, text)| (*place, Bytes::from((*text).to_owned()))).collect();
    Some(Window { length, staying })
}

#[test]
fn what_came_first_is_the_end_of_the_list() {
    let (order, all) = leased(0..20);
    assert_eq!(window(&order, &all, 0..4), plain(4));
    assert_eq!(window(&order, &all, 4..20), plain(16));
}

#[test]
fn what_stays_is_said_and_stays_where_it_is() {
    let (order, all) = leased(0..20);
    assert_eq!(window(&order, &all, [1, 2, 4, 5, 6, 7, 8, 9]), with(10, &[(1, "0"), (4, "3")]));
    assert_eq!(window(&order, &all, [0, 3, 10, 11]), plain(4));
}

#[test]
fn few_and_those_with_many_between_are_told_one_by_one() {
    let (order, all) = leased(0..20);
    assert_eq!(window(&order, &all, 0..3), None);
    // They are gone from the book all the same.
    assert_eq!(window(&order, &all, 3..7), plain(4));
    assert_eq!(window(&order, &all, [8, 10, 12, 14]), None);
    assert_eq!(window(&order, &all, [9, 11, 13, 15]), with(5, &[(1, "7")]));
}

#[test]
fn what_is_not_in_the_book_has_no_window() {
    let (order, all) = leased(0..8);
    order.forget(0, &[&all[2]]);
    assert_eq!(window(&order, &all, 0..5), None);
    assert_eq!(window(&order, &all, 5..8), None);
}

/// A new connection may lead to a server that knows less: what came before may only stay.
#[test]
fn by_another_connection_nothing_of_before_is_sure() {
    let (order, all) = leased(0..10);
    let of = |places: Range<usize>| all[places].iter().collect::<Vec<_>>();
    assert_eq!(order.window(0, AGE + 1, &of(0..4)), None);
    assert_eq!(order.window(0, AGE, &of(4..8)), plain(4));
    let later = tags(10..22);
    lease(&order, &later, AGE + 1);
    assert_eq!(order.window(0, AGE, &later.iter().take(4).collect::<Vec<_>>()), None);
    let batch: Vec<_> = later.iter().skip(4).collect();
    assert_eq!(order.window(0, AGE + 1, &batch), with(10, &[(1, "8"), (2, "9")]));
    let (order, all) = leased(0..10);
    lease(&order, &later, AGE + 1);
    assert_eq!(order.window(0, AGE + 1, &all.iter().collect::<Vec<_>>()), None);
}

/// Held under another name, they lie in another list.
#[test]
fn another_incarnation_has_another_list() {
    let (order, all) = leased(0..8);
    let later: Vec<_> = (8..12).map(|row| tag_of(row, "me~1", "x")).collect();
    lease(&order, &later, AGE);
    assert_eq!(window(&order, &all, 0..8), None);
    assert_eq!(window(&order, &later, 0..4), plain(4));
}

#[test]
fn what_came_in_another_way_may_only_stay() {
    let (order, all) = leased(0..4);
    let other = tag_of(4, "me", "4");
    order.note(0, &other, None, false);
    let later = tags(5..10);
    lease(&order, &later, AGE);
    assert_eq!(window(&order, &all, 0..4), plain(4));
    assert_eq!(window(&order, &later, 0..4), with(5, &[(1, "4")]));
    let (order, all) = leased(0..4);
    order.note(0, &other, None, false);
    assert_eq!(order.window(0, AGE, &all.iter().chain([&other]).collect::<Vec<_>>()), None);
}

/// A worker that waits gets its first message that way.
#[test]
fn the_first_of_all_may_come_in_another_way() {
    let (order, first, later) = (HeldOrder::default(), tag_of(0, "me", "0"), tags(1..5));
    order.note(0, &first, None, false);
    lease(&order, &later, AGE);
    assert_eq!(window(&order, &later, 0..4), with(5, &[(1, "0")]));
}

/// When one of two equal messages is taken out, nobody knows which it was.
#[test]
fn of_two_equal_ones_neither_is_sure() {
    let at = |place: usize| {
        let (order, all) = leased(0..6);
        let twin = tag_of(6, "me", &place.to_string());
        order.note(0, &twin, Some(AGE), true);
        let later = tags(7..12);
        lease(&order, &later, AGE);
        let all: Vec<_> = all.into_iter().chain([twin]).chain(later).collect();
        (order, all)
    };
    let (order, all) = at(2);
    assert_eq!(window(&order, &all, 0..4), None);
    let (order, all) = at(2);
    assert_eq!(window(&order, &all, [0, 1, 3, 4]), with(5, &[(3, "2")]));
    let (order, all) = at(0);
    assert_eq!(window(&order, &all, 3..9), None);
}

#[test]
fn of_two_leases_at_once_nobody_knows_which_came_first() {
    let (order, all) = (HeldOrder::default(), tags(0..8));
    let first = order.leasing();
    let second = order.leasing();
    drop(first);
    all[..4].iter().for_each(|tag| order.note(0, tag, Some(AGE), false));
    drop(second);
    lease(&order, &all[4..], AGE);
    assert_eq!(window(&order, &all, 0..4), None);
    assert_eq!(window(&order, &all, 4..8), plain(4));
}

#[test]
fn who_was_wrong_is_not_asked_for_a_while() {
    let (order, all) = leased(0..100);
    order.doubt(0);
    let asked = (0..20).map(|at| window(&order, &all, at * 4..at * 4 + 4).is_some());
    assert_eq!(asked.filter(|believed| !believed).count(), DOUBTS as usize);
}
