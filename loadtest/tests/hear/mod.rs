//! What two people who say tones must hear of each other.

use plenum_loadtest::peer::baresip::Recording;
use plenum_loadtest::signal::Signal;
use plenum_loadtest::tones;

/// What the first one says, Hz.
pub(crate) const LOW: f64 = 440.0;
/// What the second one says, Hz.
pub(crate) const HIGH: f64 = 1000.0;

/// How people talk here.
pub(crate) fn tone(hz: f64) -> Signal {
    Signal::Tone { hz, dbfs: -20.0 }
}

/// The far tone is there at its level all the time, the own one at least 50 dB down. The first `lead` seconds do not
/// count: the first one was alone until the other came.
pub(crate) fn judge(name: &str, heard: &Recording, lead: f64, far: f64, own: f64) {
    let middle = heard.middle(lead, 0.7);
    let seconds = middle.len() as f64 / f64::from(heard.rate);
    assert!(seconds > 1.5, "{name}: only {seconds:.1} s recorded");
    let far = tones::level(middle, heard.rate, far);
    let own = tones::level(middle, heard.rate, own);
    assert!(
        (far.dbfs + 20.0).abs() < 2.0,
        "{name}: the other one is heard at {far:?}"
    );
    assert!(
        far.present > 0.97,
        "{name}: the other one comes and goes: {far:?}"
    );
    assert!(own.dbfs < -70.0, "{name}: hears itself at {own:?}");
}
