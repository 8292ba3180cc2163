//! The focus of RFC 4353: conferences, policy, who is in and who may.
//!
//! | module | what it knows |
//! |---|---|
//! | [`uri`] | what a Request-URI stands for |
//! | [`record`], [`pin`], [`keys`] | what is known of a conference before anybody is in it |
//! | [`policy`], [`refusal`] | who may call, and the words for no |
//! | [`access`] | who gets in, and as what: roles, lock, lobby |
//! | [`authorization`] | who may give which command |
//! | [`factory`] | records by name, ad-hoc ones where policy allows |
//! | `entry` | the number of a conference, keyed in by a caller |
//! | [`pin_guard`], [`key_door`] | slowing sources that guess PINs; proof of the PIN by digest |
//! | [`recording`] | whether a conference may be recorded, and whether it is |
//! | [`conference`] | [`conference::Focus`]: one active conference |
//! | `joining` | the way of one call into the mix and out of it |
//! | `session_description`, `picture_update`, `signalled_digit` | what bodies of SIP messages hold |
//! | [`caller`], [`roster`] | users and their endpoints |
//! | `seal` | secrets for one participant |
//! | [`disconnect`], [`detail`] | why somebody left, and the record of it |
//! | [`c3p`], [`info`], [`xml`] | what clients that speak C3P and all subscribers send and get |
//! | [`output`] | actions, commands and events, as plain data |
//! | [`store`] | the port to what survives the process: users, and where they are registered |
//! | [`per_source`], [`limits`], [`metrics`] | what is remembered of strangers; every bound; what is counted |
//! | `shell` | one actor per active conference, and the directory that finds it |
//!
//! # MS-CONFBAS: what is not here, and why
//! Requirements are named `CB-nnn`, here and in tests.
//!
//! | row | why not |
//! |---|---|
//! | CB-001, CB-092 | transports and extended subscriptions are the SIP endpoint's |
//! | CB-002, CB-289 to CB-303 | Simple Join is the HTTP server's |
//! | CB-004 | users prove who they are by digest, networks that are trusted stand for it; `Authentication-Info` is sent to those who register only |
//! | CB-003, CB-007, CB-008, CB-010, CB-011, CB-014, CB-015, CB-072 | the SIP endpoint's, and tested there by RFC |
//! | CB-039 | `Allow` names further methods: one endpoint serves phones and participants |
//! | CB-134, CB-135, CB-142 | mixers are in the process and report typed data, no documents with versions |
//! | CB-212, CB-268 to CB-271 | there is no data MCU |
//! | CB-221 | a join URL is told where `join.public_url` says what links begin with, as `web-external`; there is no other inside |
//! | CB-224 | the content is encrypted with AES-256, not with triple DES as in the example |
//! | CB-225 | no phone numbers are configured |
//! | CB-245 | the mixer has no permissions to change |
//! | CB-247.1 to CB-247.6 | of provisioning by SERVICE; by INFO they are not supported, which `cb_146_cb_170_cb_175_who_and_what_is_refused_at_once` tests |
//! | CB-247.8 | deleteEndpointMedia silences the stream and takes it off the roster; the session description stays as it was agreed |
//! | CB-281.5, CB-281.6 | a conference that is told of is active; when it was changed last and when it ends is a matter of the store, which this has not |
//! | CB-281.8, CB-281.13, CB-281.24 | never told: `cb_126_nothing_sensitive_is_carried_at_any_depth`; policy and settings of entities, roaming data and plain join URLs among them |
//! | CB-281.19, CB-281.21, CB-281.29, CB-281.38, CB-281.44, CB-281.45, CB-281.47 to CB-281.50 | no text says what for, or there is nothing of the kind; ignored when read |
//! | CB-282.7 | conferences are not personal |
//! | CB-283.2, CB-283.5, CB-283.6 | settings are never notified, sources and parameters are open content |
//! | CB-283.7 to CB-283.17, CB-283.19 | of MCUs that are not there, or reserved |
//! | CB-304.1 to CB-304.13 | what older products do not send, or ignore |
//! | CB-288 | the mixer has no lock of its own: nobody reaches it but by the focus |
//!
//! Rows that tests of another name cover; `e2e` is `loadtest/tests/e2e_c3p.rs` and its folder:
//!
//! | row | what sees to it |
//! |---|---|
//! | CB-005 | `cb_005_other_types_are_not_understood`, and the participant of `e2e` for each INFO |
//! | CB-012, CB-069, CB-095 | the participant of `e2e` looks at each response, BYE and answer to SUBSCRIBE |
//! | CB-052 | `cb_203_to_cb_208_cb_152_dialling_out`: who calls is the mixer's URI |
//! | CB-071, CB-167 | `cb_196_the_end_of_the_conference`, `cb_188_to_cb_195_removing_a_user_from_everything` |
//! | CB-085 | `cb_073_to_cb_084_endorsing`, `cb_074_endorse_user` |
//! | CB-094, CB-127 | the scenario `uac-subscribe.xml` of SIPp |
//! | CB-123 | `cb_209_to_cb_215_dialling_in`, `cb_218_to_cb_223_the_roster`, `cb_100_every_document_is_valid_in_both_forms` |
//! | CB-133, CB-136 to CB-138 | `cb_051_cb_091_cb_102_a_watcher_sees_a_phone_come_and_go`, `cb_107_all_see_the_same_roster`; a report of a mixer can hold neither subject nor role |
//! | CB-140, CB-249, CB-255 | `cb_093_cb_101_cb_104_to_cb_120_the_first_document_is_full`, `cb_105_cb_114_cb_171_cb_250_a_mixer_that_fails_comes_back` |
//! | CB-141, CB-143 | `cb_247_7_cb_286_muting_a_phone_silences_it`, `cb_209_to_cb_215_somebody_dials_in_beside_the_focus` |
//! | CB-144 | `cb_192_somebody_is_removed`: 481 outside of a dialog |
//! | CB-161 | `cb_163_cb_164_cb_165_what_an_attendee_may_not`, `cb_043_cb_044_responses_answer_their_request` |
//! | CB-168 | `cb_152_cb_203_dialling_out_is_pending_until_somebody_answers` |
//! | CB-173 | `cb_176_to_cb_179_roles`, `cb_247_9_somebody_is_renamed` |
//! | CB-251 | `cb_016_the_same_conference_by_its_name_and_by_its_id`, `cb_213_the_media_of_a_participant_join_its_user` |
//! | CB-253 | `cb_196_to_cb_201_ending_the_conference`, `an_empty_conference_ends_after_its_grace` |
//! | CB-261 | `cb_128_to_cb_131_cb_226_to_cb_232_the_lobby`: a presenter sees who waits |
//! | CB-265 | `cb_025_to_cb_028_join`: there is no third role to read, and none to write |
//! | CB-266 | `cb_266_the_role_is_on_the_endpoint_in_the_mixer` |
//! | CB-272 to CB-275, CB-279 | `cb_100_every_document_is_valid_in_both_forms`, for documents made at random |
//! | CB-281.1, CB-281.2, CB-281.4, CB-281.7, CB-281.9 to CB-281.12, CB-281.14 to CB-281.18, CB-281.20, CB-281.22 | `cb_100_every_document_is_valid_in_both_forms`, `cb_219_to_cb_222_only_get_conference_tells_secrets_and_only_encrypted`, `cb_180_to_cb_187_the_lock_and_what_goes_with_it` |
//! | CB-281.3, CB-281.23, CB-281.25 to CB-281.28, CB-281.30, CB-281.31 | `cb_104_to_cb_115_a_full_document`, `cb_185_cb_187_cb_286_what_is_steered_is_seen` |
//! | CB-281.32, CB-281.33, CB-281.41 | `cb_013_cb_099_cb_121_cb_122_what_a_client_says_of_itself_is_in_the_roster` |
//! | CB-281.34 to CB-281.37, CB-281.39, CB-281.40, CB-281.42, CB-281.43, CB-281.46 | `cb_203_to_cb_208_cb_152_dialling_out`, `cb_073_to_cb_084_endorsing`, `cb_235_to_cb_237_all_see_who_records`, `cb_100_every_document_is_valid_in_both_forms` |
//! | CB-282.1 to CB-282.6 | `cb_100_every_document_is_valid_in_both_forms`, `cb_105_cb_114_cb_171_cb_250_a_mixer_that_fails_comes_back`, `rfc4575_the_standard_document_has_no_extension` |
//! | CB-283.1, CB-283.3, CB-283.4 | `cb_104_to_cb_115_a_full_document`, `who_speaks_is_in_the_roster` |
//! | CB-283.18 | `cb_239_cb_242_modify_conference_in_settings_or_state`, `cb_241_announcements_on_and_off` |
//! | CB-283.20 | `cb_139_a_second_call_to_somebody_is_refused_or_replaces_the_first`, `cb_209_to_cb_215_dialling_in` |
//! | CB-284, CB-285, CB-283.3, CB-283.4 | `cb_284_cb_285_main_video_is_in_the_view_while_somebody_has_it`, `cb_283_3_cb_285_a_presenter_says_whom_everybody_sees`; there is no `panoramic-video`: no camera of the kind is known to it |
//!
//! | row | why no test |
//! |---|---|
//! | CB-252 | tables of the document's own model |
//! | CB-276, CB-277 | groups of data and sharing MCUs, which are not there |
//!
//! The core is sans-IO: it is told the time, the events of the SIP endpoint and the reports of the
//! mixers, and says what is to be done. It does not know SDP, RTP or codecs: an offer is octets on
//! the way to the mixer, and an answer is octets on the way back. A further kind of mixer is one
//! more [`output::McuType`] and one more implementation of [`plenum_mcu::control::Mcu`].

pub mod access;
mod answer;
pub mod authorization;
pub mod c3p;
pub mod caller;
pub mod conference;
pub mod detail;
pub mod disconnect;
mod entry;
pub mod factory;
pub mod info;
mod joining;
pub mod key_door;
pub mod keys;
pub mod limits;
pub mod metrics;
pub mod output;
pub mod per_source;
mod picture_update;
pub mod pin;
pub mod pin_guard;
pub mod policy;
pub mod record;
pub mod recording;
pub mod refusal;
pub mod roster;
mod seal;
mod session_description;
#[cfg(feature = "shell")]
pub mod shell;
mod signalled_digit;
pub mod store;
mod timer;
pub mod uri;
pub mod xml;

pub use per_source::Source;

#[cfg(test)]
mod tests {
    use std::time::Instant;

    /// Some instant: where virtual time starts.
    #[expect(
        clippy::disallowed_methods,
        reason = "an origin, from which tests count by themselves"
    )]
    pub(crate) fn instant() -> Instant {
        Instant::now()
    }
}
