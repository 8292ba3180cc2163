//! Which message may carry an offer or an answer: RFC 3264 §4, RFC 6337 §2.2. Bodies are opaque.

use crate::endpoint::CommandError;

/// Where the exchange of a dialog stands. One exchange at a time (RFC 3264 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OfferAnswer {
    /// No exchange is open: there was none, or the last was completed.
    Idle,
    /// We offered; the answer is outstanding.
    WeOffered,
    /// The peer offered; we owe the answer.
    TheyOffered,
    /// The peer's INVITE carried no offer; our first reliable response has to.
    WeOwe,
    /// Our INVITE carried no offer; the peer's first reliable response has to.
    TheyOwe,
    /// The call has no session: what its bodies are is between its users, and no exchange opens.
    Absent,
}

/// A message that belongs to the exchange, sent or received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// INVITE, the first or a later one.
    Invite,
    /// A provisional response that is not acknowledged.
    Unreliable,
    /// A provisional response with RSeq (RFC 3262).
    Reliable,
    /// PRACK.
    Prack,
    /// UPDATE (RFC 3311).
    Update,
    /// A 2xx to INVITE.
    Success,
    /// A 2xx to an UPDATE or PRACK that carried an offer.
    Answer,
    /// ACK.
    Ack,
    /// A failure response to a request that opened an exchange.
    Failure,
}

/// What a session description received means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// The message has no part in the exchange.
    Nothing,
    /// It is an offer; it has to be answered.
    Offer,
    /// It answers our offer.
    Answer,
    /// It repeats or previews an answer (RFC 6337 §2.2); only the reliable one counts.
    Preview,
    /// It may not be there; it has no meaning.
    Stray,
}

impl OfferAnswer {
    /// A message of the peer with or without a session description (RFC 6337 §2.2, table 1).
    pub fn received(&mut self, carrier: Carrier, body: bool) -> Meaning {
        use Carrier as C;
        let (next, meaning) = match (carrier, *self, body) {
            (_, Self::Absent, _) => (Self::Absent, Meaning::Nothing),
            (C::Invite, _, true) => (Self::TheyOffered, Meaning::Offer),
            (C::Invite, _, false) => (Self::WeOwe, Meaning::Nothing),
            (C::Update | C::Prack, Self::Idle, true) => (Self::TheyOffered, Meaning::Offer),
            (C::Prack | C::Ack | C::Success | C::Answer, Self::WeOffered, true)
            | (C::Reliable, Self::WeOffered, true) => (Self::Idle, Meaning::Answer),
            // The answer is missing; it cannot be had any more, so the exchange ends without it.
            (C::Prack | C::Ack | C::Success | C::Answer, Self::WeOffered, false) => {
                (Self::Idle, Meaning::Nothing)
            }
            (C::Reliable | C::Success, Self::TheyOwe, true) => (Self::TheyOffered, Meaning::Offer),
            (C::Success, Self::TheyOwe, false) => (Self::Idle, Meaning::Nothing),
            (C::Unreliable, Self::WeOffered, true)
            | (C::Reliable | C::Unreliable | C::Success, Self::Idle, true) => {
                (*self, Meaning::Preview)
            }
            (C::Failure, Self::WeOffered | Self::TheyOwe, _) => (Self::Idle, Meaning::Nothing),
            (_, _, true) => (*self, Meaning::Stray),
            (_, _, false) => (*self, Meaning::Nothing),
        };
        *self = next;
        meaning
    }

    /// A message of ours with or without a session description (RFC 6337 §2.2, table 1).
    pub fn send(&mut self, carrier: Carrier, body: bool) -> Result<(), CommandError> {
        use Carrier as C;
        let next = match (carrier, *self, body) {
            (_, Self::Absent, _) => Self::Absent,
            (C::Invite, Self::Idle, true) | (C::Update, Self::Idle, true) => Self::WeOffered,
            (C::Invite, Self::Idle, false) => Self::TheyOwe,
            (C::Invite, _, _) | (C::Update, _, true) => return Err(CommandError::Pending),
            (C::Reliable | C::Success | C::Answer | C::Prack | C::Ack, Self::TheyOffered, true) => {
                Self::Idle
            }
            (C::Reliable | C::Success, Self::WeOwe, true) => Self::WeOffered,
            (C::Success | C::Answer, Self::TheyOffered | Self::WeOwe, false) => {
                return Err(CommandError::BodyMissing);
            }
            // An early preview of the answer is allowed; an offer is not.
            (C::Unreliable, Self::TheyOffered | Self::Idle, true) => *self,
            // The peer's offer dies with a request we do not answer it in (RFC 6337 §2.3).
            (C::Failure, Self::TheyOffered | Self::WeOwe, _) => Self::Idle,
            (C::Ack, Self::TheyOffered, false) => Self::Idle,
            (_, _, true) => return Err(CommandError::BodyUnexpected),
            (_, _, false) => *self,
        };
        *self = next;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The six patterns of RFC 6337 §2.2, table 1, from the side that gets the INVITE.
    #[test]
    fn rfc6337_table_1_as_answerer_of_the_invite() {
        let mut one = OfferAnswer::Idle;
        assert_eq!(one.received(Carrier::Invite, true), Meaning::Offer);
        assert_eq!(
            one.send(Carrier::Success, false),
            Err(CommandError::BodyMissing)
        );
        assert_eq!(one.send(Carrier::Success, true), Ok(()));
        assert_eq!(one, OfferAnswer::Idle);

        let mut two = OfferAnswer::Idle;
        assert_eq!(two.received(Carrier::Invite, false), Meaning::Nothing);
        assert_eq!(
            two.send(Carrier::Unreliable, true),
            Err(CommandError::BodyUnexpected)
        );
        assert_eq!(two.send(Carrier::Success, true), Ok(()));
        assert_eq!(two.received(Carrier::Ack, true), Meaning::Answer);

        let mut three = OfferAnswer::Idle;
        three.received(Carrier::Invite, true);
        assert_eq!(three.send(Carrier::Unreliable, true), Ok(()));
        assert_eq!(three.send(Carrier::Reliable, true), Ok(()));
        assert_eq!(
            three.send(Carrier::Reliable, true),
            Err(CommandError::BodyUnexpected)
        );
        assert_eq!(three.send(Carrier::Success, false), Ok(()));

        let mut four = OfferAnswer::Idle;
        four.received(Carrier::Invite, false);
        assert_eq!(four.send(Carrier::Reliable, true), Ok(()));
        assert_eq!(four.received(Carrier::Prack, true), Meaning::Answer);

        let mut five = OfferAnswer::Idle;
        assert_eq!(five.received(Carrier::Prack, true), Meaning::Offer);
        assert_eq!(five.send(Carrier::Answer, true), Ok(()));

        let mut six = OfferAnswer::Idle;
        assert_eq!(six.received(Carrier::Update, true), Meaning::Offer);
        assert_eq!(six.send(Carrier::Update, true), Err(CommandError::Pending));
        assert_eq!(six.send(Carrier::Failure, false), Ok(()));
        assert_eq!(six, OfferAnswer::Idle);
    }

    /// The same from the side that sends the INVITE.
    #[test]
    fn rfc6337_table_1_as_sender_of_the_invite() {
        let mut one = OfferAnswer::Idle;
        assert_eq!(one.send(Carrier::Invite, true), Ok(()));
        assert_eq!(one.received(Carrier::Unreliable, true), Meaning::Preview);
        assert_eq!(one.received(Carrier::Success, true), Meaning::Answer);
        assert_eq!(one.received(Carrier::Success, true), Meaning::Preview);

        let mut two = OfferAnswer::Idle;
        assert_eq!(two.send(Carrier::Invite, false), Ok(()));
        assert_eq!(two.received(Carrier::Unreliable, true), Meaning::Stray);
        assert_eq!(two.received(Carrier::Success, true), Meaning::Offer);
        assert_eq!(two.send(Carrier::Ack, true), Ok(()));
        assert_eq!(two, OfferAnswer::Idle);

        let mut four = OfferAnswer::Idle;
        assert_eq!(four.send(Carrier::Invite, false), Ok(()));
        assert_eq!(four.received(Carrier::Reliable, true), Meaning::Offer);
        assert_eq!(four.send(Carrier::Prack, true), Ok(()));
        assert_eq!(four.received(Carrier::Success, false), Meaning::Nothing);
        assert_eq!(four, OfferAnswer::Idle);

        let mut refused = OfferAnswer::Idle;
        assert_eq!(refused.send(Carrier::Update, true), Ok(()));
        assert_eq!(
            refused.send(Carrier::Invite, true),
            Err(CommandError::Pending)
        );
        assert_eq!(refused.received(Carrier::Failure, true), Meaning::Nothing);
        assert_eq!(refused, OfferAnswer::Idle);
    }
}
