//! Whose handshakes go on: each costs as much as mixing for dozens, so few do at a time, and all come in turn.

/// Legs that wait.
#[derive(Debug)]
pub(super) struct Turns<K> {
    waiting: Vec<K>,
    /// Whose turn was last.
    last: Option<K>,
}

impl<K> Default for Turns<K> {
    fn default() -> Self {
        Self {
            waiting: Vec::new(),
            last: None,
        }
    }
}

impl<K: Copy + Ord> Turns<K> {
    /// A leg wants a turn this time.
    pub(super) fn wait(&mut self, leg: K) {
        self.waiting.push(leg);
    }

    /// Whose turn it is, at most `most`; the others ask again.
    pub(super) fn next(&mut self, most: usize) -> Vec<K> {
        let mut waiting = std::mem::take(&mut self.waiting);
        waiting.sort_unstable();
        let served = self
            .last
            .map_or(0, |last| waiting.partition_point(|leg| *leg <= last));
        waiting.rotate_left(served);
        waiting.truncate(most);
        self.last = waiting.last().copied().or(self.last);
        waiting
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc5764_legs_that_always_have_something_to_say_starve_no_other() {
        let mut turns = Turns::default();
        let mut served = [0_u32; 6];
        for _ in 0..30 {
            for leg in 0..6 {
                turns.wait(leg);
            }
            for leg in turns.next(4) {
                served[leg] += 1;
            }
        }
        assert_eq!(served, [20; 6]);
    }

    #[test]
    fn who_does_not_ask_again_is_forgotten() {
        let mut turns = Turns::default();
        for leg in [3, 1, 2] {
            turns.wait(leg);
        }
        assert_eq!(turns.next(2), [1, 2]);
        assert!(turns.next(2).is_empty());
        for leg in [1, 9] {
            turns.wait(leg);
        }
        assert_eq!(turns.next(2), [9, 1]);
    }
}
