//! The registrar and its location service (RFC 3261 §10.3), without a clock or a store of its own.
//!
//! | file | what it does |
//! |---|---|
//! | `binding` | one binding of an address of record to a contact |
//! | `request` | what a REGISTER asks for, or why it cannot be done |
//! | `location` | [`Registrar`]: the bindings, their bounds and their end |
//! | `gruu` | public and temporary GRUUs (RFC 5627) |
//!
//! Time is in seconds since 1970, because bindings outlive the process.
//!
//! # How it is driven
//!
//! Who sent the REGISTER, and that he may, is known before. [`Registrar::register`] says what would
//! change; its user stores that, and only when it is stored calls [`Registrar::commit`] and answers
//! with [`Registrar::answer`]: what was acknowledged is not lost.
//!
//! # RFCs
//!
//! | RFC | what | status |
//! |---|---|---|
//! | 3261 §10.3 | bindings | several contacts, q, expiry with its bounds, `*`, order by Call-ID and CSeq |
//! | 3327 | Path | stored, returned, and the route of calls to the contact |
//! | 5626 | outbound | instance and reg-id, 439, `Flow-Timer`; a flow that ends takes its binding with it |
//! | 5627 | GRUU | public and temporary ones are issued and resolved; temporary ones say nothing of each other |

mod binding;
mod gruu;
mod location;
mod request;

pub use binding::{Binding, BindingKey};
pub use location::{Change, Full, Limits, Plan, Reached, Registrar};
pub use request::Unacceptable;
