//! Which half of a world's data a prompt belongs to.

use super::Split;

/// One prompt in so many is held out.
const HELD_OUT: u64 = 5;

/// The half that a prompt belongs to: a hash of its tokens in order (64-bit FNV-1a, finished as in `SplitMix64`).
pub(super) fn split_of(tokens: &[u32]) -> Split {
    let fnv = |hash: u64, &t: &u32| (hash ^ u64::from(t)).wrapping_mul(0x0100_0000_01b3);
    let mut hash = tokens.iter().fold(0xcbf2_9ce4_8422_2325, fnv);
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    if (hash ^ (hash >> 31)).is_multiple_of(HELD_OUT) { Split::Test } else { Split::Train }
}
