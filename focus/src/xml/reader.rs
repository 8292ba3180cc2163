//! Octets to tree, within limits.

use super::characters::{is_char, is_qualified_name, is_space};
use super::{Attribute, Element, Error, Namespace};
use quick_xml::escape::unescape;
use quick_xml::events::attributes::AttrError;
use quick_xml::events::{BytesDecl, BytesRef, BytesStart, Event};
use quick_xml::name::{QName, ResolveResult};
use quick_xml::{NsReader, XmlVersion};

/// How much of a document is read. Beyond a limit it is refused as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Octets of the document.
    pub octets: usize,
    /// Elements inside each other, the document element counted. Trees are dropped recursively:
    /// more than some hundreds makes no sense and endangers the stack.
    pub depth: usize,
    /// Elements of the document.
    pub elements: usize,
    /// Attributes of one element, the declarations of namespaces counted.
    pub attributes: usize,
}

/// Reads a document.
///
/// # Errors
/// Not UTF-8, not XML 1.0, not namespace-well-formed, with a document type, a processing
/// instruction or an entity, or beyond a limit.
pub fn read(octets: &[u8], limits: &Limits) -> Result<Element, Error> {
    if octets.len() > limits.octets {
        return Err(Error::TooLong {
            limit: limits.octets,
        });
    }
    let text = std::str::from_utf8(octets).map_err(|_| Error::NotUtf8)?;
    read_text(text, limits, false)
}

/// Reads the document element without what is in it: who sent a document that is larger than is
/// read can be told so.
///
/// # Errors
/// As [`read`], as far as the document is looked at.
pub fn read_start(octets: &[u8], limits: &Limits) -> Result<Element, Error> {
    let octets = octets.get(..limits.octets).unwrap_or(octets);
    let valid = octets.utf8_chunks().next().map(|chunk| chunk.valid());
    read_text(valid.unwrap_or_default(), limits, true)
}

fn read_text(text: &str, limits: &Limits, start_only: bool) -> Result<Element, Error> {
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    if !text.chars().all(is_char) {
        return Err(Error::Character);
    }
    let mut reader = NsReader::from_str(text);
    reader.config_mut().check_comments = true;
    Reading {
        limits,
        start_only,
        open: Vec::new(),
        root: None,
        elements: 0,
        begun: false,
    }
    .read(&mut reader)
}

/// The state of reading: the elements that are open, outermost first.
struct Reading<'l> {
    limits: &'l Limits,
    start_only: bool,
    open: Vec<Element>,
    root: Option<Element>,
    elements: usize,
    begun: bool,
}

impl Reading<'_> {
    fn read(mut self, reader: &mut NsReader<&[u8]>) -> Result<Element, Error> {
        loop {
            let event = match reader.read_event() {
                Ok(event) => event,
                Err(error) => return Err(syntax(reader, &error)),
            };
            let first = !std::mem::replace(&mut self.begun, true);
            match event {
                Event::Start(start) => {
                    let element = self.element(reader, &start)?;
                    if self.start_only {
                        return Ok(element);
                    }
                    self.open.push(element);
                }
                Event::Empty(start) => {
                    let element = self.element(reader, &start)?;
                    self.complete(element);
                }
                Event::End(_) => {
                    if let Some(element) = self.open.pop() {
                        self.complete(element);
                    }
                }
                Event::Text(text) => {
                    if text.contains("]]>") {
                        return Err(syntax(reader, &"]]> in text"));
                    }
                    self.text(&text.xml10_content())?;
                }
                Event::CData(data) if !self.open.is_empty() => self.text(&data.xml10_content())?,
                Event::CData(_) => return Err(Error::OutsideRoot),
                Event::GeneralRef(reference) => {
                    let mut buffer = [0; 4];
                    self.reference(resolve(&reference)?.encode_utf8(&mut buffer))?;
                }
                Event::Comment(_) => {}
                Event::Decl(declaration) => check_declaration(first, &declaration)?,
                Event::PI(_) => return Err(Error::ProcessingInstruction),
                Event::DocType(_) => return Err(Error::DocumentType),
                Event::Eof if self.open.is_empty() => return self.root.ok_or(Error::Truncated),
                Event::Eof => return Err(Error::Truncated),
            }
        }
    }

    fn element(
        &mut self,
        reader: &NsReader<&[u8]>,
        start: &BytesStart<'_>,
    ) -> Result<Element, Error> {
        if self.open.is_empty() && self.root.is_some() {
            return Err(Error::OutsideRoot);
        }
        if self.open.len() >= self.limits.depth {
            return Err(Error::TooDeep {
                limit: self.limits.depth,
            });
        }
        if self.elements >= self.limits.elements {
            return Err(Error::TooManyElements {
                limit: self.limits.elements,
            });
        }
        self.elements += 1;
        check_name(start.name())?;
        let (namespace, local) = reader.resolver().resolve_element(start.name());
        let mut element = Element::new(namespace_of(&namespace)?, local.into_inner());
        self.attributes(reader, start, &mut element)?;
        Ok(element)
    }

    fn attributes(
        &self,
        reader: &NsReader<&[u8]>,
        start: &BytesStart<'_>,
        element: &mut Element,
    ) -> Result<(), Error> {
        for (count, attribute) in start.attributes().enumerate() {
            let attribute = attribute.map_err(|error| match error {
                AttrError::Duplicated(..) => Error::RepeatedAttribute,
                AttrError::ExpectedEq(_)
                | AttrError::ExpectedValue(_)
                | AttrError::UnquotedValue(_)
                | AttrError::ExpectedQuote(..) => syntax(reader, &error),
            })?;
            if count >= self.limits.attributes {
                return Err(Error::TooManyAttributes {
                    limit: self.limits.attributes,
                });
            }
            check_name(attribute.key)?;
            if attribute.value.contains('<') {
                return Err(syntax(reader, &"< in an attribute"));
            }
            let value = attribute
                .normalized_value(XmlVersion::Explicit1_0)
                .map_err(|_| Error::Entity)?;
            if !value.chars().all(is_char) {
                return Err(Error::Character);
            }
            if attribute.key.as_namespace_binding().is_some() {
                continue;
            }
            let (namespace, local) = reader.resolver().resolve_attribute(attribute.key);
            let (namespace, local) = (namespace_of(&namespace)?, local.into_inner());
            let repeated = element
                .attributes
                .iter()
                .any(|other| *other.local == *local && other.namespace == namespace);
            if repeated {
                return Err(Error::RepeatedAttribute);
            }
            element.attributes.push(Attribute {
                namespace,
                local: local.into(),
                value: value.into_owned(),
            });
        }
        Ok(())
    }

    fn complete(&mut self, element: Element) {
        match self.open.last_mut() {
            Some(parent) => {
                parent.text = String::new();
                parent.children.push(element);
            }
            None => self.root = Some(element),
        }
    }

    fn text(&mut self, text: &str) -> Result<(), Error> {
        match self.open.last_mut() {
            Some(element) if element.children.is_empty() => element.text.push_str(text),
            Some(_) => {}
            None if text.chars().all(is_space) => {}
            None => return Err(Error::OutsideRoot),
        }
        Ok(())
    }

    fn reference(&mut self, character: &str) -> Result<(), Error> {
        if self.open.is_empty() {
            return Err(Error::OutsideRoot);
        }
        self.text(character)
    }
}

fn syntax(reader: &NsReader<&[u8]>, words: &dyn std::fmt::Display) -> Error {
    Error::Syntax {
        at: reader.buffer_position(),
        words: words.to_string(),
    }
}

/// The first of a document, version 1.0, in UTF-8 (CB-006).
fn check_declaration(first: bool, declaration: &BytesDecl<'_>) -> Result<(), Error> {
    let version = declaration.version().map_err(|_| Error::Declaration)?;
    if !first || version != "1.0" {
        return Err(Error::Declaration);
    }
    match declaration.encoding() {
        None => Ok(()),
        Some(Ok(encoding)) if encoding.eq_ignore_ascii_case("utf-8") => Ok(()),
        Some(_) => Err(Error::Encoding),
    }
}

fn resolve(reference: &BytesRef<'_>) -> Result<char, Error> {
    let character = reference.resolve_char_ref().map_err(|_| Error::Character)?;
    let character = match character {
        Some(character) => character,
        None => match &**reference {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            _ => return Err(Error::Entity),
        },
    };
    if is_char(character) {
        Ok(character)
    } else {
        Err(Error::Character)
    }
}

fn check_name(name: QName<'_>) -> Result<(), Error> {
    if is_qualified_name(name.0) {
        Ok(())
    } else {
        Err(Error::Name)
    }
}

fn namespace_of(resolved: &ResolveResult<'_>) -> Result<Namespace, Error> {
    match resolved {
        ResolveResult::Bound(namespace) => {
            // A namespace name is the value of an attribute (Namespaces in XML §2.1): space and
            // references in it are resolved as in any other.
            let spaced = namespace.0.replace(['\t', '\n', '\r'], " ");
            let name = unescape(&spaced).map_err(|_| Error::Entity)?;
            Ok(Namespace::of(&name))
        }
        ResolveResult::Unbound => Ok(Namespace::Unqualified),
        ResolveResult::Unknown(_) => Err(Error::UnboundPrefix),
    }
}
