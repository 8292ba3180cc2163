//! A small internet of network namespaces: a public network, and homes behind NATs of their own.
//!
//! ```text
//! public: 203.0.113.10 (server), 203.0.113.20 (TURN), 203.0.113.30 (provider), 203.0.113.40 (its subscriber)
//!    │
//!    └── 203.0.113.101 NAT 192.168.1.1 ── home 1: 192.168.1.2
//!    └── 203.0.113.102 NAT 192.168.2.1 ── home 2: 192.168.2.2
//! ```
//!
//! Needs root (`CAP_NET_ADMIN` and `CAP_SYS_ADMIN`), `ip` and `nft`; says so where it does not have them. A NAT is
//! Linux's own: packets of connections that were not begun from inside do not come in.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use nix::sched::{CloneFlags, setns};

/// The server's address in the public network.
pub const SERVER: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 10));
/// The address of a STUN and TURN server in the public network.
pub const TURN: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 20));
/// The address of a provider of telephone lines in the public network.
pub const PROVIDER: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 30));
/// The address of somebody with a line of that provider.
pub const SUBSCRIBER: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 40));

/// How a NAT maps and filters (RFC 4787), beyond refusing what nobody inside began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mapping {
    /// The port is kept where it is free: all servers see the same one.
    Kept,
    /// Another port for each host and port outside: what a STUN server sees is of no use to others.
    Symmetric,
}

/// One network namespace; removed with this value.
#[derive(Debug)]
pub struct Namespace {
    name: String,
}

/// The public network and what hangs on it.
#[derive(Debug)]
pub struct Internet {
    name: String,
    /// Where the servers are.
    pub public: Namespace,
    homes: u8,
}

/// A private network behind a NAT.
#[derive(Debug)]
pub struct Home {
    /// Where the phones are.
    pub inside: Namespace,
    /// The NAT itself.
    pub nat: Namespace,
    /// The address of the phones.
    pub address: IpAddr,
    /// The address that the NAT has in the public network.
    pub outer: IpAddr,
}

impl Namespace {
    fn new(name: String) -> io::Result<Self> {
        run("ip", &["netns", "add", &name]).map_err(|error| {
            let fault = format!(
                "{error}; network namespaces need root (CAP_SYS_ADMIN, CAP_NET_ADMIN) and \
                 the packages iproute2 and nftables (make deps)"
            );
            io::Error::new(error.kind(), fault)
        })?;
        let this = Self { name };
        this.ip(&["link", "set", "lo", "up"])?;
        Ok(this)
    }

    /// Runs something in this namespace: sockets that it opens and processes that it starts belong there for ever.
    pub fn within<T>(&self, run: impl FnOnce() -> T) -> io::Result<T> {
        let home = File::open("/proc/thread-self/ns/net")?;
        let there = File::open(format!("/run/netns/{}", self.name))?;
        setns(&there, CloneFlags::CLONE_NEWNET)?;
        let value = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run));
        setns(&home, CloneFlags::CLONE_NEWNET)?;
        value.or_else(|panic| std::panic::resume_unwind(panic))
    }

    /// Loads rules of nftables.
    pub fn rules(&self, text: &str) -> io::Result<()> {
        let mut child = Command::new("ip")
            .args(["netns", "exec", &self.name, "nft", "-f", "-"])
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        if let Some(mut input) = child.stdin.take() {
            input.write_all(text.as_bytes())?;
        }
        let output = child.wait_with_output()?;
        checked("nft", &output)
    }

    fn ip(&self, arguments: &[&str]) -> io::Result<()> {
        run("ip", &[&["-n", &self.name], arguments].concat())
    }

    fn forwards(&self) -> io::Result<()> {
        self.within(|| fs::write("/proc/sys/net/ipv4/ip_forward", "1"))?
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        drop(run("ip", &["netns", "del", &self.name]));
    }
}

impl Internet {
    /// The public network, with nobody in it.
    pub fn new() -> io::Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("plenum-{}-{number}", std::process::id());
        let public = Namespace::new(format!("{name}-public"))?;
        for address in [SERVER, TURN, PROVIDER, SUBSCRIBER] {
            public.ip(&["addr", "add", &format!("{address}/32"), "dev", "lo"])?;
        }
        // What leads nowhere is lost without a word, as on the real one: coturn ends a session when it gets an error.
        public.ip(&["route", "add", "default", "dev", "lo"])?;
        public.forwards()?;
        Ok(Self {
            name,
            public,
            homes: 0,
        })
    }

    /// One more address in the public network.
    pub fn own(&self, address: IpAddr) -> io::Result<()> {
        let address = address.to_string();
        // Nobody else can have it: whether it is free need not be found out first.
        let arguments = ["addr", "add", &address, "dev", "lo"];
        match address.contains(':') {
            true => self.public.ip(&[&arguments[..], &["nodad"]].concat()),
            false => self.public.ip(&arguments),
        }
    }

    /// One more home behind a NAT of this kind.
    pub fn home(&mut self, mapping: Mapping) -> io::Result<Home> {
        self.homes += 1;
        let number = self.homes;
        let outer = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 100 + number));
        let address = IpAddr::V4(Ipv4Addr::new(192, 168, number, 2));
        let nat = Namespace::new(format!("{}-nat{number}", self.name))?;
        let inside = Namespace::new(format!("{}-home{number}", self.name))?;
        // Outside: a link of its own to the public network.
        let to_nat = format!("home{number}");
        cable((&self.public, &to_nat), (&nat, "wan"))?;
        let (outer_host, server) = (format!("{outer}/32"), format!("{SERVER}"));
        let public = &self.public;
        public.ip(&["route", "add", &outer_host, "dev", &to_nat, "src", &server])?;
        nat.ip(&["addr", "add", &outer_host, "dev", "wan"])?;
        nat.ip(&["route", "add", "default", "dev", "wan"])?;
        public
            .within(|| fs::write(format!("/proc/sys/net/ipv4/conf/{to_nat}/proxy_arp"), "1"))??;
        // Inside: a network of 254 places.
        cable((&nat, "lan"), (&inside, "eth"))?;
        let gateway = format!("192.168.{number}.1");
        nat.ip(&["addr", "add", &format!("{gateway}/24"), "dev", "lan"])?;
        inside.ip(&["addr", "add", &format!("{address}/24"), "dev", "eth"])?;
        inside.ip(&["route", "add", "default", "via", &gateway])?;
        nat.forwards()?;
        let random = match mapping {
            Mapping::Kept => "",
            Mapping::Symmetric => " fully-random",
        };
        nat.rules(&format!(
            "table ip plenum {{\n\
             chain out {{ type nat hook postrouting priority 100; oifname \"wan\" masquerade{random}; }}\n\
             chain in {{ type nat hook prerouting priority -100; }}\n\
             chain here {{ type filter hook input priority 0; iifname \"wan\" ct state new drop; }}\n\
             chain through {{ type filter hook forward priority 0;\n\
             iifname \"wan\" ct state new ct status ! dnat drop; }}\n}}\n"
        ))?;
        Ok(Home {
            inside,
            nat,
            address,
            outer,
        })
    }
}

impl Home {
    /// Passes a port of the outer address on to the inside, `udp` or `tcp`.
    pub fn forward(&self, protocol: &str, ports: &str) -> io::Result<()> {
        let address = self.address;
        self.nat.rules(&format!(
            "add rule ip plenum in iifname \"wan\" {protocol} dport {ports} dnat to {address}\n"
        ))
    }

    /// Cuts the line to the outside for good.
    pub fn cut(&self) -> io::Result<()> {
        self.nat.rules("insert rule ip plenum through drop\n")
    }

    /// The NAT loses all that it knew, as one does that starts anew: ports outside are others afterwards where the
    /// mapping is symmetric.
    pub fn restart(&self) -> io::Result<()> {
        self.nat.ip(&["link", "set", "wan", "down"])?;
        self.nat.ip(&["link", "set", "wan", "up"])?;
        self.nat.ip(&["route", "add", "default", "dev", "wan"])
    }

    /// Nothing goes out by UDP but to these places, `ADDRESS . PORT`: a network with a strict firewall.
    pub fn allow_udp_only_to(&self, places: &str) -> io::Result<()> {
        self.nat.rules(&format!(
            "add rule ip plenum through oifname \"wan\" ct state new ip daddr . udp dport != {{ {places} }} drop\n"
        ))
    }
}

/// A cable between two namespaces, its ends named and up.
fn cable(one: (&Namespace, &str), other: (&Namespace, &str)) -> io::Result<()> {
    let ((here, end), (there, other)) = (one, other);
    here.ip(&[
        "link",
        "add",
        end,
        "type",
        "veth",
        "peer",
        "name",
        other,
        "netns",
        &there.name,
    ])?;
    here.ip(&["link", "set", end, "up"])?;
    there.ip(&["link", "set", other, "up"])
}

fn run(program: &str, arguments: &[&str]) -> io::Result<()> {
    checked(program, &Command::new(program).args(arguments).output()?)
}

fn checked(program: &str, output: &std::process::Output) -> io::Result<()> {
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(format!("{program}: {}", said.trim())))
}
