// SIP messages as text (RFC 3261 §7), as far as a browser that joins a conference needs them.

const COMPACT = {
    v: "via", f: "from", t: "to", i: "call-id", m: "contact", l: "content-length",
    c: "content-type", k: "supported", o: "event", e: "content-encoding", s: "subject",
};

// Header fields that may hold several values in one line, and that this agent reads.
const LISTS = ["via", "contact", "record-route", "route"];

/// One message: `method` and `uri` of a request, `status` and `reason` of a response.
export class Message {
    constructor(start, headers, body) {
        Object.assign(this, start);
        this.headers = headers;
        this.body = body;
    }

    /// The first value of a header field, by its long name in lower case.
    get(name) {
        return this.headers.find(([known]) => known === name)?.[1] ?? "";
    }

    all(name) {
        return this.headers.filter(([known]) => known === name).map(([, value]) => value);
    }

    get isRequest() {
        return this.method !== undefined;
    }

    /// The number and method of CSeq.
    get cseq() {
        const [number, method] = this.get("cseq").trim().split(/\s+/);
        return { number: Number(number), method };
    }

    static parse(text) {
        const end = text.indexOf("\r\n\r\n");
        if (end < 0) {
            return null;
        }
        const [first, ...lines] = text.slice(0, end).replace(/\r\n[ \t]+/g, " ").split("\r\n");
        const start = startLine(first);
        if (!start) {
            return null;
        }
        const headers = [];
        for (const line of lines) {
            const colon = line.indexOf(":");
            if (colon > 0) {
                const written = line.slice(0, colon).trim().toLowerCase();
                const name = COMPACT[written] ?? written;
                const value = line.slice(colon + 1).trim();
                const values = LISTS.includes(name)
                    ? split(value) : [value];
                values.forEach((one) => headers.push([name, one]));
            }
        }
        return new Message(start, headers, text.slice(end + 4));
    }

    toString() {
        const first = this.isRequest
            ? `${this.method} ${this.uri} SIP/2.0`
            : `SIP/2.0 ${this.status} ${this.reason}`;
        const octets = new TextEncoder().encode(this.body).length;
        const lines = this.headers.map(([name, value]) => `${name}: ${value}`);
        return [first, ...lines, `content-length: ${octets}`, "", this.body].join("\r\n");
    }
}

function startLine(line) {
    const response = /^SIP\/2\.0 (\d{3}) ?(.*)$/.exec(line);
    if (response) {
        return { status: Number(response[1]), reason: response[2] };
    }
    const request = /^([A-Z]+) (\S+) SIP\/2\.0$/.exec(line);
    return request ? { method: request[1], uri: request[2] } : null;
}

/// Splits at commas that stand neither in quotes nor in angle brackets.
export function split(value) {
    const parts = [];
    let part = "";
    let quoted = false;
    let angle = false;
    for (let at = 0; at < value.length; at += 1) {
        const letter = value[at];
        if (quoted && letter === "\\") {
            part += letter + (value[at + 1] ?? "");
            at += 1;
            continue;
        }
        if (letter === "\"") {
            quoted = !quoted;
        } else if (!quoted && (letter === "<" || letter === ">")) {
            angle = letter === "<";
        }
        if (letter === "," && !quoted && !angle) {
            parts.push(part.trim());
            part = "";
        } else {
            part += letter;
        }
    }
    parts.push(part.trim());
    return parts.filter((one) => one !== "");
}

/// The URI of a name-addr or addr-spec.
export function uriOf(value) {
    const bracketed = /<([^>]*)>/.exec(value);
    return bracketed ? bracketed[1] : value.split(";")[0].trim();
}

/// A parameter outside the angle brackets, such as `tag`.
export function parameter(value, name) {
    const outside = value.replace(/"(\\.|[^"\\])*"/g, "").replace(/<[^>]*>/, "");
    return new RegExp(`;\\s*${name}=([^;\\s]+)`, "i").exec(outside)?.[1] ?? null;
}

/// A display name as a quoted string (§25.1); without control characters.
export function quote(name) {
    const plain = name.replace(/[\u0000-\u001f\u007f]/g, " ").trim();
    return `"${plain.replace(/(["\\])/g, "\\$1")}"`;
}

/// `length` random characters for tags, branches and Call-IDs.
export function token(length = 20) {
    const letters = "abcdefghijklmnopqrstuvwxyz0123456789";
    const random = crypto.getRandomValues(new Uint8Array(length));
    return Array.from(random, (octet) => letters[octet % letters.length]).join("");
}
