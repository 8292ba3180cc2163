//! A camera that we did not write: ffmpeg encodes and packs, and the phone passes its packets on.

use super::Rgb;
use super::seen::VideoCodec;
use std::io;
use std::net::UdpSocket;
use std::process::{Child, Command, Stdio};

/// One ffmpeg that sends RTP to a socket of its own.
#[derive(Debug)]
pub(super) struct Foreign {
    /// Where its packets come.
    pub(super) socket: UdpSocket,
    child: Child,
}

impl Foreign {
    /// One that shows a colour, 640×360 at 25 pictures a second, with a keyframe each second.
    pub(super) fn start(codec: VideoCodec, (red, green, blue): Rgb) -> io::Result<Self> {
        crate::peer::installed("ffmpeg", "-version", "ffmpeg")?;
        let socket = super::bind()?;
        let port = socket.local_addr()?.port();
        let source = format!("color=0x{red:02x}{green:02x}{blue:02x}:s=640x360:r=25");
        let encoder: &[&str] = match codec {
            VideoCodec::H264 => &[
                "libx264",
                "-profile:v",
                "baseline",
                "-preset",
                "ultrafast",
                "-tune",
                "zerolatency",
            ],
            VideoCodec::Vp8 => &["libvpx", "-deadline", "realtime", "-cpu-used", "8"],
        };
        let child = Command::new("ffmpeg")
            .args(["-v", "error", "-re", "-f", "lavfi", "-i", &source])
            .args(["-pix_fmt", "yuv420p", "-c:v"])
            .args(encoder)
            .args(["-b:v", "400k", "-g", "25", "-threads", "1"])
            .args(["-payload_type", &codec.payload_type().to_string()])
            .args(["-f", "rtp", "-sdp_file", "/dev/null"])
            .arg(format!(
                "rtp://127.0.0.1:{port}?rtcpport={port}&pkt_size=1100"
            ))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Self { socket, child })
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
