// The page: what is typed and pressed, and what is shown of the call.

import { Agent } from "./agent.js";
import { microphones, Sound } from "./media.js";
import { Roster } from "./roster.js";

const byId = (id) => document.getElementById(id);
const { conference, socket } = document.body.dataset;

let agent = null;
let sound = null;
let roster = null;
let pin = "";
let restarts = 0;
let unwatched = 0;
let keyed = false;
/// Who shares a screen, as the page has said it.
let presenter = null;
/// The conference has shown our screen.
let shown = false;
/// The browser asks which screen.
let choosing = false;

const BARRED = "You may not share a screen in this conference.";

function show(part) {
    for (const id of ["lobby", "call"]) {
        byId(id).hidden = id !== part;
    }
}

function say(text) {
    byId("status").textContent = text;
}

function fail(text) {
    byId("problem").textContent = text;
    byId("problem").hidden = text === "";
}

async function listMicrophones() {
    const chosen = new Set(["microphone", "other-microphone"].map((id) => byId(id).value));
    const found = await microphones().catch(() => []);
    for (const id of ["microphone", "other-microphone"]) {
        const options = found.map((device, at) => {
            const option = document.createElement("option");
            option.value = device.deviceId;
            option.textContent = device.label || `Microphone ${at + 1}`;
            option.selected = chosen.has(device.deviceId);
            return option;
        });
        byId(id).replaceChildren(...options);
    }
}

async function join(event) {
    event.preventDefault();
    fail("");
    pin = byId("pin").value.replace(/\D/g, "");
    const name = byId("name").value.trim() || "Guest";
    byId("join").disabled = true;
    try {
        sound = new Sound(byId("player"), byId("screen"), byId("slides"));
        sound.addEventListener("lost", reconnectMedia);
        sound.addEventListener("silenced", () => fail("Press a key or click to hear the conference."));
        sound.addEventListener("unshared", () => stopSharing("Your screen is not shared any more."));
        await sound.open(byId("microphone").value, byId("pictures").checked);
        showPictures();
        showCamera();
        await listMicrophones();
        const offer = await sound.offer();
        start(name, offer);
    } catch (error) {
        leave(microphoneProblem(error));
    }
}

function microphoneProblem(error) {
    switch (error.name) {
        case "NotAllowedError":
            return "The browser does not let this page use the microphone. Allow it beside the address, then join again.";
        case "NotFoundError":
        case "OverconstrainedError":
            return "No microphone was found. Connect one, then join again.";
        case "NotReadableError":
            return "Another program uses the microphone. Close it, then join again.";
        default:
            return `The call could not be started: ${error.message}`;
    }
}

function start(name, offer) {
    roster = new Roster();
    restarts = 0;
    unwatched = 0;
    keyed = false;
    const own = new Agent(socketAddress(), name);
    agent = own;
    // What comes late from a call that was left is nothing to the next one.
    const on = (type, act) =>
        own.addEventListener(type, (event) => agent === own && act(event));
    on("up", () => own.call(conference, offer));
    on("calling", () => say("Calling…"));
    on("accepted", accepted);
    on("refused", ({ status, reason }) => leave(refusal(status, reason)));
    on("ended", ({ reason }) => leave(reason || "The call has ended."));
    on("closed", () => leave("The connection to the server was lost."));
    on("offer", reoffered);
    on("notify", notified);
    on("unwatched", kept);
    say("Connecting…");
    show("call");
    byId("leave").focus();
    agent.connect();
}

function socketAddress() {
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    return `${scheme}//${location.host}${socket}`;
}

function refusal(status, reason) {
    switch (status) {
        case 403:
            return `You may not join: ${reason}`;
        case 404:
            return "There is no such conference, or it is over.";
        case 408:
            return "The server does not answer.";
        case 486:
            return "The conference is full.";
        case 503:
            return "The server is too busy now. Try again in a moment.";
        default:
            return `The call was refused: ${reason}`;
    }
}

async function accepted({ sdp }) {
    try {
        await sound.accept(sdp);
        showPictures();
    } catch (error) {
        agent.hangUp();
        leave(`The server's answer cannot be used: ${error.message}`);
        return;
    }
    say("Waiting to be let in…");
    agent.subscribe();
    sendPin();
}

// Only those who are in may see who is there.
function kept({ status }) {
    unwatched += 1;
    if (status === 403 && unwatched > 2) {
        say(keyed
            ? "The PIN was not accepted. Type it once more under “PIN or keys”."
            : "The conference has a PIN. Type it under “PIN or keys”.");
    }
}

// The conference asks for the PIN by voice and takes it as keys, as from any telephone.
function sendPin() {
    if (pin !== "" && agent) {
        [...pin, "#"].forEach((digit) => agent.key(digit));
        pin = "";
        keyed = true;
    }
}

async function reoffered({ sdp, answer, refuse }) {
    try {
        if (sdp === "") {
            answer(await sound.offer(), (answered) => sound.accept(answered));
        } else {
            answer(await sound.answer(sdp));
            showPictures();
        }
    } catch {
        refuse();
    }
}

// RFC 8445 §9: new candidates and credentials when the way to the server is gone.
async function reconnectMedia() {
    restarts += 1;
    if (!agent?.dialog || restarts > 5) {
        leave("The sound was lost and could not be brought back.");
        return;
    }
    say("The sound was interrupted. Reconnecting…");
    try {
        await sound.accept(await agent.modify(await sound.offer(true)));
        say("You are in the call.");
    } catch {
        setTimeout(reconnectMedia, 1_000 * restarts);
    }
}

function notified({ body }) {
    const before = roster.version < 0 ? null : roster.inside;
    if (body !== "" && !roster.apply(body)) {
        agent.subscribe();
    }
    if (roster.version >= 0 && roster.inside !== before) {
        say(roster.inside ? "You are in the call." : "You are in the lobby. Somebody in the conference has to let you in.");
    }
    showPeople();
    followPresenter();
}

function showPeople() {
    const people = roster.people();
    byId("count").textContent = String(people.length);
    const list = byId("people");
    const known = new Map([...list.children].map((item) => [item.dataset.entity, item]));
    for (const person of people) {
        const item = known.get(person.entity) ?? newPerson(person.entity);
        known.delete(person.entity);
        list.append(item);
        set(item.children[0], person.name);
        const state = stateOf(person);
        set(item.children[1], [state, person.presents && "shares a screen"].filter(Boolean).join(", "));
        item.className = state;
    }
    known.forEach((item) => item.remove());
}

function newPerson(entity) {
    const item = document.createElement("li");
    item.dataset.entity = entity;
    item.append(document.createElement("span"), document.createElement("em"));
    return item;
}

function stateOf({ waiting, muted, talking }) {
    if (waiting) {
        return "waiting";
    }
    return muted ? "muted" : talking ? "speaking" : "";
}

// What did not change is left alone: a screen reader would read it again.
function set(element, text) {
    if (element.textContent !== text) {
        element.textContent = text;
    }
}

function mute() {
    const muted = !sound.muted;
    sound.mute(muted);
    byId("mute").setAttribute("aria-pressed", String(muted));
    byId("mute").textContent = muted ? "Unmute" : "Mute";
    say(muted ? "You are muted." : "You can be heard.");
    tell();
}

function camera() {
    if (sound?.camera) {
        sound.show(sound.dark);
        showCamera();
        say(sound.dark ? "You are not seen." : "You can be seen.");
        tell();
    }
}

// The server may go without pictures.
function showPictures() {
    byId("screen").hidden = !sound.hasPictures;
    byId("camera").hidden = !sound.camera || !sound.hasPictures;
    showSlides();
}

// A screen of somebody else, where it does not come within the picture of the conference.
function showSlides() {
    const others = presenter && presenter.entity !== agent?.entity;
    byId("slides").hidden = !others || !sound.seesScreens;
}

function showShare() {
    const shares = Boolean(sound?.shares);
    byId("share").setAttribute("aria-pressed", String(shares));
    byId("share").textContent = shares ? "Stop sharing" : "Share screen";
}

async function share() {
    const own = sound;
    if (!agent?.dialog || choosing) {
        return;
    }
    if (own.shares) {
        stopSharing("Your screen is not shared any more.");
        return;
    }
    if (isBarred()) {
        say(BARRED);
        return;
    }
    choosing = true;
    try {
        await own.share();
    } catch (error) {
        own.unshare();
        say(sharingProblem(error));
        return;
    } finally {
        choosing = false;
    }
    if (own !== sound) {
        own.unshare();
        return;
    }
    showShare();
    say("Your screen is shown as soon as the conference lets you…");
    tell();
}

// Whether we may is known for sure once the server has agreed on our screen.
function isBarred() {
    return roster.people().some((person) => person.entity === agent.entity && person.barred);
}

function sharingProblem(error) {
    return error.name === "NotAllowedError"
        ? "No screen is shared: the browser was not allowed to."
        : `No screen is shared: ${error.message}`;
}

function stopSharing(text) {
    shown = false;
    sound?.unshare();
    showShare();
    say(text);
    tell();
}

// The floor is the server's (RFC 8855): whoever shares has it as long as the roster says so.
function followPresenter() {
    const before = presenter?.entity;
    presenter = roster.people().find((person) => person.presents) ?? null;
    showSlides();
    const after = presenter?.entity;
    if (sound.shares && !shown && isBarred()) {
        stopSharing(BARRED);
    }
    if (before === after) {
        return;
    }
    const ours = agent.entity;
    if (after === ours) {
        shown = sound.shares;
        say(shown ? "Everybody sees your screen." : "You may share your screen now.");
    } else if (before === ours && shown) {
        stopSharing(presenter
            ? `${presenter.name} shares a screen now. Yours is not shared any more.`
            : "The conference has ended the sharing of your screen.");
    } else if (presenter) {
        say(`${presenter.name} shares a screen.`);
    } else if (before !== ours) {
        say("The screen is not shared any more.");
    }
}

function showCamera() {
    byId("camera").setAttribute("aria-pressed", String(!sound.dark));
    byId("camera").textContent = sound.dark ? "Camera on" : "Camera off";
}

// The microphone is silent and the camera dark at once; the others see why by an offer that does not send. One offer
// after the other, and the last one says what the button says.
async function tell() {
    const own = sound;
    if (own.telling || !agent?.dialog) {
        return;
    }
    own.telling = true;
    try {
        while (own === sound && own.told !== own.state) {
            const { state } = own;
            await own.accept(await agent.modify(await own.offer()));
            own.told = state;
            showSlides();
            noteShown(own);
            // What was chosen meanwhile is not answered yet.
            if (own.told === own.state) {
                refuseSharing(own);
            }
        }
    } catch {
        // The next press says it again; nobody hears what is muted in any case.
        refuseSharing(own);
    } finally {
        own.telling = false;
    }
}

// Who was given the floor has it already.
function noteShown(own) {
    const told = own === sound && own.told === own.state;
    if (told && own.shares && !shown && presenter?.entity === agent?.entity) {
        shown = true;
        say("Everybody sees your screen.");
    }
}

// The server may go without screens.
function refuseSharing(own) {
    if (own === sound && own.shares && !own.showsScreen) {
        stopSharing("The conference takes no screens now.");
    }
}

function leave(text) {
    if (agent) {
        const last = agent;
        agent = null;
        last.hangUp();
        setTimeout(() => last.close(), 500);
    }
    sound?.close();
    sound = null;
    byId("join").disabled = false;
    [presenter, shown] = [null, false];
    byId("slides").hidden = true;
    showShare();
    byId("people").replaceChildren();
    byId("mute").setAttribute("aria-pressed", "false");
    byId("mute").textContent = "Mute";
    say("");
    show("lobby");
    fail(text);
    byId("join").focus();
}

byId("lobby").addEventListener("submit", join);
byId("mute").addEventListener("click", mute);
byId("camera").addEventListener("click", camera);
byId("share").addEventListener("click", share);
byId("leave").addEventListener("click", () => leave("You have left the conference."));
byId("other-microphone").addEventListener("change", ({ target }) =>
    sound?.change(target.value).catch((error) => fail(microphoneProblem(error))));
byId("keys").addEventListener("submit", (event) => {
    event.preventDefault();
    const keys = [...byId("digits").value].filter((key) => /[0-9*#]/.test(key));
    // A PIN ends with the number sign, which nobody wants to type.
    if (roster?.version < 0 && keys.at(-1) !== "#") {
        keys.push("#");
    }
    keys.forEach((key) => agent?.key(key));
    [keyed, unwatched] = [true, 0];
    byId("digits").value = "";
});
document.addEventListener("keydown", (event) => {
    const typing = /^(INPUT|SELECT)$/.test(event.target.tagName);
    if (!typing && !byId("call").hidden && !event.ctrlKey && !event.metaKey) {
        if (event.key === "m") {
            mute();
        } else if (event.key === "v") {
            camera();
        } else if (event.key === "s" && !byId("share").hidden) {
            share();
        }
    }
});
addEventListener("pagehide", () => agent?.hangUp());

// Telephones cannot share their screens.
if (!navigator.mediaDevices?.getDisplayMedia) {
    byId("share").hidden = true;
}
if (navigator.mediaDevices) {
    navigator.mediaDevices.addEventListener("devicechange", listMicrophones);
    listMicrophones();
    byId("join").disabled = false;
} else {
    fail("This page needs an encrypted connection (https) to use the microphone.");
}
byId("name").focus();
