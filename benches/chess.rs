//! Chess puzzles: found in games and solved exactly.

#![allow(missing_docs)]

use criterion::{Criterion, criterion_group, criterion_main};
use rewardlab::env::chess::{Hunt, Player};
use rewardlab::rng::Stream;
use std::hint::black_box;

/// The bar: 10 000 mates in one in less than 60 seconds.
fn hunting(c: &mut Criterion) {
    let hunt = |ones, twos| {
        let hunt = Hunt {
            player: Player::default(),
            plies: 150,
            pieces: 32,
            per_game: 2,
            mates_in_one: ones,
            mates_in_two: twos,
        };
        black_box(hunt.puzzles(&mut Stream::named(&["bench", "chess"])).expect("games with puzzles"))
    };
    let mut group = c.benchmark_group("chess");
    group.sample_size(10);
    group.bench_function("10 000 mates in one", |b| b.iter(|| hunt(10_000, 0)));
    group.bench_function("100 mates in two", |b| b.iter(|| hunt(0, 100)));
    group.finish();
}

criterion_group!(benches, hunting);
criterion_main!(benches);
