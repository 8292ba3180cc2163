//! A person at the join page, in a real browser.

use super::chromium::Chromium;
use super::video_phone::{SAMPLED, Seen};
use std::io;
use std::net::IpAddr;
use std::time::Duration;

/// What the page says once somebody is in.
pub const JOINED: &str = "the('status').textContent === 'You are in the call.'";

/// Where the link to a conference leads.
pub fn link(server: IpAddr, conference: &str) -> String {
    let host = match server {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => format!("[{v6}]"),
    };
    format!("https://{host}:8443/meet/{conference}/{conference}")
}

/// Opens the web client of a conference, from its link.
pub fn open(browser: &mut Chromium, server: IpAddr, conference: &str) -> io::Result<()> {
    browser.open(&link(server, conference))?;
    browser.evaluate("document.getElementById('launchReachLink').click()")?;
    browser.wait_for("the('join')?.disabled === false && the('microphone').options.length > 0")
}

/// Fills in the form and joins; the call is not up yet.
pub fn press_join(browser: &mut Chromium, name: &str, pin: &str) -> io::Result<()> {
    let script =
        format!("the('name').value = {name:?}; the('pin').value = {pin:?}; the('join').click()");
    browser.evaluate(&script).map(drop)
}

/// Opens the page, joins without a PIN, and waits until the conference is heard.
pub fn join(
    browser: &mut Chromium,
    server: IpAddr,
    conference: &str,
    name: &str,
) -> io::Result<()> {
    open(browser, server, conference)?;
    press_join(browser, name, "")?;
    browser.wait_for(JOINED)?;
    browser.wait_for("the('player').srcObject?.active === true")
}

/// Opens the page, joins with camera and picture and without a PIN, and waits until the call is up.
pub fn join_with_pictures(
    browser: &mut Chromium,
    server: IpAddr,
    conference: &str,
    name: &str,
) -> io::Result<()> {
    open(browser, server, conference)?;
    browser.evaluate("the('pictures').checked = true")?;
    press_join(browser, name, "")?;
    browser.wait_for(JOINED)
}

/// What the page shows of the conference now.
pub fn look(browser: &mut Chromium) -> io::Result<Option<Seen>> {
    look_at(browser, "screen")
}

/// The slides that the page shows beside it; none while there are none.
pub fn look_at_slides(browser: &mut Chromium) -> io::Result<Option<Seen>> {
    let there = browser.evaluate("!the('slides').hidden && the('slides').videoWidth > 0")?;
    if there.as_bool() == Some(true) {
        look_at(browser, "slides")
    } else {
        Ok(None)
    }
}

fn look_at(browser: &mut Chromium, element: &str) -> io::Result<Option<Seen>> {
    let (width, height) = SAMPLED;
    let script = format!(
        "((canvas) => {{ [canvas.width, canvas.height] = [{width}, {height}]; \
         const context = canvas.getContext('2d'); context.imageSmoothingQuality = 'high'; \
         context.drawImage(the('{element}'), 0, 0, {width}, {height}); \
         return [...context.getImageData(0, 0, {width}, {height}).data].filter((_, n) => n % 4 < 3); \
         }})(shown().createElement('canvas'))"
    );
    let samples = browser.evaluate(&script)?;
    let samples = samples.as_array().into_iter().flatten();
    let octet = |sample: &serde_json::Value| sample.as_u64().and_then(|it| u8::try_from(it).ok());
    let rgb = samples.map(|sample| octet(sample).unwrap_or(0)).collect();
    let at = Duration::ZERO;
    Ok(Some(Seen { at, rgb }))
}
