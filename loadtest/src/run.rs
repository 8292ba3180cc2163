//! Carrying out a scenario against a server.

use crate::beside::Beside;
use crate::call::CallState;
use crate::clock;
use crate::codec::CodecError;
use crate::crowd::{Crowd, CrowdResult, CrowdSettings};
use crate::fleet::{Fleet, FleetError, Phone, PhoneSettings};
use crate::hearing::{self, Heard};
use crate::process::Usage;
use crate::report::{Generator, Listener, Media, Report, ServerUse, Setup, quantile};
use crate::scenario::{Phones, Scenario};
use crate::sights::Show;
use crate::signal::Signal;
use crate::storm::Storm;
use crate::tones;
use std::net::SocketAddr;
use std::time::Duration;

/// The talkers' tones, Hz: none is a harmonic or an intermodulation of three others' that matters.
const TONES: [f64; 12] = [
    440.0, 1000.0, 1630.0, 600.0, 1230.0, 1940.0, 790.0, 1430.0, 2210.0, 530.0, 1110.0, 2470.0,
];
/// The level of every talker, dBFS.
const LEVEL: f64 = -20.0;
/// How long joining may take beyond the ramp.
const PATIENCE: Duration = Duration::from_secs(20);

/// Runs a scenario; `pid` is the server's process, where its use is to be measured.
pub fn run(
    name: &str,
    scenario: &Scenario,
    server: SocketAddr,
    pid: Option<u32>,
) -> Result<Report, FleetError> {
    let window = Duration::from_secs_f64(scenario.seconds);
    let warmup = Duration::from_secs_f64(scenario.warmup_s);
    let ramp = scenario.phones.as_ref().map_or(Duration::ZERO, ramp);
    let seed = clock::now().as_secs() << 20 | u64::from(clock::now().subsec_micros());
    let mut fleet = Fleet::new(server, loop_time(ramp + warmup + window), seed)?;
    let usage = || pid.and_then(Usage::of);
    let idle = usage();
    let mut show = assemble(&mut fleet, scenario, server)?;
    if scenario.phones.is_some() || scenario.crowd.is_some() || show.is_some() {
        fleet.run(warmup)?;
    }
    let joined = usage();
    if let Some(storm) = &scenario.storm {
        fleet.storm = Some(Storm::new(storm.clone(), server, seed >> 20)?);
    }
    let own_before = Usage::of(std::process::id()).unwrap_or_default();
    let (before, begun) = (usage(), clock::now());
    fleet.begin_window();
    if let Some(show) = &mut show {
        show.begin_window();
    }
    move_crowd(&mut fleet, scenario);
    let beside = (scenario.forged.is_some() || scenario.registering.is_some())
        .then(|| Beside::start(scenario.forged.clone(), scenario.registering, server));
    fleet.run(window)?;
    let window_s = clock::now().saturating_sub(begun).as_secs_f64();
    let besides = beside.map(Beside::stop).transpose()?;
    let mut after = usage();
    let sights = show.map(Show::stop).transpose()?;
    let own_after = Usage::of(std::process::id()).unwrap_or_default();
    let up = fleet.up();
    let mut report = Report {
        scenario: name.to_owned(),
        description: scenario.description.clone(),
        window_s,
        phones: up,
        phones_failed: fleet.phones().len() - up,
        media: media(fleet.phones(), window_s),
        generator: generator(&fleet, own_before, own_after),
        besides,
        sights,
        ..Report::default()
    };
    if fleet.storm.is_some() {
        drain(&mut fleet)?;
        // What the last calls cost belongs to the calls, unless phones cost all the while.
        if fleet.phones().is_empty() {
            after = usage();
        }
    }
    report.crowd = crowd_result(&mut fleet);
    report.setup = setup(&mut fleet, report.crowd.as_ref());
    report.storm = fleet.storm.as_mut().map(|storm| storm.result().clone());
    report.listeners = listen(&fleet, scenario)?;
    report.server = before.zip(after).map(|(before, after)| {
        let memory = idle
            .zip(joined)
            .map(|(idle, joined)| (idle.resident_kib, joined.resident_kib));
        server_use(&report, before, after, memory)
    });
    leave(&mut fleet)?;
    let refusals_expected = scenario.storm.as_ref().is_some_and(|s| s.refusals_expected);
    report.judge(&scenario.good, refusals_expected);
    Ok(report)
}

/// Everybody comes who is to be there before the window.
fn assemble(
    fleet: &mut Fleet,
    scenario: &Scenario,
    server: SocketAddr,
) -> Result<Option<Show>, FleetError> {
    if let Some(crowd) = &scenario.crowd {
        found(fleet, crowd, server)?;
    }
    if let Some(phones) = &scenario.phones {
        join(fleet, phones, scenario.crowd.is_some())?;
    }
    gather(fleet, scenario)?;
    let sights = scenario.sights.as_ref();
    Ok(sights.map(|it| Show::start(it, server)).transpose()?)
}

/// How long it takes until all phones have called.
fn ramp(phones: &Phones) -> Duration {
    step(phones) * phones.count
}

fn step(phones: &Phones) -> Duration {
    Duration::from_secs_f64(1.0 / phones.ramp.max(0.1))
}

/// Signals repeat only after the run if it is no longer than a minute, and at a mark.
fn loop_time(run: Duration) -> Duration {
    let period = crate::signal::MARK_PERIOD;
    let periods = run.as_secs().min(60) / period.as_secs() + 1;
    period * u32::try_from(periods).unwrap_or(1)
}

/// The first of a crowd comes before everybody else: the conference is theirs.
fn found(
    fleet: &mut Fleet,
    settings: &CrowdSettings,
    server: SocketAddr,
) -> Result<(), FleetError> {
    let mut crowd = Crowd::new(settings.clone(), server)?;
    crowd.found()?;
    fleet.crowd = Some(crowd);
    fleet.run_until(PATIENCE, |fleet| {
        fleet.crowd.as_ref().is_none_or(|it| it.watching() > 0)
    })?;
    Ok(())
}

/// The rest of a crowd comes, unless it is to come in the window.
fn gather(fleet: &mut Fleet, scenario: &Scenario) -> Result<(), FleetError> {
    let Some(settings) = scenario.crowd.as_ref().filter(|it| !it.in_window) else {
        return Ok(());
    };
    if let Some(crowd) = &mut fleet.crowd {
        crowd.come();
    }
    let ramp = Duration::from_secs_f64(f64::from(settings.watchers) / settings.rate.max(0.1));
    fleet.run_until(ramp + PATIENCE, |fleet| {
        fleet.crowd.as_ref().is_none_or(Crowd::complete)
    })?;
    Ok(())
}

/// What a crowd does in the window that begins now.
fn move_crowd(fleet: &mut Fleet, scenario: &Scenario) {
    let (Some(crowd), Some(settings)) = (&mut fleet.crowd, &scenario.crowd) else {
        return;
    };
    if settings.in_window {
        crowd.come();
    }
    let pause = Duration::from_secs_f64(scenario.seconds) / (settings.mutes + 1);
    let begun = clock::now();
    let moments = (1..=settings.mutes).map(|turn| begun + pause * turn);
    let last = fleet.phones().len().saturating_sub(1);
    let excluded = format!("sip:p{last}@127.0.0.1");
    if let Some(crowd) = &mut fleet.crowd {
        crowd.mute_at(moments.collect(), excluded);
    }
}

/// What a crowd saw; the last phone is the one whose sound stays.
fn crowd_result(fleet: &mut Fleet) -> Option<CrowdResult> {
    let mut crowd = fleet.crowd.take()?;
    let last = fleet.phones().last().map(|phone| phone.receiver.kept());
    let result = crowd.result(last.unwrap_or_default());
    fleet.crowd = Some(crowd);
    Some(result)
}

fn join(fleet: &mut Fleet, phones: &Phones, keep_last: bool) -> Result<(), FleetError> {
    let step = step(phones);
    let mut listened = listened(phones);
    if keep_last {
        listened.push(phones.count.saturating_sub(1));
    }
    for number in 0..phones.count {
        fleet.add(settings(phones, number, listened.contains(&number)))?;
    }
    for number in 0..fleet.phones().len() {
        fleet.invite(number);
        fleet.run(step)?;
    }
    let all = fleet.phones().len();
    fleet.run_until(PATIENCE, |fleet| {
        let open = |phone: &Phone| *phone.call.state() == CallState::Inviting;
        fleet.up() == all || !fleet.phones().iter().any(open)
    })?;
    Ok(())
}

/// Which phones are listened to: talkers first, then others spread evenly.
fn listened(phones: &Phones) -> Vec<u32> {
    let talkers = (phones.talkers * phones.conferences).min(phones.count);
    let wanted = phones.listen.min(phones.count);
    let mut chosen: Vec<u32> = (0..talkers.min(wanted.div_ceil(2))).collect();
    let others = wanted.saturating_sub(u32::try_from(chosen.len()).unwrap_or(0));
    let rest = phones.count.saturating_sub(talkers).max(1);
    chosen.extend((0..others).map(|n| talkers + n * rest / others.max(1)));
    chosen.retain(|number| *number < phones.count);
    chosen.sort_unstable();
    chosen.dedup();
    chosen
}

fn settings(phones: &Phones, number: u32, keep: bool) -> PhoneSettings {
    let conferences = phones.conferences.max(1);
    let (conference, place) = (number % conferences, number / conferences);
    let signal = signal(phones, conference, place);
    let name = if phones.conferences > 1 {
        format!("{}{conference}", phones.conference)
    } else {
        phones.conference.clone()
    };
    // Conferences differ in which codec their talkers have.
    let codecs = phones.codecs.len().max(1);
    let turn = (place + conference) as usize % codecs;
    let codec = phones
        .codecs
        .get(turn)
        .copied()
        .unwrap_or(crate::codec::Codec::Pcmu);
    PhoneSettings {
        offset: match signal {
            Signal::Speech { .. } => number as usize * 131,
            Signal::Silence | Signal::Tone { .. } | Signal::Marked { .. } => 0,
        },
        keep,
        skew_ppm: if number.is_multiple_of(2) {
            phones.skew_ppm
        } else {
            -phones.skew_ppm
        },
        network: phones.network,
        srtp: phones.srtp,
        ..PhoneSettings::new(&name, codec, signal)
    }
}

/// The first talker of a conference is marked, the next two have a tone, the others speak.
fn signal(phones: &Phones, conference: u32, place: u32) -> Signal {
    if place >= phones.talkers {
        return Signal::Silence;
    }
    if phones.speech {
        return Signal::Speech {
            seed: u64::from(place % 8),
            dbfs: LEVEL,
        };
    }
    let index = (conference * 3 + place % 3) as usize % TONES.len();
    let hz = TONES.get(index).copied().unwrap_or(1000.0);
    if place == 0 {
        Signal::Marked { hz, dbfs: LEVEL }
    } else {
        Signal::Tone { hz, dbfs: LEVEL }
    }
}

/// Waits until the storm's last calls are over.
fn drain(fleet: &mut Fleet) -> Result<(), FleetError> {
    if let Some(storm) = &mut fleet.storm {
        storm.stop();
    }
    fleet.run_until(Duration::from_secs(40), |fleet| {
        fleet.storm.as_ref().is_none_or(|storm| storm.open() == 0)
    })?;
    Ok(())
}

fn leave(fleet: &mut Fleet) -> Result<(), FleetError> {
    for number in 0..fleet.phones().len() {
        fleet.hang_up(number);
        if number % 16 == 15 {
            fleet.run(Duration::from_millis(5))?;
        }
    }
    fleet.run_until(Duration::from_secs(5), |fleet| {
        !fleet
            .phones()
            .iter()
            .any(|phone| *phone.call.state() == CallState::Ending)
    })?;
    Ok(())
}

fn setup(fleet: &mut Fleet, crowd: Option<&CrowdResult>) -> Setup {
    let phones = fleet.phones();
    let mut times: Vec<f64> = phones
        .iter()
        .filter_map(|phone| phone.call.setup())
        .map(|setup| setup.as_secs_f64() * 1e3)
        .collect();
    let mut again: u64 = phones
        .iter()
        .map(|p| u64::from(p.call.retransmissions()))
        .sum();
    if let Some(storm) = &mut fleet.storm {
        let result = storm.result();
        times.extend(&result.setup_ms);
        again += result.retransmissions;
    }
    times.extend(crowd.into_iter().flat_map(|crowd| &crowd.join_ms));
    Setup::new(times, again)
}

fn media(phones: &[Phone], window_s: f64) -> Media {
    let sorted = |pick: fn(&Phone) -> f64| {
        let mut values: Vec<f64> = phones.iter().map(pick).collect();
        values.sort_by(f64::total_cmp);
        values
    };
    let gaps = sorted(|phone| phone.receiver.longest_gap().as_secs_f64() * 1e3);
    let jitters = sorted(|phone| phone.receiver.jitter_ms());
    let counts = sorted(|phone| phone.receiver.packets() as f64);
    let oddities = |phone: &Phone| {
        let (duplicates, late) = phone.receiver.duplicates_and_reordered();
        let changes = u64::from(phone.receiver.ssrc_changes());
        duplicates + late + changes + phone.receiver.malformed()
    };
    Media {
        packets: phones.iter().map(|phone| phone.receiver.packets()).sum(),
        lost: phones.iter().map(|phone| phone.receiver.lost()).sum(),
        rate_min: quantile(&counts, 0.0) / window_s,
        gap_p50_ms: quantile(&gaps, 0.5),
        gap_max_ms: quantile(&gaps, 1.0),
        jitter_p50_ms: quantile(&jitters, 0.5),
        jitter_max_ms: quantile(&jitters, 1.0),
        oddities: phones.iter().map(oddities).sum(),
    }
}

fn generator(fleet: &Fleet, before: Usage, after: Usage) -> Generator {
    let late = fleet.lateness();
    Generator {
        cpu_s: (after.processor - before.processor).as_secs_f64(),
        late_max_ms: late.worst.as_secs_f64() * 1e3,
        late_packets: (late.over_half, late.sent),
    }
}

fn server_use(
    report: &Report,
    before: Usage,
    after: Usage,
    memory: Option<(u64, u64)>,
) -> ServerUse {
    let cpu_s = after
        .processor
        .saturating_sub(before.processor)
        .as_secs_f64();
    let phones = report.phones as f64;
    let begun = report.storm.as_ref().map_or(0, |storm| storm.begun);
    ServerUse {
        cpu_s,
        cpu_ms_per_phone_s: (report.phones > 0 && report.storm.is_none())
            .then(|| cpu_s * 1e3 / (phones * report.window_s)),
        cpu_ms_per_call: (report.phones == 0 && begun > 0).then(|| cpu_s * 1e3 / begun as f64),
        resident_mib: after.resident_kib as f64 / 1024.0,
        memory_kib_per_phone: memory
            .filter(|_| report.phones > 0)
            .map(|(idle, joined)| (joined as f64 - idle as f64) / phones),
        threads: after.threads,
    }
}

/// Decodes and judges what the chosen phones heard.
fn listen(fleet: &Fleet, scenario: &Scenario) -> Result<Vec<Listener>, CodecError> {
    let Some(phones) = &scenario.phones else {
        return Ok(Vec::new());
    };
    let numbers = listened(phones).into_iter().map(|number| number as usize);
    let chosen = numbers.filter_map(|number| Some((number, fleet.phones().get(number)?)));
    chosen
        .filter(|(_, phone)| *phone.call.state() != CallState::Idle)
        .map(|(number, phone)| listener(number, phone, fleet.phones()))
        .collect()
}

/// What one phone heard of all the tones that are spoken in any conference.
fn listener(number: usize, phone: &Phone, all: &[Phone]) -> Result<Listener, CodecError> {
    let mut heard = Heard::new(phone.settings.codec, phone.receiver.kept())?;
    // A decoder that begins in the middle of a stream needs a moment (G.722, Opus).
    heard.skip(Duration::from_millis(400));
    let here = &phone.settings.conference;
    let own = phone.settings.signal.hz();
    let tones_of = |inside: bool| -> Vec<f64> {
        all.iter()
            .filter(|other| (other.settings.conference == *here) == inside)
            .filter_map(|other| other.settings.signal.hz())
            .filter(|hz| Some(*hz) != own)
            .collect()
    };
    let expected = tones_of(true);
    let strays = tones_of(false)
        .into_iter()
        .filter(|hz| !expected.contains(hz));
    let stray = strays
        .map(|hz| (hz, heard.tone(hz).dbfs))
        .max_by(|(_, a), (_, b)| a.total_cmp(b));
    let mut delays: Vec<f64> = all
        .iter()
        .filter(|other| other.settings.conference == *here)
        .filter_map(|other| match other.settings.signal {
            Signal::Marked { hz, .. } if Some(hz) != own => Some((other, hz)),
            Signal::Marked { .. }
            | Signal::Silence
            | Signal::Tone { .. }
            | Signal::Speech { .. } => None,
        })
        .flat_map(|(other, hz)| heard.delays_ms(&other.sender, hz))
        .collect();
    delays.sort_by(f64::total_cmp);
    let residue =
        (!expected.is_empty()).then(|| tones::residue(&heard.samples, heard.rate, &expected));
    let talkers = all.iter().map(|other| &other.settings).filter(|other| {
        let tone = other.signal.hz();
        other.conference == *here && tone.is_some() && tone != own
    });
    Ok(Listener {
        phone: number,
        conference: here.clone(),
        codec: Some(phone.settings.codec),
        talkers: talkers.map(|talker| talker.codec).collect(),
        heard: expected
            .iter()
            .map(|hz| heard.tone(*hz))
            .map(|tone| (tone.hz, tone.dbfs, tone.present))
            .collect(),
        stray,
        own_dbfs: own.map(|hz| heard.tone(hz).dbfs),
        silence_ms: if expected.is_empty() {
            0.0
        } else {
            tones::longest_silence(&heard.samples, heard.rate) * 1e3
        },
        thd_n_codec_db: floor(phone, all)?,
        thd_n_db: residue.as_ref().map(|residue| residue.thd_n_db),
        clicks: residue.map_or_else(Vec::new, |residue| residue.clicks),
        delay_p50_ms: (!delays.is_empty()).then(|| quantile(&delays, 0.5)),
        delay_max_ms: delays.last().copied(),
    })
}

/// What the codec alone makes of the talkers that a phone hears, if they all have its codec.
fn floor(phone: &Phone, all: &[Phone]) -> Result<Option<f64>, CodecError> {
    let (codec, own) = (phone.settings.codec, phone.settings.signal.hz());
    let talkers = all.iter().map(|other| &other.settings).filter(|other| {
        let tone = other.signal.hz();
        other.conference == phone.settings.conference && tone.is_some() && tone != own
    });
    let mut signals = Vec::new();
    for talker in talkers {
        if talker.codec != codec {
            return Ok(None);
        }
        signals.push(talker.signal);
    }
    if signals.is_empty() {
        Ok(None)
    } else {
        hearing::codec_floor_db(codec, &signals).map(Some)
    }
}
