//! Everything, built from a config. The binary and the tests start here.

use std::{
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};

use actix_web::{App as HttpApp, HttpServer, dev::ServerHandle, middleware::from_fn, web};
use anyhow::{Context, Result, bail};
use consigne_assistant::{
    chats::live::Feed,
    corrections::Corrections,
    escalations::{asking::Sentences, inbound::InboundPost},
    holder::{ChatHolder, EscalationHolder, StaffHolder, VectorHolder},
    knowledge::{Knowledge, KnowledgeLimits, Sandbox, sandbox::SandboxOptions},
    routes::Routes as ModelRoutes,
};
use consigne_foundation::{
    Clock,
    backups::{Backups, Migrate, UpTo},
    blobs::Blobs,
    identity::{
        mails::AccountMails,
        passkeys::{Party, Passkeys},
        single_sign_on::SingleSignOn,
    },
    jobs::Runner,
    keys::{check::Thoroughness, refuse_missing_versions},
    leaving::ArchiveHolder,
    plugins::Registry,
    privacy::{
        DataHolder, IdentityHolder, MemberHolder, OtherRole, Privacy, RightsHolder, WordHolder, recipient_changes,
        retention::{self, AuditEntries, Retention, Visitors},
    },
    store::{Store, StoreSettings, connect},
};
use tokio::{sync::watch, task::JoinHandle};

use crate::{
    config::Config,
    graphql::{
        Services,
        executor::SchemaExecutor,
        request::{Rates, RequestGuard},
    },
    http::{self, Metrics, Playground, Readiness, Routes, Transport, tls::Certificate},
    plugins, telemetry, worker,
};

/// Until the headers of a request have arrived: nobody holds a connection by sending a byte now and then.
const HEADERS_WITHIN: Duration = Duration::from_secs(5);
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(5);
/// With the twenty seconds between two looks of the worker, an alert is raised within a minute.
const WRITE_SIGNALS_EVERY: Duration = Duration::from_secs(10);

/// Root mutation fields that stand alone in their request: what is worth guessing at, or cannot be undone.
const ALONE: [&str; 27] = [
    "signIn",
    "completeSignIn",
    "beginSingleSignOn",
    "completeSingleSignOn",
    "refreshSession",
    "confirmSecondFactor",
    "activateSecondFactor",
    "startVisitorSession",
    "createVisitorToken",
    "eraseSubject",
    "requestAccess",
    "requestPortability",
    "exportWorkspace",
    "terminateWorkspace",
    "submitPrivacyRequest",
    "verifyPrivacyRequest",
    "sendPrivacyCode",
    "signUp",
    "verifyEmail",
    "requestPasswordReset",
    "resetPassword",
    "changePassword",
    "requestEmailChange",
    "confirmEmailChange",
    "closeAccount",
    "acceptInvitation",
    "inviteMember",
];

/// What a root field costs beyond its selections, in points of the rate limit.
const COSTS: [(&str, u32); 31] = [
    ("askQuestion", 50),
    ("requestPerson", 50),
    ("correctText", 50),
    ("searchKnowledge", 20),
    ("signIn", 100),
    ("completeSignIn", 100),
    ("beginSingleSignOn", 50),
    ("completeSingleSignOn", 100),
    ("beginSingleSignOnConfirmation", 50),
    ("configureSingleSignOn", 100),
    ("verifySignOnDomain", 100),
    ("signUp", 100),
    ("requestPasswordReset", 100),
    ("resetPassword", 100),
    ("changePassword", 100),
    ("requestEmailChange", 100),
    ("acceptInvitation", 100),
    ("closeAccount", 100),
    ("confirmSecondFactor", 100),
    ("auditVerdict", 200),
    ("subject", 30),
    ("subjectOfVisitor", 30),
    ("subjectOfMember", 30),
    ("subjectsByIdentifier", 60),
    ("requestAccess", 100),
    ("requestPortability", 100),
    ("exportWorkspace", 200),
    ("submitPrivacyRequest", 100),
    ("verifyPrivacyRequest", 100),
    ("sendPrivacyCode", 100),
    ("privacyInfo", 20),
];

/// Bounded lists, and how many items they usually answer with. A chat shows up to twenty answers, and most have a few.
const LISTS: [(&str, u32); 2] = [("answers", 5), ("notes", 5)];

/// Everything but the sockets. Cheap to clone.
#[derive(Clone)]
pub struct App {
    /// What resolvers and routes call.
    pub services: Services,
    /// The worker.
    pub runner: Runner,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    config: Config,
}

/// Which parts of the process run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parts {
    /// The gateway, with the worker in the same process.
    GatewayAndWorker,
    /// The gateway alone; `consigne worker` runs elsewhere, or a test runs the jobs.
    GatewayAlone,
    /// The worker alone.
    WorkerAlone,
}

/// What runs, until it is told to stop.
pub struct Running {
    /// Where the API is reached.
    pub url: String,
    /// Where the metrics are.
    pub metrics_url: String,
    /// Everything but the sockets.
    pub app: App,
    servers: Vec<ServerHandle>,
    tasks: Vec<JoinHandle<()>>,
    /// What goes on until the process ends.
    followed: Vec<JoinHandle<()>>,
    stopping: watch::Sender<bool>,
}

impl App {
    /// Builds everything. A SQLite database is migrated on the way; Postgres is migrated where the owner's URL is known.
    ///
    /// # Errors
    /// A sentence that says what is missing and how to mend it.
    pub async fn build(config: Config, clock: Clock) -> Result<Self> {
        let registry = plugins::registry(&config)?;
        Self::build_with(config, clock, registry).await
    }

    /// As [`App::build`], with these plugins.
    ///
    /// # Errors
    /// As [`App::build`].
    pub async fn build_with(config: Config, clock: Clock, registry: Registry) -> Result<Self> {
        std::fs::create_dir_all(&config.data.data_dir)
            .with_context(|| format!("the data folder {} cannot be made", config.data.data_dir.display()))?;
        if config.data.owner_store().is_some() {
            migrate(&config).await?;
        }
        let keys = config.keys.provider(&config.data)?;
        let store = Store::open_to_fill(&config.data.store(), keys.clone(), clock).await?;
        let pending = consigne_migrations::pending(store.connection_for_migrations()).await?;
        if !pending.is_empty() {
            bail!("The database lacks the migrations {}. Run `consigne migrate` as the owner.", pending.join(", "));
        }
        store.vault().doctor().await?;
        refuse_missing_versions(&store, Thoroughness::Start).await?;
        let blobs = Blobs::open(&config.data.blobs()?)?;
        let registry = Arc::new(registry);
        registry.open_defaults().await?;
        recipient_changes::note(&store, &registry).await?;
        let metrics = Arc::new(Metrics::new());
        let backups = Backups::new(store.clone(), blobs.clone(), config.backups.options(&config.data, keys)?);
        let mut services = services(&config, store, blobs, backups, registry, metrics.clone())?;
        if let Some(url) = &config.data.database_reader_url {
            services.privacy = services.privacy.with_other_role(OtherRole::connect(url).await?);
        }
        let runner = worker::runner(&services, &config.data.data_dir, metrics.clone());
        Ok(Self { services, runner, metrics, config })
    }

    /// Starts the sockets and the worker.
    ///
    /// # Errors
    /// The address is taken, or is not loopback while nobody speaks TLS in front.
    pub async fn start(mut self, parts: Parts) -> Result<Running> {
        let (stopping, stopped) = watch::channel(false);
        let mut running = Running {
            url: String::new(),
            metrics_url: String::new(),
            servers: Vec::new(),
            tasks: Vec::new(),
            followed: Vec::new(),
            stopping,
            app: self.clone(),
        };
        let address = self.config.server.metrics_listen;
        let listener =
            TcpListener::bind(address).with_context(|| format!("{address} cannot be listened on for metrics"))?;
        running.metrics_url = format!("http://{}/metrics", listener.local_addr()?);
        let metrics_server = http::metrics::serve_on(listener, self.metrics.clone())?;
        running.servers.push(metrics_server.handle());
        running.tasks.push(tokio::spawn(async move {
            let _ = metrics_server.await;
        }));
        running.tasks.push(tokio::spawn(write_signals(self.services.store.clone(), stopped.clone())));
        if parts != Parts::WorkerAlone {
            let url = self.serve(&mut running)?;
            running.app.services.public_url = url.as_str().into();
            running.url = url;
        }
        if parts != Parts::GatewayAlone {
            self.services.knowledge.answers_are_made_here();
            let grace = Duration::from_secs(self.config.server.stop_seconds);
            let runner = self.runner.clone();
            running.tasks.push(tokio::spawn(async move { runner.run(stopped, grace).await }));
        }
        Ok(running)
    }

    fn serve(&mut self, running: &mut Running) -> Result<String> {
        let server = &self.config.server;
        let certificate = server.certificate().map(Certificate::read).transpose()?;
        let is_under_tls = certificate.is_some() || server.behind_tls_proxy;
        refuse_plain_http_outside(server.listen, is_under_tls)?;
        let listener =
            TcpListener::bind(server.listen).with_context(|| format!("{} cannot be listened on", server.listen))?;
        let address = listener.local_addr()?;
        let scheme = if certificate.is_some() { "https" } else { "http" };
        let url = server
            .public_url
            .clone()
            .map_or_else(|| format!("{scheme}://{address}"), |url| url.trim_end_matches('/').to_owned());
        self.services.public_url = url.as_str().into();
        let routes = self.routes()?;
        let threads =
            server.http_threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
        let made = HttpServer::new(move || {
            let routes = routes.clone();
            HttpApp::new()
                .wrap(http::security_headers::security_headers(is_under_tls))
                .wrap(from_fn(telemetry::log_requests))
                .configure(move |config| routes.configure(config))
        })
        .workers(threads)
        .max_connections(server.max_connections.div_ceil(threads.max(1)))
        .client_request_timeout(HEADERS_WITHIN)
        .tls_handshake_timeout(HANDSHAKE_WITHIN)
        .shutdown_timeout(server.stop_seconds)
        .disable_signals();
        let made = match &certificate {
            Some(certificate) => {
                running.followed.push(certificate.follow());
                made.listen_rustls_0_23(listener, certificate.server_config()?)?.run()
            }
            None => made.listen(listener)?.run(),
        };
        running.servers.push(made.handle());
        running.tasks.push(tokio::spawn(async move {
            let _ = made.await;
        }));
        Ok(url)
    }

    fn routes(&self) -> Result<Routes> {
        let is_development = !self.config.server.production;
        let trusted = self.config.server.trusted()?;
        let mut guard = RequestGuard::new(ALONE).in_development(is_development).trusting(trusted);
        for (field, cost) in COSTS {
            guard = guard.with_cost(field, cost);
        }
        for (field, items) in LISTS {
            guard = guard.with_list(field, items);
        }
        let executor = Arc::new(SchemaExecutor::new(self.services.clone()));
        let settings =
            http::Settings { is_behind_proxy: self.config.server.behind_tls_proxy, ..http::Settings::default() };
        let transport = Transport::new(executor, guard, &Rates::default(), settings, self.metrics.clone());
        let playground =
            if is_development { Playground::from_parts(&self.config.models.parts_dir) } else { Playground::off() };
        Ok(Routes {
            transport: web::Data::new(transport),
            readiness: web::Data::new(readiness(&self.services)),
            playground: web::Data::new(playground),
            services: web::Data::new(self.services.clone()),
        })
    }

    /// Loads the embedding model, and begins with the vectors that questions for a person are told by, so that the first
    /// visitor waits for neither.
    ///
    /// # Errors
    /// `Unavailable`, with what to run.
    pub async fn warm(&self) -> Result<()> {
        let embedder = self.services.registry.embedder()?;
        embedder.warm().await?;
        let sentences = self.services.sentences.clone();
        tokio::spawn(async move {
            if let Err(error) = sentences.prepare(embedder.as_ref()).await {
                tracing::warn!(kind = ?error.kind, "the first question for a person will wait for its vectors");
            }
        });
        Ok(())
    }
}

impl Running {
    /// Stops: no new requests, work under way is finished or handed back, connections are closed.
    pub async fn stop(self) {
        let _ = self.stopping.send(true);
        for task in &self.followed {
            task.abort();
        }
        for server in &self.servers {
            server.stop(true).await;
        }
        for task in self.tasks {
            if let Err(error) = task.await {
                tracing::warn!(panicked = error.is_panic(), "a part of the process did not stop by itself");
            }
        }
        if let Err(error) = self.app.services.store.close().await {
            tracing::warn!(%error, "the database was not closed");
        }
    }
}

/// Brings the database and the key store up to date, as the owner.
///
/// # Errors
/// What the database answers; the owner's URL is missing.
pub async fn migrate(config: &Config) -> Result<()> {
    let owner = config
        .data
        .owner_store()
        .context("Give the owner's URL of the database in CONSIGNE_DATABASE_OWNER_URL to migrate it.")?;
    let (data, keys) = connect::connect_as_owner(&owner).await?;
    let role = config.data.application_role();
    consigne_migrations::migrate_data(&data, role.as_deref()).await.context("the database could not be migrated")?;
    if let Some(reader) = config.data.reader_role() {
        consigne_migrations::grant_reading(&data, &reader).await.context("the second reader could not be let in")?;
    }
    consigne_migrations::migrate_keys(&keys, role.as_deref()).await.context("the key store could not be migrated")?;
    data.close().await?;
    keys.close().await?;
    Ok(())
}

/// Brings an empty database and its key store up to a step of the history, as the owner.
///
/// # Errors
/// What the database answers.
pub async fn migrate_to(owner: &StoreSettings, role: Option<&str>, up_to: UpTo) -> consigne_foundation::Result<()> {
    let (data, keys) = connect::connect_as_owner(owner).await?;
    match up_to {
        UpTo::Step(last) => consigne_migrations::migrate_data_to(&data, role, &last).await?,
        UpTo::Newest => consigne_migrations::migrate_data(&data, role).await?,
    }
    consigne_migrations::migrate_keys(&keys, role).await?;
    data.close().await?;
    keys.close().await?;
    Ok(())
}

/// [`migrate_to`] for scratch, which has no roles.
pub fn migrator() -> Migrate {
    Arc::new(|settings, up_to| Box::pin(async move { migrate_to(&settings, None, up_to).await }))
}

fn services(
    config: &Config,
    store: Store,
    blobs: Blobs,
    backups: Backups,
    registry: Arc<Registry>,
    metrics: Arc<Metrics>,
) -> Result<Services> {
    let parser = match &config.models.parser {
        Some(program) => program.clone(),
        None => std::env::current_exe().context("the path of this program is not known")?,
    };
    let limits = KnowledgeLimits {
        document_bytes: config.data.max_document_mb << 20,
        // More than are parsed or embedded at a time: while some wait for the disk, others keep the embedder busy.
        parallel_ingests: 4,
        page_bytes: config.sources.max_page_kb << 10,
        reranked_passages: config.models.rerank_passages,
        rerank_within: Duration::from_millis(config.models.rerank_ms),
    };
    let sandbox = Sandbox::new(SandboxOptions {
        concurrency: 2,
        recognizer: config.models.recognizer(),
        ..SandboxOptions::new(parser)
    });
    let knowledge = Knowledge::new(store.clone(), blobs.clone(), registry.clone(), sandbox, limits);
    let holders: Vec<Arc<dyn DataHolder>> = vec![
        Arc::new(EscalationHolder(store.clone())),
        Arc::new(ChatHolder(store.clone())),
        Arc::new(StaffHolder(store.clone())),
        Arc::new(VectorHolder(knowledge.clone())),
        Arc::new(IdentityHolder(store.clone())),
        Arc::new(MemberHolder(store.clone())),
        Arc::new(RightsHolder { store: store.clone(), blobs: blobs.clone() }),
        Arc::new(WordHolder(store.clone())),
        Arc::new(ArchiveHolder { store: store.clone(), blobs: blobs.clone() }),
    ];
    let privacy = Privacy::new(store.clone(), blobs, holders).with_backups(backups.clone());
    let mut classes = retention::foundation_classes();
    classes.extend(consigne_assistant::retention::classes());
    classes.push(Arc::new(Visitors));
    classes.push(Arc::new(AuditEntries));
    let retention = Retention::new(store.clone(), classes, &config.data.time_zone)?;
    let retention = retention.with_log_period(&config.data.audit_period)?;
    let inbound =
        InboundPost { store: store.clone(), registry: registry.clone(), meter: Arc::new(worker::Meter(metrics)) };
    let routes = ModelRoutes::new(registry.clone(), store.clone());
    let corrections = Corrections::new(store.clone(), routes.clone());
    let account_mails = AccountMails {
        store: store.clone(),
        mailer: config.accounts.mailer()?,
        console_url: console_url(config).into(),
    };
    let operator = config.accounts.operator(account_mails.mailer.clone())?;
    let single_sign_on = SingleSignOn {
        store: store.clone(),
        sign_on: config.sign_on.sign_on(config.server.production)?,
        names: config.sign_on.names(),
        rules: config.accounts.rules()?,
        console_url: account_mails.console_url.clone(),
    };
    let passkeys = Passkeys {
        store: store.clone(),
        party: Party::of(&account_mails.console_url, config.accounts.passkey_domain.as_deref())?,
    };
    Ok(Services {
        store,
        registry,
        knowledge,
        feed: Feed::default(),
        answers_at_once: config.models.answers_at_once,
        sentences: Sentences::default(),
        routes,
        corrections,
        privacy,
        retention,
        backups,
        inbound,
        account_rules: config.accounts.rules()?,
        account_mails,
        single_sign_on,
        passkeys,
        operator,
        public_url: "".into(),
    })
}

/// Writes down every few seconds what this process saw, for whichever worker adds it up.
async fn write_signals(store: Store, mut stopped: watch::Receiver<bool>) {
    while !*stopped.borrow() {
        if let Err(error) = store.signals().write(&store).await {
            tracing::warn!(%error, "signals could not be written down");
        }
        let _ = tokio::time::timeout(WRITE_SIGNALS_EVERY, stopped.changed()).await;
    }
}

/// Who holds what, over a store that need not be of the newest schema: for what writes into an empty one.
///
/// # Errors
/// A setting that cannot be used.
pub fn privacy_of(config: &Config, store: &Store, blobs: &Blobs) -> Result<Privacy> {
    let registry = Arc::new(plugins::registry(config)?);
    let options = config.backups.options(&config.data, config.keys.provider(&config.data)?)?;
    let backups = Backups::new(store.clone(), blobs.clone(), options);
    let metrics = Arc::new(Metrics::new());
    Ok(services(config, store.clone(), blobs.clone(), backups, registry, metrics)?.privacy)
}

/// Where people open the console.
pub fn console_url(config: &Config) -> String {
    let named = config.accounts.console_url.clone().or_else(|| config.server.public_url.clone());
    let url = named.unwrap_or_else(|| format!("http://{}", config.server.listen));
    url.trim_end_matches('/').to_owned()
}

fn readiness(services: &Services) -> Readiness {
    let store = services.store.clone();
    let registry = services.registry.clone();
    Readiness::new()
        .with("database", move || {
            let store = store.clone();
            async move { store.ping().await.is_ok() }
        })
        .with("plugins", move || {
            let registry = registry.clone();
            async move { registry.embedder().is_ok() && registry.vector_index().is_ok() }
        })
}

/// Credentials and personal data would cross the network in the clear.
fn refuse_plain_http_outside(listen: SocketAddr, is_under_tls: bool) -> Result<()> {
    if listen.ip().is_loopback() || is_under_tls {
        return Ok(());
    }
    bail!(
        "{listen} is reachable from outside, and nobody speaks TLS there. Give a certificate (--tls-certificate and --tls-key), \
         put a TLS proxy in front and say so with CONSIGNE_BEHIND_TLS_PROXY=true, or listen on 127.0.0.1."
    )
}
