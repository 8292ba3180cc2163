//! Commands about users (CB-176 to CB-179, CB-188 to CB-195, CB-202 to CB-217, CB-226 to CB-238).

use super::undertaking::failure_of;
use super::{After, Failure, Outcome};
use crate::c3p::{
    AddUser, AddUserResult, Coded, CommandReason, DeleteUser, LobbyAccess, LobbyStatus,
    ModifyEndpoint, ModifyUserRoles, Reason, ResultBody, SetLobbyAccess, UserResult, same_uri,
};
use crate::caller::{aor, entity as canonical};
use crate::conference::Focus;
use crate::conference::commands::Callee;
use crate::disconnect::DisconnectReason;
use crate::info::{Endpoint, JoiningMethod, Role, User};
use crate::output::{McuType, RequestId};
use crate::roster::{self, EndpointStatus, UserId};
use plenum_mcu::control::EndpointId;
use plenum_sip::msg::{HeaderName, Headers, Uri};
use std::time::Instant;

impl Focus {
    /// A user by a URI of a client's.
    pub(in crate::conference) fn user_named(&self, entity: &str) -> Option<&roster::User> {
        self.roster.by_entity(entity).or_else(|| {
            let uri = Uri::parse(entity.trim().as_bytes()).ok()?;
            self.roster.by_entity(&canonical(&aor(&uri)))
        })
    }

    fn known_user(&self, entity: &str) -> Result<UserId, Failure> {
        let user = self.user_named(entity).map(|user| user.id);
        user.ok_or(Failure::Command(CommandReason::UserDoesntExist))
    }

    /// CB-209 to CB-211: the mixer expects the sender, and is reached so.
    pub(super) fn dial_in(
        &mut self,
        endpoint: EndpointId,
        add: &AddUser,
    ) -> Result<Outcome, Failure> {
        let attendance = self.attendances.get(&endpoint);
        let user = attendance.map(|attendance| attendance.user);
        let user = user.ok_or(Failure::Reason(Reason::OtherFailure))?;
        if let Some(asked) = add.endpoint() {
            self.expected.insert(user, asked.entity.clone());
        }
        let info = vec![
            (
                "Mcu-Server-Uri".to_owned(),
                format!("sip:{}", self.settings.host),
            ),
            (
                "Mcu-Conference-Uri".to_owned(),
                self.uris.mcu(McuType::AudioVideo),
            ),
        ];
        let role = self.role_of(endpoint);
        Ok(Outcome::Done(added(
            add,
            role,
            JoiningMethod::DialedIn,
            info,
        )))
    }

    /// CB-202 to CB-208.
    pub(super) fn dial_out_user(
        &mut self,
        now: Instant,
        endpoint: EndpointId,
        id: u64,
        add: &AddUser,
    ) -> Result<Outcome, Failure> {
        let other = || Failure::Command(CommandReason::OtherFailure);
        let unknown = |_| Failure::Command(CommandReason::UserUnknown);
        let to = Uri::parse(add.user.entity.as_bytes()).map_err(unknown)?;
        if !add.allow_session_replace && self.has_audio(&add.user.entity) {
            // CB-139: one endpoint of a user in a mixer.
            return Err(Failure::Command(CommandReason::UserExistsAlready));
        }
        let asked = add.endpoint();
        let target = asked.and_then(|asked| {
            asked
                .refer_to_uri
                .as_deref()
                .or(asked.endpoint_uri.as_deref())
        });
        let mut uri = match target {
            Some(target) => Uri::parse(target.trim().as_bytes()).map_err(|_| other())?,
            None => to.clone(),
        };
        let by = self.dialler(endpoint);
        let headers = uri
            .headers
            .take()
            .map(|headers| embedded(headers.as_bytes()));
        let role = add.user.role.unwrap_or(Role::Attendee);
        let callee = Callee {
            uri,
            to: Some(to),
            headers: headers.unwrap_or_default(),
            from_mcu: true,
            entity: asked.map(|asked| asked.entity.clone()),
            role,
            by,
            replaces: add.allow_session_replace,
        };
        let ringing = self.settings.ringing;
        self.dial_out(now, callee, ringing, Some(RequestId(id)))
            .map_err(|error| failure_of(&error))?;
        let result = added(add, role, JoiningMethod::DialedOut, Vec::new());
        Ok(Outcome::UnderWay(result, 1))
    }

    /// Whether a user is in the mixer, or on the way there.
    fn has_audio(&self, entity: &str) -> bool {
        let user = self.user_named(entity);
        let mut endpoints = user.into_iter().flat_map(|user| &user.endpoints);
        endpoints.any(|id| {
            let status = self.roster.endpoint(*id).map(|it| it.status);
            self.calls.contains_key(id) && status != Some(EndpointStatus::Disconnecting)
        })
    }

    pub(super) fn modify_user_roles(
        &mut self,
        now: Instant,
        command: &ModifyUserRoles,
    ) -> Result<Outcome, Failure> {
        let user = self.known_user(&command.keys.user_entity)?;
        self.change_role(now, user, command.role)
            .map_err(|_| Failure::Command(CommandReason::UserDoesntExist))?;
        let user = User {
            role: Some(command.role),
            ..User::new(&*command.keys.user_entity)
        };
        Ok(Outcome::Done(ResultBody::ModifyUserRoles(UserResult {
            keys: Some(crate::c3p::ConferenceKeys::new(&*command.keys.conf_entity)),
            user: Some(user),
        })))
    }

    /// Whether modifyUser changes what somebody may do.
    pub(super) fn changes_role(&self, command: &AddUser) -> bool {
        let user = self.user_named(&command.user.entity);
        let role = user.map(|user| user.role);
        role.is_some() && command.user.role.is_some() && command.user.role != role
    }

    /// CB-247.9: what somebody is called, and what they may do. Endpoints are changed by
    /// modifyEndpoint.
    pub(super) fn modify_user(
        &mut self,
        now: Instant,
        command: &AddUser,
    ) -> Result<Outcome, Failure> {
        let other = Failure::Command(CommandReason::OtherFailure);
        let user = self.known_user(&command.user.entity)?;
        if let Some(endpoint) = command.endpoint()
            && !self.has_endpoint(user, &endpoint.entity)
        {
            return Err(other);
        }
        if let Some(role) = command.user.role {
            self.change_role(now, user, role)
                .map_err(|_| Failure::Command(CommandReason::UserDoesntExist))?;
        }
        if let Some(display) = &command.user.display_text {
            self.roster.rename(user, display.clone());
        }
        let user = self.roster.user(user).ok_or(other)?;
        let user = User {
            display_text: user.display.clone(),
            role: Some(user.role),
            ..User::new(&*command.user.entity)
        };
        Ok(Outcome::Done(ResultBody::ModifyUser(AddUserResult {
            keys: Some(command.keys.clone()),
            user: Some(user),
            connection_info: Vec::new(),
        })))
    }

    fn has_endpoint(&self, user: UserId, entity: &str) -> bool {
        let user = self.roster.user(user);
        let in_mixer = |id: &EndpointId| self.media_entity(*id).is_some_and(|it| it == entity);
        user.is_some_and(|user| {
            self.attendance_named(user.id, entity).is_some() || user.endpoints.iter().any(in_mixer)
        })
    }

    pub(super) fn delete_user(&self, command: &DeleteUser) -> Result<Outcome, Failure> {
        let user = self.known_user(&command.keys.user_entity)?;
        let result = ResultBody::DeleteUser(UserResult {
            keys: Some(crate::c3p::ConferenceKeys::new(&*command.keys.conf_entity)),
            user: Some(User::new(&*command.keys.user_entity)),
        });
        Ok(Outcome::DoneThen(result, After::Remove(user)))
    }

    /// CB-190 to CB-194: out of the focus and out of every mixer; somebody in the lobby is told
    /// that they were denied.
    pub(in crate::conference) fn remove_user(&mut self, now: Instant, user: UserId) {
        let endpoints = self.roster.user(user).map(|user| user.endpoints.clone());
        for endpoint in endpoints.unwrap_or_default() {
            let status = self.roster.endpoint(endpoint).map(|it| it.status);
            let reason = match status {
                Some(EndpointStatus::OnHold) => DisconnectReason::Denied,
                Some(_) | None => DisconnectReason::Booted,
            };
            self.release(now, endpoint, reason);
        }
    }

    /// CB-228: one after the other; the command succeeds whatever becomes of each.
    pub(super) fn set_lobby_access(&mut self, now: Instant, command: &SetLobbyAccess) -> Outcome {
        let granted = match command.access {
            LobbyAccess::Granted => true,
            LobbyAccess::Denied => false,
        };
        let mut statuses = Vec::with_capacity(command.users.len());
        for entity in &command.users {
            let status = match self.user_named(entity).map(|user| user.id) {
                Some(user) => self.decide_on_user(now, user, granted),
                None => LobbyStatus::UserDoesntExist,
            };
            statuses.push((entity.clone(), Coded::Known(status)));
        }
        Outcome::Done(ResultBody::SetLobbyAccess(
            Some(command.keys.clone()),
            statuses,
        ))
    }

    /// CB-235 to CB-238, trap 70: what the client says of its own endpoint, as a whole. Our extension in it commands the
    /// recording of the conference.
    pub(super) fn modify_endpoint(
        &mut self,
        now: Instant,
        endpoint: EndpointId,
        command: &ModifyEndpoint,
    ) -> Result<Outcome, Failure> {
        self.known_user(&command.keys.user_entity)?;
        let wanted = Self::recording_wanted(&command.endpoint);
        let order = match wanted {
            Some(_) if !self.may_record(endpoint) => {
                return Err(Failure::Command(CommandReason::RecordingNotAllowed));
            }
            Some(order) => Some(order.ok_or(Failure::Reason(Reason::RequestMalformed))?),
            None => None,
        };
        let attendance = self.attendances.get_mut(&endpoint);
        let own = attendance.filter(|attendance| {
            attendance.entity == command.keys.endpoint_entity
                && same_uri(&attendance.from, &command.keys.user_entity)
        });
        let Some(attendance) = own else {
            return Err(Failure::Command(CommandReason::EndpointDoesntExist));
        };
        attendance.recording = command.endpoint.client_recording;
        attendance
            .client_info
            .clone_from(&command.endpoint.client_info);
        let user = attendance.user;
        self.roster.touch(user);
        let recorded = order.map(|order| self.order_recording(now, order));
        let refused = |_| Failure::Command(CommandReason::RecordingNotAllowed);
        recorded.transpose().map_err(refused)?;
        Ok(Outcome::Done(ResultBody::ModifyEndpoint(None, None)))
    }
}

fn added(
    add: &AddUser,
    role: Role,
    method: JoiningMethod,
    connection_info: Vec<(String, String)>,
) -> ResultBody {
    let endpoint = add.endpoint().map(|asked| Endpoint {
        joining_method: Some(method),
        ..Endpoint::new(&*asked.entity)
    });
    let user = User {
        role: Some(role),
        endpoints: endpoint.into_iter().collect(),
        ..User::new(&*add.user.entity)
    };
    ResultBody::AddUser(AddUserResult {
        keys: Some(add.keys.clone()),
        user: Some(user),
        connection_info,
    })
}

/// RFC 3261 §19.1.5: the header fields of a URI, without those that are the business of whoever
/// sends the request.
fn embedded(text: &[u8]) -> Headers {
    let mut headers = Headers::new();
    for pair in text.split(|octet| *octet == b'&').take(MOST_EMBEDDED) {
        let mut halves = pair.splitn(2, |octet| *octet == b'=');
        let (name, value) = (halves.next(), halves.next());
        let (Some(name), Some(value)) = (name.and_then(unescaped), value.and_then(unescaped))
        else {
            continue;
        };
        let token = |octet: u8| octet.is_ascii_alphanumeric() || b"-_.!%*+'~`".contains(&octet);
        let harmless = !value.bytes().any(|octet| octet.is_ascii_control());
        let header = HeaderName::from_bytes(name.as_bytes());
        if !name.is_empty() && name.bytes().all(token) && harmless && is_free(&header) {
            headers.push(header, value);
        }
    }
    headers
}

/// Names with a meaning for the request itself, or for trust, are not for others to choose.
fn is_free(name: &HeaderName) -> bool {
    if let HeaderName::Other(name) = name {
        return !name.eq_ignore_case("body");
    }
    matches!(
        name,
        HeaderName::Subject
            | HeaderName::Priority
            | HeaderName::Organization
            | HeaderName::CallInfo
            | HeaderName::AcceptContact
            | HeaderName::RejectContact
            | HeaderName::RequestDisposition
            | HeaderName::Replaces
    )
}

fn unescaped(text: &[u8]) -> Option<String> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(&octet) = rest.next() {
        if octet == b'%' {
            let (high, low) = (rest.next()?, rest.next()?);
            let digit = |octet: &u8| char::from(*octet).to_digit(16);
            octets.push(u8::try_from(digit(high)? * 16 + digit(low)?).ok()?);
        } else {
            octets.push(octet);
        }
    }
    String::from_utf8(octets).ok()
}

const MOST_EMBEDDED: usize = 16;
