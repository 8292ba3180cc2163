//! Parts of a command out of its element, each missing or malformed one with its name.

use super::{ConferenceKeys, Defect, EndpointKeys, MediaKeys, UserKeys};
use crate::xml::tokens::boolean;
use crate::xml::{Element, Ns};

/// The one child of this name.
pub(super) fn one<'e>(
    parent: &'e Element,
    ns: Ns,
    local: &'static str,
) -> Result<&'e Element, Defect> {
    at_most_one(parent, ns, local)?.ok_or(Defect::Missing(local))
}

/// The child of this name, if there is one.
pub(super) fn at_most_one<'e>(
    parent: &'e Element,
    ns: Ns,
    local: &'static str,
) -> Result<Option<&'e Element>, Defect> {
    let mut children = parent.children_meaning(ns, local);
    let first = children.next();
    match children.next() {
        None => Ok(first),
        Some(_) => Err(Defect::Repeated(local)),
    }
}

/// A boolean child.
pub(super) fn one_boolean(parent: &Element, ns: Ns, local: &'static str) -> Result<bool, Defect> {
    boolean(one(parent, ns, local)?.token()).ok_or(Defect::BadValue(local))
}

/// A child of enumerated value, if there is one.
pub(super) fn optional<T>(
    parent: &Element,
    ns: Ns,
    local: &'static str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<Option<T>, Defect> {
    match at_most_one(parent, ns, local)? {
        None => Ok(None),
        Some(child) => match parse(child.token()) {
            Some(value) => Ok(Some(value)),
            None => Err(Defect::BadValue(local)),
        },
    }
}

/// Whether it could be a SIP or SIPS URI.
pub(super) fn is_sip_uri(uri: &str) -> bool {
    let Some((scheme, rest)) = uri.split_once(':') else {
        return false;
    };
    let sip = scheme.eq_ignore_ascii_case("sip") || scheme.eq_ignore_ascii_case("sips");
    sip && !rest.is_empty() && !rest.contains(char::is_whitespace)
}

/// A value that must be a SIP URI.
pub(super) fn sip_uri(value: Option<&str>, name: &'static str) -> Result<String, Defect> {
    match value {
        None | Some("") => Err(Defect::Missing(name)),
        Some(uri) if is_sip_uri(uri) => Ok(uri.into()),
        Some(_) => Err(Defect::NotASipUri(name)),
    }
}

/// `mscp:mcuUri`, if there is one; it may be empty where it is not needed.
pub(super) fn mcu_uri(command: &Element) -> Result<Option<String>, Defect> {
    match command.qualified_uri_attribute(Ns::Mscp, "mcuUri") {
        None | Some("") => Ok(None),
        Some(uri) if is_sip_uri(uri) => Ok(Some(uri.into())),
        Some(_) => Err(Defect::NotASipUri("mcuUri")),
    }
}

/// CB-157.
pub(super) fn conference_keys(command: &Element) -> Result<ConferenceKeys, Defect> {
    conference_keys_of(one(command, Ns::Cccp, "conferenceKeys")?)
}

pub(super) fn conference_keys_of(keys: &Element) -> Result<ConferenceKeys, Defect> {
    Ok(ConferenceKeys {
        conf_entity: sip_uri(keys.uri_attribute("confEntity"), "confEntity")?,
        conference_id: keys
            .qualified_attribute(Ns::Msci, "conference-id")
            .map(ToOwned::to_owned),
    })
}

/// CB-158.
pub(super) fn user_keys(command: &Element) -> Result<UserKeys, Defect> {
    let keys = one(command, Ns::Cccp, "userKeys")?;
    Ok(UserKeys {
        conf_entity: sip_uri(keys.uri_attribute("confEntity"), "confEntity")?,
        user_entity: sip_uri(keys.uri_attribute("userEntity"), "userEntity")?,
    })
}

/// CB-159.
pub(super) fn endpoint_keys_of(keys: &Element) -> Result<EndpointKeys, Defect> {
    Ok(EndpointKeys {
        conf_entity: sip_uri(keys.uri_attribute("confEntity"), "confEntity")?,
        user_entity: sip_uri(keys.uri_attribute("userEntity"), "userEntity")?,
        endpoint_entity: text(keys.attribute("endpointEntity"), "endpointEntity")?,
    })
}

/// CB-159.
pub(super) fn media_keys(command: &Element) -> Result<MediaKeys, Defect> {
    let element = one(command, Ns::Cccp, "mediaKeys")?;
    let keys = endpoint_keys_of(element)?;
    Ok(MediaKeys {
        conf_entity: keys.conf_entity,
        user_entity: keys.user_entity,
        endpoint_entity: keys.endpoint_entity,
        media_id: text(element.attribute("mediaId"), "mediaId")?,
    })
}

fn text(value: Option<&str>, name: &'static str) -> Result<String, Defect> {
    match value {
        None | Some("") => Err(Defect::Missing(name)),
        Some(text) => Ok(text.into()),
    }
}
