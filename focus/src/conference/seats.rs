//! Panes kept for people: numbers for their addresses, which the mixer knows them by. Who calls
//! again has the same number, and so the same pane.

use crate::caller::{Peer, aor};
use crate::output::CommandError;
use crate::record::{Person, SeatFor};
use plenum_mcu::control::{Identity, MAX_PANES, NamedSeat, Seat};
use plenum_sip::msg::Uri;
use std::collections::{BTreeMap, BTreeSet};

/// The seats of a conference, and everybody who has one somewhere.
#[derive(Debug, Default)]
pub(crate) struct Seats {
    /// Those of the conference.
    seats: Vec<SeatFor>,
    identities: BTreeMap<String, Identity>,
    last: u64,
}

impl Seats {
    /// What the configuration says.
    pub(crate) fn of(people: &[Person]) -> Self {
        let mut this = Self::default();
        let seats = people.iter().filter_map(|person| {
            Some(SeatFor {
                pane: person.seat?,
                name: name_of(person.name.as_deref(), &person.aor),
                aor: person.aor.clone(),
            })
        });
        this.set(seats.collect(), &BTreeSet::new());
        this
    }

    /// Other seats of the conference. `kept`: identities that seats of single views are for.
    pub(crate) fn set(&mut self, seats: Vec<SeatFor>, kept: &BTreeSet<Identity>) {
        let here: BTreeSet<&str> = seats.iter().map(|seat| seat.aor.as_str()).collect();
        self.identities
            .retain(|aor, identity| here.contains(aor.as_str()) || kept.contains(identity));
        for seat in &seats {
            self.identify(&seat.aor);
        }
        self.seats = seats;
    }

    /// The number of an address that has a seat from now on.
    pub(crate) fn identify(&mut self, aor: &str) -> Identity {
        if let Some(identity) = self.identities.get(aor) {
            return *identity;
        }
        self.last += 1;
        let identity = Identity(self.last);
        self.identities.insert(aor.to_owned(), identity);
        identity
    }

    /// Who a caller is to seats: nobody who cannot be believed has one.
    pub(crate) fn identity(&self, peer: &Peer) -> Identity {
        let aor = peer.aor.as_ref().filter(|_| peer.trusted);
        let known = aor.and_then(|aor| self.identities.get(aor));
        known.copied().unwrap_or_default()
    }

    /// The seats of the conference as the mixer needs them.
    pub(crate) fn named(&self) -> Vec<NamedSeat> {
        let named = |seat: &SeatFor| {
            Some(NamedSeat {
                seat: Seat {
                    identity: *self.identities.get(&seat.aor)?,
                    pane: seat.pane,
                },
                name: seat.name.clone(),
            })
        };
        self.seats.iter().filter_map(named).collect()
    }
}

/// Seats as somebody wrote them: one for a person, one for a pane, and addresses that are some.
pub(crate) fn checked(seats: Vec<SeatFor>) -> Result<Vec<SeatFor>, CommandError> {
    let (mut people, mut panes) = (BTreeSet::new(), BTreeSet::new());
    let mut checked = Vec::with_capacity(seats.len().min(MAX_PANES));
    for seat in seats {
        let uri = Uri::parse(seat.aor.as_bytes()).ok();
        let uri = uri.filter(|uri| uri.is_sip() && !uri.user_decoded().is_empty());
        let uri = uri.ok_or(CommandError::BadSeat(
            "a seat is for an address of record, such as sip:ann@example.com",
        ))?;
        let aor = aor(&uri);
        if !(1..=MAX_PANES).contains(&seat.pane) {
            return Err(CommandError::BadSeat("panes are numbered from 1 to 64"));
        }
        if !panes.insert(seat.pane) {
            return Err(CommandError::BadSeat("one pane is kept for two people"));
        }
        if !people.insert(aor.clone()) {
            return Err(CommandError::BadSeat("one person has two seats"));
        }
        let name = name_of(Some(seat.name.as_str()).filter(|it| !it.is_empty()), &aor);
        checked.push(SeatFor { aor, name, ..seat });
    }
    Ok(checked)
}

/// What is written in a seat: the name, else what stands before the host.
fn name_of(name: Option<&str>, aor: &str) -> String {
    let bare = aor.strip_prefix("sip:").unwrap_or(aor);
    let user = bare.rsplit_once('@').map_or(bare, |(user, _)| user);
    crate::caller::short(name.unwrap_or(user).to_owned())
}
