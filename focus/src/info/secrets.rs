//! What only the answer to getConference may say, encrypted for its requester (CB-220 to CB-224).

/// A CMS EnvelopedData, in base64 without line breaks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CmsData(String);

impl CmsData {
    /// Takes base64; the white space it is broken with is dropped.
    pub fn from_base64(text: &str) -> Option<Self> {
        let text: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
        let digit = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/');
        let content = text.trim_end_matches('=');
        let padding = text.len() - content.len();
        let well_formed = !content.is_empty()
            && padding <= 2
            && text.len().is_multiple_of(4)
            && content.chars().all(digit);
        well_formed.then_some(Self(text))
    }

    /// The base64.
    pub fn as_base64(&self) -> &str {
        &self.0
    }
}

/// The sensitive parts of a conference, encrypted. Each is omitted where there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Secrets {
    /// What anonymous participants prove that they know.
    pub conference_key: Option<CmsData>,
    /// The web join URL inside.
    pub web_internal: Option<CmsData>,
    /// The web join URL outside.
    pub web_external: Option<CmsData>,
}

impl Secrets {
    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.conference_key.is_none() && self.web_internal.is_none() && self.web_external.is_none()
    }
}

/// What stands for the URI that is encrypted (CB-221, trap 40).
pub const ENCRYPTED_URI: &str = "http://schemas.microsoft.com/2008/05/confxmlenc#content";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_or_nothing() {
        assert_eq!(
            CmsData::from_base64("MI\nIB ").map(|data| data.0),
            Some("MIIB".into())
        );
        for wrong in ["", "====", "MII", "MI*B", "M===", "MIIB<x/>"] {
            assert_eq!(CmsData::from_base64(wrong), None, "{wrong}");
        }
    }
}
