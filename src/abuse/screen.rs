//! Requests of SIP from outside of calls.

use super::metrics::Because;
use super::sentry::{Evidence, Judgement, Offence};
use super::watch::Watch;
use plenum_focus::uri::Domains;
use plenum_sip::auth::Origin;
use plenum_sip::endpoint::{Flow, Proof, Screen, Screened};
use plenum_sip::msg::{Method, Request, StatusCode};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant;

/// The screen of the endpoint.
#[derive(Debug)]
pub(crate) struct SipScreen {
    pub(crate) watch: Watch,
    /// Of those who ask for credentials.
    pub(crate) origins: Vec<Origin>,
    /// Where requests to other domains are not answered: ours.
    pub(crate) silent_outside: Option<Domains>,
}

impl SipScreen {
    fn is_foreign(&self, request: &Request, flow: &Flow) -> bool {
        self.silent_outside.as_ref().is_some_and(|domains| {
            let host = &request.uri.host;
            // Who scans addresses knows no name; whoever calls by ours has been told it.
            let address = if request.method == Method::Options {
                IpAddr::V4(Ipv4Addr::UNSPECIFIED)
            } else {
                flow.local.ip()
            };
            request.uri.is_sip() && !domains.contain(host, address)
        })
    }
}

impl Screen for SipScreen {
    fn judge(&mut self, now: Instant, from: &Flow, request: Option<&Request>) -> Screened {
        let source = source_of(from);
        let evidence = evidence(&self.origins, from, request);
        match self.watch.judge(now, source, evidence) {
            Judgement::Pass => {}
            Judgement::Unproven if request.is_some_and(|it| self.is_foreign(it, from)) => {}
            Judgement::Unproven => return Screened::Unproven,
            Judgement::Banned | Judgement::Limited | Judgement::Flood => return Screened::Drop,
        }
        let foreign = request.is_some_and(|request| self.is_foreign(request, from));
        if foreign && !self.watch.is_exempt(source) {
            self.watch.count(Because::Domain);
            self.watch.offence(source, Offence::Probe, of_flow(from));
            return Screened::Drop;
        }
        Screened::Pass
    }

    fn handle_answer(&mut self, _: Instant, from: &Flow, method: &Method, status: StatusCode) {
        let offence = match status.code() {
            400 | 401 | 403 | 404 | 405 | 407 | 416 | 501 | 505 => Offence::Probe,
            200 if *method == Method::Options => Offence::Look,
            _ => return,
        };
        self.watch.offence(source_of(from), offence, of_flow(from));
    }

    fn handle_proof(&mut self, now: Instant, from: &Flow, proof: Proof) {
        let source = source_of(from);
        match proof {
            Proof::Confirmed => self.watch.call(now, source),
            Proof::TurnedAway => self.watch.proof(now, source),
            Proof::Refused => {
                self.watch.proof(now, source);
                let probe = (Offence::Probe, Evidence::Proven);
                self.watch.offence(source, probe.0, probe.1);
            }
        }
    }
}

/// Whether a request can only come from where it says.
pub(crate) fn evidence(origins: &[Origin], flow: &Flow, request: Option<&Request>) -> Evidence {
    let nonce = |request: &Request| {
        let mut origins = origins.iter();
        origins.any(|origin| origin.proves(request, flow.remote.ip()))
    };
    if request.is_some_and(nonce) {
        return Evidence::Proven;
    }
    of_flow(flow)
}

fn of_flow(flow: &Flow) -> Evidence {
    if flow.transport.is_reliable() {
        Evidence::Proven
    } else {
        Evidence::Claimed
    }
}

fn source_of(flow: &Flow) -> IpAddr {
    flow.remote.ip().to_canonical()
}
