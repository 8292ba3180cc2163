//! Random documents, requests and responses.

mod commands;
mod documents;

pub(crate) use commands::{request, response};
pub(crate) use documents::*;
