//! A server as it is in public, and who is shut out of it.

use plenum_loadtest::server::{Server, ServerSettings};
use socket2::{Domain, Socket, Type};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

pub(crate) const SECOND: Duration = Duration::from_secs(1);
/// Where the phones are, and the scanners.
pub(crate) const HERE: &str = "127.0.0.1";

/// A server as it is on a public address, but that little is enough to be shut out.
pub(crate) fn public(more: &str) -> ServerSettings {
    ServerSettings {
        conferences: "ad_hoc = false\nentry_tone = false\nexit_tone = false\n\
                      alone = \"silence\"\ntrusted = []\n"
            .to_owned(),
        rest: format!(
            "[auth]\nalgorithms = [\"MD5\"]\n[[conference]]\nname = \"board\"\n\
             [[conference]]\nname = \"secret\"\npin = \"4711\"\n\
             [abuse]\nprobes = 30\nguesses = 10\n{more}"
        ),
        ..ServerSettings::default()
    }
}

pub(crate) fn bans(server: &Server) -> String {
    server.operate(&["ban", "list"], "").unwrap()
}

pub(crate) fn is_listed(server: &Server, source: &str, kind: &str) -> bool {
    let bans = bans(server);
    let mut lines = bans.lines();
    lines.any(|line| line.starts_with(&format!("{source} ")) && line.contains(kind))
}

/// Whether a TCP connection from an address is closed at once; one that is not answers OPTIONS.
pub(crate) fn tcp_is_closed(from: &str, server: SocketAddr) -> bool {
    let mut stream = connect(from, server);
    let local = stream.local_addr().unwrap();
    let port = local.port();
    let options = format!(
        "OPTIONS sip:{server} SIP/2.0\r\nVia: SIP/2.0/TCP {local};branch=z9hG4bKtcp{port}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:t@{local}>;tag=1\r\nTo: <sip:{server}>\r\n\
         Call-ID: tcp{port}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
    );
    // A connection that is closed already may refuse to be written to.
    drop(stream.write_all(options.as_bytes()));
    let mut buffer = [0; 512];
    !matches!(stream.read(&mut buffer), Ok(read) if read > 0)
}

/// A TCP connection from this address.
pub(crate) fn connect(from: &str, to: SocketAddr) -> TcpStream {
    let from = SocketAddr::new(from.parse().unwrap(), 0);
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&from.into()).unwrap();
    socket.connect(&to.into()).unwrap();
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(2 * SECOND)).unwrap();
    stream
}
