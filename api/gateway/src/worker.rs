//! The worker: every job handler and every recurring duty, one line each.

use std::{path::Path, sync::Arc, time::Duration};

use consigne_assistant::{
    chats::{
        answer::{AnswerHandler, AnswerMeter, Desk, LOOKED_UP_AT_ONCE},
        sweep::ChatSweep,
    },
    escalations::{
        deliver::{DeliverHandler, DeliveryMeter},
        poll::ChannelPoll,
        sweep::EscalationSweep,
    },
    knowledge::{
        deletion::DeleteHandler,
        embeddings::{ChangeHandler, ClearHandler, EmbeddingSweep},
        ending::VectorEstate,
        ingest::IngestHandler,
        purge::PurgeHandler,
        resealing::SealedFiles,
        sources::{crawl::CrawlHandler, removal::DeleteSourceHandler, schedule::SourceSchedule},
        sweep::{BlobSweep, IndexSweep, KnowledgeSweep},
        wordless::WordSweep,
    },
};
use consigne_foundation::{
    Timestamp,
    alerts::{AlertMeter, AlertWatch, ChainWatch},
    audit::{AuditForward, CheckpointDuty},
    backups::{BackupDuty, BackupMeter, RestoreDrill},
    identity::{
        IdentitySweep,
        mails::{InvitationMailHandler, TicketMailHandler},
        review::AccessReview,
        single_sign_on::domains::DomainWatch,
    },
    jobs::{Duty, JobHandler, Runner, RunnerOptions},
    keys::{KeyRotation, RootRotation},
    leaving::{ArchiveHandler, ArchiveSweep, Estate, TerminationDuty, TerminationHandler, TerminationMeter},
    privacy::{
        EraseHandler, ExportHandler, ExportSweep, FinalCertificates, LedgerReplay, ObjectionReplay, PrivacyDeadlines,
        PrivacyMailHandler, PrivacyMailboxes, RecipientNotices,
        requests::deadlines::AlarmMeter,
        retention::{RetentionDuty, RetentionMeter},
    },
};

use tokio::sync::{Mutex, Semaphore};

use crate::{app::migrator, graphql::Services, http::Metrics};

/// A look at the jobs where no notice came.
const POLL_EVERY: Duration = Duration::from_millis(500);

/// The worker over these services.
pub fn runner(services: &Services, scratch: &Path, metrics: Arc<Metrics>) -> Runner {
    let knowledge = services.knowledge.clone();
    let answers = AnswerHandler {
        knowledge: knowledge.clone(),
        registry: services.registry.clone(),
        routes: services.routes.clone(),
        desk: Desk::new(services.feed.clone()),
        at_once: services.answers_at_once,
        looking_up: Semaphore::new(LOOKED_UP_AT_ONCE),
        sentences: services.sentences.clone(),
        meter: Arc::new(Meter(metrics.clone())),
    };
    let deliveries = DeliverHandler {
        store: services.store.clone(),
        registry: services.registry.clone(),
        meter: Arc::new(Meter(metrics.clone())),
    };
    let mails = PrivacyMailHandler { store: services.store.clone(), registry: services.registry.clone() };
    let handlers: Vec<Arc<dyn JobHandler>> = vec![
        Arc::new(answers),
        Arc::new(deliveries),
        Arc::new(mails),
        Arc::new(EraseHandler(services.privacy.clone())),
        Arc::new(ExportHandler(services.privacy.clone())),
        Arc::new(ArchiveHandler(services.privacy.clone())),
        Arc::new(termination_handler(services)),
        Arc::new(DeleteHandler(knowledge.clone())),
        Arc::new(PurgeHandler(knowledge.clone())),
        Arc::new(IngestHandler(knowledge.clone())),
        Arc::new(DeleteSourceHandler(knowledge.clone())),
        Arc::new(ChangeHandler(knowledge.clone())),
        Arc::new(ClearHandler(knowledge.clone())),
        Arc::new(CrawlHandler::new(knowledge.clone())),
        Arc::new(TicketMailHandler(services.account_mails.clone())),
        Arc::new(InvitationMailHandler(services.account_mails.clone())),
    ];
    let duties: Vec<Arc<dyn Duty>> = vec![
        Arc::new(LedgerReplay(services.privacy.clone())),
        Arc::new(ExportSweep(services.privacy.clone())),
        Arc::new(ArchiveSweep(services.privacy.clone())),
        Arc::new(TerminationDuty {
            privacy: services.privacy.clone(),
            mails: services.account_mails.clone(),
            meter: Arc::new(Meter(metrics.clone())),
        }),
        Arc::new(ObjectionReplay(services.privacy.clone())),
        Arc::new(PrivacyDeadlines(Arc::new(Meter(metrics.clone())))),
        Arc::new(PrivacyMailboxes(services.registry.clone())),
        Arc::new(RecipientNotices {
            mailer: services.account_mails.mailer.clone(),
            registry: services.registry.clone(),
            console_url: services.account_mails.console_url.clone(),
        }),
        Arc::new(BlobSweep { knowledge: knowledge.clone(), suspects: Mutex::default() }),
        Arc::new(IndexSweep::new(knowledge.clone())),
        Arc::new(SourceSchedule(knowledge.clone())),
        Arc::new(WordSweep(knowledge.clone())),
        Arc::new(EmbeddingSweep(knowledge.clone())),
        Arc::new(KeyRotation { elsewhere: vec![Arc::new(SealedFiles(knowledge.clone()))] }),
        Arc::new(RootRotation(services.backups.clone())),
        Arc::new(KnowledgeSweep(knowledge)),
        Arc::new(ChatSweep(services.store.clone())),
        Arc::new(ChannelPoll(services.inbound.clone())),
        Arc::new(EscalationSweep(services.store.clone())),
        Arc::new(IdentitySweep),
        Arc::new(AccessReview),
        Arc::new(DomainWatch(services.single_sign_on.clone())),
        Arc::new(AlertWatch { operator: services.operator.clone(), meter: Arc::new(Meter(metrics.clone())) }),
        Arc::new(ChainWatch),
        Arc::new(CheckpointDuty),
        Arc::new(AuditForward(services.registry.clone())),
        Arc::new(RetentionDuty { retention: services.retention.clone(), meter: Arc::new(Meter(metrics.clone())) }),
        Arc::new(FinalCertificates(services.privacy.clone())),
        Arc::new(BackupDuty { backups: services.backups.clone(), meter: Arc::new(Meter(metrics.clone())) }),
        Arc::new(RestoreDrill {
            backups: services.backups.clone(),
            migrate: migrator(),
            scratch: scratch.to_owned(),
            meter: Arc::new(Meter(metrics)),
        }),
    ];
    Runner::new(services.store.clone(), RunnerOptions { handlers, duties, poll_every: POLL_EVERY })
}

/// Who ends workspaces, and what has to be emptied for it.
pub fn termination_handler(services: &Services) -> TerminationHandler {
    let estates: Vec<Arc<dyn Estate>> = vec![Arc::new(VectorEstate(services.knowledge.clone()))];
    TerminationHandler { privacy: services.privacy.clone(), estates: estates.into() }
}

/// Counts for Prometheus.
pub(crate) struct Meter(pub Arc<Metrics>);

impl DeliveryMeter for Meter {
    fn attempted(&self, outcome: &'static str) {
        self.0.outcome(&self.0.deliveries, outcome);
    }

    fn came_in(&self, outcome: &'static str) {
        self.0.outcome(&self.0.channel_events, outcome);
    }
}

impl AlertMeter for Meter {
    fn raised(&self, rule: &'static str) {
        self.0.outcome(&self.0.alerts, rule);
    }
}

impl RetentionMeter for Meter {
    fn ran(&self, deleted: u64, backlogs: u64) {
        self.0.retention_deleted.inc_by(deleted);
        self.0.retention_backlogs.set(i64::try_from(backlogs).unwrap_or(i64::MAX));
    }
}

impl BackupMeter for Meter {
    fn backed_up(&self, at: Timestamp) {
        self.0.newest_backup_seconds.set(at.seconds());
    }

    fn drilled(&self, at: Option<Timestamp>, is_overdue: bool) {
        self.0.newest_drill_seconds.set(at.map_or(0, Timestamp::seconds));
        self.0.drill_overdue.set(i64::from(is_overdue));
    }
}

impl TerminationMeter for Meter {
    fn overdue(&self, count: u64) {
        self.0.terminations_overdue.set(i64::try_from(count).unwrap_or(i64::MAX));
    }
}

impl AlarmMeter for Meter {
    fn raised(&self, alarm: &'static str) {
        self.0.outcome(&self.0.privacy_alarms, alarm);
    }
}

impl AnswerMeter for Meter {
    fn answered(&self, outcome: &'static str, first_text: Option<Duration>, _whole: Duration) {
        self.0.answers_started.inc();
        self.0.outcome(&self.0.answers_completed, outcome);
        if let Some(first_text) = first_text {
            self.0.answer_first_delta_seconds.observe(first_text.as_secs_f64());
        }
    }

    fn reranked(&self, outcome: &'static str) {
        self.0.outcome(&self.0.answers_reranked, outcome);
    }
}
