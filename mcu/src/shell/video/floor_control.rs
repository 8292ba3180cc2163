//! The control plane of floors: a port for BFCP where slides are offered with it, and who may use it.

use super::Video;
use super::control::VideoEndpoint;
use super::floors::FloorMail;
use super::room::Room;
use crate::control::{ConferenceId, EndpointId, McuError};
use crate::shell::floor_link::{FloorLink, FloorSockets};
use crate::shell::mcu::Inner;
use plenum_media::sdp::Session;
use plenum_media::sdp::floor::LocalFloor;
use std::sync::Arc;

/// What the control plane keeps of an endpoint's floor control.
#[derive(Debug, Default)]
pub(super) struct FloorEndpoint {
    /// Waits for the agreement.
    pending: Option<Box<FloorSockets>>,
    /// The thread of floors knows the endpoint.
    joined: bool,
}

impl FloorEndpoint {
    /// An exchange came to nothing.
    pub(super) fn abandon(&mut self, session: &mut Session) {
        if self.pending.take().is_some() {
            session.set_floor(None);
        }
    }
}

impl Inner {
    /// Sockets for floor control. A server that has none for it answers with slides alone.
    pub(super) fn prepare_floor(
        &self,
        video: &Video,
        session: &mut Session,
        state: &mut VideoEndpoint,
        (conference, endpoint): (ConferenceId, EndpointId),
    ) {
        if session.floor().is_some() || state.floor.pending.is_some() {
            return;
        }
        let Some(room) = video.rooms.find(conference) else {
            return;
        };
        let Some(user) = room.user(endpoint) else {
            return;
        };
        let settings = state.settings.as_deref();
        let v6 = session.local().address.is_ipv6();
        let addresses = settings.map(|settings| self.own_addresses(v6, settings));
        let Some(Ok((pool, addresses))) = addresses else {
            return;
        };
        match FloorSockets::open(pool, &addresses) {
            Ok(sockets) => {
                session.set_floor(Some(LocalFloor {
                    port: sockets.port(),
                    conference: room.confid(),
                    user,
                }));
                state.floor.pending = Some(Box::new(sockets));
            }
            Err(error) => {
                tracing::warn!(%error, "slides go without floor control");
                self.metrics.video.refused.inc();
            }
        }
    }

    /// After an exchange of offer and answer: the thread of floors is told who has slides, and how they are asked for.
    pub(super) fn settle_floor(
        &self,
        video: &Video,
        session: &mut Session,
        state: &mut VideoEndpoint,
        (conference, endpoint): (ConferenceId, EndpointId),
        room: &Arc<Room>,
    ) -> Result<(), McuError> {
        let agreed = session.floor().cloned();
        if agreed.is_none() {
            session.set_floor(None);
        }
        let slides = state.has_slides();
        let floor = &mut state.floor;
        let pending = floor.pending.take();
        if !slides {
            // The thread sees by the room that there are no slides any more.
            floor.joined = false;
            return Ok(());
        }
        let link = pending.zip(agreed.as_ref()).map(|(sockets, agreed)| {
            let from = state.settings.as_ref().and_then(|it| it.signalled_from);
            let most = self.limits.video.floor.message;
            Box::new(FloorLink::new(*sockets, agreed, from, most))
        });
        let mail = if !floor.joined || link.is_some() {
            let user = room.user(endpoint).ok_or(McuError::Unknown("endpoint"))?;
            FloorMail::Join {
                conference,
                endpoint,
                room: Arc::clone(room),
                user,
                link,
            }
        } else {
            FloorMail::Apply {
                conference,
                endpoint,
                agreed: agreed.map(Box::new),
            }
        };
        let full = McuError::Overloaded("processor time");
        video.floors.try_send(mail).map_err(|_| full)?;
        floor.joined = true;
        Ok(())
    }
}

impl Video {
    /// An operator takes the floor away from whoever has it.
    pub(in crate::shell) fn revoke_floor(&self, conference: ConferenceId) {
        // Where the thread is behind by a thousand messages nobody presents for long.
        drop(self.floors.try_send(FloorMail::Revoke { conference }));
    }

    /// And gives it to somebody.
    pub(in crate::shell) fn give_floor(&self, conference: ConferenceId, endpoint: EndpointId) {
        let mail = FloorMail::Give {
            conference,
            endpoint,
        };
        drop(self.floors.try_send(mail));
    }
}
