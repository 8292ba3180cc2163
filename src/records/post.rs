//! Detail records posted over HTTP: lines of JSON (`application/x-ndjson`). A collector that fails
//! is asked again after a pause that doubles.

use super::Metrics;
use std::time::Duration;
use ureq::Agent;

/// Posts to a collector.
pub(super) struct Poster {
    agent: Agent,
    url: String,
    pause: Duration,
    metrics: Metrics,
}

impl Poster {
    pub(super) fn new(url: &str, metrics: Metrics) -> Self {
        let agent = Agent::config_builder()
            .timeout_global(Some(PATIENCE))
            .max_redirects(0)
            .build();
        Self {
            agent: agent.into(),
            url: url.to_owned(),
            pause: PAUSE,
            metrics,
        }
    }

    pub(super) fn post(&self, lines: &str, count: u64) {
        let mut pause = self.pause;
        for left in (0..ATTEMPTS).rev() {
            let request = self.agent.post(&self.url);
            let request = request.header("Content-Type", "application/x-ndjson");
            match request.send(lines) {
                Ok(_) => {
                    self.metrics.posted.inc_by(count);
                    return;
                }
                Err(error) if left == 0 => {
                    tracing::error!("{}: {error}; {count} detail records are lost", self.url);
                }
                Err(error) => {
                    tracing::warn!("{}: {error}; {left} more attempts", self.url);
                    std::thread::sleep(pause);
                    pause *= 2;
                }
            }
        }
        self.metrics.lost.inc_by(count);
    }
}

/// For one attempt.
const PATIENCE: Duration = Duration::from_secs(10);
/// After the first attempt.
const PAUSE: Duration = Duration::from_secs(1);
/// Together with their pauses about a minute where the collector refuses at once.
const ATTEMPTS: u32 = 7;

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader, Read, Write};
    use std::net::TcpListener;

    /// Answers one request after the other with these statuses; gives back the bodies.
    fn collector(statuses: &'static [u16]) -> (String, std::thread::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/records", listener.local_addr().unwrap());
        let serve = move || {
            let mut bodies = Vec::new();
            for status in statuses {
                let (stream, _) = listener.accept().unwrap();
                let mut reader = BufReader::new(stream);
                let (mut length, mut line) = (0, String::new());
                while reader.read_line(&mut line).unwrap() > 2 {
                    if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                        length = value.trim().parse().unwrap();
                    }
                    line.clear();
                }
                let mut body = vec![0; length];
                reader.read_exact(&mut body).unwrap();
                bodies.push(String::from_utf8(body).unwrap());
                let close = "Connection: close\r\nContent-Length: 0\r\n\r\n";
                let answer = format!("HTTP/1.1 {status} X\r\n{close}");
                reader.get_mut().write_all(answer.as_bytes()).unwrap();
            }
            bodies
        };
        (url, std::thread::spawn(serve))
    }

    fn poster(url: &str, metrics: &Metrics) -> Poster {
        Poster {
            pause: Duration::ZERO,
            ..Poster::new(url, metrics.clone())
        }
    }

    #[test]
    fn a_collector_that_fails_is_asked_again() {
        let (url, bodies) = collector(&[503, 204]);
        let metrics = Metrics::default();
        poster(&url, &metrics).post("{}\n{}\n", 2);
        assert_eq!(bodies.join().unwrap(), ["{}\n{}\n", "{}\n{}\n"]);
        assert_eq!((metrics.posted.get(), metrics.lost.get()), (2, 0));
    }

    #[test]
    fn what_is_never_taken_is_lost_and_counted() {
        let (url, bodies) = collector(&[500; 7]);
        let metrics = Metrics::default();
        poster(&url, &metrics).post("{}\n", 1);
        assert_eq!(bodies.join().unwrap().len(), 7);
        assert_eq!((metrics.posted.get(), metrics.lost.get()), (0, 1));
    }
}
