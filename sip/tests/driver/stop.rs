//! The end.

use crate::bed::{Ask, Bed, TO, read, request, within};
use plenum_sip::driver::NotTaken;
use tokio::net::{TcpStream, UdpSocket};

fn nothing() -> Ask {
    Box::new(|_, _| {})
}

#[tokio::test]
async fn a_stopped_driver_gives_its_user_back_and_takes_no_commands() {
    let mut bed = Bed::new("127.0.0.1");
    let peer = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    peer.connect(bed.addr).await.unwrap();
    peer.send(request("OPTIONS", "UDP", "1", TO).as_bytes())
        .await
        .unwrap();
    read(&peer).await;
    bed.event().await;
    bed.handle.stop().await;
    assert_eq!(within(bed.running).await.unwrap().handled, 1);
    assert!(matches!(
        bed.handle.command(nothing()).await,
        Err(NotTaken::Stopped(_))
    ));
    assert!(matches!(
        bed.handle.try_command(nothing()),
        Err(NotTaken::Stopped(_))
    ));
}

#[tokio::test]
async fn a_driver_without_handles_stops() {
    let bed = Bed::new("127.0.0.1");
    drop(bed.handle);
    within(bed.running).await.unwrap();
}

#[tokio::test]
async fn commands_beyond_the_queue_come_back() {
    let bed = Bed::new("127.0.0.1");
    // The driver's task cannot run before this one waits.
    for _ in 0..2 {
        assert!(bed.handle.try_command(nothing()).is_ok());
    }
    assert!(matches!(
        bed.handle.try_command(nothing()),
        Err(NotTaken::Full(_))
    ));
}

#[tokio::test]
async fn a_draining_driver_takes_no_new_connections_and_still_answers() {
    let bed = Bed::new("127.0.0.1");
    TcpStream::connect(bed.addr).await.unwrap();
    bed.handle.stop_accepting().await;
    let refused = async {
        while TcpStream::connect(bed.addr).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    within(refused).await;
    let peer = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    peer.connect(bed.addr).await.unwrap();
    peer.send(request("OPTIONS", "UDP", "1", TO).as_bytes())
        .await
        .unwrap();
    assert!(read(&peer).await.starts_with("SIP/2.0 200 OK\r\n"));
}
