//! The keys of one component, and the ones before for packets that are late.

use crate::crypto::dtls::Keys;
use crate::crypto::keys::MasterKey;
use crate::crypto::srtp::{Exhausted, PeerKey, Receiver, Refusal, Sender};
use crate::limits::SecurityLimits;
use smallvec::SmallVec;
use std::time::Instant;

/// Why a packet of ours must not go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unprotected {
    /// There are no keys yet.
    #[error("there are no keys yet")]
    NoKeys,
    /// The keys do not take it.
    #[error(transparent)]
    Exhausted(#[from] Exhausted),
}

/// What protects a component.
#[derive(Debug, Default)]
pub(super) struct Guard {
    send: Option<Box<Sender>>,
    receive: Option<Box<Receiver>>,
    late: Option<(Box<Receiver>, Instant)>,
    /// A copy of a packet that two keys may have to look at.
    scratch: Vec<u8>,
}

impl Guard {
    /// Puts keys in force. A key that stays goes on counting where it is.
    pub(super) fn install(
        &mut self,
        now: Instant,
        send: &MasterKey,
        receive: &[PeerKey],
        limits: &SecurityLimits,
    ) {
        let most = limits.srtp_sources;
        let goes_on = self
            .send
            .as_ref()
            .is_some_and(|sender| sender.master() == send);
        if !goes_on {
            self.send = Sender::new(send, most).map(Box::new);
        }
        let goes_on = self
            .receive
            .as_ref()
            .is_some_and(|receiver| receiver.has(receive));
        if !goes_on {
            let mut fresh = Receiver::new(receive, most).map(Box::new);
            if let Some(before) = self.receive.take() {
                if let Some(fresh) = &mut fresh {
                    fresh.continues(&before);
                }
                self.late = Some((before, now + limits.late_key));
            }
            self.receive = fresh;
        }
    }

    /// The keys of a handshake.
    pub(super) fn install_dtls(&mut self, now: Instant, keys: &Keys, limits: &SecurityLimits) {
        let receive = PeerKey {
            master: keys.receive.clone(),
            mki: SmallVec::new(),
        };
        self.install(now, &keys.send, &[receive], limits);
    }

    pub(super) fn has_keys(&self) -> bool {
        self.send.is_some()
    }

    /// Forgets old keys in time.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if self.timeout().is_some_and(|end| end <= now) {
            self.late = None;
            self.scratch = Vec::new();
        }
    }

    pub(super) fn timeout(&self) -> Option<Instant> {
        self.late.as_ref().map(|(_, end)| *end)
    }

    /// `None` as error: there are no keys.
    pub(super) fn unprotect_rtp<'p>(
        &mut self,
        now: Instant,
        packet: &'p mut [u8],
    ) -> Result<&'p [u8], Option<Refusal>> {
        self.unprotect(now, packet, Receiver::unprotect_rtp)
    }

    pub(super) fn unprotect_rtcp<'p>(
        &mut self,
        now: Instant,
        packet: &'p mut [u8],
    ) -> Result<&'p [u8], Option<Refusal>> {
        self.unprotect(now, packet, Receiver::unprotect_rtcp)
    }

    fn unprotect<'p>(
        &mut self,
        now: Instant,
        packet: &'p mut [u8],
        run: impl for<'q> Fn(&mut Receiver, &'q mut [u8]) -> Result<&'q [u8], Refusal>,
    ) -> Result<&'p [u8], Option<Refusal>> {
        let receive = self.receive.as_mut().ok_or(None)?;
        let late = self.late.as_mut().filter(|(_, end)| now < *end);
        let Some((late, _)) = late else {
            return run(receive, packet).map_err(Some);
        };
        self.scratch.clear();
        self.scratch.extend_from_slice(packet);
        let (length, refusal) = match run(receive, packet) {
            Ok(plain) => (plain.len(), None),
            Err(refusal) => (0, Some(refusal)),
        };
        let length = match refusal {
            None => length,
            Some(Refusal::Authentication | Refusal::UnknownKey) => {
                packet.copy_from_slice(&self.scratch);
                run(late, packet).map_err(Some)?.len()
            }
            Some(refusal) => return Err(Some(refusal)),
        };
        packet.get(..length).ok_or(Some(Refusal::Malformed))
    }

    pub(super) fn protect_rtp(
        &mut self,
        packet: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Unprotected> {
        let sender = self.send.as_mut().ok_or(Unprotected::NoKeys)?;
        Ok(sender.protect_rtp(packet, out)?)
    }

    pub(super) fn protect_rtcp(
        &mut self,
        packet: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Unprotected> {
        let sender = self.send.as_mut().ok_or(Unprotected::NoKeys)?;
        Ok(sender.protect_rtcp(packet, out)?)
    }
}
