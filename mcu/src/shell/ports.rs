//! The RTP port range of one address: even ports, the odd one above for RTCP (RFC 3550 §11).

use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::metrics::gauge::Gauge;

/// The even ports of a range, each free or leased.
#[derive(Debug)]
pub struct PortPool {
    first: u16,
    state: Mutex<State>,
    in_use: Gauge,
}

#[derive(Debug)]
struct State {
    leased: Vec<bool>,
    /// Where the search begins: ports are used in turn, so that one is not used again at once.
    next: usize,
    free: usize,
}

/// A port pair leased; it returns to the pool when this is dropped.
#[derive(Debug)]
pub struct Lease {
    pool: Arc<PortPool>,
    index: usize,
    port: u16,
}

impl PortPool {
    /// The even ports from `first` to `last`, searched from a random place `start`.
    /// A pair needs both its ports within the range.
    pub fn new(first: u16, last: u16, start: u64, in_use: Gauge) -> Self {
        let first = first.saturating_add(first % 2);
        let pairs = (usize::from(last) + 1).saturating_sub(usize::from(first)) / 2;
        let next = u64::try_from(pairs)
            .ok()
            .and_then(|pairs| start.checked_rem(pairs))
            .and_then(|next| usize::try_from(next).ok())
            .unwrap_or(0);
        Self {
            first,
            state: Mutex::new(State {
                leased: vec![false; pairs],
                next,
                free: pairs,
            }),
            in_use,
        }
    }

    /// The next free pair, or `None` when all are leased.
    pub fn lease(self: &Arc<Self>) -> Option<Lease> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let State { leased, next, free } = &mut *state;
        let (before, after) = leased.split_at((*next).min(leased.len()));
        let index = match after.iter().position(|taken| !taken) {
            Some(index) => before.len() + index,
            None => before.iter().position(|taken| !taken)?,
        };
        let port = u16::try_from(index * 2).ok()?.checked_add(self.first)?;
        *leased.get_mut(index)? = true;
        *next = index + 1;
        *free -= 1;
        self.in_use.inc();
        Some(Lease {
            pool: Arc::clone(self),
            index,
            port,
        })
    }

    /// How many pairs there are.
    pub fn pairs(&self) -> usize {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.leased.len()
    }

    /// How many pairs are free.
    pub fn free(&self) -> usize {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.free
    }
}

impl Lease {
    /// The even port.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let pool = &self.pool;
        let mut state = pool.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(leased) = state.leased.get_mut(self.index) {
            *leased = false;
            state.free += 1;
            pool.in_use.dec();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(first: u16, last: u16, start: u64) -> Arc<PortPool> {
        Arc::new(PortPool::new(first, last, start, Gauge::default()))
    }

    #[test]
    fn ports_are_even_distinct_and_within_the_range() {
        for (first, last, expected) in [
            (10_000, 10_005, vec![10_000, 10_002, 10_004]),
            (10_001, 10_006, vec![10_002, 10_004]),
            (65_532, 65_535, vec![65_532, 65_534]),
            (9_999, 9_999, vec![]),
        ] {
            let pool = pool(first, last, 7);
            let leases: Vec<Lease> = std::iter::from_fn(|| pool.lease()).collect();
            let mut ports: Vec<u16> = leases.iter().map(Lease::port).collect();
            ports.sort_unstable();
            assert_eq!(ports, expected);
            assert!(pool.lease().is_none());
        }
    }

    #[test]
    fn a_port_comes_back_and_is_not_the_next_one_used() {
        let pool = pool(10_000, 10_099, 3);
        let first = pool.lease().unwrap().port();
        assert_eq!(pool.free(), pool.pairs());
        assert_ne!(pool.lease().unwrap().port(), first);
        for _ in 0..1_000 {
            pool.lease().unwrap();
        }
        assert_eq!(pool.free(), 50);
    }
}
