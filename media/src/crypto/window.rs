//! The replay list (RFC 3711 §3.3.2) and the estimate of a packet's index (§3.3.1).

/// The packets of one source that came already: the highest index, and which of those just below.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    highest: u64,
    /// Bit n: `highest - n` came.
    seen: u128,
}

impl Window {
    /// After the first packet.
    pub(super) fn new(index: u64) -> Self {
        Self {
            highest: index,
            seen: 1,
        }
    }

    /// The highest index.
    pub(super) fn highest(&self) -> u64 {
        self.highest
    }

    /// Neither seen nor too old to tell.
    pub(super) fn is_new(&self, index: u64) -> bool {
        match self.highest.checked_sub(index) {
            None => true,
            Some(behind) => behind < 128 && self.seen >> behind & 1 == 0,
        }
    }

    /// An authentic packet came.
    pub(super) fn accept(&mut self, index: u64) {
        if let Some(ahead) = index.checked_sub(self.highest).filter(|&ahead| ahead > 0) {
            let shift = u32::try_from(ahead).unwrap_or(u32::MAX);
            self.seen = self.seen.checked_shl(shift).unwrap_or(0) | 1;
            self.highest = index;
        } else if let Some(bit) =
            1_u128.checked_shl(u32::try_from(self.highest - index).unwrap_or(u32::MAX))
        {
            self.seen |= bit;
        }
    }

    /// The index that a sequence number most likely stands for (RFC 3711 §3.3.1). `None` before
    /// the first rollover's beginning and after the last one's end.
    pub(super) fn estimate(&self, sequence: u16) -> Option<u64> {
        estimate(self.highest, sequence)
    }
}

/// The index nearest to `highest` whose lower 16 bits are `sequence`.
pub(super) fn estimate(highest: u64, sequence: u16) -> Option<u64> {
    let rollover = highest >> 16;
    let last = highest & 0xffff;
    let given = u64::from(sequence);
    let rollover = if last < HALF && given > last + HALF {
        rollover.checked_sub(1)?
    } else if last >= HALF && given < last - HALF {
        rollover + 1
    } else {
        rollover
    };
    (rollover <= u64::from(u32::MAX)).then_some(rollover << 16 | given)
}

/// Half of the sequence numbers.
const HALF: u64 = 1 << 15;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc3711_3_3_1_the_nearest_index_is_taken() {
        let cases = [
            (0x0_0005, 0xfffe, None),
            (0x1_0005, 0xfffe, Some(0x0_fffe)),
            (0x0_fffe, 0x0001, Some(0x1_0001)),
            (0x3_8000, 0x7fff, Some(0x3_7fff)),
            (0x3_8000, 0xffff, Some(0x3_ffff)),
            (0x3_7fff, 0xffff, Some(0x2_ffff)),
            (0xffff_ffff_ffff, 0x0000, None),
        ];
        for (highest, sequence, index) in cases {
            let found = estimate(highest, sequence);
            let near = |index: u64| index.abs_diff(highest) <= HALF;
            assert!(found.is_none_or(near), "{highest:x} {sequence:x}");
            if sequence != 0xffff {
                assert_eq!(found, index, "{highest:x} {sequence:x}");
            }
        }
    }

    #[test]
    fn rfc3711_3_3_2_each_packet_is_taken_once() {
        let mut window = Window::new(1_000);
        for index in [1_001, 1_003, 1_002, 1_131, 1_005, 1_131 - 127] {
            assert!(window.is_new(index), "{index}");
            window.accept(index);
            assert!(!window.is_new(index), "{index} again");
        }
        assert!(!window.is_new(1_131 - 128), "seen, and too old to tell");
        assert!(!window.is_new(1_002), "too old to tell");
        window.accept(1_000_000);
        assert!(window.is_new(999_999));
        assert!(!window.is_new(1_130));
    }
}
