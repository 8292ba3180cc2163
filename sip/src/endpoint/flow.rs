//! Who is behind a stream connection, and what its end means (RFC 5626 §4.5, RFC 3261 §17.1.4).
//!
//! Everything is found by the flow: the end of one connection looks at what is on that connection.

use super::{ClientTxId, Endpoint, Event, Flow, FlowId, InviteId, Output, Via};
use crate::dialog::Hop;
use crate::msg::{Host, Request, Text};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// What is on which flow.
#[derive(Debug, Default)]
pub(super) struct Behind {
    /// Requests of ours that were sent on it.
    clients: BTreeSet<(FlowId, ClientTxId)>,
    /// Calls whose next request takes it.
    calls: BTreeSet<(FlowId, InviteId)>,
    /// Whom the verified certificate of its peer speaks for.
    names: BTreeMap<FlowId, Vec<Text>>,
}

impl Endpoint {
    /// The certificate of a stream's peer was verified (mutual TLS); it speaks for these names.
    pub fn handle_certificate(&mut self, flow: FlowId, names: Vec<Text>) {
        self.behind.names.insert(flow, names);
    }

    /// Whom the peer of a flow has proved to be with its certificate: SIP domains and addresses
    /// (RFC 5922 §7.1). Empty without a verified certificate.
    pub fn certificate_names(&self, flow: FlowId) -> &[Text] {
        self.behind.names.get(&flow).map_or(&[], Vec::as_slice)
    }

    /// The peer of this stream was told to send keep-alives (RFC 5626 §4.4, `Flow-Timer`): when
    /// nothing comes for longer than `within`, the flow has failed and is closed. Without meaning for
    /// datagrams.
    pub fn expect_heard(&mut self, flow: &Flow, within: Duration) {
        if flow.transport.is_reliable() {
            let flow = flow.id;
            self.out.push_back(Output::ExpectHeard { flow, within });
        }
    }

    /// A stream flow is gone: what still waits for an answer on it has failed.
    pub fn handle_flow_closed(&mut self, now: Instant, flow: FlowId) {
        let waiting = (flow, ClientTxId(0))..=(flow, ClientTxId(u64::MAX));
        let waiting = self.behind.clients.range(waiting);
        let waiting: Vec<ClientTxId> = waiting.map(|(_, id)| *id).collect();
        for id in waiting {
            self.handle_send_failed(now, id);
        }
        self.on_stream_lost(flow);
        self.behind.names.remove(&flow);
        let calls = (flow, InviteId(0))..=(flow, InviteId(u64::MAX));
        let calls: Vec<InviteId> = self.behind.calls.range(calls).map(|(_, id)| *id).collect();
        self.note_lost_calls(now, flow, &calls);
        self.event(Event::FlowClosed { flow, calls });
    }

    /// Sets the way of a request of ours.
    pub(super) fn set_way(&mut self, id: ClientTxId, via: Via) {
        self.forget_way(id);
        if let Some(tx) = self.clients.get_mut(id) {
            tx.via = Some(via);
            if let Some(flow) = stream_of(&via) {
                self.behind.clients.insert((flow, id));
            }
        }
    }

    /// The request is over, or goes another way.
    pub(super) fn forget_way(&mut self, id: ClientTxId) {
        let via = self.clients.get(id).and_then(|tx| tx.via);
        if let Some(flow) = via.as_ref().and_then(stream_of) {
            self.behind.clients.remove(&(flow, id));
        }
    }

    /// Remembers the stream the peer of a call is behind.
    pub(super) fn note_call_flow(&mut self, id: InviteId) {
        let Some(usage) = self.usages.get_mut(id) else {
            return;
        };
        let flow = usage.dialogs.first().and_then(|dialog| match dialog.hop {
            Hop::Flow(flow) => stream_of(&Via::Flow(flow)),
            Hop::Target(_) | Hop::Unknown => None,
        });
        let before = std::mem::replace(&mut usage.flow, flow);
        if before == flow {
            return;
        }
        if let Some(before) = before {
            self.behind.calls.remove(&(before, id));
        }
        if let Some(flow) = flow {
            self.behind.calls.insert((flow, id));
        }
    }

    /// The call is over.
    pub(super) fn forget_call_flow(&mut self, id: InviteId, flow: Option<FlowId>) {
        if let Some(flow) = flow {
            self.behind.calls.remove(&(flow, id));
        }
    }
}

fn stream_of(via: &Via) -> Option<FlowId> {
    match via {
        Via::Flow(flow) if flow.transport.is_reliable() => Some(flow.id),
        Via::Flow(_) | Via::Target(_) => None,
    }
}

/// Whose certificate is asked for where this request goes (RFC 5922 §4): the host of its next hop,
/// as it was written.
pub(super) fn domain_of(request: &Request, via: &Via) -> Option<Text> {
    let secured = matches!(via, Via::Target(target) if target.transport.is_secure());
    secured.then(|| host_name(&crate::dialog::next_hop(request).host))
}

/// A host as certificates name it.
pub(super) fn host_name(host: &Host) -> Text {
    match host {
        Host::Name(name) => name.detached(),
        Host::V4(ip) => Text::from(ip.to_string()),
        Host::V6(ip) => Text::from(ip.to_string()),
    }
}
