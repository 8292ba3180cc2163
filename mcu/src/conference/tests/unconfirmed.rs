//! Who may never have called is sent nothing.

use super::G711;
use super::phone::{Room, Says, limits};
use crate::conference::Order;
use crate::control::{EndpointId, Stage};

#[test]
fn rfc3261_26_3_2_4_nothing_is_sent_to_who_may_not_have_called() {
    for (says, stage) in [
        (None, None),
        (None, Some(Stage::Apart)),
        (None, Some(Stage::Mix)),
        (Some(Says::Silence), None),
    ] {
        let mut room = Room::new(limits());
        room.join(0, G711, 20, Says::Tone(440.0, 0.3));
        let stranger = says.unwrap_or(Says::Silence);
        room.join_at(1, G711, 20, stranger, Stage::Unconfirmed);
        let mut stranger = room.phones.remove(&1).unwrap();
        room.run(20);
        assert_eq!(room.sent_to(1), 0, "neither RTP nor RTCP");
        let endpoint = EndpointId(1);
        match stage {
            Some(stage) => room.order(Order::Place { endpoint, stage }).unwrap(),
            None if says.is_some() => stranger.received.clear(),
            None => {
                room.order(Order::Remove { endpoint }).unwrap();
                room.run(20);
                assert_eq!(room.sent_to(1), 0, "no BYE either");
                continue;
            }
        }
        room.phones.insert(1, stranger);
        room.run(20);
        let heard = room.phones[&1].received.len();
        assert!(heard >= 19, "{heard} packets, {stage:?}");
    }
}
