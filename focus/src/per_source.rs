//! A table by source address with a bound: what is remembered of strangers must not grow with them.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::net::IpAddr;
use std::time::Instant;

/// Who is behind an address, as far as anybody can tell: an IPv4 host, or an IPv6 /64, since one
/// household or host has all of it (RFC 6177).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Source(IpAddr);

impl Source {
    /// The address, of an IPv6 network the first one.
    pub fn address(self) -> IpAddr {
        self.0
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(v4) => v4.fmt(f),
            IpAddr::V6(v6) => write!(f, "{v6}/64"),
        }
    }
}

impl From<IpAddr> for Source {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => Self(IpAddr::V4(v4)),
            IpAddr::V6(v6) => Self(IpAddr::V6((u128::from(v6) & (u128::MAX << 64)).into())),
        }
    }
}

/// A value per source, for `capacity` sources at most. When full, the longest quiet one goes.
#[derive(Debug)]
pub struct PerSource<T> {
    entries: HashMap<Source, (Instant, T)>,
    by_age: BTreeSet<(Instant, Source)>,
    capacity: usize,
}

impl<T: Default> PerSource<T> {
    /// An empty table.
    pub fn new(capacity: usize) -> Self {
        Self {
            entries: HashMap::new(),
            by_age: BTreeSet::new(),
            capacity: capacity.max(1),
        }
    }

    /// The value of this source, made if it is new, and marks the source as not quiet.
    pub fn touch(&mut self, now: Instant, source: Source) -> &mut T {
        match self.entries.get(&source) {
            Some(&(last, _)) => {
                self.by_age.remove(&(last, source));
            }
            None if self.entries.len() >= self.capacity => {
                if let Some((_, oldest)) = self.by_age.pop_first() {
                    self.entries.remove(&oldest);
                }
            }
            None => {}
        }
        self.by_age.insert((now, source));
        let entry = self
            .entries
            .entry(source)
            .or_insert_with(|| (now, T::default()));
        entry.0 = now;
        &mut entry.1
    }

    /// The value of this source, if it is remembered.
    pub fn get_mut(&mut self, source: Source) -> Option<&mut T> {
        self.entries.get_mut(&source).map(|(_, value)| value)
    }

    /// When the source was last touched, if it is remembered.
    pub fn quiet_since(&self, source: Source) -> Option<Instant> {
        self.entries.get(&source).map(|&(last, _)| last)
    }

    /// Forgets the source.
    pub fn forget(&mut self, source: Source) {
        if let Some((last, _)) = self.entries.remove(&source) {
            self.by_age.remove(&(last, source));
        }
    }

    /// How many sources are remembered.
    pub fn len(&self) -> usize {
        debug_assert_eq!(self.entries.len(), self.by_age.len());
        self.entries.len()
    }

    /// Whether none is remembered.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The value of this source, if it is remembered.
    pub fn get(&self, source: Source) -> Option<&T> {
        self.entries.get(&source).map(|(_, value)| value)
    }

    /// All sources with their values, the longest quiet one first.
    pub fn iter(&self) -> impl Iterator<Item = (Source, &T)> {
        let sources = self.by_age.iter();
        sources.filter_map(|(_, source)| Some((*source, self.get(*source)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::instant;
    use std::time::Duration;

    fn source(last: u8) -> Source {
        IpAddr::from([192, 0, 2, last]).into()
    }

    #[test]
    fn the_longest_quiet_source_is_forgotten_first() {
        let mut table = PerSource::<u32>::new(2);
        let now = instant();
        *table.touch(now, source(1)) = 1;
        *table.touch(now + Duration::from_secs(1), source(2)) = 2;
        *table.touch(now + Duration::from_secs(2), source(1)) += 10;
        *table.touch(now + Duration::from_secs(3), source(3)) = 3;
        assert_eq!(table.len(), 2);
        assert_eq!(table.get_mut(source(1)), Some(&mut 11));
        assert_eq!(table.get_mut(source(2)), None);
        table.forget(source(1));
        assert_eq!(table.len(), 1);
    }

    #[test]
    fn one_ipv6_network_is_one_source() {
        let of = |text: &str| Source::from(text.parse::<IpAddr>().unwrap());
        assert_eq!(of("2001:db8:0:1::1"), of("2001:db8:0:1:ffff::2"));
        assert_ne!(of("2001:db8:0:1::1"), of("2001:db8:0:2::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }
}
