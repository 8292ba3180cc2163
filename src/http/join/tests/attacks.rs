//! CB-303: the URL is its sender's, and nothing of it breaks out of where it stands.

use super::*;
use proptest::prelude::*;
use std::sync::LazyLock;

/// What has broken out of pages before, as it stands in a URL.
const ATTACKS: [&str; 16] = [
    "/meet/a\"%3C/script%3E/x",
    "/meet/a\"</script>/x",
    "/meet/%3Cscript%3Ealert(1)%3C/script%3E/x",
    "/meet/x/%22%3E%3Cimg%20src=x%20onerror=alert(1)%3E",
    "/meet/x/';alert(1);//",
    "/meet/x/\";alert(1);//",
    "/meet/x/\\\";alert(1);//",
    "/meet/x/%5C%22;alert(1)",
    "/meet/x/]]%3E",
    "/meet/x/--%3E%3C!--",
    "/meet/x/&lt;script&gt;",
    "/meet/x/&amp;lt;b&amp;gt;",
    "/meet/x/y?%E2%80%A8alert(1)%E2%80%A9",
    "/meet/x/y?<!--<script>",
    "/meet/x/${alert(1)}`",
    "/meet/x/javascript:alert(1)",
];

#[tokio::test]
async fn cb_303_nothing_breaks_out() {
    let router = router(join(CONFIG));
    for target in ATTACKS {
        // What no request line can hold does not reach us.
        let Ok(uri) = target.parse::<Uri>() else {
            assert!(target.contains(['<', '\\', '`', '{']), "{target}");
            continue;
        };
        let answer = ask(router.clone(), &uri.to_string(), "meet.example.com").await;
        unharmed(&answer, target);
    }
}

/// The page has its own elements only, and the variables give back the URL.
fn unharmed(answer: &Answer, target: &str) {
    assert_eq!(answer.status, StatusCode::OK, "{target}");
    let (known, unknown) = &*PAGES;
    let shape = shape(&answer.body);
    assert!(shape == *known || shape == *unknown, "{}", answer.body);
    assert_eq!(
        shape == *known,
        answer.document().contains("<conf-uri>sip:")
    );
    let url = element(&answer.document(), "original-incoming-url");
    let expect = utf8_percent_encode(target, percent_encoding::CONTROLS);
    assert_eq!(url, format!("https://meet.example.com{expect}"));
}

/// The shape of a page of a conference, and of one that says there is none.
static PAGES: LazyLock<(Shape, Shape)> = LazyLock::new(|| {
    // On a thread of its own: the test that comes first may run on a runtime already.
    let read = || {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let page = |target| shape(&runtime.block_on(get_from(CONFIG, target)).body);
        (page("/meet/board/board"), page("/meet/x/y"))
    };
    std::thread::spawn(read).join().unwrap()
});

/// The tags of a page in order, each with the names of its attributes.
type Shape = Vec<(String, Vec<String>)>;

/// Reads a page as a browser does: an element ends where the first `>` outside quotes is, a script
/// where its end tag is.
fn shape(page: &str) -> Shape {
    let mut shape = Vec::new();
    let mut rest = page;
    while let Some((_, after)) = rest.split_once('<') {
        let mut quoted = false;
        let end = after.find(|character| {
            quoted ^= character == '"';
            character == '>' && !quoted
        });
        let (tag, after) = after.split_at(end.unwrap());
        let mut names = tag.split('"').step_by(2).flat_map(str::split_whitespace);
        let name = names.next().unwrap().to_owned();
        let attributes = names.map(|name| name.trim_end_matches('=').to_owned());
        shape.push((name.clone(), attributes.collect()));
        rest = match name.as_str() {
            "script" => &after[after.find("</script").unwrap()..],
            _ => after,
        };
    }
    shape
}

/// What a request target can hold: any such character, and what breaks out of something.
fn target() -> impl Strategy<Value = String> {
    let pieces = [
        "board",
        "/",
        "//",
        ".ocsmeet",
        "%3C/script%3E",
        "%22",
        "%27",
        "\\",
        "\\u003c",
        "&lt;",
        "&amp;lt;",
        "]]%3E",
        "--%3E",
        "%00",
        "%FF",
        "%0D%0A",
        "';",
        "=1//",
    ];
    let piece = || {
        let any = "[!$-;=@-_a-z|~é\u{2028}\u{85}\u{ffff}😀]{1,3}";
        prop_oneof![
            proptest::sample::select(pieces.to_vec()).prop_map(str::to_owned),
            any.prop_map(|text| text)
        ]
    };
    let pieces = || proptest::collection::vec(piece(), 0..12).prop_map(|pieces| pieces.concat());
    let query = proptest::option::of(pieces());
    let query = query.prop_map(|query| query.map(|query| format!("?{query}")).unwrap_or_default());
    (pieces(), query).prop_map(|(path, query)| format!("/meet/{path}{query}"))
}

proptest! {
    #[test]
    fn cb_303_arbitrary_targets_come_back_as_they_were(target in target()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let answer = runtime.block_on(get_from(CONFIG, &target));
        if answer.header("content-type").starts_with("text/html") {
            unharmed(&answer, &target);
        } else {
            prop_assert!(target.contains("ocsmeet"), "{}", target);
        }
    }
}
