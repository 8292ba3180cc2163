//! A name server with a handful of records, for tests of what is looked up (RFC 1035, RFC 2782).

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// A record.
#[derive(Clone, Debug)]
pub enum Record {
    /// An address.
    A(Ipv4Addr),
    /// A service: priority, port and host.
    Srv(u16, u16, String),
}

/// A running name server; ends with this value.
#[derive(Debug)]
pub struct Dns {
    address: SocketAddr,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Dns {
    /// Serves these names; all others do not exist.
    pub fn start(zone: Vec<(String, Record)>) -> io::Result<Self> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.set_read_timeout(Some(Duration::from_millis(50)))?;
        let address = socket.local_addr()?;
        let over = Arc::new(AtomicBool::new(false));
        let ending = Arc::clone(&over);
        let thread = std::thread::spawn(move || serve(&socket, &zone, &ending));
        Ok(Self {
            address,
            over,
            thread: Some(thread),
        })
    }

    /// Where it is asked.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Dns {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn serve(socket: &UdpSocket, zone: &[(String, Record)], over: &AtomicBool) {
    let mut buffer = [0; 1024];
    while !over.load(Ordering::Relaxed) {
        let Ok((length, from)) = socket.recv_from(&mut buffer) else {
            continue;
        };
        let question = buffer.get(..length).unwrap_or_default();
        if let Some(answer) = answer(question, zone) {
            // Who asked and went away needs no answer.
            drop(socket.send_to(&answer, from));
        }
    }
}

/// RFC 1035 §4.1: the header, the question again, and the records that fit it.
fn answer(question: &[u8], zone: &[(String, Record)]) -> Option<Vec<u8>> {
    let mut labels = Vec::new();
    let mut at = 12;
    loop {
        let length = usize::from(*question.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        let label = question.get(at..at + length)?;
        labels.push(String::from_utf8_lossy(label).to_ascii_lowercase());
        at += length;
    }
    let name = labels.join(".");
    let kind = u16::from_be_bytes([*question.get(at)?, *question.get(at + 1)?]);
    let records: Vec<Vec<u8>> = zone
        .iter()
        .filter(|(owner, _)| *owner == name)
        .filter_map(|(_, record)| data(record, kind))
        .collect();
    let known = zone.iter().any(|(owner, _)| *owner == name);
    let mut out = question.get(..2)?.to_vec();
    // A response with authority; the name may not exist.
    out.extend([0x84, if known { 0 } else { 3 }, 0, 1, 0]);
    out.push(u8::try_from(records.len()).ok()?);
    out.extend([0; 4]);
    out.extend(question.get(12..at + 4)?);
    for record in records {
        out.extend([0xC0, 12]);
        out.extend(kind.to_be_bytes());
        out.extend([0, 1, 0, 0, 0, 1]);
        out.extend(u16::try_from(record.len()).ok()?.to_be_bytes());
        out.extend(record);
    }
    Some(out)
}

fn data(record: &Record, kind: u16) -> Option<Vec<u8>> {
    match (record, kind) {
        (Record::A(ip), A) => Some(ip.octets().to_vec()),
        (Record::Srv(priority, port, host), SRV) => {
            let mut out = priority.to_be_bytes().to_vec();
            out.extend([0, 0]);
            out.extend(port.to_be_bytes());
            for label in host.split('.') {
                out.push(u8::try_from(label.len()).ok()?);
                out.extend(label.as_bytes());
            }
            out.push(0);
            Some(out)
        }
        (Record::A(_) | Record::Srv(..), _) => None,
    }
}

const A: u16 = 1;
const SRV: u16 = 33;
