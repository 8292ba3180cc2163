//! XML at the door: a bounded reader into a small element tree, and a writer that escapes.
//!
//! The only importer of quick-xml. What comes in is UTF-8, XML 1.0, namespace-well-formed and
//! within [`Limits`]; document types, processing instructions and entities other than the five
//! predefined ones are refused, so nothing expands and nothing is fetched. Names are pairs of a
//! [`Namespace`] and a local name: prefixes carry no meaning.
//!
//! | module | what it knows |
//! |---|---|
//! | [`namespace`] | the vocabularies of the conference documents and their prefixes |
//! | [`element`] | the tree, and how it is searched |
//! | [`read`](fn@read) | octets to tree |
//! | [`write`](mod@write) | fragments and documents to text |
//! | [`error`] | why octets were refused, and whose fault that is |

mod characters;
pub mod element;
pub mod error;
pub mod namespace;
mod reader;
pub mod tokens;
pub mod write;

pub use element::{Attribute, Element};
pub use error::{AtFault, Error};
pub use namespace::{Namespace, Namespaces, Ns};
pub use reader::{Limits, read, read_start};
pub use write::{Fragment, Writer};
