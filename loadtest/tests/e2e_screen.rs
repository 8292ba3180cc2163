//! Browsers share their screens (RFC 4796): Chromium captures the picture that it makes up for tests, and phones and
//! other browsers see it, judged by pixels.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, its own functions included"
)]

mod slides;

use plenum_loadtest::peer::chromium::Chromium;
use plenum_loadtest::peer::floor_client::{primitive, status};
use plenum_loadtest::peer::join_page;
use plenum_loadtest::peer::video_phone::{BLUE, RED, Rgb, Seen, YELLOW, alike, shows, wait};
use plenum_loadtest::server::Server;
use plenum_loadtest::signal::Signal;
use slides::{SECOND, await_presenting, call, floor, slides, start, start_room};

/// The screen of Chromium without a screen, but for what moves in its middle.
const SHARED: Rgb = (0, 135, 0);
const VIOLET: Rgb = (120, 30, 140);

/// Somebody at the join page, with a camera.
fn join(server: &Server, name: &str) -> Chromium {
    let mut browser = Chromium::with_camera(Signal::Silence, VIOLET).unwrap();
    let ip = server.sip().ip();
    join_page::join_with_pictures(&mut browser, ip, "board", name).unwrap();
    browser.evaluate(KEPT).unwrap();
    browser
}

/// Keeps the track of the screen that is shared.
const KEPT: &str = "(() => { const media = shown().defaultView.navigator.mediaDevices; \
    const asked = media.getDisplayMedia.bind(media); \
    media.getDisplayMedia = async (what) => { const stream = await asked(what); \
    [globalThis.track] = stream.getVideoTracks(); return stream; }; })()";

/// Waits for the page; fails with the end of the server's log.
fn see(browser: &mut Chromium, server: &Server, expression: &str) {
    if let Err(error) = browser.wait_for(expression) {
        let log = server.log();
        let tail: Vec<&str> = log.lines().rev().take(20).collect();
        panic!("{error}\n{}", tail.join("\n"));
    }
}

fn says(text: &str) -> String {
    format!("the('status').textContent === {text:?}")
}

/// Presses the button, and is seen by all.
fn share(browser: &mut Chromium, server: &Server) {
    browser.evaluate("the('share').click()").unwrap();
    see(browser, server, &says("Everybody sees your screen."));
    await_presenting(server, 1);
}

/// The page shows the slides apart, and in their upper left a colour of which this is true. Of dark colours browsers make
/// others than ffmpeg does.
fn page_shows(colour: &str) -> String {
    format!(
        "!the('slides').hidden && the('slides').videoWidth > 0 && ((canvas) => {{ \
         [canvas.width, canvas.height] = [32, 18]; const context = canvas.getContext('2d'); \
         context.drawImage(the('slides'), 0, 0, 32, 18); \
         const [r, g, b] = context.getImageData(7, 3, 1, 1).data; return {colour}; \
         }})(shown().createElement('canvas'))"
    )
}

/// A fifth of a picture at least has this colour.
fn has(colour: Rgb) -> impl Fn(&Seen) -> bool {
    move |seen| {
        let places = (0..10).flat_map(|x| (0..10).map(move |y| (x, y)));
        let share = |at: i32| (f64::from(at) + 0.5) / 10.0;
        let alike = places.filter(|&(x, y)| alike(seen.at(share(x), share(y)), colour));
        alike.count() >= 20
    }
}

#[test]
fn rfc4796_a_shared_screen_is_seen_by_phones_and_browsers_until_it_ends() {
    let server = start("");
    let two = call(&server, "two", RED, Some((YELLOW, Some("UDP/BFCP"))));
    let plain = call(&server, "plain", BLUE, None);
    let [mut ann, mut bob] = ["Ann", "Bob"].map(|name| join(&server, name));
    see(
        &mut bob,
        &server,
        "the('slides').hidden && !the('screen').hidden",
    );
    share(&mut ann, &server);
    let second = || slides(&two).look();
    wait(
        &server,
        "the second stream",
        second,
        shows(SHARED, 0.22, 0.2),
    );
    let main = || plain.look();
    wait(&server, "in the picture", main, has(SHARED));
    see(&mut bob, &server, &says("Ann shares a screen."));
    see(&mut bob, &server, &page_shows("g > 60 && r < 40 && b < 40"));
    let row = "[...the('people').children].find((one) => one.textContent.startsWith('Ann'))\
               .children[1].textContent.endsWith('shares a screen')";
    see(&mut bob, &server, row);
    see(
        &mut ann,
        &server,
        "the('share').ariaPressed === 'true' && the('slides').hidden",
    );
    let roster = server
        .operate(&["conference", "show", "board"], "")
        .unwrap();
    let anns = roster.lines().find(|line| line.contains("presenting"));
    assert!(anns.is_some_and(|line| line.contains("Ann")), "{roster}");
    // By its button.
    ann.evaluate("the('share').click()").unwrap();
    see(
        &mut ann,
        &server,
        "track.readyState === 'ended' && the('share').ariaPressed === 'false'",
    );
    see(&mut bob, &server, "the('slides').hidden");
    await_presenting(&server, 0);
    let gone = |seen: &Seen| !has(SHARED)(seen);
    wait(&server, "people again", main, gone);
    assert!(ann.console().is_empty() && bob.console().is_empty());
}

#[test]
fn rfc8855_13_1_who_loses_the_floor_is_told_so_and_captured_no_more() {
    let server = start("");
    let two = call(&server, "two", RED, Some((YELLOW, Some("UDP/BFCP"))));
    let mut ann = join(&server, "Ann");
    // By the operator.
    share(&mut ann, &server);
    let revoke = ["conference", "revoke-floor", "board"];
    server.operate(&revoke, "").unwrap();
    let ended = "track.readyState === 'ended' && the('share').textContent === 'Share screen'";
    see(
        &mut ann,
        &server,
        &says("The conference has ended the sharing of your screen."),
    );
    see(&mut ann, &server, ended);
    await_presenting(&server, 0);
    // By a phone that asks for it.
    share(&mut ann, &server);
    let mut client = floor(&server, &two);
    assert_eq!(client.request().unwrap().status, status::GRANTED);
    slides(&two).show(true);
    see(
        &mut ann,
        &server,
        &says("raw@127.0.0.1 shares a screen now. Yours is not shared any more."),
    );
    see(&mut ann, &server, ended);
    see(
        &mut ann,
        &server,
        &page_shows("r > 150 && g > 150 && b < 90"),
    );
    // And the other way round, by the key.
    slides(&two).show(false);
    ann.evaluate("the('share').focus()").unwrap();
    ann.press("s").unwrap();
    see(&mut ann, &server, &says("Everybody sees your screen."));
    assert!(client.hear(status::REVOKED, 2 * SECOND).unwrap().is_some());
    // By the browser's own bar.
    ann.evaluate("track.stop(); track.dispatchEvent(new Event('ended'))")
        .unwrap();
    see(
        &mut ann,
        &server,
        &says("Your screen is not shared any more."),
    );
    await_presenting(&server, 0);
    // By hanging up.
    share(&mut ann, &server);
    ann.evaluate("the('leave').click()").unwrap();
    see(&mut ann, &server, ended);
    await_presenting(&server, 0);
    assert!(ann.console().is_empty(), "{:?}", ann.console());
}

/// The number of an endpoint, as operators see it.
fn number(server: &Server, name: &str) -> String {
    let roster = server
        .operate(&["conference", "show", "board"], "")
        .unwrap();
    let line = roster.lines().find(|line| line.contains(name)).unwrap();
    let mut words = line.split_whitespace();
    let number = words.find(|word| word.len() >= 8 && word.bytes().all(|it| it.is_ascii_digit()));
    number.unwrap().to_owned()
}

#[test]
fn cb_176_slides_are_of_presenters_and_the_operator_hands_the_floor_over() {
    let server = start_room("", "slides = \"presenters\"\n");
    let two = call(&server, "two", RED, Some((YELLOW, Some("UDP/BFCP"))));
    let mut ann = join(&server, "Ann");
    let operate = |words: &[&str]| server.operate(&[&["conference"], words].concat(), "");
    // Neither is a presenter.
    let mut client = floor(&server, &two);
    assert_eq!(client.request().unwrap().primitive, primitive::ERROR);
    let barred = says("You may not share a screen in this conference.");
    ann.evaluate("the('share').click()").unwrap();
    see(&mut ann, &server, &barred);
    assert!(operate(&["give-floor", "board", &number(&server, "Ann")]).is_err());
    // Ann is allowed to, and two becomes one.
    let anns = number(&server, "Ann");
    operate(&["looks", "board", &anns, "--slides", "true"]).unwrap();
    // The page hears of it when the roster comes.
    let shares = (0..5).any(|_| {
        ann.evaluate("the('share').click()").unwrap();
        std::thread::sleep(SECOND);
        ann.evaluate("the('share').ariaPressed").unwrap() == "true"
    });
    assert!(shares);
    see(&mut ann, &server, &says("Everybody sees your screen."));
    operate(&["role", "board", "1", "presenter"]).unwrap();
    let twos = number(&server, "raw");
    slides(&two).show(true);
    operate(&["give-floor", "board", &twos]).unwrap();
    assert!(client.hear(status::GRANTED, 2 * SECOND).unwrap().is_some());
    let lost = says("raw@127.0.0.1 shares a screen now. Yours is not shared any more.");
    see(&mut ann, &server, &lost);
    see(
        &mut ann,
        &server,
        &page_shows("r > 150 && g > 150 && b < 90"),
    );
    // Back to Ann, who is told.
    operate(&["give-floor", "board", &anns]).unwrap();
    see(&mut ann, &server, &says("You may share your screen now."));
    share(&mut ann, &server);
    // Whose right ends, what they show ends.
    operate(&["looks", "board", &anns, "--slides", "false"]).unwrap();
    let ended = says("The conference has ended the sharing of your screen.");
    see(&mut ann, &server, &ended);
    await_presenting(&server, 0);
}

#[test]
fn rfc9143_7_5_who_came_without_pictures_shares_a_screen_too() {
    let server = start("");
    let plain = call(&server, "plain", BLUE, None);
    let mut ann = Chromium::start(Signal::Silence).unwrap();
    join_page::join(&mut ann, server.sip().ip(), "board", "Ann").unwrap();
    share(&mut ann, &server);
    let main = || plain.look();
    wait(&server, "in the picture", main, has(SHARED));
    ann.evaluate("the('share').click()").unwrap();
    await_presenting(&server, 0);
}
