use super::Credits;

/// Leases from queues that hold `stock` messages as the contract of `Order::Weighted` says.
fn lease(shares: &[usize], stock: &mut [usize]) -> Vec<usize> {
    let mut taken: Vec<usize> = shares.iter().zip(stock.iter()).map(|(share, left)| *share.min(left)).collect();
    let mut over = shares.iter().sum::<usize>() - taken.iter().sum::<usize>();
    for (took, left) in taken.iter_mut().zip(stock.iter()) {
        let more = over.min(left - *took);
        *took += more;
        over -= more;
    }
    stock.iter_mut().zip(&taken).for_each(|(left, took)| *left -= took);
    taken
}

/// Leases `limit(call)` messages per call until `jobs` came; how many came from each queue.
fn drain(weights: &[u32], stock: &mut [usize], jobs: usize, limit: impl Fn(usize) -> usize) -> Vec<usize> {
    let mut credits = Credits::new(weights.iter().copied());
    let mut sums = vec![0; weights.len()];
    let mut call = 0;
    while sums.iter().sum::<usize>() < jobs {
        let shares = credits.shares(limit(call));
        assert_eq!(shares.iter().sum::<usize>(), limit(call));
        let taken = lease(&shares, stock);
        credits.book(&shares, &taken);
        sums.iter_mut().zip(&taken).for_each(|(sum, took)| *sum += took);
        call += 1;
    }
    sums
}

fn assert_within_3_percent(weights: &[u32], sums: &[usize]) {
    let (weight, jobs) = (weights.iter().sum::<u32>() as f64, sums.iter().sum::<usize>() as f64);
    for (w, sum) in weights.iter().zip(sums) {
        let (due, got) = (f64::from(*w) / weight, *sum as f64 / jobs);
        assert!((got - due).abs() <= 0.03 * due, "{weights:?} gave {sums:?}");
    }
}

#[test]
fn ten_thousand_jobs_follow_the_weights_whatever_the_size_of_the_leases() {
    for weights in [&[3, 1][..], &[1, 1], &[5, 3, 2], &[7, 1, 1, 1], &[100, 1]] {
        let stock = || vec![1_000_000; weights.len()];
        assert_within_3_percent(weights, &drain(weights, &mut stock(), 10_000, |_| 1));
        assert_within_3_percent(weights, &drain(weights, &mut stock(), 10_000, |_| 8));
        assert_within_3_percent(weights, &drain(weights, &mut stock(), 10_000, |call| 1 + call % 13));
        assert_within_3_percent(weights, &drain(weights, &mut stock(), 10_000, |_| 1_000));
    }
}

#[test]
fn an_empty_queue_lends_its_share_by_the_weights_of_the_others() {
    for limit in [1, 2, 7, 100] {
        let sums = drain(&[6, 3, 1], &mut [0, 1_000_000, 1_000_000], 10_000, |_| limit);
        assert_eq!(sums[0], 0);
        assert_within_3_percent(&[3, 1], &sums[1..]);
    }
}

#[test]
fn a_queue_that_was_empty_does_not_ask_its_share_back() {
    let mut credits = Credits::new([1, 1]);
    let mut stock = [0, 1_000_000];
    for _ in 0..1_000 {
        let shares = credits.shares(4);
        let taken = lease(&shares, &mut stock);
        credits.book(&shares, &taken);
    }
    assert_eq!(credits.shares(4), [2, 2]);
}
