//! The floor of slides: who may show them in a conference (RFC 8855 is how it is asked for).
//!
//! | module | what |
//! |---|---|
//! | `queue` | who has the floor and who waits for it, without a word of BFCP |
//! | [`server`] | the floor control server of one conference, sans-IO |

mod queue;
pub mod server;

pub use queue::FloorPolicy;
