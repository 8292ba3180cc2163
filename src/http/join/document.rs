//! The ocsmeet document: what a native client is started with (MS-CONFBAS §2.2.6.3, §6.1).

use super::escape::{Entities, Xml};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::time::Duration;

/// The media type of the document (CB-002, the name of its format).
pub(super) const MEDIA_TYPE: &str = "application/vnd.microsoft.ocsmeeting";

/// The ocsmeet document.
#[derive(Clone, Debug)]
pub(super) struct Document(String);

impl Document {
    /// The document; `conference` is the conference-URI and the key, `None` where the URL leads to
    /// none (CB-293).
    ///
    /// `spent` is how long the server took, `url` the URL as requested.
    pub(super) fn new(conference: Option<(&str, &str)>, spent: Duration, url: &str) -> Self {
        let (uri, key) = conference.unwrap_or_default();
        let time = milliseconds(spent);
        let (uri, key, url) = (Xml(uri), Xml(key), Xml(url));
        Self(format!(
            "<?xml version='1.0' encoding='utf-8'?><conf-info xmlns='{NAMESPACE}'>\
             <conf-uri>{uri}</conf-uri><server-time>{time}</server-time>\
             <original-incoming-url>{url}</original-incoming-url>\
             <conf-key>{key}</conf-key></conf-info>"
        ))
    }

    /// As it is.
    pub(super) fn into_xml(self) -> String {
        self.0
    }

    /// As the scripts of the page expect it in `escapedXML` (CB-298).
    pub(super) fn escaped(&self) -> String {
        Entities(&self.0).to_string()
    }

    /// As it stands in the query of `reachURL`: base64, with the characters replaced that mean
    /// something else in a query (CB-298).
    pub(super) fn in_query(&self) -> String {
        STANDARD.encode(&self.0).replace('+', "-").replace('=', "!")
    }
}

/// CB-294: a decimal number of milliseconds.
fn milliseconds(spent: Duration) -> String {
    let tenths = spent.as_nanos() / 100;
    format!("{}.{:04}", tenths / 10_000, tenths % 10_000)
}

const NAMESPACE: &str = "http://schemas.microsoft.com/rtc/2009/05/simplejoinconfdoc";
