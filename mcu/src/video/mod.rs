//! The video of a conference, sans-IO: who is seen where, pictures composed of pictures, one encode per view.
//!
//! | module | what it is |
//! |---|---|
//! | [`layout`] | who is in which pane: a pure function |
//! | [`compose`] | scaling, text, painting |
//! | [`source`] | one source: decoded while somebody looks |
//! | [`viewer`] | one who looks |
//! | [`plan`] | who shares an encoder |
//! | [`conference`] | all of it, a tick at a time |

pub mod compose;
pub mod conference;
pub mod layout;
pub mod plan;
pub mod source;
pub mod viewer;
