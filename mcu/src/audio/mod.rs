//! What happens to sound in one tick of 20 ms.
//!
//! | stage | where | in → out | why here |
//! |---|---|---|---|
//! | measure | [`crate::conference`] | undecoded legs → levels | most legs never need a decoder |
//! | probe | [`crate::conference`] | legs without a level → frames and levels | bounded per tick, so cost has a ceiling |
//! | select | [`speaker`] | levels → the N that are heard | before decoding: cost follows talkers, not people |
//! | decode | `plenum_media::leg` | chosen legs → frames | |
//! | gate | [`gate`] | frame → frame | before gain, which would lift the noise it looks for |
//! | gain | [`agc`], filter | frame → frame | one line per frame for both |
//! | sum | [`mixer`] | frames → the bus | in `f32`, nothing clips yet |
//! | compose | [`mixer`], [`announce`], [`ambience`] | bus − own + prompts + music → one frame per distinct signal | own voice leaves before the limiter, or it would leave holes |
//! | limit | [`limiter`] | frame → frame within ±1 | last: nothing may be added after it |
//! | encode | [`encode_plan`] | (signal, format) → packets | once for all who hear the same in the same format |
//! | packetise | `plenum_media::leg` | packet → datagram per listener | own SSRC, sequence and timestamps |
//!
//! Talk detection ([`talk`]) reads the levels beside this path and influences only the gain control.

pub mod agc;
pub mod ambience;
pub mod announce;
pub mod encode_plan;
pub mod gate;
pub mod level;
pub mod limiter;
pub mod mixer;
pub mod speaker;
pub mod talk;
