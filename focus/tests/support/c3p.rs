//! Participants that speak C3P.

use super::{Bench, request, trusted};
use plenum_focus::c3p::{AddUser, Code, Command, ConferenceKeys, Request, Response, read_response};
use plenum_focus::info::{Endpoint, Role, User};
use plenum_focus::limits::ControlLimits;
use plenum_focus::output::SipAction;
use plenum_mcu::control::EndpointId;
use plenum_sip::endpoint::{Answer, Event, InviteId, ServerTxId};
use plenum_sip::msg::{HeaderName, Method};
use std::net::IpAddr;

pub const CCCP: &str = "application/cccp+xml";

pub fn conference_uri() -> String {
    let id = plenum_focus::uri::derived_id(&super::name("standup"));
    format!("sip:standup@conf.example.com;gruu;opaque=app:conf:focus:id:{id}")
}

pub fn mcu_uri() -> String {
    conference_uri().replace(":focus:", ":audio-video:")
}

pub fn keys() -> ConferenceKeys {
    ConferenceKeys::new(conference_uri())
}

pub fn aor(user: &str) -> String {
    format!("sip:{user}@example.com")
}

pub fn add_user(user: &str, endpoint: &str) -> AddUser {
    AddUser {
        keys: keys(),
        mcu_uri: None,
        allow_session_replace: false,
        user: User {
            role: Some(Role::Attendee),
            endpoints: vec![Endpoint::new(endpoint)],
            ..User::new(aor(user))
        },
    }
}

/// The INVITE of a join, to be damaged by tests.
pub fn join_request(user: &str, body: &[u8]) -> plenum_sip::msg::Request {
    let uri = conference_uri();
    let mut request = request(Method::Invite, &uri, user, Some((CCCP, body)));
    let headers = &mut request.headers;
    headers.push(HeaderName::Contact, format!("<{};gruu>", aor(user)));
    request
}

pub fn c3p(id: u64, user: &str, command: Command) -> Vec<u8> {
    Request::new(id.to_string(), aor(user), conference_uri(), command).to_octets()
}

impl Bench {
    pub fn invite_c3p(&mut self, id: u64, from: IpAddr, request: plenum_sip::msg::Request) {
        self.sip(Event::Invite {
            id: InviteId(id),
            request,
            flow: super::flow(from),
        });
    }

    /// Joins by C3P: the status of the answer, and the response in it.
    pub fn join_c3p(&mut self, id: u64, user: &str, endpoint: &str) -> (u16, Option<Response>) {
        let body = c3p(1, user, Command::AddUser(add_user(user, endpoint)));
        self.invite_c3p(id, trusted(1), join_request(user, &body));
        self.answered(id)
    }

    pub fn answered(&mut self, invite: u64) -> (u16, Option<Response>) {
        let mut answers = self
            .actions()
            .into_iter()
            .filter_map(|action| match action {
                SipAction::Accept { id, accept } if id.0 == invite => {
                    assert!(accept.no_session && accept.peer_refreshes, "CB-040");
                    Some((200, accept.body.map(|body| read(&body.octets))))
                }
                SipAction::Reject { id, answer } if id.0 == invite => {
                    Some((answer.status.code(), None))
                }
                _ => None,
            });
        answers.next().expect("an answer")
    }

    pub fn joined(&mut self, id: u64, user: &str) -> EndpointId {
        let (status, response) = self.join_c3p(id, user, &format!("{{{id}}}"));
        assert_eq!(status, 200);
        assert_eq!(response.unwrap().code, Code::Success);
        self.last_endpoint()
    }

    /// An INFO with this body: its answer, and what the focus does then.
    pub fn info_c3p(&mut self, id: u64, user: &str, body: &[u8]) -> (Answer, Vec<SipAction>) {
        self.actions();
        let request = request(Method::Info, &conference_uri(), user, Some((CCCP, body)));
        self.sip(Event::InDialog {
            id: InviteId(id),
            tx: ServerTxId(99),
            request,
        });
        let mut actions = self.actions();
        let SipAction::Respond { answer, .. } = actions.remove(0) else {
            panic!("the answer comes first")
        };
        (answer, actions)
    }

    /// A command by INFO, which gets a 202; the responses so far.
    pub fn commands(&mut self, id: u64, user: &str, command: Command) -> Vec<Response> {
        let (answer, actions) = self.info_c3p(id, user, &c3p(7, user, command));
        assert_eq!(answer.status.code(), 202, "CB-147");
        assert!(answer.body.is_none());
        let responses = responses(&actions);
        self.sip = actions;
        responses
    }

    /// A command that is answered finally at once.
    pub fn outcome(&mut self, id: u64, user: &str, command: Command) -> Response {
        let mut responses = self.commands(id, user, command);
        assert_eq!(responses.len(), 1, "CB-151");
        let response = responses.remove(0);
        assert_eq!(response.request_id, "7");
        assert_eq!(response.to, aor(user), "CB-044");
        response
    }
}

pub fn responses(actions: &[SipAction]) -> Vec<Response> {
    let infos = actions.iter().filter_map(|action| match action {
        SipAction::Info { body, .. } => {
            assert_eq!(body.content_type.to_string(), CCCP, "CB-005");
            Some(read(&body.octets))
        }
        _ => None,
    });
    infos.collect()
}

pub fn read(octets: &[u8]) -> Response {
    read_response(octets, &ControlLimits::default().c3p).unwrap()
}
