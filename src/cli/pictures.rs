//! The commands of `plenum conference` about who is seen where.

use super::Failure;
use super::client::Client;
use super::conference::{One, endpoint, path};
use clap::Subcommand;
use plenum::http::control::view::{Looks, PlacementWords, SeatList, SeatWords, View};

#[derive(Debug, Subcommand)]
pub(crate) enum Order {
    /// Sets pane placement of the running conference; what is left out is as configured.
    Placement {
        /// The name of the conference.
        conference: String,
        /// Whose importance has pane 1; 0 turns placement off.
        #[arg(long)]
        highest_importance: Option<u32>,
        /// What a placed viewer sees in the own pane: `skip`, `self` or `blank`.
        #[arg(long)]
        self_pane: Option<String>,
        /// Whether pane 1 is the active speaker's: `none`, `allowself` or `suppressself`.
        #[arg(long)]
        active_speaker: Option<String>,
    },
    /// Keeps panes for people, in the place of those kept before.
    Seats {
        /// The name of the conference.
        conference: String,
        /// Whose they are: `sip:ann@example.com=1`.
        #[arg(value_parser = seat)]
        seats: Vec<SeatWords>,
        /// What is there while they are away: `tile`, `blank` or `fill`.
        #[arg(long)]
        absent: Option<String>,
        /// For the view of this endpoint alone.
        #[arg(long, conflicts_with = "absent")]
        endpoint: Option<u64>,
        /// Endpoints it wants to see, with `--endpoint`.
        #[arg(long, requires = "endpoint")]
        pin: Vec<u64>,
    },
    /// Changes how an endpoint is seen; what is left out stays as it is.
    Looks {
        #[command(flatten)]
        one: One,
        /// Its importance; 0 for none.
        #[arg(long)]
        importance: Option<u32>,
        /// Pinned for everybody, the lowest number first; 0: not pinned.
        #[arg(long)]
        pin: Option<u32>,
        /// Others see a tile in the place of its pictures.
        #[arg(long)]
        hidden: Option<bool>,
        /// It gets no pictures.
        #[arg(long)]
        blind: Option<bool>,
        /// It may show slides, whatever its role, or may not.
        #[arg(long)]
        slides: Option<bool>,
        /// Whether it may choose another layout: `true`, `false`, or `inherited` from the configuration.
        #[arg(long)]
        change_layout: Option<Permission>,
    },
}

/// What is said about choosing another layout.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(crate) enum Permission {
    True,
    False,
    Inherited,
}

impl Permission {
    const fn said(self) -> Option<bool> {
        match self {
            Self::True => Some(true),
            Self::False => Some(false),
            Self::Inherited => None,
        }
    }
}

/// Carries out one of them.
pub(super) fn run(client: &Client, order: Order) -> Result<(), Failure> {
    match order {
        Order::Placement {
            conference,
            highest_importance,
            self_pane,
            active_speaker,
        } => {
            let body = PlacementWords {
                pane_placement_highest_importance: highest_importance,
                pane_placement_self_pane_mode: self_pane,
                pane_placement_active_speaker_mode: active_speaker,
            };
            client.put(&format!("{}/placement", path(&conference)), &body)
        }
        Order::Seats {
            conference,
            seats,
            absent,
            endpoint: None,
            ..
        } => {
            let body = SeatList { seats, absent };
            client.put(&format!("{}/seats", path(&conference)), &body)
        }
        Order::Seats {
            conference,
            seats,
            endpoint: Some(endpoint),
            pin: pins,
            ..
        } => {
            let seats = Some(seats).filter(|seats| !seats.is_empty());
            let whole = path(&conference);
            let body = View { pins, seats };
            client.put(&format!("{whole}/participants/{endpoint}/view"), &body)
        }
        Order::Looks {
            one,
            importance,
            pin,
            hidden,
            blind,
            slides,
            change_layout,
        } => {
            let body = Looks {
                importance,
                pin,
                hidden,
                blind,
                slides,
                change_layout_allowed: change_layout.map(Permission::said),
            };
            client.post(&format!("{}/looks", endpoint(&one)), &body)
        }
    }
}

/// `sip:ann@example.com=1`.
fn seat(text: &str) -> Result<SeatWords, String> {
    let (who, pane) = text.rsplit_once('=').ok_or("expected ADDRESS=PANE")?;
    let pane = pane.parse().map_err(|_| "the pane is a number, from 1")?;
    Ok(SeatWords {
        who: who.to_owned(),
        name: None,
        pane,
    })
}
