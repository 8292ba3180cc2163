//! Users at the door: who has to prove who he is, who registers, and where a user is called.
//!
//! | file | what it does |
//! |---|---|
//! | `metrics` | what is counted of it |

mod metrics;

pub use metrics::{Denial, DenialReason, Metrics};
