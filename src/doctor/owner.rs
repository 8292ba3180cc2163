//! Who has a port, by `/proc/net` and the open files of the processes.

use std::fs;
use std::net::SocketAddr;

/// The process that has a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Its name.
    pub name: String,
    /// Its number.
    pub pid: u32,
}

impl Owner {
    /// Whoever has `address` open; `None` when `/proc` does not tell, which is so for other users' processes.
    #[must_use]
    pub fn of(address: SocketAddr, tcp: bool) -> Option<Self> {
        let table = match (tcp, address.is_ipv6()) {
            (false, false) => "udp",
            (false, true) => "udp6",
            (true, false) => "tcp",
            (true, true) => "tcp6",
        };
        let text = fs::read_to_string(format!("/proc/net/{table}")).ok()?;
        let link = format!("socket:[{}]", inode(&text, address.port(), tcp)?);
        let mut processes = fs::read_dir("/proc").ok()?.flatten();
        processes.find_map(|process| {
            let pid = process.file_name().to_str()?.parse().ok()?;
            let mut files = fs::read_dir(process.path().join("fd")).ok()?.flatten();
            let has = |file: fs::DirEntry| {
                fs::read_link(file.path()).is_ok_and(|to| to.as_os_str() == link.as_str())
            };
            files.any(has).then(|| {
                let name = fs::read_to_string(process.path().join("comm"));
                let name = name.unwrap_or_default().trim().to_owned();
                Self { name, pid }
            })
        })
    }
}

/// The inode of the socket on a local port in a table of `/proc/net`; of TCP only listening ones.
fn inode(table: &str, port: u16, tcp: bool) -> Option<&str> {
    let ending = format!(":{port:04X}");
    table.lines().skip(1).find_map(|line| {
        let mut fields = line.split_whitespace().skip(1);
        let (local, _, state) = (fields.next()?, fields.next()?, fields.next()?);
        // 0A is LISTEN.
        let open = local.ends_with(&ending) && (!tcp || state == "0A");
        open.then(|| fields.nth(5)).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;

    #[test]
    fn a_port_of_ours_is_found_to_be_ours() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let owner = Owner::of(address, false).unwrap();
        assert_eq!(owner.pid, std::process::id());
        drop(socket);
        assert_eq!(Owner::of(address, false), None);
    }

    #[test]
    fn the_table_of_the_kernel_reads() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
             0: 00000000:13C4 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1\n\
             1: 0100007F:13C5 0100007F:1000 01 00000000:00000000 00:00000000 00000000     0        0 4712 1\n";
        assert_eq!(inode(table, 5060, true), Some("4711"));
        assert_eq!(inode(table, 5061, true), None, "connected, not listening");
        assert_eq!(inode(table, 5061, false), Some("4712"));
        assert_eq!(inode("", 5061, false), None);
    }
}
