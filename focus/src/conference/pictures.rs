//! What people see: layouts chosen while the conference runs (CM-081).

use crate::conference::Focus;
use crate::conference::pending::Purpose;
use crate::output::CommandError;
use plenum_mcu::control::{Action, EndpointId, VideoMedia};
use plenum_mcu::video::layout::Layout;
use std::time::Instant;

/// What a key goes through, after the conference's own.
const ROUND: [Layout; 5] = [
    Layout::SpeakerOnly,
    Layout::AllEqual,
    Layout::OnePlusN,
    Layout::Telepresence,
    Layout::Stacked,
];

impl Focus {
    /// The layout for one endpoint, or for all who have chosen none; `None` takes a choice back.
    pub(super) fn set_layout(
        &mut self,
        now: Instant,
        endpoint: Option<EndpointId>,
        layout: Option<Layout>,
    ) -> Result<(), CommandError> {
        if let Some(endpoint) = endpoint {
            let call = self.calls.get_mut(&endpoint);
            call.ok_or(CommandError::UnknownEndpoint)?.layout = layout;
        }
        let layout = match endpoint {
            Some(_) => layout,
            None => Some(layout.unwrap_or(self.record.video.layout)),
        };
        self.mcu(now, Purpose::Nothing, Action::Layout { endpoint, layout });
        Ok(())
    }

    /// The next layout for whoever presses the key, where that is allowed and there is something to be seen.
    pub(super) fn next_layout(&mut self, now: Instant, endpoint: EndpointId) {
        let sees = |video: VideoMedia| video.receives;
        let participant = self.roster.endpoint(endpoint);
        let sees = participant.and_then(|it| it.video).is_some_and(sees);
        let Some(call) = self.calls.get(&endpoint).filter(|_| sees) else {
            return;
        };
        if !self.record.change_layout {
            return;
        }
        let at = call
            .layout
            .and_then(|layout| ROUND.iter().position(|known| *known == layout));
        let next = ROUND.get(at.map_or(0, |at| at + 1)).copied();
        // It was there a moment ago.
        self.set_layout(now, Some(endpoint), next).ok();
    }

    /// What the mixer reports of an endpoint's video.
    pub(super) fn handle_video(&mut self, endpoint: EndpointId, video: Option<VideoMedia>) {
        if self.roster.set_video(endpoint, video) {
            self.touch_views();
        }
    }
}
