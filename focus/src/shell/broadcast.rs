//! Events of all conferences for whoever watches them live: server-sent events, consoles, tests.

use super::EventSink;
use crate::output::ConferenceEvent;
use plenum_mcu::control::ConferenceId;
use std::sync::Arc;
use tokio::sync::broadcast::{self, Receiver, Sender};

/// An event, and in which conference.
#[derive(Clone, Debug)]
pub struct Happened {
    /// Which conference.
    pub conference: ConferenceId,
    /// What.
    pub event: Arc<ConferenceEvent>,
}

/// Passes events on to another sink, and to every receiver there is. A receiver that is slow
/// misses the oldest ones and is told how many; nobody waits for it.
#[derive(Debug)]
pub struct Broadcast {
    next: Arc<dyn EventSink>,
    sender: Sender<Happened>,
}

impl Broadcast {
    /// In front of `next`; `backlog` events are kept for receivers that are slow.
    pub fn new(next: Arc<dyn EventSink>, backlog: usize) -> Self {
        let (sender, _) = broadcast::channel(backlog.max(1));
        Self { next, sender }
    }

    /// Everything that happens from now on.
    pub fn subscribe(&self) -> Receiver<Happened> {
        self.sender.subscribe()
    }
}

impl EventSink for Broadcast {
    fn event(&self, conference: ConferenceId, event: &ConferenceEvent) {
        self.next.event(conference, event);
        if self.sender.receiver_count() > 0 {
            let event = Arc::new(event.clone());
            // Receivers may have gone in the meantime.
            drop(self.sender.send(Happened { conference, event }));
        }
    }
}
