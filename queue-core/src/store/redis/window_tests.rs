use super::*;
use crate::names::QueueName;

const AGE: u64 = 7;

fn delivery(row: i64, incarnation: &Arc<str>) -> Delivery {
    Delivery {
        queue: QueueName::new("mail").unwrap(),
        step: 0,
        redelivered: false,
        deaths: 0,
        suspect: false,
        tag: DeliveryTag {
            incarnation: Arc::clone(incarnation),
            list: "mail".into(),
            row,
            suspect: false,
            payload: Bytes::from(row.to_string()),
        },
    }
}

/// A book with these rows leased, and the deliveries.
fn leased(rows: impl IntoIterator<Item = i64>) -> (HeldOrder, Vec<Delivery>) {
    let name = "me".into();
    let (order, all): (HeldOrder, Vec<_>) =
        (HeldOrder::default(), rows.into_iter().map(|row| delivery(row, &name)).collect());
    let leasing = order.leasing();
    order.leased(0, &all, AGE);
    drop(leasing);
    (order, all)
}

/// Where the deliveries at these places stand.
fn window(order: &HeldOrder, all: &[Delivery], places: impl IntoIterator<Item = usize>) -> Option<Window> {
    order.window(0, AGE, &places.into_iter().map(|place| &all[place].tag).collect::<Vec<_>>())
}

fn plain(length: usize) -> Option<Window> {
    Some(Window { length, staying: Vec::new() })
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
    let staying = vec![(1, Bytes::from("0")), (4, Bytes::from("3"))];
    let batch = [1, 2, 4, 5, 6, 7, 8, 9];
    assert_eq!(window(&order, &all, batch), Some(Window { length: 10, staying }));
    assert_eq!(window(&order, &all, [0, 3, 10, 11]), plain(4));
}

#[test]
fn few_and_those_with_many_between_are_told_one_by_one() {
    let (order, all) = leased(0..20);
    assert_eq!(window(&order, &all, 0..3), None);
    // They are gone from the book all the same.
    assert_eq!(window(&order, &all, 3..7), plain(4));
    assert_eq!(window(&order, &all, [8, 10, 12, 14]), None);
    let staying = vec![(1, Bytes::from("7"))];
    assert_eq!(window(&order, &all, [9, 11, 13, 15]), Some(Window { length: 5, staying }));
}

#[test]
fn what_is_not_in_the_book_has_no_window() {
    let (order, all) = leased(0..8);
    order.forget(0, &[&all[2].tag]);
    assert_eq!(window(&order, &all, 0..5), None);
    assert_eq!(window(&order, &all, 5..8), None);
}

/// A new connection may lead to a server that knows less.
#[test]
fn another_connection_knows_nothing() {
    let (order, all) = leased(0..16);
    let tags = |places: std::ops::Range<usize>| all[places].iter().map(|one| &one.tag).collect::<Vec<_>>();
    assert_eq!(order.window(0, AGE + 1, &tags(0..4)), None);
    assert_eq!(order.window(0, AGE, &tags(4..8)), plain(4));
    let name = "me".into();
    let later: Vec<_> = (16..24).map(|row| delivery(row, &name)).collect();
    order.leased(0, &later, AGE + 1);
    assert_eq!(order.window(0, AGE, &tags(8..12)), None);
    assert_eq!(order.window(0, AGE + 1, &tags(12..16)), None);
    assert_eq!(order.window(0, AGE + 1, &later.iter().map(|one| &one.tag).collect::<Vec<_>>()), plain(8));
}

/// Held under another name, they lie in another list.
#[test]
fn another_incarnation_has_another_list() {
    let (order, all) = leased(0..8);
    let later: Vec<_> = (8..12).map(|row| delivery(row, &"me~1".into())).collect();
    order.leased(0, &later, AGE);
    assert_eq!(window(&order, &all, 0..8), None);
    assert_eq!(order.window(0, AGE, &later.iter().map(|one| &one.tag).collect::<Vec<_>>()), plain(4));
    order.clear(0);
    order.arrived(0, &later[0]);
    assert_eq!(order.lock().lanes[0].entries.len(), 0);
}

#[test]
fn what_came_in_another_way_may_only_stay() {
    let (order, all) = leased(0..4);
    let other = delivery(4, &"me".into());
    order.arrived(0, &other);
    let later: Vec<_> = (5..10).map(|row| delivery(row, &"me".into())).collect();
    order.leased(0, &later, AGE);
    assert_eq!(window(&order, &all, 0..4), plain(4));
    let tags: Vec<_> = later[..4].iter().map(|one| &one.tag).collect();
    assert_eq!(order.window(0, AGE, &tags), Some(Window { length: 5, staying: vec![(1, Bytes::from("4"))] }));
    let (order, all) = leased(0..4);
    order.arrived(0, &other);
    let tags: Vec<_> = all.iter().map(|one| &one.tag).chain([&other.tag]).collect();
    assert_eq!(order.window(0, AGE, &tags), None);
}

#[test]
fn of_two_leases_at_once_nobody_knows_which_came_first() {
    let (order, name) = (HeldOrder::default(), "me".into());
    let all: Vec<_> = (0..8).map(|row| delivery(row, &name)).collect();
    let first = order.leasing();
    let second = order.leasing();
    drop(first);
    order.leased(0, &all[..4], AGE);
    drop(second);
    let _third = order.leasing();
    order.leased(0, &all[4..], AGE);
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
