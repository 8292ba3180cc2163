//! What this crate counts. The root crate registers it; cores only increment.
