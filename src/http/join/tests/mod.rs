mod attacks;

use super::*;
use crate::config::Config;
use crate::limits::Limits;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use plenum_focus::conference::Settings;
use plenum_focus::factory::FocusFactory;
use plenum_focus::output::{ConferenceEvent, SipAction};
use plenum_focus::policy::Policy;
use plenum_focus::shell::{Connections, EventSink, Mcus, SipSink};
use plenum_mcu::control::{ConferenceId, Mcu, McuCommand};
use plenum_sip::msg::Host;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tower::ServiceExt;

const CONFIG: &str = r#"
[sip]
domains = ["conf.example.com"]
[join]
public_url = "https://meet.example.com"
phone_number = "+49 30 901820"
[[conference]]
name = "board"
pin = "4711"
subject = "Secret merger"
[[conference]]
name = "7700"
"#;

#[derive(Debug)]
struct Nothing;

impl SipSink for Nothing {
    fn act(&self, _: ConferenceId, _: SipAction) {}
}

impl EventSink for Nothing {
    fn event(&self, _: ConferenceId, _: &ConferenceEvent) {}
}

impl Mcu for Nothing {
    fn command(&self, _: McuCommand) {}
}

fn join(text: &str) -> Join {
    let config = Config::parse(text).unwrap();
    let Limits { focus, .. } = config.limits.clone();
    let settings = Settings {
        policy: Policy::default(),
        limits: focus.clone(),
        metrics: plenum_focus::metrics::Metrics::default(),
        host: Host::Name("conf.example.com".into()),
        agent: "plenum".to_owned(),
        ringing: Duration::from_secs(1),
    };
    let template = config.conferences.template.clone();
    let factory = FocusFactory::new(Policy::default(), focus, Vec::new(), template);
    let connections = Connections {
        sip: Arc::new(Nothing),
        mcus: Mcus {
            audio_video: Arc::new(Nothing),
        },
        events: Arc::new(Nothing),
    };
    let (_, published) = watch::channel(Arc::new(Published::new(&config)));
    Join {
        published,
        directory: Directory::new(factory, settings, connections),
    }
}

/// What came back.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// The variables of the page's own script, as a script would see them.
    fn variables(&self) -> BTreeMap<String, String> {
        let (_, script) = self.body.split_once("<script nonce=").unwrap();
        let (script, _) = script.split_once("</script>").unwrap();
        let (_, script) = script.split_once('>').unwrap();
        assert!(!script.contains('<'), "{script}");
        let variable = |line: &str| {
            let (name, value) = line.strip_prefix("var ")?.split_once(" = ")?;
            // A literal of this page is also one of JSON.
            let value = serde_json::from_str(value.strip_suffix(';')?).unwrap();
            Some((name.to_owned(), value))
        };
        script.lines().map(|line| variable(line).unwrap()).collect()
    }

    /// The document in `escapedXML`.
    fn document(&self) -> String {
        unescape(&self.variables()["escapedXML"])
    }
}

/// Replaces the entities, each once.
fn unescape(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        let (name, after) = after.split_once(';').unwrap();
        plain.push_str(before);
        plain.push(match name {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "apos" => '\'',
            "quot" => '"',
            other => panic!("entity {other}"),
        });
        rest = after;
    }
    plain + rest
}

fn element(document: &str, name: &str) -> String {
    let (_, rest) = document.split_once(&format!("<{name}>")).unwrap();
    let (content, _) = rest.split_once(&format!("</{name}>")).unwrap();
    assert!(!content.contains('<'), "{content}");
    unescape(content)
}

async fn ask(router: Router, target: &str, host: &str) -> Answer {
    let request = Request::get(target).header(header::HOST, host);
    let response = router.oneshot(request.body(Body::empty()).unwrap()).await;
    let response = response.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    let body = String::from_utf8(body.to_vec()).unwrap();
    Answer {
        status,
        headers,
        body,
    }
}

async fn get_from(config: &str, target: &str) -> Answer {
    ask(router(join(config)), target, "192.0.2.7:8060").await
}

/// What the program says to the input; it must not find fault. `None` where it is not installed.
fn judge(name: &str, arguments: &[&str], input: &str) -> Option<String> {
    let mut command = Command::new(name);
    command.args(arguments).stdin(Stdio::piped());
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let verdict = |mut child: Child| {
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(input.as_bytes()).unwrap();
        drop(stdin);
        let output = child.wait_with_output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{name}: {errors}\n{input}");
        String::from_utf8(output.stdout).unwrap()
    };
    let said = child.ok().map(verdict);
    if said.is_none() {
        println!("{name} is absent: not judged by it");
    }
    said
}

/// Against the schema of MS-CONFBAS §6.1, where there is one.
fn validate(document: &str) {
    let schema = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../shared/spec/confbas-vectors/xsd/simplejoinconfdoc.xsd");
    if schema.exists() {
        let schema = schema.display().to_string();
        judge("xmllint", &["--noout", "--schema", &schema, "-"], document);
    } else {
        println!("{} is absent: not validated", schema.display());
    }
}

#[tokio::test]
async fn cb_002_289_290_the_page_of_a_conference() {
    let answer = get_from(CONFIG, "/meet/board/BOARD").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(answer.header("cache-control"), "private");
    for text in [
        "<a href=\"sip:board@conf.example.com\">sip:board@conf.example.com</a>",
        "<a href=\"tel:+4930901820\">+49 30 901820</a>",
        "<svg class=\"qr\"",
        "<h1>Join the conference</h1>",
        "lang=\"en\"",
    ] {
        assert!(answer.body.contains(text), "{text}: {}", answer.body);
    }
    // It has no number to type, and browsers cannot join.
    for text in ["Conference number", "launchReachLink", "4711", "merger"] {
        assert!(!answer.body.contains(text), "{text}: {}", answer.body);
    }
    let answer = get_from(CONFIG, "/meet/7700/7700").await;
    assert!(answer.body.contains("<dd>7700</dd>"), "{}", answer.body);
}

#[tokio::test]
async fn cb_291_to_298_the_document_and_the_variables() {
    let answer = get_from(CONFIG, "/meet/board/board?x=1&y='2'").await;
    let variables = answer.variables();
    let names: Vec<_> = variables.keys().map(String::as_str).collect();
    let expect = [
        "browserCanJoin",
        "currentLanguage",
        "escapedXML",
        "reachURL",
        "showJoinUsingLegacyClientLink",
        "urlCrackingError",
    ];
    assert_eq!(names, expect);
    assert_eq!(variables["urlCrackingError"], "False");
    assert_eq!(variables["showJoinUsingLegacyClientLink"], "True");
    assert_eq!(variables["currentLanguage"], "en-US");
    assert!(!variables["escapedXML"].contains(['<', '>']));

    let document = answer.document();
    validate(&document);
    let name = plenum_focus::record::ConferenceName::new("board", 64).unwrap();
    let id = plenum_focus::uri::derived_id(&name);
    assert_eq!(
        element(&document, "conf-uri"),
        format!("sip:board@conf.example.com;gruu;opaque=app:conf:focus:id:{id}")
    );
    assert_eq!(element(&document, "conf-key"), id);
    let url = element(&document, "original-incoming-url");
    assert_eq!(url, "https://meet.example.com/meet/board/board?x=1&y='2'");
    let spent: f64 = element(&document, "server-time").parse().unwrap();
    assert!(spent >= 0.0);

    let reach = &variables["reachURL"];
    let (base, query) = reach.split_once("?xml=").unwrap();
    assert_eq!(base, "https://meet.example.com/meet/web");
    let (query, path) = query.split_once("&meet=").unwrap();
    assert!(path.starts_with("%2Fmeet%2Fboard%2F"), "{path}");
    let base64 = query.replace('-', "+").replace('!', "=");
    assert_eq!(STANDARD.decode(base64).unwrap(), document.as_bytes());
}

#[tokio::test]
async fn cb_293_trap_75_links_that_lead_nowhere_differ_in_nothing_but_their_url() {
    let mut pages = Vec::new();
    for target in [
        "/meet/board/nothing",
        "/meet/nobody/board",
        "/meet/board",
        "/meet/",
        "/meet",
        "/meet/a/b/c",
        "/meet/%FF/%FE",
        "/meet/a%00/b",
    ] {
        let answer = get_from(CONFIG, target).await;
        assert_eq!(answer.status, StatusCode::OK, "{target}");
        let variables = answer.variables();
        assert_eq!(variables["urlCrackingError"], "True", "{target}");
        assert_eq!(variables["showJoinUsingLegacyClientLink"], "False");
        let document = answer.document();
        validate(&document);
        assert!(document.contains("<conf-uri></conf-uri>"), "{document}");
        assert!(document.contains("<conf-key></conf-key>"), "{document}");
        let (_, visible) = answer.body.split_once("</head>").unwrap();
        pages.push(visible.to_owned());
    }
    assert!(pages[0].contains("This link is not valid"));
    assert!(pages.iter().all(|page| *page == pages[0]), "{pages:#?}");
}

#[tokio::test]
async fn the_document_itself() {
    for target in ["/meet/board/board?ocsmeet", "/meet/board/board.ocsmeet"] {
        let answer = get_from(CONFIG, target).await;
        let kind = "application/vnd.microsoft.ocsmeeting";
        assert_eq!(answer.header("content-type"), kind);
        let disposition = answer.header("content-disposition");
        let file = disposition.strip_prefix("attachment; filename=\"").unwrap();
        assert!(file.ends_with(".ocsmeet\""), "{file}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        validate(&answer.body);
        assert!(element(&answer.body, "conf-uri").starts_with("sip:board@"));
    }
    let page = get_from(CONFIG, "/meet/board/board").await.body;
    let (_, path) = page.split_once("id=\"legacyClientLink\" href=\"").unwrap();
    let (path, _) = path.split_once('"').unwrap();
    let answer = get_from(CONFIG, path).await;
    assert!(element(&answer.body, "conf-uri").starts_with("sip:board@"));
}

#[tokio::test]
async fn cb_299_300_302_everything_the_page_loads_is_there() {
    let page = get_from(CONFIG, "/meet/board/board").await.body;
    for (path, kind, expect) in [
        (
            "/meet/JavaScript/Utilities.js",
            "text/javascript",
            "function isIE8",
        ),
        (
            "/meet/JavaScript/PluginLoader.js",
            "text/javascript",
            "application/vnd.microsoft.communicatorattendee.ocsmeeting",
        ),
        (
            "/meet/JavaScript/Launch.js",
            "text/javascript",
            "LaunchUCClient",
        ),
        (
            "/meet/JavaScriptResourceHandler.ashx?language=en-US",
            "text/javascript",
            "textDirection",
        ),
        (
            "/meet/Resources/ReachClient.css",
            "text/css",
            ".reachJoinBody",
        ),
    ] {
        assert!(page.contains(&format!("=\"{path}\"")), "{path}");
        let answer = get_from(CONFIG, path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        assert!(answer.header("content-type").starts_with(kind), "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert!(answer.body.contains(expect), "{path}");
    }
    let word = |character: char| character.is_ascii_alphanumeric() || character == '_';
    for name in LAUNCH.split(|character| !word(character)) {
        if name.starts_with("txt_") || name.starts_with("msgBad") {
            assert!(TEXTS.contains(&format!("var {name} = ")), "{name}");
        }
    }
    for name in [
        "CommunicatorMeetingJoinAx.JoinManager",
        "AttendantConsoleMeetingJoinAx.JoinManager",
        "CommunicatorAttendeeMeetingJoinAx.JoinManager",
        "application/vnd.microsoft.communicator.ocsmeeting",
        "application/vnd.microsoft.attendantconsole.ocsmeeting",
    ] {
        assert!(PLUGIN_LOADER.contains(name), "{name}");
    }
}

#[tokio::test]
async fn the_policy_lets_only_our_scripts_run() {
    let [one, two] = [(), ()].map(|()| get_from(CONFIG, "/meet/board/board"));
    let (one, two) = (one.await, two.await);
    let policy = one.header("content-security-policy");
    for part in [
        "default-src 'none'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "style-src 'self'",
    ] {
        assert!(policy.contains(part), "{part}: {policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_ne!(policy, two.header("content-security-policy"));
    let (_, nonce) = policy.split_once("'nonce-").unwrap();
    let (nonce, _) = nonce.split_once('\'').unwrap();
    assert!(one.body.contains(&format!("<script nonce=\"{nonce}\">")));
    assert_eq!(one.header("referrer-policy"), "no-referrer");
    assert_eq!(one.header("x-content-type-options"), "nosniff");
    for inline in [
        " style=",
        " onload=",
        " onclick=",
        "javascript:",
        "http://www.w3.org/1999",
    ] {
        assert!(!one.body.contains(inline), "{inline}: {}", one.body);
    }
}

#[tokio::test]
async fn the_join_button_is_there_when_browsers_can_join() {
    let config = CONFIG.replace("[join]", "[join]\nbrowser = true");
    let answer = get_from(&config, "/meet/board/board").await;
    assert_eq!(answer.variables()["browserCanJoin"], "True");
    let button = "id=\"launchReachLink\" href=\"https://meet.example.com/meet/web?xml=";
    assert!(answer.body.contains(button), "{}", answer.body);
    assert!(answer.body.contains("<iframe id=\"launchReachFrame\""));
    for nowhere in [
        "?xml=x",
        "",
        "?meet=",
        "?meet=/meet/board/other",
        "?meet=http://%22",
    ] {
        let client = get_from(&config, &format!("/meet/web{nowhere}")).await;
        assert_eq!(client.status, StatusCode::NOT_FOUND, "{nowhere}");
    }
    let client = get_from(&config, "/meet/web?meet=%2Fmeet%2Fboard%2Fboard").await;
    assert_eq!(client.status, StatusCode::OK);
    let called = "data-conference=\"sip:board@conf.example.com;gruu;opaque=app:conf:focus:id:";
    assert!(client.body.contains(called), "{}", client.body);
    let policy = &client.headers[header::CONTENT_SECURITY_POLICY];
    assert!(policy.to_str().unwrap().contains("script-src 'self';"));
}

#[tokio::test]
async fn without_names_of_its_own_a_server_goes_by_the_host_it_was_asked_for() {
    let config = "[[conference]]\nname = \"board\"\n";
    // Whom HTTPS reached has a link of it, whatever port a forwarder has made of that.
    let public = format!("[http]\npublic_listen = \"0.0.0.0:8443\"\n{config}");
    for (host, encrypted, scheme) in [
        ("a.example:8443", true, "https"),
        ("a.example", true, "https"),
        ("a.example:8443", false, "http"),
        ("a.example:8060", false, "http"),
        ("a.example", false, "http"),
    ] {
        let ends = Ends {
            local: "192.0.2.1:8443".parse().unwrap(),
            remote: "192.0.2.2:40000".parse().unwrap(),
            encrypted,
        };
        let router = router(join(&public)).layer(Extension(ends));
        let answer = ask(router, "/meet/board/board", host).await;
        let url = element(&answer.document(), "original-incoming-url");
        assert_eq!(url, format!("{scheme}://{host}/meet/board/board"));
    }
    let ask = async |host| ask(router(join(config)), "/meet/board/board", host).await;
    let answer = ask("[2001:db8::7]:8060").await;
    assert!(
        answer.body.contains("\"sip:board@[2001:db8::7]\""),
        "{}",
        answer.body
    );
    let url = element(&answer.document(), "original-incoming-url");
    assert_eq!(url, "http://[2001:db8::7]:8060/meet/board/board");
    for host in ["a\"><script>alert(1)</script>", "a;b", "user@a", "", "a/b"] {
        let answer = ask(host).await;
        assert_eq!(answer.variables()["urlCrackingError"], "True", "{host}");
        let url = element(&answer.document(), "original-incoming-url");
        assert_eq!(url, "/meet/board/board");
    }
}

/// Runs the scripts of the page with a browser of a few lines and answers what a plugin was given.
const BROWSER: &str = "
var given = 'nothing';
var plugin = {
    GetVersionString: function () { return 'v4.0.7577.4000'; },
    LaunchUCClient: function (xml) { given = xml; },
    setAttribute: function () {}
};
var element = {
    setAttribute: function () {}, removeAttribute: function () {}, appendChild: function () {}
};
var document = {
    documentElement: {},
    body: { appendChild: function () {}, removeChild: function () {} },
    createElement: function () { return plugin; },
    createTextNode: function () { return {}; },
    getElementById: function (id) { return id.indexOf('Reach') < 0 ? element : null; }
};
var type = 'application/vnd.microsoft.communicatorattendee.ocsmeeting';
var window = { location: { search: '' } };
Object.defineProperty(globalThis, 'navigator', {
    value: { userAgent: '', mimeTypes: {} }, configurable: true
});
navigator.mimeTypes[type] = { enabledPlugin: {} };
";

#[tokio::test]
async fn cb_301_a_native_client_gets_the_document() {
    for target in ["/meet/board/board?a&lt;b='%22'", "/meet/board/nothing"] {
        let answer = get_from(CONFIG, target).await;
        let mut program = BROWSER.to_owned();
        for (name, value) in answer.variables() {
            let value = escape::ScriptString(&value).to_string();
            program.push_str(&format!("var {name} = {value};\n"));
        }
        for script in [UTILITIES, PLUGIN_LOADER, LAUNCH, TEXTS] {
            program.push_str(script);
        }
        program.push_str("window.onload();\nprocess.stdout.write(given);\n");
        let Some(given) = judge("node", &["-"], &program) else {
            return;
        };
        if target.ends_with("nothing") {
            assert_eq!(given, "nothing");
        } else {
            assert_eq!(given, answer.document());
            validate(&given);
        }
    }
}
