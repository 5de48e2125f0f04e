//! The worker: every job handler and every recurring duty, one line each.

use std::{sync::Arc, time::Duration};

use consigne_assistant::{
    chats::{
        answer::{AnswerHandler, AnswerMeter},
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
        ingest::IngestHandler,
        purge::PurgeHandler,
        sources::{crawl::CrawlHandler, removal::DeleteSourceHandler, schedule::SourceSchedule},
        sweep::{BlobSweep, IndexSweep, KnowledgeSweep},
        wordless::WordSweep,
    },
};
use consigne_foundation::{
    audit::CheckpointDuty,
    jobs::{Duty, JobHandler, Runner, RunnerOptions},
    privacy::{
        EraseHandler, LedgerReplay, ObjectionReplay, PrivacyDeadlines, PrivacyMailHandler,
        requests::deadlines::AlarmMeter,
    },
};

use tokio::sync::Mutex;

use crate::{graphql::Services, http::Metrics};

/// A look at the jobs where no notice came.
const POLL_EVERY: Duration = Duration::from_millis(500);

/// The worker over these services.
pub fn runner(services: &Services, metrics: Arc<Metrics>) -> Runner {
    let knowledge = services.knowledge.clone();
    let answers = AnswerHandler {
        knowledge: knowledge.clone(),
        registry: services.registry.clone(),
        routes: services.routes.clone(),
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
        Arc::new(DeleteHandler(knowledge.clone())),
        Arc::new(PurgeHandler(knowledge.clone())),
        Arc::new(IngestHandler(knowledge.clone())),
        Arc::new(DeleteSourceHandler(knowledge.clone())),
        Arc::new(ChangeHandler(knowledge.clone())),
        Arc::new(ClearHandler(knowledge.clone())),
        Arc::new(CrawlHandler::new(knowledge.clone())),
    ];
    let duties: Vec<Arc<dyn Duty>> = vec![
        Arc::new(LedgerReplay(services.privacy.clone())),
        Arc::new(ObjectionReplay(services.privacy.clone())),
        Arc::new(PrivacyDeadlines(Arc::new(Meter(metrics)))),
        Arc::new(BlobSweep { knowledge: knowledge.clone(), suspects: Mutex::default() }),
        Arc::new(IndexSweep::new(knowledge.clone())),
        Arc::new(SourceSchedule(knowledge.clone())),
        Arc::new(WordSweep(knowledge.clone())),
        Arc::new(EmbeddingSweep(knowledge.clone())),
        Arc::new(KnowledgeSweep(knowledge)),
        Arc::new(ChatSweep(services.store.clone())),
        Arc::new(ChannelPoll(services.inbound.clone())),
        Arc::new(EscalationSweep(services.store.clone())),
        Arc::new(CheckpointDuty),
    ];
    Runner::new(services.store.clone(), RunnerOptions { handlers, duties, poll_every: POLL_EVERY })
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
