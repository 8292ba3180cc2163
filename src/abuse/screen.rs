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
        let passed = match (self.watch.judge(now, source, evidence), evidence) {
            (Judgement::Banned | Judgement::Limited | Judgement::Flood, _) => {
                return Screened::Drop;
            }
            (Judgement::Unproven, _) => Screened::Unproven,
            (Judgement::Pass, Evidence::Proven) => Screened::Proven,
            (Judgement::Pass, Evidence::Claimed) => Screened::Known,
        };
        let foreign = request.is_some_and(|request| self.is_foreign(request, from));
        if foreign && !self.watch.is_exempt(source) {
            self.watch.count(Because::Domain);
            self.watch.offence(source, Offence::Probe, evidence);
            return Screened::Drop;
        }
        passed
    }

    fn handle_answer(
        &mut self,
        _: Instant,
        (from, screened): (&Flow, Screened),
        method: Option<&Method>,
        status: StatusCode,
    ) {
        let offence = match status.code() {
            200 if method == Some(&Method::Options) => Offence::Look,
            code if is_probe(code) => Offence::Probe,
            _ => return,
        };
        let evidence = match screened {
            Screened::Proven => Evidence::Proven,
            Screened::Known | Screened::Unproven | Screened::Drop => of_flow(from),
        };
        self.watch.offence(source_of(from), offence, evidence);
    }

    fn handle_proof(&mut self, now: Instant, from: &Flow, proof: Proof) {
        let source = source_of(from);
        match proof {
            Proof::Confirmed => self.watch.call(now, source),
            Proof::TurnedAway => self.watch.proof(now, source),
            Proof::Refused(status) => {
                self.watch.proof(now, source);
                if status.is_none_or(|status| is_probe(status.code())) {
                    self.watch.offence(source, Offence::Probe, Evidence::Proven);
                }
            }
        }
    }
}

/// Whether who is answered so has asked for what is not there, or not his.
const fn is_probe(code: u16) -> bool {
    matches!(code, 400 | 401 | 403 | 404 | 405 | 407 | 416 | 501 | 505)
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
