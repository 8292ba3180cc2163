//! The way to the running server: its HTTP interface, with the token it keeps.

use super::{Failure, load, other};
use plenum::http::control::view::Problem;
use plenum::http::token::{self, Token};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::Read;
use std::path::Path;
use ureq::http::Response;
use ureq::{Agent, Body};

pub(super) struct Client {
    agent: Agent,
    root: String,
    authorization: String,
}

impl Client {
    /// To the server with this configuration.
    pub(super) fn new(config: Option<&Path>) -> Result<Self, Failure> {
        let config = load(config)?;
        let address = config
            .http
            .listen
            .ok_or_else(|| other("the configuration has no http.listen"))?;
        let token = Token::read(&token::path(&config.http.token_file)).map_err(other)?;
        let agent = Agent::config_builder().http_status_as_error(false).build();
        Ok(Self {
            agent: agent.into(),
            root: format!("http://{address}/v1"),
            authorization: token.authorization(),
        })
    }

    pub(super) fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        let request = self.agent.get(format!("{}{path}", self.root));
        let request = request.header("Authorization", &self.authorization);
        let mut response = self.checked(request.call())?;
        response.body_mut().read_json().map_err(other)
    }

    /// What is there, however long it is.
    pub(super) fn download(&self, path: &str) -> Result<impl Read + use<>, Failure> {
        let request = self.agent.get(format!("{}{path}", self.root));
        let request = request.header("Authorization", &self.authorization);
        let response = self.checked(request.call())?;
        Ok(response.into_body().into_reader())
    }

    pub(super) fn post(&self, path: &str, body: &impl Serialize) -> Result<(), Failure> {
        let request = self.agent.post(format!("{}{path}", self.root));
        let request = request.header("Authorization", &self.authorization);
        self.checked(request.send_json(body)).map(drop)
    }

    pub(super) fn put(&self, path: &str, body: &impl Serialize) -> Result<(), Failure> {
        let request = self.agent.put(format!("{}{path}", self.root));
        let request = request.header("Authorization", &self.authorization);
        self.checked(request.send_json(body)).map(drop)
    }

    pub(super) fn delete(&self, path: &str) -> Result<(), Failure> {
        let request = self.agent.delete(format!("{}{path}", self.root));
        let request = request.header("Authorization", &self.authorization);
        self.checked(request.call()).map(drop)
    }

    /// The answer, unless it says what is wrong.
    fn checked(
        &self,
        answer: Result<Response<Body>, ureq::Error>,
    ) -> Result<Response<Body>, Failure> {
        let mut response = answer
            .map_err(|error| other(format!("{}: {error} (is the server running?)", self.root)))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let problem: Result<Problem, _> = response.body_mut().read_json();
        let status = response.status();
        Err(problem.map_or_else(|_| other(status), |problem| other(problem.error)))
    }
}

/// A name as a segment of a path.
pub(super) fn segment(name: &str) -> String {
    name.bytes().map(|octet| format!("%{octet:02X}")).collect()
}
