//! Builds the shells in the order of their dependencies and joins their channels.

use crate::abuse::web::watched;
use crate::abuse::{SipScreen, Watch, Witness};
use crate::config::{Config, factory, host, policy, settings};
use crate::feed::Feed;
use crate::http::join::{Join, Published};
use crate::http::websocket::WebSockets;
use crate::http::{Api, server};
use crate::journal::Journal;
use crate::observe::Metrics;
use crate::recordings::Recordings;
use crate::records::Records;
use crate::signalling::{listen, sip_config};
use crate::templates::Shelf;
use crate::trunk::view::Shown;
use crate::trunk::{Switchboard, Trunks};
use crate::users::{self, Devices};
use crate::{http, selfcheck, tls};
use plenum_focus::output::McuType;
use plenum_focus::policy::Policy;
use plenum_focus::shell::{Connections, Directory, Mcus, SipActions, SipUser, Wake};
use plenum_focus::store::StoreError;
use plenum_mcu::audio::announce::{SoundError, Sounds};
use plenum_mcu::recording::Recorder;
use plenum_mcu::shell::AudioMcu;
use plenum_sip::driver::{Driver, SipHandle};
use plenum_sip::endpoint::{Endpoint, Transport};
use plenum_sip::resolve::{Policy as ResolvePolicy, Resolver};
use plenum_sip::transport::{BindError, Incoming, Refuses, Security, Transports};
use plenum_sip::websocket::Origins;
use rand::TryRng;
use rand::rngs::SysRng;
use std::fmt::Debug;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A running server.
#[derive(Debug)]
pub struct Server {
    directory: Directory,
    feed: Arc<Feed>,
    actions: Arc<SipActions>,
    sip: SipHandle<Wake>,
    driver: JoinHandle<SipUser>,
    ready: watch::Sender<bool>,
    published: watch::Sender<Arc<Published>>,
    /// For the gate of users.
    trust: watch::Sender<Arc<Policy>>,
    watch: Watch,
    templates: Arc<Shelf>,
    web: Option<server::Serving>,
    switchboard: Switchboard,
    /// How the servers of new trunks are looked for.
    resolving: ResolvePolicy,
    public_web: Option<server::Serving>,
    certificates: tls::Store,
    devices: Arc<Devices>,
    watching: JoinHandle<()>,
    /// Where SIP is listened on.
    pub listening: Vec<plenum_sip::transport::Listen>,
    /// Where HTTP is listened on.
    pub http: Option<SocketAddr>,
    /// Where HTTPS is listened on.
    pub https: Option<SocketAddr>,
    metrics: Metrics,
    config: Config,
}

/// Why the server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A SIP address cannot be listened on.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// There are no certificates to be had.
    #[error(transparent)]
    Tls(#[from] tls::TlsError),
    /// HTTP cannot be listened on.
    #[error("HTTP cannot listen on {0}: {1}")]
    Http(SocketAddr, #[source] io::Error),
    /// The token for local control cannot be kept.
    #[error("the token for local control cannot be written: {0}")]
    Token(#[source] io::Error),
    /// Detail records cannot be kept.
    #[error("detail records cannot be kept: {0}")]
    Records(#[source] io::Error),
    /// Recordings cannot be kept.
    #[error("recordings cannot be kept: {0}")]
    Recordings(#[source] io::Error),
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The mixer did not start.
    #[error(transparent)]
    Mixer(#[from] plenum_mcu::shell::StartError),
    /// The prompts in the program are damaged.
    #[error(transparent)]
    Sounds(#[from] SoundError),
    /// The operating system gives no random numbers.
    #[error("no random numbers to be had")]
    Random,
    /// The configuration cannot work on this machine.
    #[error("{0}")]
    SelfCheck(String),
}

impl Server {
    /// Starts everything. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// What did not start, in words that name the remedy.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        check_machine(&config)?;
        let metrics = Metrics::default();
        let (actions, shown) = (Arc::new(SipActions::default()), Shown::default());
        let watch = Watch::new(&config, shown.clone(), metrics.abuse.clone());
        let (trust, trusted) = watch::channel(Arc::new(policy(&config)));
        let devices = Arc::new(Devices::new(shown.clone()));
        let templates = Arc::new(Shelf::of(&config));
        let recordings = start_recordings(&config, &metrics)?;
        let shared = (&watch, &devices, &recordings);
        let (directory, feed) = start_directory(&config, &metrics, &actions, shared)?;

        let certificates = start_tls(&config, &metrics)?;
        let transports = bind(&config, &metrics, &certificates, &watch)?;
        let (incoming, listening) = (transports.incoming(), transports.listening().to_vec());
        let (mut endpoint, policy) = endpoint(&config, &metrics, &transports)?;
        let names = resolver(&config, policy.clone())?;
        let calls = SipUser::new(directory.clone(), Arc::clone(&actions));
        let around = (shown, (trusted, watch.clone()), &devices, &*templates);
        let (mut switchboard, calls, screen) =
            with_borders(calls, &config, &metrics, (&actions, &directory), around)?;
        endpoint.set_screen(Box::new(screen));
        let (shell, counters) = (&config.limits.sip_shell, metrics.transport.clone());
        let (driver, sip) = Driver::new(endpoint, calls, transports, names, shell, counters);
        actions.connect(sip.clone());
        let driver = tokio::spawn(driver.run());
        switchboard.watch(|| resolver(&config, policy.clone()))?;

        let (ready, readiness) = watch::channel(true);
        let (published, links) = watch::channel(Arc::new(Published::new(&config)));
        let join = join(&links, &directory);
        let api = Api {
            registry: metrics.registry(),
            readiness,
            token: http::token::Token::new(seed()?),
            directory: directory.clone(),
            published: links,
            feed: Arc::clone(&feed),
            trunks: switchboard.shown.clone(),
            recordings: recordings.as_ref().map(|all| all.shelf()),
            watch: watch.clone(),
            event_readers: config.limits.http.event_readers,
            templates: Arc::clone(&templates),
        };
        let web = start_web(&config, &metrics, api).await?;
        let secured = (&certificates, watch.clone());
        let public_web = start_public(&config, &metrics, join, incoming, secured).await?;
        Ok(Self {
            directory,
            feed,
            actions,
            sip,
            driver,
            ready,
            http: web.as_ref().map(|web| web.address),
            https: public_web.as_ref().map(|web| web.address),
            published,
            trust,
            watch,
            templates,
            web,
            switchboard,
            resolving: policy,
            public_web,
            watching: tokio::spawn(certificates.clone().watch()),
            certificates,
            devices,
            listening,
            metrics,
            config,
        })
    }

    /// Takes what can be changed while running: the conferences, their policy, whom they trust and
    /// their limits, the certificates, trunks and rules.
    /// Answers which sections changed that only a restart takes.
    pub fn reload(&mut self, config: Config) -> Vec<&'static str> {
        self.certificates.reload(&config.tls);
        if let Err(error) = self.reload_trunks(&config) {
            tracing::error!(%error, "not all trunks are looked for");
        }
        let settings = settings(&config, &self.metrics.focus, &self.devices);
        let records = config.conference.clone();
        self.published
            .send_replace(Arc::new(Published::new(&config)));
        self.trust.send_replace(Arc::new(policy(&config)));
        self.watch.reload(&config);
        self.templates.reload(config.template.clone());
        self.directory
            .reconfigure(settings, records, config.conferences.template.clone());
        let stale = [
            changed("sip", &self.config.sip, &config.sip),
            changed("media", &self.config.media, &config.media),
            changed("video", &self.config.video, &config.video),
            changed("http", &self.config.http, &config.http),
            changed("log", &self.config.log, &config.log),
            changed("recording", &self.config.recording, &config.recording),
            changed("records", &self.config.records, &config.records),
            changed("abuse", &self.config.abuse, &config.abuse),
            changed("auth", &self.config.auth, &config.auth),
            changed("store", &self.config.store, &config.store),
        ];
        self.config.trunk = config.trunk;
        self.config.dial_rule = config.dial_rule;
        self.config.conference = config.conference;
        self.config.conferences = config.conferences;
        self.config.join = config.join;
        stale.into_iter().flatten().collect()
    }

    /// The trunks and rules that have changed. Names are looked for as the server was started.
    fn reload_trunks(&mut self, config: &Config) -> Result<(), StartError> {
        let seeds: Result<Vec<_>, _> = config.trunk.iter().map(|_| seed()).collect();
        self.switchboard.reload(config, seeds?);
        let policy = self.resolving.clone();
        self.switchboard
            .watch(|| resolver(&self.config, policy.clone()))
    }

    /// Stops admitting, tells everybody, hangs up, and waits until all is quiet or the time is
    /// over. Answers how many calls were cut off.
    pub async fn drain(self) -> usize {
        let within = self.config.limits.drain;
        self.ready.send_replace(false);
        self.sip.stop_accepting().await;
        self.switchboard.stop(QUIET / 2).await;
        self.directory.drain(within).await;
        let left = self.quiet(QUIET).await;
        self.sip.stop().await;
        self.feed.flush(QUIET).await;
        // Who reads events reads on until here.
        drop(self.ready);
        for web in [self.web, self.public_web].into_iter().flatten() {
            web.stop().await;
        }
        self.watching.abort();
        // A driver that panicked has said so in the log.
        self.driver.await.ok();
        left
    }

    /// Waits until no call is alive any more. Answers how many still are.
    async fn quiet(&self, within: Duration) -> usize {
        let until = tokio::time::Instant::now() + within;
        while self.actions.calls() > 0 && tokio::time::Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self.actions.calls()
    }
}

fn resolver(config: &Config, policy: ResolvePolicy) -> Result<Resolver, StartError> {
    let timeout = config.limits.sip_shell.resolve_timeout;
    Ok(match config.sip.nameservers.as_slice() {
        [] => Resolver::system(policy, timeout, seed()?),
        servers => Resolver::with_servers(servers, policy, timeout, seed()?),
    })
}

fn switchboard(
    config: &Config,
    metrics: &Metrics,
    actions: &Arc<SipActions>,
    watched: (Shown, Watch),
) -> Result<(Switchboard, Trunks), StartError> {
    let hosts = config.sip.domains.iter().map(|name| host(name)).collect();
    let seeds: Result<Vec<_>, _> = (0..=config.trunk.len()).map(|_| seed()).collect();
    let (counters, actions) = (metrics.trunk.clone(), Arc::clone(actions));
    Ok(Switchboard::new(
        config, hosts, seeds?, counters, actions, watched,
    ))
}

/// Whom the conferences trust, now and later, and who looks at the others.
pub(crate) type Guarded = (watch::Receiver<Arc<Policy>>, Watch);

/// Puts trunks and users before the conferences, and the screen before all of them.
fn with_borders(
    calls: SipUser,
    config: &Config,
    metrics: &Metrics,
    (actions, directory): (&Arc<SipActions>, &Directory),
    (shown, guarded, devices, templates): (Shown, Guarded, &Arc<Devices>, &Shelf),
) -> Result<(Switchboard, SipUser, SipScreen), StartError> {
    let (trusted, watch) = guarded;
    let watched = (shown, watch.clone());
    let (switchboard, trunks) = switchboard(config, metrics, actions, watched)?;
    let seeds = [seed()?, seed()?, seed()?];
    let guarded = (trusted, watch.clone());
    let users = users::start(config, actions, metrics, devices, seeds, guarded, templates)?;
    let screen = SipScreen {
        watch,
        origins: vec![users.origin(), trunks.origin(), directory.key_origin()],
        silent_outside: config.abuse.silent.then(|| policy(config).domains),
    };
    let calls = calls.with_border(Box::new(trunks));
    Ok((switchboard, calls.with_border(Box::new(users)), screen))
}

/// What the pages for joining go by.
fn join(links: &watch::Receiver<Arc<Published>>, directory: &Directory) -> Join {
    Join {
        published: links.clone(),
        directory: directory.clone(),
    }
}

/// Who keeps recordings, where they have a place.
fn start_recordings(
    config: &Config,
    metrics: &Metrics,
) -> Result<Option<Arc<Recordings>>, StartError> {
    let started = Recordings::start(config, &metrics.recordings, seed()?);
    Ok(started.map_err(StartError::Recordings)?.map(Arc::new))
}

/// The conferences with their mixer and what is told of them.
fn start_directory(
    config: &Config,
    metrics: &Metrics,
    actions: &Arc<SipActions>,
    (watch, devices, recordings): (&Watch, &Arc<Devices>, &Option<Arc<Recordings>>),
) -> Result<(Directory, Arc<Feed>), StartError> {
    let reports: Arc<OnceLock<Directory>> = Arc::default();
    let mcu = Arc::new(start_mcu(
        config,
        metrics,
        Arc::clone(&reports),
        recordings.clone(),
    )?);
    let feed = Arc::new(start_feed(config, metrics, watch)?);
    let connections = Connections {
        sip: Arc::<SipActions>::clone(actions),
        mcus: Mcus { audio_video: mcu },
        events: Arc::<Feed>::clone(&feed),
    };
    let settings = settings(config, &metrics.focus, devices);
    let directory = Directory::new(factory(config), settings, connections);
    reports.set(directory.clone()).ok();
    Ok((directory, feed))
}

/// The SIP endpoint over these sockets, and how names are resolved for it.
fn endpoint(
    config: &Config,
    metrics: &Metrics,
    transports: &Transports,
) -> Result<(Endpoint, ResolvePolicy), StartError> {
    let mut endpoint = Endpoint::new(sip_config(config), seed()?, metrics.sip.clone());
    let sources = plenum_sip::transport::sources(transports.listening());
    let nat = config.media.nat.clone();
    endpoint.set_sources(sources.telling(move |peer| nat.told(peer)));
    let targets = config.limits.sip_shell.resolve_targets;
    let mut policy = ResolvePolicy::new(transports.listening(), targets);
    if policy.transports.contains(&Transport::Tls) {
        endpoint.set_secured(true);
    } else {
        // Whoever asks for TLS gets it, also where nobody can call us over it.
        policy.transports.push(Transport::Tls);
    }
    Ok((endpoint, policy))
}

/// The name of a section that is another now.
fn changed(name: &'static str, old: &impl Debug, new: &impl Debug) -> Option<&'static str> {
    (format!("{old:?}") != format!("{new:?}")).then_some(name)
}

fn bind(
    config: &Config,
    metrics: &Metrics,
    certificates: &tls::Store,
    watch: &Watch,
) -> Result<Transports, BindError> {
    let (limits, shell) = (&config.limits.sip, &config.limits.sip_shell);
    let watch = watch.clone();
    let security = Security {
        tls: Some(certificates.configs()),
        origins: origins(config),
        refuses: Refuses::new(move |source| watch.is_banned(source)),
    };
    let listen = listen(&config.sip.listen);
    Transports::bind_secured(&listen, limits, shell, &metrics.transport, security)
}

fn check_machine(config: &Config) -> Result<(), StartError> {
    let facts = selfcheck::Facts::gather(config);
    for finding in selfcheck::findings(config, &facts) {
        if finding.serious {
            return Err(StartError::SelfCheck(finding.text));
        }
        tracing::warn!("{}", finding.text);
    }
    Ok(())
}

fn start_mcu(
    config: &Config,
    metrics: &Metrics,
    reports: Arc<OnceLock<Directory>>,
    recordings: Option<Arc<Recordings>>,
) -> Result<AudioMcu, StartError> {
    let sink = Arc::new(move |event| {
        if let Some(directory) = reports.get() {
            directory.route_mcu(McuType::AudioVideo, event);
        }
    });
    let setup = plenum_mcu::shell::Config {
        recorder: recordings.map(|all| all as Arc<dyn Recorder>),
        ..mcu_config(config)
    };
    let mcu = AudioMcu::start(
        setup,
        config.limits.mcu.clone(),
        Sounds::shipped()?,
        metrics.mcu.clone(),
        metrics.media.clone(),
        sink,
    )?;
    Ok(mcu)
}

/// Serves HTTP, if it is to be listened on, with the token in its file.
async fn start_web(
    config: &Config,
    metrics: &Metrics,
    api: Api,
) -> Result<Option<server::Serving>, StartError> {
    let Some(address) = config.http.listen else {
        return Ok(None);
    };
    let path = http::token::path(&config.http.token_file);
    api.token.keep(&path).map_err(StartError::Token)?;
    let (router, counters) = (http::router(api), metrics.http.clone());
    let web = server::serve(address, router, config.limits.http.clone(), counters, None).await;
    let web = web.map_err(|error| StartError::Http(address, error))?;
    Ok(Some(web))
}

/// Serves the public side over TLS, if it is to be listened on.
async fn start_public(
    config: &Config,
    metrics: &Metrics,
    join: Join,
    incoming: Incoming,
    (certificates, watch): (&tls::Store, Watch),
) -> Result<Option<server::Serving>, StartError> {
    let Some(address) = config.http.public_listen else {
        return Ok(None);
    };
    let origins = Arc::new(origins(config));
    let router = http::public_router(join, WebSockets { incoming, origins });
    let router = watched(router, watch.clone());
    let (limits, counters) = (config.limits.http.clone(), metrics.http.clone());
    let public = Some(server::Public {
        tls: certificates.configs(),
        watch,
    });
    let web = server::serve(address, router, limits, counters, public).await;
    let web = web.map_err(|error| StartError::Http(address, error))?;
    Ok(Some(web))
}

/// The certificates; the one for trying out bears the names that we are reached by.
fn start_tls(config: &Config, metrics: &Metrics) -> Result<tls::Store, StartError> {
    let advertised = config.sip.advertise.iter().map(|one| one.host.clone());
    let mut names: Vec<String> = config
        .sip
        .domains
        .iter()
        .cloned()
        .chain(advertised)
        .collect();
    for name in &mut names {
        *name = name.trim_matches(['[', ']']).to_owned();
    }
    let listened = config.sip.listen.iter().map(|one| one.address.ip());
    let mut also: Vec<String> = vec!["localhost".to_owned()];
    also.extend(
        selfcheck::own_addresses(listened)
            .iter()
            .map(IpAddr::to_string),
    );
    also.retain(|name| !names.contains(name));
    Ok(tls::Store::open(
        &config.tls,
        &names,
        &also,
        metrics.tls.clone(),
    )?)
}

fn origins(config: &Config) -> Origins {
    match config.sip.websocket_origins.as_slice() {
        [] => Origins::Any,
        some => Origins::Only(some.to_vec()),
    }
}

fn start_feed(config: &Config, metrics: &Metrics, watch: &Watch) -> Result<Feed, StartError> {
    let metrics = metrics.records.clone();
    let queue = config.limits.records_queue;
    let records = Records::start(&config.records, queue, metrics.clone());
    let records = records.map_err(StartError::Records)?;
    let backlog = config.limits.http.event_backlog;
    let witness = Witness {
        watch: watch.clone(),
        next: Arc::new(Journal),
    };
    Ok(Feed::new(Arc::new(witness), backlog, records, metrics))
}

fn mcu_config(config: &Config) -> plenum_mcu::shell::Config {
    let media = &config.media;
    let v4 = |all: &[IpAddr]| {
        all.iter().find_map(|ip| match ip {
            IpAddr::V4(ip) => Some(*ip),
            IpAddr::V6(_) => None,
        })
    };
    let v6 = |all: &[IpAddr]| {
        all.iter().find_map(|ip| match ip {
            IpAddr::V4(_) => None,
            IpAddr::V6(ip) => Some(*ip),
        })
    };
    let signalled = |v6: bool| {
        config
            .sip
            .listen
            .iter()
            .any(|one| one.address.is_ipv6() == v6)
    };
    let any = media.bind.is_empty();
    plenum_mcu::shell::Config {
        bind_v4: v4(&media.bind)
            .or_else(|| (any && signalled(false)).then_some(Ipv4Addr::UNSPECIFIED)),
        bind_v6: v6(&media.bind)
            .or_else(|| (any && signalled(true)).then_some(Ipv6Addr::UNSPECIFIED)),
        advertised_v4: v4(&media.advertise),
        advertised_v6: v6(&media.advertise),
        ports: media.ports.first..=media.ports.last,
        workers: media.workers,
        codecs: media.codecs.iter().map(|name| name.codec()).collect(),
        ptime_ms: u8::try_from(media.ptime.as_millis()).unwrap_or(20),
        opus_bitrate: media.opus_bitrate,
        protection: media.protection.for_mixer(),
        nat: media.nat.for_mixer(),
        video: config.video_setup(),
        ..plenum_mcu::shell::Config::default()
    }
}

fn seed() -> Result<[u8; 32], StartError> {
    let mut seed = [0; 32];
    SysRng
        .try_fill_bytes(&mut seed)
        .map_err(|_| StartError::Random)?;
    Ok(seed)
}

/// After everybody has been told goodbye: time for the answers to our BYEs.
const QUIET: Duration = Duration::from_secs(4);
