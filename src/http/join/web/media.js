// The microphone, the camera, the loudspeaker, the screen and the way between them and the server.

const GATHERING = 1_500;

/// Microphones by their names; without the permission browsers name none.
export async function microphones() {
    const devices = await navigator.mediaDevices.enumerateDevices();
    return devices.filter((device) => device.kind === "audioinput");
}

/// One peer connection: our microphone to the conference, the conference to `player`; where pictures are wanted, our
/// camera to it and its picture to `screen`.
export class Sound extends EventTarget {
    constructor(player, screen) {
        super();
        this.player = player;
        this.screen = screen;
        this.muted = false;
        /// The camera is off; there may be none.
        this.dark = true;
        /// What the server was told of it, and whether it is being told.
        this.told = "";
        this.telling = false;
    }

    /// What the server is to be told: whether we send sound and pictures.
    get state() {
        return `${this.muted} ${this.dark}`;
    }

    /// Pictures were agreed on.
    get hasPictures() {
        return /send|recv/.test(this.pictures?.currentDirection ?? "");
    }

    async open(device, pictures) {
        this.stream = await microphone(device);
        // The server has another port for pictures: nothing else may be bundled with the sound.
        this.connection = new RTCPeerConnection({ bundlePolicy: pictures ? "balanced" : "max-bundle" });
        this.stream.getAudioTracks().forEach((track) => {
            this.sender = this.connection.addTrack(track, this.stream);
        });
        if (pictures) {
            await this.openCamera();
        }
        this.told = this.state;
        this.connection.ontrack = ({ track }) => {
            if (track.kind === "video") {
                this.screen.srcObject = new MediaStream([track]);
                this.screen.play().catch(() => {});
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
        if (connection.iceGatheringState !== "complete") {
            await new Promise((resolve) => {
                const timer = setTimeout(resolve, GATHERING);
                connection.onicegatheringstatechange = () => {
                    if (connection.iceGatheringState === "complete") {
                        clearTimeout(timer);
                        resolve();
                    }
                };
            });
        }
        return connection.localDescription.sdp;
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
        const voices = this.connection?.getTransceivers().filter((one) => one !== this.pictures) ?? [];
        voices.forEach((transceiver) => {
            transceiver.direction = muted ? "recvonly" : "sendrecv";
        });
    }

    close() {
        for (const stream of [this.stream, this.camera]) {
            stream?.getTracks().forEach((track) => track.stop());
        }
        this.connection?.close();
        this.player.srcObject = null;
        this.screen.srcObject = null;
    }
}

function microphone(device) {
    const exact = device ? { deviceId: { exact: device } } : {};
    return navigator.mediaDevices.getUserMedia({
        audio: { ...exact, echoCancellation: true, noiseSuppression: true, autoGainControl: true },
    });
}
