// The microphone, the camera, the loudspeaker, the screen and the way between them and the server.

const GATHERING = 1_500;
/// What marks the section of a screen that is shared.
const SLIDES = "a=content:slides\r\na=label:slides\r\n";

/// Microphones by their names; without the permission browsers name none.
export async function microphones() {
    const devices = await navigator.mediaDevices.enumerateDevices();
    return devices.filter((device) => device.kind === "audioinput");
}

/// One peer connection: our microphone to the conference, the conference to `player`; where pictures are wanted, our
/// camera to it and its picture to `screen`; our own screen to it, and the one that somebody else shares to `slides`.
export class Sound extends EventTarget {
    constructor(player, screen, slides) {
        super();
        this.player = player;
        this.screen = screen;
        this.slides = slides;
        this.muted = false;
        /// The camera is off; there may be none.
        this.dark = true;
        /// The screen that we share.
        this.display = null;
        /// What the server was told of it, and whether it is being told.
        this.told = "";
        this.telling = false;
    }

    /// What the server is to be told: whether we send sound, pictures and our screen.
    get state() {
        return `${this.muted} ${this.dark} ${this.shares}`;
    }

    /// We share our screen, or want to.
    get shares() {
        return Boolean(this.display);
    }

    /// There is a section for screens, which the server has not refused.
    get hasPresentation() {
        return Boolean(this.presentation) && this.presentation.currentDirection !== "stopped";
    }

    /// The server takes our screen.
    get showsScreen() {
        return /send/.test(this.presentation?.currentDirection ?? "");
    }

    /// It sends the one that somebody else shares apart from the people.
    get seesScreens() {
        return /recv/.test(this.presentation?.currentDirection ?? "");
    }

    /// Pictures were agreed on.
    get hasPictures() {
        return /send|recv/.test(this.pictures?.currentDirection ?? "");
    }

    async open(device, pictures) {
        this.stream = await microphone(device);
        this.connection = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
        this.stream.getAudioTracks().forEach((track) => {
            this.sender = this.connection.addTrack(track, this.stream);
        });
        if (pictures) {
            await this.openCamera();
            this.presentation = this.connection.addTransceiver("video", { direction: "recvonly" });
        }
        this.told = this.state;
        this.connection.ontrack = ({ track, transceiver }) => {
            if (track.kind === "video") {
                const shown = transceiver === this.presentation ? this.slides : this.screen;
                shown.srcObject = new MediaStream([track]);
                shown.play().catch(() => {});
                return;
            }
            this.player.srcObject = new MediaStream([track]);
            this.player.play().catch(() => this.dispatchEvent(new Event("silenced")));
        };
        this.connection.oniceconnectionstatechange = () => {
            if (this.connection.iceConnectionState === "failed") {
                this.dispatchEvent(new Event("lost"));
            }
        };
    }

    /// Without a camera, or without the permission for it, the picture of the conference comes all the same.
    async openCamera() {
        this.camera = await navigator.mediaDevices
            .getUserMedia({ video: { width: 1280, height: 720 } })
            .catch(() => null);
        const [track] = this.camera?.getVideoTracks() ?? [];
        this.dark = !track;
        this.pictures = this.connection.addTransceiver(track ?? "video", {
            direction: track ? "sendrecv" : "recvonly",
        });
    }

    /// Switches the camera off or on again; nothing where there is none.
    show(shown) {
        const [track] = this.camera?.getVideoTracks() ?? [];
        if (track) {
            this.dark = !shown;
            track.enabled = shown;
            this.pictures.direction = shown ? "sendrecv" : "recvonly";
        }
    }

    /// Shares a screen, a window or a tab, which the browser lets the person choose; the server has to be told. "unshared"
    /// comes when the person has ended it in the browser itself.
    async share() {
        this.display = await navigator.mediaDevices.getDisplayMedia({ video: { frameRate: { max: 15 } } });
        const [track] = this.display.getVideoTracks();
        // Letters have to be sharp, however slowly they move.
        track.contentHint = "detail";
        track.onended = () => this.dispatchEvent(new Event("unshared"));
        if (this.hasPresentation) {
            this.presentation.direction = this.pictures ? "sendrecv" : "sendonly";
            await this.presentation.sender.replaceTrack(track);
        } else {
            this.presentation = this.connection.addTransceiver(track, { direction: "sendonly" });
        }
    }

    /// Shares it no more; the server has to be told.
    unshare() {
        this.display?.getTracks().forEach((track) => {
            track.onended = null;
            track.stop();
        });
        this.display = null;
        if (this.hasPresentation && this.connection.signalingState !== "closed") {
            this.presentation.direction = this.pictures ? "recvonly" : "inactive";
            this.presentation.sender.replaceTrack(null).catch(() => {});
        }
    }

    /// Our offer with all candidates (no trickling); `restart`: with new ICE credentials.
    async offer(restart = false) {
        await this.connection.setLocalDescription(
            await this.connection.createOffer({ iceRestart: restart }));
        return this.gathered();
    }

    async answer(offer) {
        await this.connection.setRemoteDescription({ type: "offer", sdp: offer });
        await this.connection.setLocalDescription(await this.connection.createAnswer());
        return this.gathered();
    }

    accept(answer) {
        return this.connection.setRemoteDescription({ type: "answer", sdp: answer });
    }

    async gathered() {
        const { connection } = this;
        if (!this.hasAllCandidates()) {
            await new Promise((resolve) => {
                const timer = setTimeout(resolve, GATHERING);
                connection.onicegatheringstatechange = () => {
                    if (this.hasAllCandidates()) {
                        clearTimeout(timer);
                        resolve();
                    }
                };
            });
        }
        return this.marked(connection.localDescription.sdp);
    }

    /// The state of the connection says so a moment too long when a section with a way of its own is new.
    hasAllCandidates() {
        const ways = this.connection.getTransceivers().map((one) => one.sender.transport?.iceTransport);
        return this.connection.iceGatheringState === "complete"
            && ways.every((way) => !way || way.gatheringState === "complete");
    }

    /// The description as the server is to see it: which section is slides (RFC 4796 §5, RFC 4574), which no browser
    /// says by itself.
    marked(sdp) {
        const mid = this.presentation?.mid;
        return mid ? sdp.replace(`\r\na=mid:${mid}\r\n`, (line) => `${line}${SLIDES}`) : sdp;
    }

    /// Another microphone, without a new offer.
    async change(device) {
        const stream = await microphone(device);
        const [track] = stream.getAudioTracks();
        track.enabled = !this.muted;
        await this.sender.replaceTrack(track);
        this.stream.getTracks().forEach((old) => old.stop());
        this.stream = stream;
    }

    mute(muted) {
        this.muted = muted;
        this.stream?.getAudioTracks().forEach((track) => {
            track.enabled = !muted;
        });
        const all = this.connection?.getTransceivers() ?? [];
        const voices = all.filter(({ receiver }) => receiver.track.kind === "audio");
        voices.forEach((transceiver) => {
            transceiver.direction = muted ? "recvonly" : "sendrecv";
        });
    }

    close() {
        for (const stream of [this.stream, this.camera, this.display]) {
            stream?.getTracks().forEach((track) => track.stop());
        }
        this.display = null;
        this.connection?.close();
        for (const shown of [this.player, this.screen, this.slides]) {
            shown.srcObject = null;
        }
    }
}

function microphone(device) {
    const exact = device ? { deviceId: { exact: device } } : {};
    return navigator.mediaDevices.getUserMedia({
        audio: { ...exact, echoCancellation: true, noiseSuppression: true, autoGainControl: true },
    });
}
