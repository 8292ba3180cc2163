// A SIP user agent over a WebSocket (RFC 7118): one call, its subscription, no registration.
//
// The transport is reliable, so that nothing is ever sent twice; a transaction is what waits for
// its response. What happens is told by events: "up", "closed", "calling", "accepted", "refused",
// "ended", "notify", "unwatched", "offer".

import { Message, parameter, quote, token, uriOf } from "./message.js";

const T1 = 500;
const TRANSACTION = 64 * T1;
const KEEP_ALIVE = 25_000;
const ALLOW = "INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, UPDATE, NOTIFY";

/// One call to one conference.
export class Agent extends EventTarget {
    /// `server`: the WebSocket's address. `name`: how others see this person.
    constructor(server, name) {
        super();
        this.server = server;
        this.host = `${token(12)}.invalid`;
        this.user = token(10);
        // RFC 3323 §4.1.1.3: nobody's address, with a user part of this call's own.
        this.entity = `sip:${this.user}@anonymous.invalid`;
        this.from = `${quote(name)} <${this.entity}>;tag=${token(10)}`;
        this.contact = `<sip:${this.user}@${this.host};transport=ws;ob>`;
        this.waiting = new Map();
        this.dialog = null;
        this.invite = null;
    }

    connect() {
        this.socket = new WebSocket(this.server, "sip");
        this.socket.onopen = () => {
            this.pulse = setInterval(() => this.socket.send("\r\n\r\n"), KEEP_ALIVE);
            this.tell("up");
        };
        this.socket.onmessage = async ({ data }) => {
            const text = typeof data === "string" ? data : await data.text();
            const message = text.trim() === "" ? null : Message.parse(text);
            if (message?.isRequest) {
                this.onRequest(message);
            } else if (message) {
                this.onResponse(message);
            }
        };
        this.socket.onclose = () => {
            clearInterval(this.pulse);
            this.waiting.clear();
            this.tell("closed");
        };
    }

    close() {
        this.socket?.close(1000);
    }

    tell(type, detail = {}) {
        this.dispatchEvent(Object.assign(new Event(type), detail));
    }

    /// RFC 3261 §13.2: calls `uri` with an SDP offer.
    call(uri, sdp) {
        this.remote = uri;
        this.callId = token(24);
        this.number = 1;
        const request = this.compose("INVITE", uri, `<${uri}>`, this.number, sdp && SDP, sdp);
        this.invite = { request, answered: false };
        this.send(request, (response) => this.onInviteResponse(request, response));
    }

    /// RFC 3261 §9 before the answer, §15 after it.
    hangUp() {
        if (this.dialog) {
            const bye = this.within("BYE");
            this.send(bye, () => this.close());
            this.dialog = null;
        } else if (this.invite && !this.invite.answered) {
            const { request } = this.invite;
            const cancel = new Message({ method: "CANCEL", uri: request.uri }, [
                ...["via", "from", "to", "call-id", "max-forwards"].map((it) => [it, request.get(it)]),
                ["cseq", `${request.cseq.number} CANCEL`],
            ], "");
            this.socket.send(cancel.toString());
        }
    }

    /// RFC 3261 §14.1: changes the session. The promise gives the answer's SDP.
    modify(sdp) {
        return new Promise((resolve, reject) => {
            if (!this.dialog) {
                reject(new Error("The call is over"));
                return;
            }
            const request = this.within("INVITE", SDP, sdp);
            this.send(request, (response) => {
                if (response.status >= 200 && response.status < 300) {
                    this.acknowledge(request);
                    resolve(response.body);
                } else if (response.status === 491 && this.dialog) {
                    this.acknowledgeRefusal(request, response);
                    // The Call-ID is ours: between 2.1 and 4 seconds.
                    setTimeout(() => resolve(this.modify(sdp)), 2_100 + 1_900 * Math.random());
                } else if (response.status >= 300) {
                    this.acknowledgeRefusal(request, response);
                    reject(new Error(`${response.status} ${response.reason}`));
                }
            });
        });
    }

    /// A key of the keypad (application/dtmf-relay).
    key(digit) {
        const body = `Signal=${digit}\r\nDuration=160\r\n`;
        this.send(this.within("INFO", "application/dtmf-relay", body), () => {});
    }

    /// RFC 6665 §4.1.2, in the dialog of the call.
    subscribe() {
        const request = this.within("SUBSCRIBE");
        request.headers.push(
            ["event", "conference"],
            ["accept", "application/conference-info+xml"],
            ["expires", String(SUBSCRIPTION)],
        );
        clearTimeout(this.refresh);
        this.send(request, (response) => {
            if (response.status < 200) {
                return;
            }
            if (response.status < 300 && this.dialog) {
                const granted = Number(response.get("expires")) || SUBSCRIPTION;
                this.watchAgain(granted * 800);
            } else if (this.dialog) {
                // Who is not in yet, because of a PIN for example, may not watch.
                this.watchAgain(RETRY);
                this.tell("unwatched", { status: response.status });
            }
        });
    }

    watchAgain(time) {
        clearTimeout(this.refresh);
        this.refresh = setTimeout(() => this.dialog && this.subscribe(), time);
    }

    compose(method, uri, to, number, type = "", body = "") {
        const headers = [
            ["via", `SIP/2.0/${viaTransport(this.server)} ${this.host};branch=z9hG4bK${token()}`],
            ["max-forwards", "70"],
            ["from", this.from],
            ["to", to],
            ["call-id", this.callId],
            ["cseq", `${number} ${method}`],
            ["contact", this.contact],
            ["allow", ALLOW],
            ["supported", "outbound"],
            ["user-agent", "Plenum web"],
        ];
        if (type) {
            headers.push(["content-type", type]);
        }
        return new Message({ method, uri }, headers, body ?? "");
    }

    /// RFC 3261 §12.2.1.1
    within(method, type, body) {
        this.number += 1;
        const { target, to, routes } = this.dialog;
        const request = this.compose(method, target, to, this.number, type, body);
        routes.forEach((route) => request.headers.push(["route", route]));
        return request;
    }

    send(request, respond) {
        const branch = parameter(request.get("via"), "branch");
        const key = `${branch} ${request.method}`;
        const timer = setTimeout(() => {
            // An INVITE may ring for minutes; what has no answer at all is over.
            if (this.waiting.delete(key)) {
                respond(new Message({ status: 408, reason: "Request Timeout" }, [], ""));
            }
        }, TRANSACTION);
        this.waiting.set(key, { respond, timer });
        this.socket.send(request.toString());
    }

    onResponse(response) {
        const branch = parameter(response.get("via"), "branch");
        const key = `${branch} ${response.cseq.method}`;
        const waiting = this.waiting.get(key);
        if (waiting) {
            clearTimeout(waiting.timer);
            if (response.status >= 200) {
                this.waiting.delete(key);
            }
            waiting.respond(response);
        }
    }

    onInviteResponse(request, response) {
        if (response.status < 200) {
            this.tell("calling", { sdp: response.body });
            return;
        }
        this.invite.answered = true;
        if (response.status >= 300) {
            if (response.headers.length > 0) {
                this.acknowledgeRefusal(request, response);
            }
            this.tell("refused", { status: response.status, reason: reasonOf(response) });
            return;
        }
        this.dialog = {
            to: response.get("to"),
            target: uriOf(response.get("contact")) || request.uri,
            routes: response.all("record-route").reverse(),
            remote: 0,
        };
        this.acknowledge(request);
        this.tell("accepted", { sdp: response.body });
    }

    /// RFC 3261 §13.2.2.4
    acknowledge(request) {
        const { target, to, routes } = this.dialog;
        const ack = this.compose("ACK", target, to, request.cseq.number);
        routes.forEach((route) => ack.headers.push(["route", route]));
        this.socket.send(ack.toString());
    }

    /// RFC 3261 §17.1.1.3
    acknowledgeRefusal(request, response) {
        const ack = new Message({ method: "ACK", uri: request.uri }, [
            ["via", request.get("via")],
            ["max-forwards", "70"],
            ["from", request.get("from")],
            ["to", response.get("to")],
            ["call-id", request.get("call-id")],
            ["cseq", `${request.cseq.number} ACK`],
        ], "");
        this.socket.send(ack.toString());
    }

    respond(request, status, reason, type = "", body = "") {
        const copied = ["via", "record-route", "from", "to", "call-id", "cseq"];
        const headers = request.headers.filter(([name]) => copied.includes(name));
        headers.push(["contact", this.contact], ["allow", ALLOW]);
        if (type) {
            headers.push(["content-type", type]);
        }
        this.socket.send(new Message({ status, reason }, headers, body).toString());
    }

    onRequest(request) {
        if (request.method === "ACK") {
            this.onAck?.(request.body);
            this.onAck = null;
        } else if (request.get("call-id") !== this.callId || !this.dialog) {
            this.respond(request, 481, "Call/Transaction Does Not Exist");
        } else if (request.cseq.number < this.dialog.remote) {
            // RFC 3261 §12.2.2
            this.respond(request, 500, "Server Internal Error");
        } else {
            this.dialog.remote = request.cseq.number;
            this.inDialog(request);
        }
    }

    inDialog(request) {
        switch (request.method) {
            case "BYE":
                this.respond(request, 200, "OK");
                this.dialog = null;
                this.tell("ended", { reason: reasonOf(request) });
                break;
            case "NOTIFY":
                this.respond(request, 200, "OK");
                this.tell("notify", {
                    state: request.get("subscription-state"),
                    body: request.body,
                });
                break;
            case "INVITE":
            case "UPDATE":
                this.onModification(request);
                break;
            case "INFO":
            case "OPTIONS":
                this.respond(request, 200, "OK");
                break;
            default:
                this.respond(request, 405, "Method Not Allowed");
        }
    }

    /// RFC 3261 §14.2, RFC 3311 §5.2. Whoever listens to "offer" answers through `answer(sdp)`; a
    /// re-INVITE without an offer is answered with ours, and the answer comes in the ACK.
    onModification(request) {
        const target = uriOf(request.get("contact"));
        if (target) {
            this.dialog.target = target;
        }
        const answer = (sdp) => this.respond(request, 200, "OK", sdp && SDP, sdp);
        const refuse = () => this.respond(request, 488, "Not Acceptable Here");
        if (request.body !== "") {
            this.tell("offer", { sdp: request.body, answer, refuse });
        } else if (request.method === "UPDATE") {
            answer("");
        } else {
            this.tell("offer", {
                sdp: "",
                refuse,
                answer: (sdp, answered) => {
                    this.onAck = answered;
                    answer(sdp);
                },
            });
        }
    }
}

/// Why, in words for people: the text of Reason or Warning, else that of the status.
function reasonOf(message) {
    const quoted = (value) => /"((?:\\.|[^"\\])*)"/.exec(value)?.[1].replace(/\\(.)/g, "$1");
    const text = quoted(message.get("reason")) || quoted(message.get("warning"));
    return text || message.reason || "";
}

function viaTransport(server) {
    return server.startsWith("wss:") ? "WSS" : "WS";
}

const SDP = "application/sdp";
const SUBSCRIPTION = 600;
const RETRY = 1_000;
