//! RFC 2782, "Usage rules".

use plenum_sip::resolve::{Srv, order};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

fn records(list: &[(u16, u16, &str)]) -> Vec<Srv> {
    let record = |(priority, weight, target): &(u16, u16, &str)| Srv {
        priority: *priority,
        weight: *weight,
        port: 5060,
        target: (*target).into(),
    };
    list.iter().map(record).collect()
}

/// The order for these numbers drawn, and the largest number that each draw allowed.
fn ordered(list: &[(u16, u16, &str)], draws: &[u32]) -> (String, Vec<u32>) {
    let mut draws = draws.iter();
    let mut allowed = Vec::new();
    let order = order(records(list), |last| {
        allowed.push(last);
        *draws.next().unwrap_or(&0)
    });
    (
        order.into_iter().map(|record| record.target).collect(),
        allowed,
    )
}

#[test]
fn priorities_come_first_and_weights_choose_within_them() {
    let weighted = [(1, 3, "c"), (1, 0, "a"), (1, 1, "b")];
    for (list, draws, expected, allowed) in [
        (&[][..], &[][..], "", &[][..]),
        (
            &[(2, 0, "b"), (1, 0, "a"), (3, 9, "c")],
            &[],
            "abc",
            &[0, 0, 9],
        ),
        // Running sums are a: 0, b or c: 1 or 3, the other: 4; records keep their order otherwise.
        (&weighted, &[0, 0, 0], "acb", &[4, 4, 1]),
        (&weighted, &[1, 0, 0], "cab", &[4, 1, 1]),
        (&weighted, &[3, 1], "cba", &[4, 1, 0]),
        (&weighted, &[4, 0, 3], "bac", &[4, 3, 3]),
        (&[(1, 5, ""), (1, 1, "a")], &[], "a", &[1]),
    ] {
        let (order, asked) = ordered(list, draws);
        assert_eq!(
            (order.as_str(), asked.as_slice()),
            (expected, allowed),
            "{list:?} {draws:?}"
        );
    }
}

#[test]
fn the_share_of_first_places_follows_the_weights() {
    let mut rng = StdRng::seed_from_u64(2782);
    let list = records(&[(1, 60, "a"), (1, 30, "b"), (1, 10, "c"), (1, 0, "d")]);
    let mut firsts = [0u32; 4];
    for _ in 0..10_000 {
        let order = order(list.clone(), |last| rng.random_range(0..=last));
        assert_eq!(order.len(), 4);
        firsts[usize::from(order[0].target.as_bytes()[0] - b'a')] += 1;
    }
    for (count, expected) in firsts.into_iter().zip([5940, 2970, 990, 99]) {
        assert!(count.abs_diff(expected) < 300, "{firsts:?}");
    }
}
