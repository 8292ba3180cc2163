//! Who gets into a conference, and as what: MS-CONFBAS §2.2.2.3 (CB-053 to CB-059, CB-257 to
//! CB-267), as pure decisions.
//!
//! | | unlocked, policy lets in | unlocked, policy does not | locked |
//! |---|---|---|---|
//! | organizer | in | in | in |
//! | presenter of the record | in | in | mode 13: in; mode 14: lobby |
//! | everybody else | in | mode 13: 403; mode 14: lobby | mode 13: 403; mode 14: lobby |
//!
//! # Decisions
//! * Mode 13 has no lobby: who would be on hold is refused, since on-hold participants are
//!   expected to leave there (CB-257, CB-259).
//! * Phones skip the lobby of an unlocked conference only (CB-263), and only phones behind a
//!   gateway that is trusted: anybody can claim to be one.
//! * An ad-hoc conference belongs to whoever came first.

pub use crate::info::{AdmissionPolicy, Role};
use crate::refusal::Refusal;

/// Who somebody is, as far as it can be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Identity {
    /// A user of one of our domains, on a network that is trusted.
    Enterprise,
    /// A user of another domain, on a network that is trusted.
    Federated,
    /// Anybody else.
    Anonymous,
}

/// Compatibility mode of a conference: whether it has a lobby (CB-257).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ServerMode {
    /// 13: no lobby; federated users count as authenticated (CB-056).
    #[default]
    Thirteen,
    /// 14: who cannot be let in by policy waits until somebody decides.
    Fourteen,
}

impl ServerMode {
    /// The number of the schema.
    pub const fn number(self) -> u32 {
        match self {
            Self::Thirteen => 13,
            Self::Fourteen => 14,
        }
    }
}

/// Who becomes presenter on admission, by bits (CB-057). Bits that are not known are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Autopromote(pub u32);

impl Autopromote {
    /// Everybody.
    pub const EVERYONE: Self = Self(0x8000_0000);
    /// Users of our domains.
    pub const COMPANY: Self = Self(0x0000_8000);

    /// Whether every bit of the other is one of these.
    pub const fn covers(self, other: Self) -> bool {
        other.0 & !self.0 == 0
    }

    const fn promotes(self, identity: Identity) -> bool {
        let company = matches!(identity, Identity::Enterprise) && self.0 & Self::COMPANY.0 != 0;
        company || self.0 & Self::EVERYONE.0 != 0
    }
}

/// What modifyConferenceLock can change, as it stands (CB-180).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Access {
    /// Nobody new is let in without somebody's decision (CB-182).
    pub locked: bool,
    /// Who gets in.
    pub admission: AdmissionPolicy,
    /// Who becomes presenter.
    pub autopromote: Autopromote,
    /// Phones skip the lobby.
    pub pstn_lobby_bypass: bool,
}

/// What of [`Access`] may be chosen (CB-181).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Permitted {
    /// [`AdmissionPolicy::Anonymous`].
    pub anonymous: bool,
    /// Which bits.
    pub autopromote: Autopromote,
    /// Whether phones may skip the lobby.
    pub pstn_lobby_bypass: bool,
}

impl Default for Permitted {
    /// Everything.
    fn default() -> Self {
        Self {
            anonymous: true,
            autopromote: Autopromote(u32::MAX),
            pstn_lobby_bypass: true,
        }
    }
}

impl Permitted {
    /// Whether all of it may be chosen.
    pub const fn permits(&self, access: &Access) -> bool {
        let anonymous = matches!(access.admission, AdmissionPolicy::Anonymous);
        (self.anonymous || !anonymous)
            && self.autopromote.covers(access.autopromote)
            && (self.pstn_lobby_bypass || !access.pstn_lobby_bypass)
    }
}

/// Who is who in a conference before anybody is there: addresses of record (`sip:user@host`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Members {
    /// Whose conference it is.
    pub organizer: Option<String>,
    /// Who is let in as presenter.
    pub presenters: Vec<String>,
    /// Who else is invited.
    pub invitees: Vec<String>,
}

/// What somebody is to a conference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    Stranger,
    Invitee,
    Presenter,
    Organizer,
}

impl Members {
    fn standing(&self, subject: &Subject<'_>) -> Standing {
        if subject.founder {
            return Standing::Organizer;
        }
        let Some(aor) = subject
            .aor
            .filter(|_| subject.identity != Identity::Anonymous)
        else {
            return Standing::Stranger;
        };
        let lists = |list: &[String]| list.iter().any(|member| member.eq_ignore_ascii_case(aor));
        if lists(self.organizer.as_slice()) {
            Standing::Organizer
        } else if lists(&self.presenters) {
            Standing::Presenter
        } else if lists(&self.invitees) {
            Standing::Invitee
        } else {
            Standing::Stranger
        }
    }
}

/// Somebody who wants to come in.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// Their address of record.
    pub aor: Option<&'a str>,
    /// Whether it can be believed.
    pub identity: Identity,
    /// They call from a phone, by a gateway that is trusted.
    pub phone: bool,
    /// They made the conference by calling it.
    pub founder: bool,
}

/// What becomes of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// They come in.
    Admit(Role),
    /// They wait until somebody decides; then they are of this role.
    Lobby(Role),
    /// They are refused.
    Refuse(Refusal),
}

/// Whether somebody is let in (CB-053 to CB-056, CB-258, CB-259, CB-263, CB-267). Whether there is
/// room is not looked at.
pub fn decide(
    subject: &Subject<'_>,
    access: &Access,
    members: &Members,
    mode: ServerMode,
) -> Decision {
    let standing = members.standing(subject);
    let role = role(standing, subject.identity, access.autopromote);
    if standing == Standing::Organizer {
        return Decision::Admit(role);
    }
    let presenter = standing == Standing::Presenter;
    match (access.locked, mode) {
        (true, ServerMode::Thirteen) if presenter => Decision::Admit(role),
        (true, ServerMode::Thirteen) => Decision::Refuse(Refusal::Locked),
        (true, ServerMode::Fourteen) => Decision::Lobby(role),
        (false, _) if presenter || lets_in(standing, subject.identity, access, mode) => {
            Decision::Admit(role)
        }
        (false, ServerMode::Thirteen) => Decision::Refuse(Refusal::NotInvited),
        (false, ServerMode::Fourteen) if subject.phone && access.pstn_lobby_bypass => {
            Decision::Admit(role)
        }
        (false, ServerMode::Fourteen) => Decision::Lobby(role),
    }
}

fn lets_in(standing: Standing, identity: Identity, access: &Access, mode: ServerMode) -> bool {
    match access.admission {
        AdmissionPolicy::ClosedAuthenticated => standing >= Standing::Invitee,
        AdmissionPolicy::OpenAuthenticated => {
            standing >= Standing::Invitee
                || match identity {
                    Identity::Enterprise => true,
                    Identity::Federated => mode == ServerMode::Thirteen,
                    Identity::Anonymous => false,
                }
        }
        AdmissionPolicy::Anonymous => true,
    }
}

fn role(standing: Standing, identity: Identity, autopromote: Autopromote) -> Role {
    if standing >= Standing::Presenter || autopromote.promotes(identity) {
        Role::Presenter
    } else {
        Role::Attendee
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use AdmissionPolicy::{Anonymous, ClosedAuthenticated, OpenAuthenticated};
    use ServerMode::{Fourteen, Thirteen};

    const IN: &str = "in";
    const LOBBY: &str = "lobby";
    const NOT_INVITED: &str = "not invited";
    const LOCKED: &str = "locked";

    fn members() -> Members {
        Members {
            organizer: Some("sip:olga@example.com".into()),
            presenters: vec!["sip:pia@example.com".into()],
            invitees: vec!["sip:ivan@example.com".into()],
        }
    }

    fn subject(who: &str) -> Subject<'_> {
        let (aor, identity) = match who {
            "guest" => (None, Identity::Anonymous),
            "liar" => (Some("sip:olga@example.com"), Identity::Anonymous),
            "federated" => (Some("sip:f@other.example"), Identity::Federated),
            aor => (Some(aor), Identity::Enterprise),
        };
        Subject {
            aor,
            identity,
            phone: false,
            founder: false,
        }
    }

    fn access(admission: AdmissionPolicy, locked: bool) -> Access {
        Access {
            locked,
            admission,
            autopromote: Autopromote::default(),
            pstn_lobby_bypass: false,
        }
    }

    fn word(decision: &Decision) -> &'static str {
        match decision {
            Decision::Admit(_) => IN,
            Decision::Lobby(_) => LOBBY,
            Decision::Refuse(Refusal::Locked) => LOCKED,
            Decision::Refuse(Refusal::NotInvited) => NOT_INVITED,
            Decision::Refuse(other) => panic!("{other}"),
        }
    }

    #[test]
    fn cb_053_to_cb_056_cb_258_cb_259_who_gets_in() {
        let olga = "sip:OLGA@example.com";
        let (pia, ivan, emma) = (
            "sip:pia@example.com",
            "sip:ivan@example.com",
            "sip:emma@example.com",
        );
        for (who, policy, locked, thirteen, fourteen) in [
            (olga, ClosedAuthenticated, true, IN, IN),
            (pia, ClosedAuthenticated, false, IN, IN),
            (pia, Anonymous, true, IN, LOBBY),
            (ivan, ClosedAuthenticated, false, IN, IN),
            (ivan, OpenAuthenticated, true, LOCKED, LOBBY),
            (emma, ClosedAuthenticated, false, NOT_INVITED, LOBBY),
            (emma, OpenAuthenticated, false, IN, IN),
            (emma, Anonymous, true, LOCKED, LOBBY),
            ("federated", OpenAuthenticated, false, IN, LOBBY),
            ("federated", ClosedAuthenticated, false, NOT_INVITED, LOBBY),
            ("federated", Anonymous, false, IN, IN),
            ("guest", OpenAuthenticated, false, NOT_INVITED, LOBBY),
            ("guest", Anonymous, false, IN, IN),
            ("guest", Anonymous, true, LOCKED, LOBBY),
            ("liar", ClosedAuthenticated, false, NOT_INVITED, LOBBY),
            ("liar", Anonymous, true, LOCKED, LOBBY),
        ] {
            for (mode, expect) in [(Thirteen, thirteen), (Fourteen, fourteen)] {
                let decision = decide(&subject(who), &access(policy, locked), &members(), mode);
                assert_eq!(
                    word(&decision),
                    expect,
                    "{who} {policy:?} {locked} {mode:?}"
                );
            }
        }
    }

    #[test]
    fn cb_263_phones_skip_the_lobby_of_an_unlocked_conference() {
        for (bypass, locked, expect) in [
            (true, false, IN),
            (false, false, LOBBY),
            (true, true, LOBBY),
        ] {
            let access = Access {
                pstn_lobby_bypass: bypass,
                ..access(ClosedAuthenticated, locked)
            };
            let phone = Subject {
                phone: true,
                ..subject("sip:+49@example.com")
            };
            let decision = decide(&phone, &access, &members(), Fourteen);
            assert_eq!(word(&decision), expect, "{bypass} {locked}");
        }
    }

    #[test]
    fn cb_057_cb_267_roles_on_admission() {
        let emma = "sip:emma@example.com";
        for (who, bits, role) in [
            (emma, 0, Role::Attendee),
            (emma, 0x8000, Role::Presenter),
            (emma, 0x1, Role::Attendee),
            ("federated", 0x8000, Role::Attendee),
            ("guest", 0x8000, Role::Attendee),
            ("guest", 0x8000_0000, Role::Presenter),
            ("guest", 0x8000_8001, Role::Presenter),
            ("liar", 0, Role::Attendee),
            ("sip:ivan@example.com", 0, Role::Attendee),
            ("sip:pia@example.com", 0, Role::Presenter),
            ("sip:olga@example.com", 0, Role::Presenter),
        ] {
            let access = Access {
                autopromote: Autopromote(bits),
                ..access(Anonymous, false)
            };
            let decision = decide(&subject(who), &access, &members(), Fourteen);
            assert_eq!(decision, Decision::Admit(role), "{who} {bits:x}");
        }
    }

    #[test]
    fn cb_181_only_what_is_permitted_can_be_chosen() {
        let permitted = Permitted {
            anonymous: false,
            autopromote: Autopromote::COMPANY,
            pstn_lobby_bypass: false,
        };
        let open = access(OpenAuthenticated, true);
        assert!(permitted.permits(&open));
        assert!(!permitted.permits(&access(Anonymous, false)));
        let promoting = |autopromote| Access {
            autopromote,
            ..open
        };
        assert!(permitted.permits(&promoting(Autopromote::COMPANY)));
        assert!(!permitted.permits(&promoting(Autopromote::EVERYONE)));
        let bypassing = Access {
            pstn_lobby_bypass: true,
            ..open
        };
        assert!(!permitted.permits(&bypassing));
        assert!(Permitted::default().permits(&bypassing));
    }
}
