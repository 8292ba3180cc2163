//! What people see: layouts, pane placement, seats and pins, while the conference runs
//! (CM-080 to CM-121).
//!
//! | said by | goes before |
//! |---|---|
//! | the running conference: operator, C3P, keys | its record |
//! | one's own: layout, seats, pins | the conference's |
//! | placement, then pin, importance, floor, loudest | what comes after it in this list |

use crate::caller::Peer;
use crate::conference::Focus;
use crate::conference::call::Call;
use crate::conference::pending::Purpose;
use crate::conference::seats::{Seats, checked};
use crate::output::{Choice, CommandError, LooksChange, PictureCommand, RequestId};
use crate::record::{ConferenceRecord, Person, SeatFor, SlidesOf};
use crate::roster::Participant;
use plenum_mcu::control::{
    Absent, Action, ConferenceVideo, EndpointId, EndpointVideo, Identity, Layout, PaneContent,
    PanePlacement, Seat, Template, VideoMedia,
};

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

/// What a key goes through, after the conference's own.
const ROUND: [Layout; 5] = [
    Layout::SpeakerOnly,
    Layout::AllEqual,
    Layout::OnePlusN,
    Layout::Telepresence,
    Layout::Stacked,
];

/// A pane that shows nobody, in documents.
const NOBODY: &str = "-";

/// What was commanded while the conference runs.
#[derive(Debug, Default)]
pub(super) struct Pictures {
    layout: Option<Layout>,
    /// What `automatic` stands for.
    template: Option<Arc<Template>>,
    /// Goes before that of the record, each value by itself (CM-103, CM-112).
    placement: PanePlacement,
    pub(super) seats: Seats,
    absent: Option<Absent>,
    /// Whom everybody shall see (CB-283.3, CB-285): entities of users; empty where the speaker is
    /// followed.
    pub(super) intended: Vec<String>,
}

impl Pictures {
    /// What the record says, and nothing commanded.
    pub(super) fn new(record: &ConferenceRecord) -> Self {
        Self {
            seats: Seats::of(&record.people),
            ..Self::default()
        }
    }
}

impl Focus {
    /// The pictures as they are to be now.
    pub fn conference_video(&self) -> ConferenceVideo {
        let (commanded, record) = (&self.pictures, &self.record);
        ConferenceVideo {
            layout: self.layout(),
            template: commanded
                .template
                .clone()
                .or_else(|| record.video.template.clone()),
            placement: PanePlacement::effective(&commanded.placement, &record.placement),
            seats: commanded.seats.named(),
            absent: commanded.absent.unwrap_or(record.video.absent),
            ..record.video.clone()
        }
    }

    /// The layout of those who have chosen none.
    pub(super) fn layout(&self) -> Layout {
        self.pictures.layout.unwrap_or(self.record.video.layout)
    }

    /// What the record says of whoever calls; nothing of somebody who cannot be believed.
    pub(super) fn person(&self, peer: &Peer) -> Option<&Person> {
        let aor = peer.aor.as_ref().filter(|_| peer.trusted)?;
        let mut people = self.record.people.iter();
        people.find(|person| person.aor == *aor)
    }

    /// The layout in use in somebody's view, or the name of the template that was chosen (CM-094).
    pub(super) fn layout_in_use(&self, looks: &EndpointVideo) -> String {
        let commanded = &self.pictures;
        let (layout, template) = match looks.layout {
            Some(layout) => (layout, looks.template.as_ref()),
            None => (self.layout(), commanded.template.as_ref()),
        };
        let name = template.map_or_else(|| layout.name(), |template| template.name());
        name.to_owned()
    }

    /// How whoever calls is seen, and what they see, to begin with.
    pub(super) fn looks_of(&self, peer: &Peer) -> EndpointVideo {
        let person = self.person(peer);
        EndpointVideo {
            identity: self.pictures.seats.identity(peer),
            importance: person.map_or(0, |person| person.importance),
            pin: person.and_then(|person| person.pin),
            layout: person.and_then(|person| person.layout),
            // The role is known when they come in.
            barred: self.record.slides == SlidesOf::Presenters,
            ..EndpointVideo::default()
        }
    }

    pub(super) fn handle_picture_command(
        &mut self,
        now: Instant,
        request: RequestId,
        command: PictureCommand,
    ) {
        let result = match command {
            PictureCommand::Layout { endpoint, choice } => self.set_layout(now, endpoint, choice),
            PictureCommand::Placement(placement) => {
                self.set_placement(now, placement);
                Ok(())
            }
            PictureCommand::Seats { seats, absent } => self.set_seats(now, seats, absent),
            PictureCommand::Looks { endpoint, change } => {
                match self.change_looks(now, endpoint, change, Some(request)) {
                    // It is completed when the mixer has done it.
                    Ok(()) => return,
                    Err(error) => Err(error),
                }
            }
        };
        self.complete(request, result);
    }

    /// The layout for one endpoint, or for all who have chosen none; `None` takes a choice back.
    pub(super) fn set_layout(
        &mut self,
        now: Instant,
        endpoint: Option<EndpointId>,
        choice: Option<Choice>,
    ) -> Result<(), CommandError> {
        let (layout, template) = match choice {
            None => (None, None),
            Some(Choice::Layout(layout)) => (Some(layout), None),
            Some(Choice::Template(template)) => (Some(Layout::Automatic), Some(template)),
        };
        match endpoint {
            Some(endpoint) => {
                let call = self.calls.get_mut(&endpoint);
                let looks = &mut call.ok_or(CommandError::UnknownEndpoint)?.looks;
                (looks.layout, looks.template) = (layout, template);
                self.send_looks(now, endpoint, None);
            }
            None => {
                (self.pictures.layout, self.pictures.template) = (layout, template);
                self.send_pictures(now);
            }
        }
        Ok(())
    }

    /// CM-103, CM-112.
    pub(super) fn set_placement(&mut self, now: Instant, placement: PanePlacement) {
        self.pictures.placement = placement;
        self.send_pictures(now);
    }

    /// Panes kept for people, whether they are here or not.
    pub(super) fn set_seats(
        &mut self,
        now: Instant,
        seats: Vec<SeatFor>,
        absent: Absent,
    ) -> Result<(), CommandError> {
        let seats = checked(seats)?;
        let kept = self.identities_of_views();
        self.pictures.seats.set(seats, &kept);
        self.pictures.absent = Some(absent);
        self.send_pictures(now);
        self.identify_all(now);
        Ok(())
    }

    fn identities_of_views(&self) -> BTreeSet<Identity> {
        let views = self
            .calls
            .values()
            .filter_map(|call| call.looks.seats.as_ref());
        views.flatten().map(|seat| seat.identity).collect()
    }

    /// Whoever has a number now, and had another, is told of to the mixer.
    fn identify_all(&mut self, now: Instant) {
        let mut changed = Vec::new();
        for (endpoint, call) in &mut self.calls {
            let identity = self.pictures.seats.identity(&call.peer);
            if std::mem::replace(&mut call.looks.identity, identity) != identity {
                changed.push(*endpoint);
            }
        }
        for endpoint in changed {
            self.send_looks(now, endpoint, None);
        }
    }

    /// One endpoint is to be seen otherwise, or to see something else.
    pub(super) fn change_looks(
        &mut self,
        now: Instant,
        endpoint: EndpointId,
        change: LooksChange,
        request: Option<RequestId>,
    ) -> Result<(), CommandError> {
        if !self.calls.contains_key(&endpoint) {
            return Err(CommandError::UnknownEndpoint);
        }
        let view = match &change {
            LooksChange::View { pins, seats } => Some(self.own_view(now, pins, seats.clone())?),
            LooksChange::Importance(_)
            | LooksChange::Pin(_)
            | LooksChange::Hidden(_)
            | LooksChange::Blind(_)
            | LooksChange::Slides(_)
            | LooksChange::ChangeLayout(_) => None,
        };
        let call = self.calls.get(&endpoint);
        let person = call.and_then(|call| self.person(&call.peer));
        let configured = person.and_then(|person| person.change_layout);
        let call = self.calls.get_mut(&endpoint);
        let call = call.ok_or(CommandError::UnknownEndpoint)?;
        match change {
            LooksChange::Importance(importance) => call.looks.importance = importance,
            LooksChange::Pin(pin) => call.looks.pin = pin,
            LooksChange::Hidden(hidden) => call.looks.hidden = hidden,
            LooksChange::Blind(blind) => call.looks.blind = blind,
            LooksChange::Slides(allowed) => call.may_present = allowed,
            LooksChange::ChangeLayout(allowed) => call.change_layout = allowed.or(configured),
            LooksChange::View { pins, .. } => {
                call.looks.pins = pins;
                call.looks.seats = view.flatten();
            }
        }
        self.send_looks(now, endpoint, request);
        Ok(())
    }

    /// The seats of one view, with numbers for whom they are.
    fn own_view(
        &mut self,
        now: Instant,
        pins: &[EndpointId],
        seats: Option<Vec<SeatFor>>,
    ) -> Result<Option<Vec<Seat>>, CommandError> {
        if pins.iter().any(|pin| !self.calls.contains_key(pin)) {
            return Err(CommandError::UnknownEndpoint);
        }
        let Some(seats) = seats else {
            return Ok(None);
        };
        let seats = checked(seats)?.into_iter().map(|seat| Seat {
            identity: self.pictures.seats.identify(&seat.aor),
            pane: seat.pane,
        });
        let seats = seats.collect();
        self.identify_all(now);
        Ok(Some(seats))
    }

    /// Whether an endpoint may choose another layout (CM-089).
    pub(super) fn may_change_layout(&self, call: &Call) -> bool {
        call.change_layout.unwrap_or(self.record.change_layout)
    }

    /// Somebody has come whom everybody shall see, or who may show slides.
    pub(super) fn intend(&mut self, now: Instant, endpoint: EndpointId) {
        self.renew_looks(now, vec![endpoint]);
    }

    /// Where somebody is in the list of those whom everybody shall see.
    fn intention(&self, endpoint: EndpointId) -> Option<u32> {
        let user = self.roster.endpoint(endpoint)?.user;
        let entity = &self.roster.user(user)?.entity;
        let at = self.pictures.intended.iter().position(|it| it == entity)?;
        u32::try_from(at).ok()
    }

    /// Others see whom everybody shall see from now on.
    pub(super) fn set_intended(&mut self, now: Instant, intended: Vec<String>) {
        self.pictures.intended = intended;
        self.touch_views();
        let all = self.calls.keys().copied().collect();
        self.renew_looks(now, all);
    }

    /// Tells the mixer of those of whom it does not know what is to be.
    pub(super) fn renew_looks(&mut self, now: Instant, endpoints: Vec<EndpointId>) {
        for endpoint in endpoints {
            let known = self.roster.endpoint(endpoint).map(|it| &it.looks);
            if self.looks_for(endpoint).as_ref() != known {
                self.send_looks(now, endpoint, None);
            }
        }
    }

    /// What the mixer is to be told of an endpoint.
    fn looks_for(&self, endpoint: EndpointId) -> Option<EndpointVideo> {
        let call = self.calls.get(&endpoint)?;
        let none = call.unseen.is_some();
        Some(EndpointVideo {
            hidden: none || call.looks.hidden,
            blind: none || call.looks.blind,
            barred: !self.may_present(endpoint, call),
            pin: self.intention(endpoint).or(call.looks.pin),
            ..call.looks.clone()
        })
    }

    /// Tells the mixer; it is in force when the mixer says so.
    pub(super) fn send_looks(
        &mut self,
        now: Instant,
        endpoint: EndpointId,
        request: Option<RequestId>,
    ) {
        let Some(looks) = self.looks_for(endpoint).map(Box::new) else {
            return;
        };
        let purpose = Purpose::Looks {
            endpoint,
            looks: looks.clone(),
            request,
        };
        self.mcu(now, purpose, Action::Looks { endpoint, looks });
    }

    fn send_pictures(&mut self, now: Instant) {
        let pictures = Box::new(self.conference_video());
        self.mcu(now, Purpose::Nothing, Action::Pictures(pictures));
        self.touch_views();
        // The layout in use is in everybody's part of the roster.
        let watching = self.roster.endpoints().filter(|it| it.video.is_some());
        let users: BTreeSet<_> = watching.map(|it| it.user).collect();
        for user in users {
            self.roster.touch(user);
        }
    }

    /// The mixer has done what it was told of an endpoint.
    pub(super) fn handle_looked(&mut self, endpoint: EndpointId, looks: EndpointVideo) {
        self.roster.set_looks(endpoint, looks);
    }

    /// The next layout for whoever presses the key, where that is allowed and there is something to be seen.
    pub(super) fn next_layout(&mut self, now: Instant, endpoint: EndpointId) {
        let sees = |video: VideoMedia| video.receives;
        let participant = self.roster.endpoint(endpoint);
        let sees = participant.and_then(|it| it.video).is_some_and(sees);
        let Some(call) = self.calls.get(&endpoint).filter(|_| sees) else {
            return;
        };
        if !self.may_change_layout(call) {
            return;
        }
        let own = self.layout();
        let at = call
            .looks
            .layout
            .and_then(|layout| ROUND.iter().position(|known| *known == layout));
        // What the conference has is not a step of its own.
        let mut left = ROUND.iter().skip(at.map_or(0, |at| at + 1));
        let next = left.find(|layout| **layout != own);
        let next = next.map(|layout| Choice::Layout(*layout));
        // It was there a moment ago.
        self.set_layout(now, Some(endpoint), next).ok();
    }

    /// Who is in the panes of somebody's picture, as documents say it.
    pub(super) fn seen_document(&self, participant: &Participant) -> Vec<String> {
        let entity = |endpoint: EndpointId| {
            let user = self.roster.user(self.roster.endpoint(endpoint)?.user)?;
            Some(user.entity.clone())
        };
        let shown = participant.seen.iter().map(|pane| match *pane {
            PaneContent::Endpoint(endpoint) | PaneContent::Content(endpoint) => entity(endpoint),
            PaneContent::Blank | PaneContent::Absent(_) => None,
        });
        shown
            .map(|entity| entity.unwrap_or_else(|| NOBODY.to_owned()))
            .collect()
    }

    /// What the mixer reports of an endpoint's video.
    pub(super) fn handle_video(&mut self, endpoint: EndpointId, video: Option<VideoMedia>) {
        if self.roster.set_video(endpoint, video) {
            self.touch_views();
        }
    }
}
