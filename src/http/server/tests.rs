use super::*;
use axum::routing::{get, post};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn limits() -> HttpLimits {
    HttpLimits {
        connections: 2,
        path_bytes: 32,
        body_bytes: 16,
        ..crate::config::Config::parse("").unwrap().limits.http
    }
}

fn routes() -> Router {
    let echo = |body: String| async move { body };
    Router::new()
        .route("/", get(|| async { "here" }))
        .route("/{*any}", get(|| async { "there" }))
        .route("/echo", post(echo))
}

async fn start(limits: HttpLimits) -> (Serving, Metrics) {
    let metrics = Metrics::default();
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let serving = serve(any, routes(), limits, metrics.clone(), None).await;
    (serving.unwrap(), metrics)
}

async fn connect(serving: &Serving) -> TcpStream {
    TcpStream::connect(serving.address).await.unwrap()
}

/// What comes back until the connection is closed.
async fn rest(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    // A connection that was closed with octets unread is reset, after what was written.
    stream.read_to_string(&mut text).await.ok();
    text
}

async fn ask(serving: &Serving, request: &str) -> String {
    let mut stream = connect(serving).await;
    stream.write_all(request.as_bytes()).await.unwrap();
    rest(&mut stream).await
}

fn request(line: &str, more: &str) -> String {
    format!("{line} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n{more}")
}

#[tokio::test]
async fn requests_within_the_bounds_are_served() {
    let (serving, metrics) = start(limits()).await;
    let answer = ask(&serving, &request("GET /", "\r\n")).await;
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.ends_with("here"),
        "{answer}"
    );
    let sixteen = request("POST /echo", "Content-Length: 16\r\n\r\n0123456789abcdef");
    let answer = ask(&serving, &sixteen).await;
    assert!(answer.ends_with("\r\n\r\n0123456789abcdef"), "{answer}");
    assert_eq!(metrics.refused_requests.get(), 0);
    serving.stop().await;
}

#[tokio::test]
async fn what_is_too_long_is_refused() {
    let (serving, metrics) = start(limits()).await;
    let long = "x".repeat(32);
    let field = "Content-Length: 17\r\n\r\n0123456789abcdefg";
    let chunks = "Transfer-Encoding: chunked\r\n\r\n11\r\n0123456789abcdefg\r\n0\r\n\r\n";
    for (line, more, expect) in [
        (format!("GET /{long}"), "\r\n", "HTTP/1.1 414"),
        ("POST /echo".to_owned(), field, "HTTP/1.1 413"),
        ("POST /echo".to_owned(), chunks, "HTTP/1.1 413"),
    ] {
        let answer = ask(&serving, &request(&line, more)).await;
        assert!(answer.starts_with(expect), "{line}: {answer}");
    }
    assert_eq!(metrics.refused_requests.get(), 3);
    let fields = "A: b\r\n".repeat(100) + "\r\n";
    let octets = format!("A: {}\r\n\r\n", "b".repeat(20_000));
    for more in [fields, octets] {
        let answer = ask(&serving, &request("GET /", &more)).await;
        assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    }
    serving.stop().await;
}

#[tokio::test]
async fn a_connection_too_many_is_closed_and_a_place_is_given_back() {
    let (serving, metrics) = start(limits()).await;
    let mut one = connect(&serving).await;
    let two = connect(&serving).await;
    let mut three = connect(&serving).await;
    assert_eq!(rest(&mut three).await, "");
    assert_eq!(metrics.refused_connections.get(), 1);
    assert_eq!(metrics.connections.get(), 2);
    one.write_all(request("GET /", "\r\n").as_bytes())
        .await
        .unwrap();
    assert!(rest(&mut one).await.ends_with("here"));
    while metrics.connections.get() > 1 {
        tokio::task::yield_now().await;
    }
    let answer = ask(&serving, &request("GET /", "\r\n")).await;
    assert!(answer.ends_with("here"), "{answer}");
    drop(two);
    serving.stop().await;
}

#[tokio::test]
async fn slow_senders_are_given_up() {
    let short = HttpLimits {
        read_timeout: Duration::from_millis(40),
        ..limits()
    };
    let (serving, _) = start(short).await;
    // Nothing, half a header, and silence after a first request.
    let whole = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
    for (text, expect) in [("", ""), ("GET / HTTP/1.1\r\nHo", ""), (whole, "here")] {
        let answer = ask(&serving, text).await;
        assert!(answer.ends_with(expect), "{text}: {answer}");
    }
    let slow = request("POST /echo", "Content-Length: 9\r\n\r\nhalf");
    let answer = ask(&serving, &slow).await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    serving.stop().await;
}

#[tokio::test]
async fn what_is_being_answered_may_finish() {
    let (ask_in, mut asked) = tokio::sync::mpsc::channel(1);
    let (go, gone) = watch::channel(false);
    let slow = move || {
        let (ask_in, mut gone) = (ask_in.clone(), gone.clone());
        async move {
            ask_in.send(()).await.unwrap();
            gone.wait_for(|gone| *gone).await.unwrap();
            "finished"
        }
    };
    let routes = Router::new().route("/", get(slow));
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let serving = serve(any, routes, limits(), Metrics::default(), None)
        .await
        .unwrap();
    let address = serving.address;
    let mut idle = connect(&serving).await;
    let mut busy = connect(&serving).await;
    busy.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        .await
        .unwrap();
    asked.recv().await.unwrap();
    let stopping = tokio::spawn(serving.stop());
    assert_eq!(rest(&mut idle).await, "");
    assert!(TcpStream::connect(address).await.is_err());
    go.send_replace(true);
    assert!(rest(&mut busy).await.ends_with("finished"));
    stopping.await.unwrap();
}

#[tokio::test]
async fn who_takes_nothing_of_an_answer_is_disconnected() {
    let short = HttpLimits {
        write_timeout: Duration::from_millis(200),
        ..limits()
    };
    // More than kernels buffer.
    let large = || async { vec![0_u8; 64 << 20] };
    let routes = Router::new().route("/", get(large));
    let metrics = Metrics::default();
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let serving = serve(any, routes, short, metrics.clone(), None)
        .await
        .unwrap();
    let mut stream = connect(&serving).await;
    stream
        .write_all(request("GET /", "\r\n").as_bytes())
        .await
        .unwrap();
    stream.readable().await.unwrap();
    while metrics.connections.get() > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    drop(stream);
    serving.stop().await;
}
