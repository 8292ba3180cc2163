//! Accepting when the process has no descriptors left; a process of its own, because the limit is.

#![cfg(feature = "shell")]

#[cfg(test)]
#[expect(dead_code, reason = "the bed serves other tests too")]
#[path = "transport/bed.rs"]
mod bed;
#[cfg(test)]
mod bounds;
#[cfg(test)]
#[path = "bounds/shell.rs"]
mod shell;

#[cfg(test)]
mod descriptors {
    use crate::bed::{Bed, OPTIONS, within};
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    use plenum_sip::endpoint::Transport;
    use std::os::fd::AsRawFd;
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpSocket;

    #[tokio::test]
    async fn a_listener_survives_running_out_of_descriptors() {
        let mut bed = Bed::new(Transport::Tcp, "127.0.0.1:0");
        let clients = [(); 3].map(|()| TcpSocket::new_v4().unwrap());
        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        let next = std::fs::File::open("/dev/null").unwrap().as_raw_fd();
        setrlimit(Resource::RLIMIT_NOFILE, u64::try_from(next).unwrap(), hard).unwrap();
        let mut connected = Vec::new();
        for client in clients {
            connected.push(within(client.connect(bed.addr())).await.unwrap());
        }
        let metrics = bed.metrics.clone();
        let failed = async {
            while metrics.accept_failures.get() == 0 {
                tokio::task::yield_now().await;
            }
        };
        within(failed).await;
        setrlimit(Resource::RLIMIT_NOFILE, soft, hard).unwrap();
        for client in &mut connected {
            client.write_all(OPTIONS).await.unwrap();
            assert_eq!(bed.message().await.1, OPTIONS);
        }
    }
}
