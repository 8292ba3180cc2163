// Who is in the conference: the document of RFC 4575, full and partial (§4.6).

const CONFERENCE = "urn:ietf:params:xml:ns:conference-info";
const TALK = "urn:plenum:params:xml:ns:talk";

/// The people of a conference, by their entity.
export class Roster {
    constructor() {
        this.version = -1;
        this.users = new Map();
    }

    /// Takes a document. False: something is missing between it and the last one, so that a full
    /// one has to be asked for.
    apply(text) {
        const document = new DOMParser().parseFromString(text, "application/xml");
        const info = document.documentElement;
        if (info.namespaceURI !== CONFERENCE || info.localName !== "conference-info") {
            return true;
        }
        const version = Number(info.getAttribute("version"));
        const full = (info.getAttribute("state") ?? "full") === "full";
        if (!full && version !== this.version + 1) {
            return version <= this.version;
        }
        this.version = version;
        this.subject = textOf(child(child(info, "conference-description"), "subject"))
            || (full ? "" : this.subject);
        if (full) {
            this.users.clear();
        }
        const users = child(info, "users");
        if (users) {
            if ((users.getAttribute("state") ?? "full") === "full") {
                this.users.clear();
            }
            children(users, "user").forEach((user) => this.applyUser(user));
        }
        return true;
    }

    applyUser(element) {
        const entity = element.getAttribute("entity");
        const state = element.getAttribute("state") ?? "full";
        if (state === "deleted") {
            this.users.delete(entity);
            return;
        }
        const known = state === "partial" ? this.users.get(entity) : undefined;
        const user = known ?? { entity, name: "", endpoints: new Map() };
        user.name = textOf(child(element, "display-text")) || user.name;
        children(element, "endpoint").forEach((endpoint) => applyEndpoint(user, endpoint));
        this.users.set(entity, user);
    }

    /// We are in. Who waits in the lobby is told of nobody, except perhaps that he waits himself.
    get inside() {
        return this.people().some((person) => !person.waiting);
    }

    /// Everybody who is in or waits to be let in, with what is to be shown of them.
    people() {
        const inside = (endpoint) => endpoint.status === "connected" || endpoint.status === "on-hold";
        return [...this.users.values()].flatMap((user) => {
            const endpoints = [...user.endpoints.values()].filter(inside);
            const audio = endpoints.flatMap((endpoint) =>
                [...endpoint.media.values()].filter((media) => media.type === "audio"));
            return endpoints.length === 0 ? [] : [{
                entity: user.entity,
                name: user.name || user.entity.replace(/^sips?:/, ""),
                waiting: endpoints.every((endpoint) => endpoint.status === "on-hold"),
                talking: audio.some((media) => media.talking),
                muted: audio.length > 0 && audio.every((media) => !/send/.test(media.status)),
                presents: endpoints.some((endpoint) =>
                    [...endpoint.media.values()].some((media) => media.presenting)),
                barred: endpoints.some((endpoint) =>
                    [...endpoint.media.values()].some((media) => media.barred)),
            }];
        });
    }
}

function applyEndpoint(user, element) {
    const entity = element.getAttribute("entity");
    const state = element.getAttribute("state") ?? "full";
    if (state === "deleted") {
        user.endpoints.delete(entity);
        return;
    }
    const known = state === "partial" ? user.endpoints.get(entity) : undefined;
    const endpoint = known ?? { status: "", media: new Map() };
    endpoint.status = textOf(child(element, "status")) || endpoint.status;
    for (const media of children(element, "media")) {
        const id = media.getAttribute("id");
        if (media.getAttribute("state") === "deleted") {
            endpoint.media.delete(id);
        } else {
            endpoint.media.set(id, {
                type: textOf(child(media, "type")),
                status: textOf(child(media, "status")) || "sendrecv",
                talking: textOf(child(media, "talking", TALK)) === "true",
                presenting: textOf(child(media, "presenting", TALK)) === "true",
                barred: textOf(child(media, "barred", TALK)) === "true",
            });
        }
    }
    user.endpoints.set(entity, endpoint);
}

function children(element, name, namespace = CONFERENCE) {
    return [...(element?.children ?? [])]
        .filter((one) => one.localName === name && one.namespaceURI === namespace);
}

function child(element, name, namespace) {
    return children(element, name, namespace)[0];
}

function textOf(element) {
    return element?.textContent.trim() ?? "";
}
