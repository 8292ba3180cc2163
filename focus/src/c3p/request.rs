//! A request: its envelope, and one command.

use super::read_command::read_command;
use super::scan::sip_uri;
use super::write_command::write_command;
use super::{Command, Defect, Envelope, Malformed};
use crate::xml::write::{DECLARATION, attribute, declare};
use crate::xml::{self, AtFault, Element, Namespace, Ns, Writer};

/// A request (CB-020 to CB-023).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Digits, echoed octet by octet (CB-021).
    pub request_id: String,
    /// Who sends it.
    pub from: String,
    /// The conference-URI.
    pub to: String,
    /// `1`; absent in old clients (CB-012).
    pub c3p_version: Option<String>,
    /// What is wanted.
    pub command: Command,
}

impl Request {
    /// A request as it is written today.
    pub fn new(
        request_id: impl Into<String>,
        from: impl Into<String>,
        to: impl Into<String>,
        command: Command,
    ) -> Self {
        Self {
            request_id: request_id.into(),
            from: from.into(),
            to: to.into(),
            c3p_version: Some("1".into()),
            command,
        }
    }

    /// The request as a document, valid by the schema. An unsupported command is an empty element.
    pub fn to_octets(&self) -> Vec<u8> {
        let mut w = Writer::new(Ns::Cccp);
        write_command(&mut w, &self.command);
        let content = w.into_fragment();
        let mut out = String::with_capacity(content.as_str().len() + 512);
        out.push_str(DECLARATION);
        out.push_str("<request");
        declare(&mut out, Ns::Cccp, content.used());
        if let Some(version) = &self.c3p_version {
            attribute(&mut out, "C3PVersion", version);
        }
        attribute(&mut out, "to", &self.to);
        attribute(&mut out, "from", &self.from);
        attribute(&mut out, "requestId", &self.request_id);
        out.push('>');
        out.push_str(content.as_str());
        out.push_str("</request>");
        out.into_bytes()
    }
}

/// Reads a request.
///
/// # Errors
/// Anything that the prose or the schema forbids, with as much of the envelope as could be read.
pub fn read_request(octets: &[u8], limits: &xml::Limits) -> Result<Request, Box<Malformed>> {
    let mut envelope = Envelope::default();
    let read = match xml::read(octets, limits) {
        Ok(root) => read_root(&root, &mut envelope),
        Err(error) => {
            if error.at_fault() == AtFault::OurLimits
                && let Ok(root) = xml::read_start(octets, limits)
                && root.is(Ns::Cccp, "request")
            {
                read_envelope(&root, &mut envelope);
            }
            Err(Defect::Xml(error))
        }
    };
    read.map_err(|defect| Box::new(Malformed { defect, envelope }))
}

fn read_envelope(root: &Element, envelope: &mut Envelope) {
    let owned = |value: Option<&str>| value.map(ToOwned::to_owned);
    envelope.request_id = owned(root.attribute("requestId").filter(|id| is_request_id(id)));
    envelope.from = owned(root.uri_attribute("from"));
    envelope.to = owned(root.uri_attribute("to"));
}

fn read_root(root: &Element, envelope: &mut Envelope) -> Result<Request, Defect> {
    if !root.is(Ns::Cccp, "request") {
        return Err(Defect::NotARequest);
    }
    read_envelope(root, envelope);
    let command = the_command(root);
    envelope.command = command.as_ref().ok().map(|command| (*command.local).into());
    let request_id = match root.attribute("requestId") {
        None => return Err(Defect::Missing("requestId")),
        Some(_) => envelope.request_id.clone().ok_or(Defect::RequestId)?,
    };
    Ok(Request {
        request_id,
        from: sip_uri(envelope.from.as_deref(), "from")?,
        to: sip_uri(envelope.to.as_deref(), "to")?,
        c3p_version: root.attribute("C3PVersion").map(ToOwned::to_owned),
        command: read_command(command?)?,
    })
}

/// CB-021.
pub(super) fn is_request_id(id: &str) -> bool {
    !id.is_empty() && id.bytes().all(|octet| octet.is_ascii_digit())
}

/// The one command (CB-020); elements of other vocabularies are none.
fn the_command(root: &Element) -> Result<&Element, Defect> {
    let mut commands = root.children.iter().filter(|child| is_command(child));
    match (commands.next(), commands.next()) {
        (None, _) => Err(Defect::NoCommand),
        (Some(command), None) => Ok(command),
        (Some(_), Some(_)) => Err(Defect::SeveralCommands),
    }
}

pub(super) fn is_command(element: &Element) -> bool {
    match &element.namespace {
        Namespace::Known(ns) => *ns == Ns::Cccp,
        Namespace::Unqualified => true,
        Namespace::Foreign(_) => false,
    }
}
