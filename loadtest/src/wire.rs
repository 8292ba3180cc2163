//! Just enough of RFC 3261's message format to drive calls.
//!
//! Written apart from `plenum-sip` on purpose: a generator built on the server's own parser would
//! agree with it about its mistakes.

/// A received message, borrowed from its datagram.
#[derive(Debug)]
pub struct Message<'a> {
    start: &'a str,
    head: &'a str,
    /// What follows the empty line.
    pub body: &'a str,
}

impl<'a> Message<'a> {
    /// Splits a datagram; `None` when it is not a SIP message in UTF-8.
    pub fn parse(datagram: &'a [u8]) -> Option<Self> {
        let text = std::str::from_utf8(datagram).ok()?;
        let (head, body) = text.split_once("\r\n\r\n")?;
        let (start, head) = head.split_once("\r\n")?;
        Some(Self { start, head, body })
    }

    /// The status code of a response, `None` for a request.
    pub fn status(&self) -> Option<u16> {
        let code = self.start.strip_prefix("SIP/2.0 ")?.get(..3)?;
        code.parse().ok()
    }

    /// The method of a request, or the method in the CSeq of a response.
    pub fn method(&self) -> &'a str {
        if self.status().is_some() {
            let cseq = self.header("CSeq", "").unwrap_or_default();
            cseq.split_whitespace().nth(1).unwrap_or_default()
        } else {
            self.start.split(' ').next().unwrap_or_default()
        }
    }

    /// The reason phrase or Request-URI: what follows the first word or two of the start line.
    pub fn start_line(&self) -> &'a str {
        self.start
    }

    /// The number in the CSeq.
    pub fn cseq(&self) -> u32 {
        let cseq = self.header("CSeq", "").unwrap_or_default();
        cseq.split_whitespace()
            .next()
            .and_then(|n| n.parse().ok())
            .unwrap_or(0)
    }

    /// Every value of a header, by its long and its compact name, in order.
    pub fn headers(&self, long: &str, compact: &str) -> impl Iterator<Item = &'a str> {
        self.head.split("\r\n").filter_map(move |line| {
            let (name, value) = line.split_once(':')?;
            let name = name.trim_end();
            let named = name.eq_ignore_ascii_case(long)
                || (!compact.is_empty() && name.eq_ignore_ascii_case(compact));
            named.then(|| value.trim())
        })
    }

    /// The first value of a header.
    pub fn header(&self, long: &str, compact: &str) -> Option<&'a str> {
        self.headers(long, compact).next()
    }

    /// The Call-ID.
    pub fn call_id(&self) -> &'a str {
        self.header("Call-ID", "i").unwrap_or_default()
    }

    /// The tag of the To header.
    pub fn to_tag(&self) -> Option<&'a str> {
        tag(self.header("To", "t")?)
    }

    /// The URI of the Contact header.
    pub fn contact(&self) -> Option<&'a str> {
        Some(bare_uri(self.header("Contact", "m")?))
    }

    /// A response to this request, with `extra` header lines (each with its CRLF) and a body.
    pub fn answer(&self, status: &str, tag: &str, extra: &str, body: &str) -> String {
        let mut text = format!("SIP/2.0 {status}\r\n");
        for via in self.headers("Via", "v") {
            text.push_str(&format!("Via: {via}\r\n"));
        }
        for route in self.headers("Record-Route", "") {
            text.push_str(&format!("Record-Route: {route}\r\n"));
        }
        for (name, compact) in [("From", "f"), ("To", "t"), ("Call-ID", "i"), ("CSeq", "")] {
            let value = self.header(name, compact).unwrap_or_default();
            let tagged = name != "To" || value.contains(";tag=");
            let tag = if tagged {
                String::new()
            } else {
                format!(";tag={tag}")
            };
            text.push_str(&format!("{name}: {value}{tag}\r\n"));
        }
        text.push_str(extra);
        text.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
        text
    }
}

/// The tag parameter of a From or To value.
fn tag(value: &str) -> Option<&str> {
    let after = value.split(";tag=").nth(1)?;
    after.split([';', '>', ' ']).next()
}

/// The URI of a name-addr or addr-spec, without brackets and display name.
pub fn bare_uri(value: &str) -> &str {
    match value.split_once('<') {
        Some((_, rest)) => rest.split('>').next().unwrap_or(rest),
        None => value.split(';').next().unwrap_or(value).trim(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OK: &[u8] = b"SIP/2.0 200 OK\r\nv: SIP/2.0/UDP 127.0.0.1:7;branch=z9hG4bK1\r\n\
        From: <sip:a@x>;tag=1\r\nt: <sip:b@x>;tag=2;x=y\r\ni: c1\r\nCSeq: 7 INVITE\r\n\
        m: \"B\" <sip:b@127.0.0.2:5060;ob>;isfocus\r\n\r\nv=0\r\n";

    #[test]
    fn compact_names_are_read() {
        let message = Message::parse(OK).unwrap();
        assert_eq!(message.status(), Some(200));
        assert_eq!(message.method(), "INVITE");
        assert_eq!(message.cseq(), 7);
        assert_eq!(message.to_tag(), Some("2"));
        assert_eq!(message.contact(), Some("sip:b@127.0.0.2:5060;ob"));
        assert_eq!(message.call_id(), "c1");
        assert_eq!(message.body, "v=0\r\n");
    }

    #[test]
    fn an_answer_copies_what_rfc_3261_8_2_6_2_names() {
        let request = b"BYE sip:me@x SIP/2.0\r\nVia: SIP/2.0/UDP s;branch=z9hG4bK2\r\n\
            Via: SIP/2.0/UDP t\r\nFrom: <sip:b@x>;tag=2\r\nTo: <sip:a@x>\r\nCall-ID: c1\r\n\
            CSeq: 1 BYE\r\n\r\n";
        let answer = Message::parse(request)
            .unwrap()
            .answer("200 OK", "9", "", "");
        let answer = Message::parse(answer.as_bytes()).unwrap();
        assert_eq!(answer.headers("Via", "v").count(), 2);
        assert_eq!(answer.to_tag(), Some("9"));
        assert_eq!((answer.method(), answer.cseq()), ("BYE", 1));
    }
}
