//! SDP, RTP and audio codecs, sans-IO: nothing here opens a socket, reads a clock or knows SIP.
//!
//! | module | what it is |
//! |---|---|
//! | [`bfcp`] | floor control on the wire (RFC 8855) |
//! | [`sdp`] | session descriptions (RFC 8866) and offer/answer (RFC 3264) |
//! | [`negotiated`] | what offer and answer agreed on: the contract between SDP and a leg |
//! | [`path`] | everything between the sockets and a leg: demultiplexing, keys, protection |
//! | [`crypto`] | SRTP, SDES, DTLS |
//! | [`leg`] | one audio leg: datagrams in, 20 ms frames out, and the other way round |
//! | [`rtp`] | RTP and RTCP on the wire, sources, the latch of symmetric RTP |
//! | [`ice`] | the way to a peer behind a NAT: STUN, ICE, TURN |
//! | [`jitter`] | packets waiting, media time, lateness, clock skew |
//! | [`dtmf`] | digits by RFC 4733, in-band and signalled |
//! | [`codec`] | Opus, G.722, G.711, resampling, concealment |
//! | [`video`] | video below the mixer: payload formats, loss and its repair, feedback, rate, codecs |
//! | [`pcm`] | the one internal audio format |
//!
//! # Decisions
//!
//! *Opus by the crate `opus`, not `audiopus`.* `audiopus` was last released in 2019 and links whatever libopus it
//! finds on the machine, or builds one with autotools; `opus` 0.4 is maintained and bundles libopus 1.6, so that what
//! was tested is what runs. Only [`codec::opus`] imports it, so changing our mind costs one file.
//!
//! *G.722 by the crate `audio-codec`.* Pure Rust and fast enough; only [`codec::g722`] imports it.
//!
//! *The playout delay follows the packets in whole ticks, and the clock of the peer is followed by moving it.* The
//! frame of a tick needs a packet at the tick or not at all, so delay between two ticks buys nothing: what counts is
//! how much earlier every recent packet could have been needed ([`jitter::lateness`]). A skewed clock moves that room
//! by a tick every hundred seconds at worst; then the playout slides by a tick at 0.2 % for ten seconds, or jumps in
//! silence. The rest of the time samples are copied, not interpolated. Resampling all the time would cost 20 ms more
//! delay in the mean, because then every phase between packets and ticks comes up.
//!
//! *Silence in a payload is worth a look before decoding.* [`leg::AudioLeg::activity`] reads RFC 6464 levels, G.711
//! energy and the voice activity bit of Opus, so that a mixer decodes only what may be heard.

pub mod bfcp;
pub mod codec;
pub mod crypto;
pub mod dtmf;
pub mod ice;
pub mod jitter;
pub mod leg;
pub mod level;
pub mod limits;
pub mod metrics;
pub mod negotiated;
pub mod path;
pub mod pcm;
mod random;
pub mod rtp;
pub mod sdp;
pub mod video;
