//! The conference document: RFC 4575 with the extensions of MS-CONFBAS, as plain data.
//!
//! | module | what it knows |
//! |---|---|
//! | [`document`] | [`ConferenceInfo`]: a whole document or what changed of one |
//! | [`user`] | users, their endpoints and media (RFC 4575 §5.6 to §5.8) |
//! | [`view`] | what focus and MCUs say of themselves (CB-106 to CB-115, CB-276) |
//! | [`values`], [`extension`], [`datetime`] | the values that occur in documents |
//! | [`read`](fn@read) | octets to document |
//! | [`rendering`] | document to octets, in three forms |
//! | [`diff`](fn@diff), [`apply`](fn@apply) | two documents to a partial one, and back (RFC 4575 §4.4) |
//! | [`tracker`], [`watcher`] | which parts changed since when, and what one subscriber gets next |
//! | [`secrets`] | what is never in a notification (CB-126) |
//!
//! # Forms
//! One model is written in three forms. The *extended* one is for subscribers that speak C3P. The
//! *standard* one has no element beyond RFC 4575 and is for everybody else. The *lobby* form is
//! the extended form of a document that says nothing but the subscriber's own presence (CB-128).
//!
//! # What cannot leak
//! Conference key, web join URLs, organizer's private data, settings and policies of MCUs have no
//! place in the model, and [`Extension`] refuses to carry them: a notification cannot contain
//! them (CB-112, CB-126, traps 39, 45, 50). The encrypted ones are [`Secrets`], which only the
//! answer to getConference takes.
//!
//! # Decisions
//! * A changed user is sent whole, `state="full"` within `users state="partial"`, and an entity
//!   view likewise (trap 36). A changed description is sent whole.
//! * Users and views are in the order of their entities.
//! * A document for the lobby is always full: it is smaller than a partial one of others.
//! * Purposes of URIs are a closed list (CB-282.5), without those that join by web.

pub mod apply;
pub mod datetime;
pub mod diff;
pub mod document;
pub mod extension;
mod lobby;
mod reader;
pub mod rendering;
pub mod secrets;
pub mod tracker;
pub mod user;
pub mod values;
pub mod view;
pub mod watcher;
mod write;
mod write_view;

pub use apply::{ApplyError, apply};
pub use datetime::DateTime;
pub use diff::diff;
pub use document::{
    Access, ConfUri, ConferenceInfo, ConferenceState, ConferenceView, Description, Organizer,
    PstnAccess, Users,
};
pub use extension::Extension;
pub use reader::{ReadError, read};
pub use rendering::{Form, Rendering};
pub use secrets::{CmsData, Secrets};
pub use tracker::{Change, Sequence, Tracker};
pub use user::{ClientInfo, DialogId, Endorser, Endpoint, Execution, Media, User};
pub use values::{
    AccessMethod, AdmissionPolicy, AuthMethod, DisconnectionMethod, EndpointStatus, JoiningMethod,
    MediaFilter, MediaStatus, Purpose, Role, State,
};
pub use view::{
    AvState, Capabilities, ConferenceMedium, EntityState, EntityView, InitialFilters,
    MediaFiltersRules, Permission, PermissionOption, VideoParameters,
};
pub use watcher::{Audience, Watcher};
pub use write_view::oversized_child;

pub(crate) use reader::{
    from_element, read_dialog_id, read_endpoint, read_media, read_media_filters_rules, read_medium,
    read_user,
};
pub(crate) use write::{
    write_dialog_id, write_endpoint, write_info_element, write_media, write_user,
};
pub(crate) use write_view::{write_media_filters_rules, write_medium};
