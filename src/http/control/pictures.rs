//! Who is seen where: pane placement, seats, importance, pins.

use super::Target;
use super::answer::Failure;
use super::commands::{Done, Server, carry_out};
use super::view::{Looks, PlacementWords, SeatList, SeatWords, View};
use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use plenum_focus::output::{Command, LooksChange, PictureCommand};
use plenum_focus::record::SeatFor;
use plenum_mcu::control::{Absent, EndpointId, PanePlacement};
use std::fmt::Display;
use std::str::FromStr;

type Body<T> = Result<Json<T>, JsonRejection>;

/// CM-100, CM-103, CM-111: the whole of it; what is left out is as the configuration says.
pub(super) async fn placement(
    State(control): Server,
    target: Target,
    body: Body<PlacementWords>,
) -> Done {
    let words = read(body)?;
    let placement = PanePlacement {
        highest_importance: words.pane_placement_highest_importance,
        self_pane: parsed(words.pane_placement_self_pane_mode)?,
        active_speaker: parsed(words.pane_placement_active_speaker_mode)?,
    };
    let command = PictureCommand::Placement(placement);
    carry_out(&control, &target, Command::Pictures(command)).await
}

/// All panes that are kept for people.
pub(super) async fn seats(State(control): Server, target: Target, body: Body<SeatList>) -> Done {
    let list = read(body)?;
    let absent: Option<Absent> = parsed(list.absent)?;
    let command = PictureCommand::Seats {
        seats: list.seats.into_iter().map(seat).collect(),
        absent: absent.unwrap_or_default(),
    };
    carry_out(&control, &target, Command::Pictures(command)).await
}

/// What one endpoint wants to see, and where.
pub(super) async fn view(State(control): Server, target: Target, body: Body<View>) -> Done {
    let view = read(body)?;
    let seats = |list: Vec<SeatWords>| list.into_iter().map(seat).collect();
    let change = LooksChange::View {
        pins: view.pins.into_iter().map(EndpointId).collect(),
        seats: view.seats.map(seats),
    };
    let endpoint = target.endpoint;
    let command = PictureCommand::Looks { endpoint, change };
    carry_out(&control, &target, Command::Pictures(command)).await
}

/// How one endpoint is seen; what is left out stays as it is.
pub(super) async fn looks(State(control): Server, target: Target, body: Body<Looks>) -> Done {
    let looks = read(body)?;
    if looks.importance.is_some_and(|it| it > MOST_IMPORTANT) {
        let text = "importance is at most 2147483647";
        return Err(Failure::new(StatusCode::BAD_REQUEST, text));
    }
    let changes = [
        looks.importance.map(LooksChange::Importance),
        looks
            .pin
            .map(|pin| LooksChange::Pin(Some(pin).filter(|pin| *pin > 0))),
        looks.hidden.map(LooksChange::Hidden),
        looks.blind.map(LooksChange::Blind),
        looks
            .slides
            .map(|allowed| LooksChange::Slides(Some(allowed))),
        looks.change_layout_allowed.map(LooksChange::ChangeLayout),
    ];
    let endpoint = target.endpoint;
    for change in changes.into_iter().flatten() {
        let command = PictureCommand::Looks { endpoint, change };
        carry_out(&control, &target, Command::Pictures(command)).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

fn seat(words: SeatWords) -> SeatFor {
    SeatFor {
        aor: words.who,
        name: words.name.unwrap_or_default(),
        pane: words.pane,
    }
}

fn read<T>(body: Body<T>) -> Result<T, Failure> {
    let read = body.map(|Json(read)| read);
    read.map_err(|error| Failure::new(error.status(), error.body_text()))
}

fn parsed<T>(word: Option<String>) -> Result<Option<T>, Failure>
where
    T: FromStr<Err: Display>,
{
    let bad = |error: T::Err| Failure::new(StatusCode::BAD_REQUEST, error.to_string());
    word.map(|word| word.parse().map_err(bad)).transpose()
}

/// CM-101.
const MOST_IMPORTANT: u32 = 2_147_483_647;
