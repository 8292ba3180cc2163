//! The instruments themselves, measured on an echo: what they say of a server is worth no more.

use plenum_loadtest::call::CallState;
use plenum_loadtest::codec::Codec;
use plenum_loadtest::fleet::{Fleet, PhoneSettings};
use plenum_loadtest::hearing::Heard;
use plenum_loadtest::peer::baresip::Baresip;
use plenum_loadtest::peer::sipp::Echo;
use plenum_loadtest::signal::Signal;
use plenum_loadtest::tones;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn baresip_hears_its_echo_at_the_level_it_said_it() {
    let echo = Echo::start().unwrap();
    let signal = Signal::Tone {
        hz: 1000.0,
        dbfs: -20.0,
    };
    let mut phone = Baresip::start(Codec::Pcmu, signal).unwrap();
    phone.call(&format!("sip:echo@{}", echo.address())).unwrap();
    std::thread::sleep(4 * SECOND);
    let heard = phone.finish().unwrap();
    let middle = heard.middle(0.8);
    let tone = tones::level(middle, heard.rate, 1000.0);
    assert!(
        (tone.dbfs + 20.0).abs() < 0.5 && tone.present > 0.98,
        "{tone:?}"
    );
    assert!(tones::level(middle, heard.rate, 440.0).dbfs < -60.0);
    assert!(tones::longest_silence(middle, heard.rate) < 0.03);
}

#[test]
fn a_simulated_phone_hears_its_echo_without_delay() {
    let echo = Echo::start().unwrap();
    let mut fleet = Fleet::new(echo.address(), 20 * SECOND, 1).unwrap();
    let signal = Signal::Marked {
        hz: 1000.0,
        dbfs: -20.0,
    };
    fleet
        .add(PhoneSettings::new("echo", Codec::Pcmu, signal))
        .unwrap();
    fleet.invite(0);
    fleet.run(6 * SECOND).unwrap();
    let phone = &fleet.phones()[0];
    assert_eq!(*phone.call.state(), CallState::Up);
    assert!(phone.receiver.packets() >= 280 && phone.receiver.lost() == 0);
    let heard = Heard::new(Codec::Pcmu, phone.receiver.kept()).unwrap();
    let delays = heard.delays_ms(&phone.sender, 1000.0);
    assert_eq!(delays.len(), 2, "{delays:?}");
    // An echo adds nothing but the time that both programs need to be scheduled.
    assert!(
        delays.iter().all(|delay| (-1.5..10.0).contains(delay)),
        "{delays:?}"
    );
    fleet.hang_up(0);
    let over = fleet.run_until(2 * SECOND, |fleet| {
        *fleet.phones()[0].call.state() == CallState::Over { by_server: false }
    });
    assert!(over.unwrap());
}
