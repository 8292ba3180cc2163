//! What messages carry (RFC 8855 §5.2): type, the M bit, length, content, padding to four octets.

/// How a request stands (RFC 8855 §5.2.5, table 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RequestStatus {
    /// Nobody has decided.
    Pending,
    /// It waits for its turn.
    Accepted,
    /// It has the floor.
    Granted,
    /// It does not get it.
    Denied,
    /// Taken back before it was granted.
    Cancelled,
    /// The floor was given back.
    Released,
    /// The floor was taken away.
    Revoked,
}

impl RequestStatus {
    /// In the order of their numbers, from 1.
    const ALL: [Self; 7] = [
        Self::Pending,
        Self::Accepted,
        Self::Granted,
        Self::Denied,
        Self::Cancelled,
        Self::Released,
        Self::Revoked,
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

/// One attribute. Texts are UTF-8 where the peer keeps to the RFC; we never look into them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attribute {
    /// §5.2.1: for whom the floor is asked.
    BeneficiaryId(u16),
    /// §5.2.2.
    FloorId(u16),
    /// §5.2.3.
    FloorRequestId(u16),
    /// §5.2.4: 0 to 7, 2 is normal.
    Priority(u8),
    /// §5.2.5.
    RequestStatus {
        /// How it stands.
        status: RequestStatus,
        /// Its place in the queue, 0 where that says nothing.
        position: u8,
    },
    /// §5.2.6.
    ErrorCode {
        /// The code.
        code: u8,
        /// What it has to say besides.
        details: Vec<u8>,
    },
    /// §5.2.7: words for a person.
    ErrorInfo(Vec<u8>),
    /// §5.2.8.
    ParticipantProvidedInfo(Vec<u8>),
    /// §5.2.9.
    StatusInfo(Vec<u8>),
    /// §5.2.10: numbers of attributes.
    SupportedAttributes(Vec<u8>),
    /// §5.2.11: numbers of primitives.
    SupportedPrimitives(Vec<u8>),
    /// §5.2.12.
    UserDisplayName(Vec<u8>),
    /// §5.2.13.
    UserUri(Vec<u8>),
    /// §5.2.14: who has the benefit.
    BeneficiaryInformation(u16, Vec<Self>),
    /// §5.2.15: a request with all that is known of it.
    FloorRequestInformation(u16, Vec<Self>),
    /// §5.2.16: who asked.
    RequestedByInformation(u16, Vec<Self>),
    /// §5.2.17: one floor of a request.
    FloorRequestStatus(u16, Vec<Self>),
    /// §5.2.18: a request as a whole.
    OverallRequestStatus(u16, Vec<Self>),
    /// What we do not know.
    Unknown {
        /// Its type, 0 to 127.
        kind: u8,
        /// Whoever does not understand it must not go on.
        mandatory: bool,
        /// Its content.
        content: Vec<u8>,
    },
}

/// Groups within groups within messages.
const DEPTH: u8 = 3;

impl Attribute {
    /// The types that we understand.
    pub const KNOWN: std::ops::RangeInclusive<u8> = 1..=18;

    /// The floor it names.
    pub fn floor(&self) -> Option<u16> {
        if let Self::FloorId(floor) = self {
            Some(*floor)
        } else {
            None
        }
    }

    /// The request it names.
    pub fn request(&self) -> Option<u16> {
        if let Self::FloorRequestId(request) = self {
            Some(*request)
        } else {
            None
        }
    }

    /// Its type.
    fn kind(&self) -> u8 {
        match self {
            Self::BeneficiaryId(_) => 1,
            Self::FloorId(_) => 2,
            Self::FloorRequestId(_) => 3,
            Self::Priority(_) => 4,
            Self::RequestStatus { .. } => 5,
            Self::ErrorCode { .. } => 6,
            Self::ErrorInfo(_) => 7,
            Self::ParticipantProvidedInfo(_) => 8,
            Self::StatusInfo(_) => 9,
            Self::SupportedAttributes(_) => 10,
            Self::SupportedPrimitives(_) => 11,
            Self::UserDisplayName(_) => 12,
            Self::UserUri(_) => 13,
            Self::BeneficiaryInformation(..) => 14,
            Self::FloorRequestInformation(..) => 15,
            Self::RequestedByInformation(..) => 16,
            Self::FloorRequestStatus(..) => 17,
            Self::OverallRequestStatus(..) => 18,
            Self::Unknown { kind, .. } => *kind,
        }
    }

    /// Appends the attribute; `None` if it is too long for its length.
    pub(super) fn write(&self, out: &mut Vec<u8>) -> Option<()> {
        let begin = out.len();
        // What we send is to be understood, but for what only a person reads.
        let optional = matches!(
            self,
            Self::Priority(_)
                | Self::ErrorInfo(_)
                | Self::ParticipantProvidedInfo(_)
                | Self::StatusInfo(_)
                | Self::UserDisplayName(_)
                | Self::UserUri(_)
                | Self::Unknown {
                    mandatory: false,
                    ..
                }
        );
        out.extend([(self.kind() << 1) | u8::from(!optional), 0]);
        match self {
            Self::BeneficiaryId(id) | Self::FloorId(id) | Self::FloorRequestId(id) => {
                out.extend(id.to_be_bytes());
            }
            Self::Priority(priority) => out.extend([priority << 5, 0]),
            Self::RequestStatus { status, position } => out.extend([status.number(), *position]),
            Self::ErrorCode { code, details } => {
                out.push(*code);
                out.extend_from_slice(details);
            }
            Self::ErrorInfo(octets)
            | Self::ParticipantProvidedInfo(octets)
            | Self::StatusInfo(octets)
            | Self::SupportedAttributes(octets)
            | Self::SupportedPrimitives(octets)
            | Self::UserDisplayName(octets)
            | Self::UserUri(octets)
            | Self::Unknown {
                content: octets, ..
            } => out.extend_from_slice(octets),
            Self::BeneficiaryInformation(id, inner)
            | Self::FloorRequestInformation(id, inner)
            | Self::RequestedByInformation(id, inner)
            | Self::FloorRequestStatus(id, inner)
            | Self::OverallRequestStatus(id, inner) => {
                out.extend(id.to_be_bytes());
                for attribute in inner {
                    attribute.write(out)?;
                }
            }
        }
        let length = u8::try_from(out.len() - begin).ok()?;
        *out.get_mut(begin + 1)? = length;
        out.resize(out.len().next_multiple_of(4), 0);
        Some(())
    }
}

/// Every attribute of a payload; `None` if one does not read.
pub(super) fn read_all(payload: &[u8]) -> Option<Vec<Attribute>> {
    read_at(payload, 0)
}

/// The types of attributes that were to be understood and are not.
pub(super) fn not_understood(attributes: &[Attribute]) -> Vec<u8> {
    let mut unknown = Vec::new();
    for attribute in attributes {
        if let Attribute::Unknown {
            kind,
            mandatory: true,
            ..
        } = attribute
        {
            unknown.push(*kind);
        }
    }
    unknown
}

fn read_at(mut rest: &[u8], depth: u8) -> Option<Vec<Attribute>> {
    let mut attributes = Vec::new();
    while let [first, length, ..] = rest {
        let length = usize::from(*length);
        let content = rest.get(2..length)?;
        attributes.push(read_one(first >> 1, first & 1 == 1, content, depth)?);
        // The padding of the last attribute of a group counts into the group, as its writer likes.
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    rest.is_empty().then_some(attributes)
}

fn read_one(kind: u8, mandatory: bool, content: &[u8], depth: u8) -> Option<Attribute> {
    let number = || {
        content
            .first_chunk()
            .map(|octets| u16::from_be_bytes(*octets))
    };
    let text = || content.to_vec();
    let group = || {
        let inside = content.get(2..).filter(|_| depth < DEPTH)?;
        Some((number()?, read_at(inside, depth + 1)?))
    };
    Some(match kind {
        1 => Attribute::BeneficiaryId(number()?),
        2 => Attribute::FloorId(number()?),
        3 => Attribute::FloorRequestId(number()?),
        4 => Attribute::Priority(content.first()? >> 5),
        5 => {
            let [status, position, ..] = content else {
                return None;
            };
            Attribute::RequestStatus {
                status: RequestStatus::of(*status)?,
                position: *position,
            }
        }
        6 => {
            let (code, details) = content.split_first()?;
            Attribute::ErrorCode {
                code: *code,
                details: details.to_vec(),
            }
        }
        7 => Attribute::ErrorInfo(text()),
        8 => Attribute::ParticipantProvidedInfo(text()),
        9 => Attribute::StatusInfo(text()),
        10 => Attribute::SupportedAttributes(text()),
        11 => Attribute::SupportedPrimitives(text()),
        12 => Attribute::UserDisplayName(text()),
        13 => Attribute::UserUri(text()),
        14 => group().map(|(id, inner)| Attribute::BeneficiaryInformation(id, inner))?,
        15 => group().map(|(id, inner)| Attribute::FloorRequestInformation(id, inner))?,
        16 => group().map(|(id, inner)| Attribute::RequestedByInformation(id, inner))?,
        17 => group().map(|(id, inner)| Attribute::FloorRequestStatus(id, inner))?,
        18 => group().map(|(id, inner)| Attribute::OverallRequestStatus(id, inner))?,
        _ => Attribute::Unknown {
            kind,
            mandatory,
            content: text(),
        },
    })
}
