//! A response: its envelope, and what the command returned.

use super::read_result::read_result;
use super::request::is_command;
use super::scan::sip_uri;
use super::write_result::write_result;
use super::{Coded, CommandResult, Defect, Reason};
use crate::xml::tokens::{tokens, unsigned};
use crate::xml::write::{DECLARATION, attribute, declare};
use crate::xml::{self, Element, Ns, Writer};
use thiserror::Error;

/// A response (CB-043 to CB-045, CB-151 to CB-156).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// As in the request.
    pub request_id: String,
    /// The `to` of the request.
    pub from: String,
    /// The `from` of the request.
    pub to: String,
    /// The MCU whose response it is (CB-154).
    pub responder: Option<String>,
    /// `1`.
    pub c3p_version: Option<String>,
    /// How it went.
    pub code: Code,
    /// Why it failed.
    pub reason: Option<Coded<Reason>>,
    /// For people.
    pub display_string: Option<String>,
    /// Seconds until it makes sense to try again.
    pub retry_after: Option<u32>,
    /// What the command returned; a response may do without (CB-156).
    pub result: Option<CommandResult>,
}

tokens! {
    /// How a request went.
    pub enum Code {
        /// It is done.
        Success = "success",
        /// It is being worked on; another response follows.
        Pending = "pending",
        /// It is not done.
        Failure = "failure",
    }
}

/// Why octets are not a response.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("malformed C3P response: {0}")]
pub struct ResponseError(#[from] pub Defect);

impl Response {
    /// A response without result.
    pub fn new(
        request_id: impl Into<String>,
        from: impl Into<String>,
        to: impl Into<String>,
        code: Code,
    ) -> Self {
        Self {
            request_id: request_id.into(),
            from: from.into(),
            to: to.into(),
            responder: None,
            c3p_version: Some("1".into()),
            code,
            reason: None,
            display_string: None,
            retry_after: None,
            result: None,
        }
    }

    /// The same, as an MCU's (CB-154).
    pub fn by(self, responder: impl Into<String>) -> Self {
        Self {
            responder: Some(responder.into()),
            ..self
        }
    }

    /// The response as a document, valid by the schema.
    pub fn to_octets(&self) -> Vec<u8> {
        let mut w = Writer::new(Ns::Cccp);
        if let Some(result) = &self.result {
            write_result(&mut w, result);
        }
        let content = w.into_fragment();
        let mut out = String::with_capacity(content.as_str().len() + 768);
        out.push_str(DECLARATION);
        out.push_str("<response");
        declare(&mut out, Ns::Cccp, content.used());
        let mut optional = |name, value: Option<&str>| {
            if let Some(value) = value {
                attribute(&mut out, name, value);
            }
        };
        optional("requestId", Some(&self.request_id));
        optional("C3PVersion", self.c3p_version.as_deref());
        optional("from", Some(&self.from));
        optional("to", Some(&self.to));
        optional("responder", self.responder.as_deref());
        optional("code", Some(self.code.as_str()));
        optional("reason", self.reason.as_ref().map(Coded::<Reason>::as_str));
        optional("displayString", self.display_string.as_deref());
        let retry_after = self.retry_after.map(|seconds| seconds.to_string());
        optional("retryAfter", retry_after.as_deref());
        out.push('>');
        out.push_str(content.as_str());
        out.push_str("</response>");
        out.into_bytes()
    }
}

/// Reads a response, as clients do.
///
/// # Errors
/// Not a response, an envelope without what it must have, or a result whose keys are none.
pub fn read_response(octets: &[u8], limits: &xml::Limits) -> Result<Response, ResponseError> {
    let root = xml::read(octets, limits).map_err(Defect::Xml)?;
    Ok(read_root(&root)?)
}

fn read_root(root: &Element) -> Result<Response, Defect> {
    if !root.is(Ns::Cccp, "response") {
        return Err(Defect::NotARequest);
    }
    let owned = |local| root.attribute(local).map(ToOwned::to_owned);
    let mut commands = root.children.iter().filter(|child| is_command(child));
    let result = match (commands.next(), commands.next()) {
        (None, _) => None,
        (Some(command), None) => read_result(command)?,
        (Some(_), Some(_)) => return Err(Defect::SeveralCommands),
    };
    let code = root.attribute("code").ok_or(Defect::Missing("code"))?;
    Ok(Response {
        request_id: owned("requestId").ok_or(Defect::Missing("requestId"))?,
        from: sip_uri(root.uri_attribute("from"), "from")?,
        to: sip_uri(root.uri_attribute("to"), "to")?,
        responder: root.uri_attribute("responder").map(ToOwned::to_owned),
        c3p_version: owned("C3PVersion"),
        code: Code::from_token(code).ok_or(Defect::BadValue("code"))?,
        reason: root.attribute("reason").map(Coded::<Reason>::from_token),
        display_string: owned("displayString"),
        retry_after: root.attribute("retryAfter").and_then(unsigned),
        result,
    })
}
