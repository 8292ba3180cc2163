//! The door: what XML is refused, and that nothing gets past the limits.

use super::LIMITS;
use plenum_focus::xml::{AtFault, Error, Limits, Namespace, Ns, read};
use proptest::prelude::*;

fn refusal(document: &str) -> Error {
    read(document.as_bytes(), &LIMITS).expect_err(document)
}

#[test]
fn cb_006_only_utf_8_xml_1_0() {
    let utf16: Vec<u8> = "<a/>".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(read(&utf16[1..], &LIMITS), Err(Error::Character));
    assert_eq!(read(b"\xff\xfe<\0a\0", &LIMITS), Err(Error::NotUtf8));
    assert_eq!(
        refusal("<?xml version=\"1.0\" encoding=\"latin1\"?><a/>"),
        Error::Encoding
    );
    assert_eq!(refusal("<?xml version=\"1.1\"?><a/>"), Error::Declaration);
    assert_eq!(
        refusal("<!--x--><?xml version=\"1.0\"?><a/>"),
        Error::Declaration
    );
    for fine in [
        "<a/>",
        "\u{FEFF}<a/>",
        "<?xml version=\"1.0\"?><a/>",
        "<?xml version='1.0' encoding='UTF-8'?>\r\n<!-- x --><a></a>\n<!-- y -->\n",
    ] {
        assert!(read(fine.as_bytes(), &LIMITS).is_ok(), "{fine}");
    }
}

#[test]
fn nothing_expands_and_nothing_is_fetched() {
    for document in [
        "<!DOCTYPE a><a/>",
        "<!DOCTYPE a SYSTEM \"http://192.0.2.1/x\"><a/>",
        "<!DOCTYPE a [<!ENTITY x \"xxxxxxxxxx\"><!ENTITY y \"&x;&x;\">]><a>&y;</a>",
        "<?xml version=\"1.0\"?><!DOCTYPE a [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><a>&x;</a>",
    ] {
        assert_eq!(refusal(document), Error::DocumentType, "{document}");
    }
    assert_eq!(refusal("<a>&x;</a>"), Error::Entity);
    assert_eq!(refusal("<a b='&x;'/>"), Error::Entity);
    assert_eq!(refusal("<a><?php 1?></a>"), Error::ProcessingInstruction);
    assert_eq!(
        refusal("<?xml-stylesheet href='x'?><a/>"),
        Error::ProcessingInstruction
    );
}

#[test]
fn what_is_not_well_formed_is_refused() {
    for document in [
        "",
        " ",
        "x",
        "<a",
        "<a>",
        "<a/",
        "</a>",
        "<a></b>",
        "<a><b></a></b>",
        "<a/><b/>",
        "<a/>x",
        "x<a/>",
        "<a/>&amp;",
        "<a b/>",
        "<a b=c/>",
        "<a b='1' b='2'/>",
        "<a b='<'/>",
        "<a>]]></a>",
        "<a>&</a>",
        "<a>&amp</a>",
        "<a>&#0;</a>",
        "<a>&#x1F;</a>",
        "<a>&#xD800;</a>",
        "<a b='&#1;'/>",
        "<a>\u{1}</a>",
        "<a>\u{FFFE}</a>",
        "<x:a/>",
        "<a x:b='1'/>",
        "<1a/>",
        "<a:b:c/>",
        "<:a/>",
        "<a><![CDATA[x</a>",
        "<![CDATA[x]]><a/>",
        "<!-- a -- b --><a/>",
        "<a><!-- x </a>",
        "<a xmlns:x='urn:x' xmlns:y='urn:x' x:b='1' y:b='2'/>",
    ] {
        let error = refusal(document);
        assert_eq!(error.at_fault(), AtFault::Sender, "{document}");
    }
}

#[test]
fn text_references_and_names_are_read() {
    let document = "<c:a xmlns:c='urn:ietf:params:xml:ns:cccp' xmlns='urn:z' v=' 1\t&lt;&#65;\n'>\
        <b>x &amp; <![CDATA[<y>]]>&#x1F600;\r\nz</b><b2 xmlns=''/></c:a>";
    let root = read(document.as_bytes(), &LIMITS).unwrap();
    assert!(root.is(Ns::Cccp, "a"));
    assert_eq!(root.attribute("v"), Some(" 1 <A "));
    assert_eq!(root.children[0].text, "x & <y>\u{1F600}\nz");
    assert_eq!(
        root.children[0].namespace,
        Namespace::Foreign("urn:z".into())
    );
    assert_eq!(root.children[1].namespace, Namespace::Unqualified);
}

#[test]
fn trap_2_anonymised_namespaces_are_the_vendors() {
    let document = "<a xmlns='http://schemas.fabrikam.com/rtc/2005/08/confinfoextensions'/>";
    assert!(
        read(document.as_bytes(), &LIMITS)
            .unwrap()
            .is(Ns::Msci, "a")
    );
    let document = "<a xmlns='http://schemas.fabrikam.com/rtc/2005/08/other'/>";
    let other = read(document.as_bytes(), &LIMITS).unwrap();
    assert!(matches!(other.namespace, Namespace::Foreign(_)));
}

#[test]
fn each_limit_holds_and_is_our_fault() {
    let tight = Limits {
        octets: 64,
        depth: 3,
        elements: 5,
        attributes: 2,
    };
    let long = format!("<a>{}</a>", "x".repeat(64));
    for (document, refusal) in [
        (long.as_str(), Error::TooLong { limit: 64 }),
        ("<a><b><c><d/></c></b></a>", Error::TooDeep { limit: 3 }),
        (
            "<a><b/><b/><b/><b/><b/></a>",
            Error::TooManyElements { limit: 5 },
        ),
        ("<a b='' c='' d=''/>", Error::TooManyAttributes { limit: 2 }),
        (
            "<a xmlns:x='u' c='' d=''/>",
            Error::TooManyAttributes { limit: 2 },
        ),
    ] {
        assert_eq!(
            read(document.as_bytes(), &tight).as_ref(),
            Err(&refusal),
            "{document}"
        );
        assert_eq!(refusal.at_fault(), AtFault::OurLimits);
    }
    for document in [
        "<a><b><c/></b></a>",
        "<a><b/><b/><b/><b/></a>",
        "<a b='' c=''/>",
    ] {
        assert!(read(document.as_bytes(), &tight).is_ok(), "{document}");
    }
}

#[test]
fn a_document_nested_beyond_all_measure_is_refused_at_the_limit() {
    let document = "<a>".repeat(400_000);
    assert_eq!(
        read(document.as_bytes(), &LIMITS),
        Err(Error::TooDeep { limit: 32 })
    );
}

proptest! {
    #![proptest_config(super::cases(2_000))]

    #[test]
    fn arbitrary_octets_do_not_panic(octets in proptest::collection::vec(any::<u8>(), 0..200)) {
        drop(read(&octets, &LIMITS));
    }

    /// Closer to XML than octets are: pieces of markup in any order.
    #[test]
    fn arbitrary_markup_does_not_panic(pieces in proptest::collection::vec(proptest::sample::select(vec![
        "<", ">", "/", "</", "/>", "a", "b:", "xmlns", "=", "\"", "'", " ", "&", ";", "#", "x", "0", "lt",
        "<!--", "-->", "<![CDATA[", "]]>", "<?", "?>", "xml", "<!DOCTYPE", "[", "]", "urn:x", "é", "\u{0}",
        "<a>", "</a>", "<a xmlns='urn:ietf:params:xml:ns:cccp'>", "&amp;",
    ]), 0..40)) {
        drop(read(pieces.concat().as_bytes(), &LIMITS));
    }
}

#[test]
fn references_in_namespace_names_are_resolved() {
    let element = |name: &str| {
        let document = format!("<x:a xmlns:x=\"{name}\"/>");
        read(document.as_bytes(), &LIMITS).unwrap()
    };
    assert_eq!(
        element("urn:a&gt;b").namespace,
        element("urn:a>b").namespace
    );
    assert_eq!(element("urn:a&#98;"), element("urn:ab"));
    assert_eq!(element("urn:a\tb"), element("urn:a b"));
    let known = element("urn:ietf:params:xml:ns:ccc&#112;");
    assert!(known.is(Ns::Cccp, "a"));
}
