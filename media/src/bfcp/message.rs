//! The common header and one message (RFC 8855 §5.1, §5.3).

use super::attribute::{self, Attribute};

/// Octets of the common header without the fields of fragments.
pub const HEADER: usize = 12;
/// The version over TCP (RFC 4582, RFC 8855 §5.1).
pub const RELIABLE: u8 = 1;
/// The version over UDP.
pub const UNRELIABLE: u8 = 2;

/// What a message is (RFC 8855 §5.1, table 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Primitive {
    /// A participant asks for floors.
    FloorRequest,
    /// A participant gives a request back, granted or not.
    FloorRelease,
    /// How does a request stand?
    FloorRequestQuery,
    /// How a request stands.
    FloorRequestStatus,
    /// What has a user asked for?
    UserQuery,
    /// What a user has asked for.
    UserStatus,
    /// What is asked for of floors, now and from now on?
    FloorQuery,
    /// What is asked for of a floor.
    FloorStatus,
    /// A chair decides.
    ChairAction,
    /// The chair was heard.
    ChairActionAck,
    /// Is there a server, and what does it understand?
    Hello,
    /// What the server understands.
    HelloAck,
    /// A request could not be carried out.
    Error,
    /// A participant has heard of a request's state.
    FloorRequestStatusAck,
    /// A participant has heard of a floor's state.
    FloorStatusAck,
    /// One side is about to go.
    Goodbye,
    /// The other one knows.
    GoodbyeAck,
}

impl Primitive {
    /// In the order of their numbers, from 1.
    pub const ALL: [Self; 17] = [
        Self::FloorRequest,
        Self::FloorRelease,
        Self::FloorRequestQuery,
        Self::FloorRequestStatus,
        Self::UserQuery,
        Self::UserStatus,
        Self::FloorQuery,
        Self::FloorStatus,
        Self::ChairAction,
        Self::ChairActionAck,
        Self::Hello,
        Self::HelloAck,
        Self::Error,
        Self::FloorRequestStatusAck,
        Self::FloorStatusAck,
        Self::Goodbye,
        Self::GoodbyeAck,
    ];

    /// By its number.
    pub fn of(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number).checked_sub(1)?).copied()
    }

    /// Its number.
    pub fn number(self) -> u8 {
        let at = (1..).zip(Self::ALL).find(|(_, one)| *one == self);
        at.map_or(0, |(number, _)| number)
    }
}

/// Why a request was not carried out (RFC 8855 §5.2.6, table 5), as far as we say or hear it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// There is no such conference here.
    NoConference,
    /// There is no such user in it.
    NoUser,
    /// We do not know the primitive.
    UnknownPrimitive,
    /// An attribute that must be understood is not.
    UnknownMandatoryAttribute,
    /// Not for this user.
    Unauthorized,
    /// There is no such floor.
    InvalidFloor,
    /// There is no such request.
    NoRequest,
    /// Enough requests of this user are pending.
    TooManyRequests,
    /// The message cannot be read.
    Unreadable,
    /// Another version than the transport's.
    UnsupportedVersion,
    /// Its length is not what it says.
    WrongLength,
    /// Anything else.
    Generic,
}

impl ErrorCode {
    /// Its number.
    pub const fn number(self) -> u8 {
        match self {
            Self::NoConference => 1,
            Self::NoUser => 2,
            Self::UnknownPrimitive => 3,
            Self::UnknownMandatoryAttribute => 4,
            Self::Unauthorized => 5,
            Self::InvalidFloor => 6,
            Self::NoRequest => 7,
            Self::TooManyRequests => 8,
            Self::Unreadable => 10,
            Self::UnsupportedVersion => 12,
            Self::WrongLength => 13,
            Self::Generic => 14,
        }
    }
}

/// The common header (RFC 8855 §5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// 1 over TCP, 2 over UDP.
    pub version: u8,
    /// Over UDP: an answer to the other side's message.
    pub responds: bool,
    /// The message is a fragment of one.
    pub fragment: bool,
    /// The number of its primitive, known or not.
    pub primitive: u8,
    /// Octets after the header.
    pub payload: usize,
    /// The conference.
    pub conference: u32,
    /// The transaction; over TCP 0 in what a server says of its own accord.
    pub transaction: u16,
    /// Whose message it is, or for whom.
    pub user: u16,
}

impl Header {
    /// The first [`HEADER`] octets; `None` if there are fewer.
    pub fn read(octets: &[u8]) -> Option<Self> {
        let header: &[u8; HEADER] = octets.first_chunk()?;
        let [first, primitive, l0, l1, c0, c1, c2, c3, t0, t1, u0, u1] = *header;
        Some(Self {
            version: first >> 5,
            responds: first & 0x10 != 0,
            fragment: first & 0x08 != 0,
            primitive,
            payload: usize::from(u16::from_be_bytes([l0, l1])) * 4,
            conference: u32::from_be_bytes([c0, c1, c2, c3]),
            transaction: u16::from_be_bytes([t0, t1]),
            user: u16::from_be_bytes([u0, u1]),
        })
    }
}

/// Why a message cannot be taken: the answer's code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no message of ours: {code:?}")]
pub struct Fault {
    /// What it says of itself, where that much can be read.
    pub header: Option<Header>,
    /// What to answer.
    pub code: ErrorCode,
    /// The types of attributes that were to be understood.
    pub unknown: Vec<u8>,
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// 1 over TCP, 2 over UDP.
    pub version: u8,
    /// Over UDP: an answer to the other side's message.
    pub responds: bool,
    /// What it is.
    pub primitive: Primitive,
    /// The conference.
    pub conference: u32,
    /// The transaction.
    pub transaction: u16,
    /// Whose message it is, or for whom.
    pub user: u16,
    /// What it carries, in order.
    pub attributes: Vec<Attribute>,
}

impl Message {
    /// Reads one message, which is all of `octets`, of a transport with this version.
    ///
    /// # Errors
    /// [`Fault`] says what to answer.
    pub fn read(octets: &[u8], version: u8) -> Result<Self, Fault> {
        let header = Header::read(octets);
        let fault = |code| Fault {
            header,
            code,
            unknown: Vec::new(),
        };
        let Some(known) = header else {
            return Err(fault(ErrorCode::WrongLength));
        };
        if known.version != version {
            return Err(fault(ErrorCode::UnsupportedVersion));
        }
        if known.fragment {
            return Err(fault(ErrorCode::Unreadable));
        }
        let payload = octets.get(HEADER..).unwrap_or_default();
        if payload.len() != known.payload {
            return Err(fault(ErrorCode::WrongLength));
        }
        let primitive = Primitive::of(known.primitive);
        let primitive = primitive.ok_or_else(|| fault(ErrorCode::UnknownPrimitive))?;
        let attributes =
            attribute::read_all(payload).ok_or_else(|| fault(ErrorCode::Unreadable))?;
        let unknown = attribute::not_understood(&attributes);
        if !unknown.is_empty() {
            return Err(Fault {
                unknown,
                ..fault(ErrorCode::UnknownMandatoryAttribute)
            });
        }
        Ok(Self {
            version,
            responds: known.responds,
            primitive,
            conference: known.conference,
            transaction: known.transaction,
            user: known.user,
            attributes,
        })
    }

    /// The message as it goes out; `None` if something in it is too long for its field.
    pub fn write(&self) -> Option<Vec<u8>> {
        let mut payload = Vec::new();
        for attribute in &self.attributes {
            attribute.write(&mut payload)?;
        }
        let words = u16::try_from(payload.len() / 4).ok()?;
        let flags = if self.responds { 0x10 } else { 0 };
        let mut octets = vec![((self.version & 7) << 5) | flags, self.primitive.number()];
        octets.extend(words.to_be_bytes());
        octets.extend(self.conference.to_be_bytes());
        octets.extend(self.transaction.to_be_bytes());
        octets.extend(self.user.to_be_bytes());
        octets.append(&mut payload);
        Some(octets)
    }

    /// The floors it names.
    pub fn floors(&self) -> impl Iterator<Item = u16> {
        self.attributes.iter().filter_map(Attribute::floor)
    }

    /// The request it is about.
    pub fn request(&self) -> Option<u16> {
        self.attributes.iter().find_map(Attribute::request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bfcp::attribute::RequestStatus;
    use proptest::prelude::*;

    #[test]
    fn rfc8855_5_1_a_floor_request_reads_as_it_is_written() {
        // Version 1, FloorRequest, two words, conference 0x0a0b0c0d, transaction 7, user 42; FLOOR-ID 1, mandatory,
        // and PRIORITY 2, which may be passed over.
        let octets = [
            0x20, 1, 0, 2, 0x0a, 0x0b, 0x0c, 0x0d, 0, 7, 0, 42, 0x05, 4, 0, 1, 0x08, 4, 0x40, 0,
        ];
        let message = Message::read(&octets, RELIABLE).unwrap();
        assert_eq!(message.primitive, Primitive::FloorRequest);
        assert_eq!((message.transaction, message.user), (7, 42));
        assert_eq!(message.conference, 0x0a0b_0c0d);
        assert_eq!(message.floors().collect::<Vec<_>>(), [1]);
        assert_eq!(message.attributes.get(1), Some(&Attribute::Priority(2)));
        assert_eq!(message.write().unwrap(), octets);
    }

    #[test]
    fn rfc8855_5_2_6_what_is_wrong_is_said_with_its_own_code() {
        let hello = |first: u8, primitive: u8, words: u8| {
            [first, primitive, 0, words, 0, 0, 0, 1, 0, 1, 0, 1]
        };
        let code = |octets: &[u8]| Message::read(octets, UNRELIABLE).unwrap_err().code;
        assert_eq!(code(&hello(0x20, 11, 0)), ErrorCode::UnsupportedVersion);
        assert_eq!(code(&hello(0x40, 11, 1)), ErrorCode::WrongLength);
        assert_eq!(code(&hello(0x40, 99, 0)), ErrorCode::UnknownPrimitive);
        assert_eq!(code(&hello(0x48, 11, 0)), ErrorCode::Unreadable);
        assert_eq!(code(&[0x40, 11]), ErrorCode::WrongLength);
        let mut unknown = hello(0x40, 11, 1).to_vec();
        unknown.extend([(101 << 1) | 1, 2, 0, 0]);
        let fault = Message::read(&unknown, UNRELIABLE).unwrap_err();
        assert_eq!(fault.code, ErrorCode::UnknownMandatoryAttribute);
        assert_eq!(fault.unknown, [101]);
        // The same without the M bit is passed over.
        unknown[12] = 101 << 1;
        assert!(Message::read(&unknown, UNRELIABLE).is_ok());
    }

    fn texts() -> impl Strategy<Value = Vec<u8>> {
        proptest::collection::vec(any::<u8>(), 0..40)
    }

    fn plain() -> impl Strategy<Value = Attribute> {
        prop_oneof![
            any::<u16>().prop_map(Attribute::BeneficiaryId),
            any::<u16>().prop_map(Attribute::FloorId),
            any::<u16>().prop_map(Attribute::FloorRequestId),
            (0_u8..8).prop_map(Attribute::Priority),
            ((1_u8..=7), any::<u8>()).prop_map(|(number, position)| {
                let status = RequestStatus::of(number).unwrap();
                Attribute::RequestStatus { status, position }
            }),
            (any::<u8>(), texts())
                .prop_map(|(code, details)| Attribute::ErrorCode { code, details }),
            texts().prop_map(Attribute::ErrorInfo),
            texts().prop_map(Attribute::ParticipantProvidedInfo),
            texts().prop_map(Attribute::StatusInfo),
            texts().prop_map(Attribute::SupportedAttributes),
            texts().prop_map(Attribute::SupportedPrimitives),
            texts().prop_map(Attribute::UserDisplayName),
            texts().prop_map(Attribute::UserUri),
        ]
    }

    fn grouped() -> impl Strategy<Value = Attribute> {
        let inner = proptest::collection::vec(plain(), 0..3);
        (any::<u16>(), 0..5_u8, inner).prop_map(|(id, kind, inner)| match kind {
            0 => Attribute::BeneficiaryInformation(id, inner),
            1 => Attribute::FloorRequestInformation(id, inner),
            2 => Attribute::RequestedByInformation(id, inner),
            3 => Attribute::FloorRequestStatus(id, inner),
            _ => Attribute::OverallRequestStatus(id, inner),
        })
    }

    proptest! {
        #[test]
        fn rfc8855_5_every_message_reads_as_it_was_written(
            primitive in 1_u8..=17,
            responds: bool,
            ids: (u32, u16, u16),
            attributes in proptest::collection::vec(prop_oneof![plain(), grouped()], 0..6),
        ) {
            let message = Message {
                version: UNRELIABLE,
                responds,
                primitive: Primitive::of(primitive).unwrap(),
                conference: ids.0,
                transaction: ids.1,
                user: ids.2,
                attributes,
            };
            let octets = message.write().unwrap();
            prop_assert_eq!(octets.len() % 4, 0);
            prop_assert_eq!(Message::read(&octets, UNRELIABLE), Ok(message));
        }

        #[test]
        fn rfc8855_5_what_can_be_read_can_be_written_and_reads_the_same(
            octets in proptest::collection::vec(any::<u8>(), 0..200),
            words in 0_u8..50,
        ) {
            let mut octets = octets;
            if let [first, primitive, high, low, ..] = octets.as_mut_slice() {
                (*first, *primitive, *high, *low) = (0x40, 1 + *primitive % 17, 0, words);
            }
            octets.truncate(HEADER + usize::from(words) * 4);
            if let Ok(message) = Message::read(&octets, UNRELIABLE) {
                let again = message.write().unwrap();
                prop_assert_eq!(Message::read(&again, UNRELIABLE), Ok(message));
            }
        }
    }
}
