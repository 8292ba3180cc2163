//! Identifiers: what the transaction user holds, and how the core finds its state by them.

use std::hash::{BuildHasher, Hasher};

macro_rules! ids {
    ($($(#[$doc:meta])* $vis:vis $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        $vis struct $name(pub u64);

        impl From<u64> for $name {
            fn from(raw: u64) -> Self {
                Self(raw)
            }
        }

        impl From<$name> for u64 {
            fn from(id: $name) -> Self {
                id.0
            }
        }
    )*};
}

ids! {
    /// One stream connection, or one bound datagram socket. Given out by the shell.
    pub FlowId
    /// An INVITE usage: one call, from INVITE to its end, on either side.
    pub InviteId
    /// A server transaction the transaction user has to answer.
    pub ServerTxId
    /// A client transaction the transaction user started.
    pub ClientTxId
    /// A question to the resolver.
    pub ResolveId
    /// A subscription that we notify.
    pub NotifierId
    /// A subscription of ours.
    pub SubscriberId
    /// A dialog without a call.
    pub(crate) DialogId
}

/// A table whose ids carry a generation, so that an id is never used again.
#[derive(Debug)]
pub(crate) struct Slab<I, T> {
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
    len: usize,
    id: std::marker::PhantomData<I>,
}

#[derive(Debug)]
struct Slot<T> {
    generation: u32,
    value: Option<T>,
}

impl<I, T> Default for Slab<I, T> {
    fn default() -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            len: 0,
            id: std::marker::PhantomData,
        }
    }
}

impl<I: From<u64> + Into<u64> + Copy, T> Slab<I, T> {
    /// How many values live.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Keeps `value` and names it.
    pub(crate) fn insert(&mut self, value: T) -> I {
        self.len = self.len.saturating_add(1);
        while let Some(index) = self.free.pop() {
            if let Some(slot) = self.slots.get_mut(to_index(index)) {
                slot.value = Some(value);
                return join(slot.generation, index);
            }
        }
        let index = u32::try_from(self.slots.len()).unwrap_or(u32::MAX);
        self.slots.push(Slot {
            generation: 1,
            value: Some(value),
        });
        join(1, index)
    }

    /// The value, while it lives.
    pub(crate) fn get(&self, id: I) -> Option<&T> {
        let (generation, index) = split(id);
        let slot = self.slots.get(to_index(index))?;
        slot.value
            .as_ref()
            .filter(|_| slot.generation == generation)
    }

    /// The value, while it lives.
    pub(crate) fn get_mut(&mut self, id: I) -> Option<&mut T> {
        let (generation, index) = split(id);
        let slot = self.slots.get_mut(to_index(index))?;
        if slot.generation == generation {
            slot.value.as_mut()
        } else {
            None
        }
    }

    /// Takes the value out; its id is dead from here on.
    pub(crate) fn remove(&mut self, id: I) -> Option<T> {
        let (generation, index) = split(id);
        let slot = self.slots.get_mut(to_index(index))?;
        if slot.generation != generation {
            return None;
        }
        let value = slot.value.take()?;
        self.len = self.len.saturating_sub(1);
        // A slot whose generations are used up is left empty for ever.
        if let Some(next) = slot.generation.checked_add(1) {
            slot.generation = next;
            self.free.push(index);
        }
        Some(value)
    }

    /// Every living id, in the order of the table.
    pub(crate) fn ids(&self) -> impl Iterator<Item = I> + '_ {
        self.slots
            .iter()
            .enumerate()
            .filter(|(_, slot)| slot.value.is_some())
            .map(|(index, slot)| join(slot.generation, u32::try_from(index).unwrap_or(u32::MAX)))
    }
}

fn join<I: From<u64>>(generation: u32, index: u32) -> I {
    I::from((u64::from(generation) << 32) | u64::from(index))
}

fn split<I: Into<u64>>(id: I) -> (u32, u32) {
    let raw: u64 = id.into();
    let generation = u32::try_from(raw >> 32).unwrap_or(0);
    let index = u32::try_from(raw & u64::from(u32::MAX)).unwrap_or(u32::MAX);
    (generation, index)
}

fn to_index(index: u32) -> usize {
    usize::try_from(index).unwrap_or(usize::MAX)
}

/// A fast keyed hash for keys the network chooses: folded 128-bit multiplication under a seed
/// nobody outside knows, so that collisions cannot be computed in advance.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keyed {
    seed: u64,
    factor: u64,
}

impl Keyed {
    pub(crate) fn new(seed: u64, factor: u64) -> Self {
        // An even or small factor would lose bits in the multiplication.
        Self {
            seed,
            factor: factor | 0x8000_0000_0000_0001,
        }
    }
}

impl BuildHasher for Keyed {
    type Hasher = Fold;

    fn build_hasher(&self) -> Fold {
        Fold {
            state: self.seed,
            factor: self.factor,
        }
    }
}

/// The state of one [`Keyed`] hash.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fold {
    state: u64,
    factor: u64,
}

impl Hasher for Fold {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.write_u64(u64::from_le_bytes(*word));
        }
        let mut last = [0_u8; 8];
        for (to, from) in last.iter_mut().zip(rest) {
            *to = *from;
        }
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.write_u64(u64::from_le_bytes(last) ^ (length << 56));
    }

    fn write_u64(&mut self, word: u64) {
        let product = u128::from(self.state ^ word) * u128::from(self.factor);
        let [low, high] = halves(product);
        self.state = low ^ high ^ self.state.rotate_left(23);
    }

    fn finish(&self) -> u64 {
        let [low, high] = halves(u128::from(self.state) * u128::from(self.factor));
        low ^ high
    }
}

fn halves(product: u128) -> [u64; 2] {
    let bytes = product.to_le_bytes();
    let (words, _) = bytes.as_chunks::<8>();
    match words {
        [low, high] => [u64::from_le_bytes(*low), u64::from_le_bytes(*high)],
        _ => [0, 0],
    }
}

/// Sixteen lower-case hexadecimal digits: our tags and the random part of our branches.
pub(crate) fn hex(value: u64) -> String {
    format!("{value:016x}")
}

/// Reads back what [`hex`] printed; anything else is not ours.
pub(crate) fn unhex(octets: &[u8]) -> Option<u64> {
    if octets.len() != 16
        || !octets
            .iter()
            .all(|octet| matches!(octet, b'0'..=b'9' | b'a'..=b'f'))
    {
        return None;
    }
    u64::from_str_radix(std::str::from_utf8(octets).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_never_used_again() {
        let mut slab = Slab::<InviteId, &str>::default();
        let first = slab.insert("first");
        assert_eq!(slab.remove(first), Some("first"));
        let second = slab.insert("second");
        assert_ne!(first, second);
        assert_eq!(slab.get(first), None);
        assert_eq!(slab.remove(first), None);
        assert_eq!(slab.get(second), Some(&"second"));
        assert_eq!(slab.len(), 1);
        assert_eq!(slab.ids().collect::<Vec<_>>(), [second]);
    }

    #[test]
    fn hexadecimal_reads_back_and_refuses_what_we_do_not_print() {
        for value in [0, 1, u64::MAX, 0x0123_4567_89ab_cdef] {
            assert_eq!(unhex(hex(value).as_bytes()), Some(value));
        }
        for foreign in [
            "",
            "12",
            "+123456789abcdef",
            "0123456789ABCDEF",
            "0123456789abcdefg",
        ] {
            assert_eq!(unhex(foreign.as_bytes()), None, "{foreign}");
        }
    }

    #[test]
    fn the_hash_depends_on_key_length_and_order() {
        let keyed = Keyed::new(7, 0x9E37_79B9_7F4A_7C15);
        let hash = |octets: &[u8]| {
            let mut fold = keyed.build_hasher();
            fold.write(octets);
            fold.finish()
        };
        let mut seen: Vec<u64> = (0..4096_u32).map(|n| hash(&n.to_be_bytes())).collect();
        seen.extend([
            hash(b""),
            hash(b"\0"),
            hash(b"\0\0"),
            hash(b"ab"),
            hash(b"ba"),
        ]);
        let all = seen.len();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), all);
        let other = Keyed::new(8, 0x9E37_79B9_7F4A_7C15);
        let mut fold = other.build_hasher();
        fold.write(b"ab");
        assert_ne!(fold.finish(), hash(b"ab"));
    }
}
