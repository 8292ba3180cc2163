// The microphone, the loudspeaker and the way between them and the server.

const GATHERING = 1_500;

/// Microphones by their names; without the permission browsers name none.
export async function microphones() {
    const devices = await navigator.mediaDevices.enumerateDevices();
    return devices.filter((device) => device.kind === "audioinput");
}

/// One peer connection: our microphone to the conference, the conference to `player`.
export class Sound extends EventTarget {
    constructor(player) {
        super();
        this.player = player;
        this.muted = false;
        /// What the server was told of it, and whether it is being told.
        this.told = false;
        this.telling = false;
    }

    async open(device) {
        this.stream = await microphone(device);
        this.connection = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
        this.stream.getAudioTracks().forEach((track) => {
            this.sender = this.connection.addTrack(track, this.stream);
        });
        this.connection.ontrack = ({ track, streams }) => {
            this.player.srcObject = streams[0] ?? new MediaStream([track]);
            this.player.play().catch(() => this.dispatchEvent(new Event("silenced")));
        };
        this.connection.oniceconnectionstatechange = () => {
            if (this.connection.iceConnectionState === "failed") {
                this.dispatchEvent(new Event("lost"));
            }
        };
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
        this.connection?.getTransceivers().forEach((transceiver) => {
            transceiver.direction = muted ? "recvonly" : "sendrecv";
        });
    }

    close() {
        this.stream?.getTracks().forEach((track) => track.stop());
        this.connection?.close();
        this.player.srcObject = null;
    }
}

function microphone(device) {
    const exact = device ? { deviceId: { exact: device } } : {};
    return navigator.mediaDevices.getUserMedia({
        audio: { ...exact, echoCancellation: true, noiseSuppression: true, autoGainControl: true },
    });
}
