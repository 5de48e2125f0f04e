//! Words that are planted about two people, wherever the public API takes any; and other words that are put in their place.

use super::*;
use consigne_gateway::sdk::PluginErrorKind;
use consigne_tests::{
    canary::Canary,
    people::{Member, Visitor},
    recorder::{Answer, SECRET, inbound},
    texts,
    vouch::Server,
};

/// Where words are planted.
const PLACES: [&str; 14] = [
    "question", "said", "note", "email", "external", "name", "agreed", "withdrew", "objected", "asked", "contact",
    "told", "showed", "document",
];

/// Words that exist nowhere else, by where they are planted.
pub struct Words(BTreeMap<&'static str, Canary>);

impl Words {
    pub fn new() -> Self {
        // A line of the paper holds a short one.
        let word = |place| match place {
            "document" => Canary::of(&Canary::new().to_string()[..16]),
            _ => Canary::new(),
        };
        Self(PLACES.into_iter().map(|place| (place, word(place))).collect())
    }

    pub fn of(&self, place: &str) -> String {
        self.0[place].to_string()
    }

    pub fn all(&self) -> impl Iterator<Item = &Canary> {
        self.0.values()
    }

    /// Whether one of them is in this text.
    pub fn are_in(&self, text: &str) -> bool {
        let text = text.to_lowercase();
        self.all().any(|word| text.contains(&word.to_string().to_lowercase()))
    }

    fn address(&self, place: &str) -> String {
        format!("{}@example.org", self.of(place)).to_lowercase()
    }

    fn claims(&self) -> Value {
        json!({"sub": self.of("external"), "email": self.address("email"), "name": self.of("name")})
    }
}

/// A visitor of whom everything is known, and somebody who asked by the public form.
pub struct Planted {
    pub acme: Member,
    pub visitor: Visitor,
    pub requester: String,
    pub words: Words,
    chat: String,
    server: Server,
}

impl Planted {
    pub async fn in_(app: &TestApp) -> Result<Self> {
        let acme = app.workspace("acme").await?;
        let words = Words::new();
        // A paper has pages, so a citation of it says where.
        let said = format!("A standard inspection costs 79 euros, says {}.", words.of("document"));
        acme.upload("paper.pdf", "application/pdf", &texts::pdf(&said)).await?;
        app.run_jobs().await?;
        let assistant = acme.assistant("Ada").await?;
        acme.call_people(&assistant, &["recorder", "second"], json!({})).await?;
        // The second is down: what it is to be told waits in the outbox.
        app.second.always(Answer::Fail(PluginErrorKind::Unavailable));
        let server = Server::of(&acme, &assistant).await?;
        let visitor = server.lets_in(app, words.claims()).await?;
        let chat = visitor.start_chat().await?;
        let requester = asks_by_the_form(app, &acme, &words).await?;
        let planted = Self { acme, visitor, requester, words, chat, server };
        planted.talk(app).await?;
        planted.give_words().await?;
        planted.use_rights(app).await?;
        Ok(planted)
    }

    /// Both people.
    pub fn people(&self) -> [&str; 2] {
        [&self.visitor.subject, &self.requester]
    }

    /// A copy of what is held of both.
    pub async fn copies(&self, app: &TestApp) -> Result<[BTreeMap<String, String>; 2]> {
        let of_visitor = access(app, &self.visitor, None).await?;
        Ok([of_visitor, access(app, &self.acme, Some(&self.requester)).await?])
    }

    async fn talk(&self, app: &TestApp) -> Result<()> {
        let Self { acme, visitor, words, chat, .. } = self;
        // Alone, so that the knowledge answers it, with citations.
        visitor.ask(chat, "How much is a standard inspection?").await?;
        app.run_jobs().await?;
        visitor.say(chat, &format!("I am {}.", words.of("question"))).await?;
        app.run_jobs().await?;
        visitor.request_person(chat).await?;
        app.run_jobs().await?;
        // Somebody answers through the channel, a colleague notes and reads.
        let channels = acme.graphql("channels", json!({})).await?.ok();
        let all = channels.get("/channels").as_array().cloned().unwrap_or_default();
        let recorder = all.iter().find(|one| one["pluginId"] == "recorder").context("the recorder is a channel")?;
        let thread = format!("thread of {}", app.recorder.handed()[0]["token"].as_str().unwrap_or_default());
        let url = recorder["inboundUrl"].as_str().context("an address")?;
        let event = inbound("e1", ("thread", &thread), "reply", "A colleague of the channel answers.");
        let sent =
            app.public().request(Method::POST, url).header("x-recorder", SECRET).json(&json!({"events": [event]}));
        assert_eq!(sent.send().await?.status(), 200);
        visitor.say(chat, &format!("I also say {}.", words.of("said"))).await?;
        let note = json!({"chatId": chat, "text": format!("Noted: {}", words.of("note"))});
        acme.graphql("add_note", json!({"input": note})).await?.ok();
        acme.graphql("mark_chat_read", json!({"input": {"chatId": chat}})).await?.ok();
        app.run_jobs().await
    }

    /// Consent on paper, withdrawn by telephone; an objection; and a hold that is over.
    async fn give_words(&self) -> Result<()> {
        let Self { acme, visitor, words, .. } = self;
        let text = json!({"purpose": "ANALYTICS", "language": "en", "text": "I agree that my questions are counted."});
        let text = acme.graphql("publish_consent_text", json!({"input": text})).await?.ok();
        let sha256 = text.text("/publishConsentText/consentText/sha256");
        let mut input = json!({"purpose": "ANALYTICS", "subjectId": visitor.subject});
        input["evidence"] = json!(format!("Called, and said {}.", words.of("withdrew")));
        let withdrawal = input.clone();
        (input["version"], input["sha256"]) = (json!(1), json!(sha256));
        input["evidence"] = json!(format!("Signed as {}.", words.of("agreed")));
        acme.graphql("give_consent", json!({"input": input})).await?.ok();
        acme.graphql("withdraw_consent", json!({"input": withdrawal})).await?.ok();
        self.object(words).await?;
        let hold = json!({"subjectId": visitor.subject, "ground": "LEGAL_CLAIMS", "endsAt": "2090-01-01T00:00:00Z"});
        let held = acme.graphql("place_hold", json!({"input": hold})).await?.ok();
        let released = json!({"input": {"holdId": held.get("/placeHold/hold/id")}});
        acme.graphql("release_hold", released).await?.ok();
        Ok(())
    }

    async fn object(&self, words: &Words) -> Result<()> {
        let evidence = format!("Wrote {} on a card.", words.of("objected"));
        let input = json!({"purpose": "CORRECTION", "subjectId": self.visitor.subject, "evidence": evidence});
        self.acme.graphql("object_to_purpose", json!({"input": input})).await?.ok();
        Ok(())
    }

    /// A right was served before, a restriction lifted, a request made.
    async fn use_rights(&self, app: &TestApp) -> Result<()> {
        let Self { visitor, .. } = self;
        copy_of(app, visitor, "request_portability", None).await?;
        let input = json!({"subjectId": visitor.subject, "ground": "UNLAWFUL"});
        visitor.graphql("restrict_processing", json!({"input": input})).await?.ok();
        visitor.graphql("lift_restriction", json!({"input": {"subjectId": visitor.subject}})).await?.ok();
        visitor.graphql("submit_privacy_request", json!({"input": {"kind": "ACCESS"}})).await?.ok();
        Ok(())
    }

    /// Puts other words in the place of those that can be put right, and answers with them.
    pub async fn rectify(&self, app: &TestApp) -> Result<Words> {
        let Self { acme, visitor, words, chat, server, .. } = self;
        let new = Words::new();
        let shown = visitor.graphql("chat_messages", json!({"id": chat, "first": 30})).await?.ok();
        for message in shown.get("/chat/messages/nodes").as_array().cloned().unwrap_or_default() {
            for place in ["question", "said"] {
                let text = message["text"].as_str().unwrap_or_default();
                if text.contains(&words.of(place)) {
                    let text = text.replace(&words.of(place), &new.of(place));
                    let input = json!({"messageId": message["id"], "text": text});
                    visitor.graphql("rectify_message", json!({"input": input})).await?.ok();
                }
            }
        }
        let shown = acme.graphql("chat", json!({"id": chat})).await?.ok();
        let answers = shown.get("/chat/answers").as_array().cloned().unwrap_or_default();
        let answered = |answer: &&Value| answer["text"].as_str().is_some_and(|text| words.are_in(text));
        let answer = answers.iter().find(answered).context("an answer from the paper")?;
        let input =
            json!({"answerId": answer["id"], "text": format!("It costs 79 euros, says {}.", new.of("document"))});
        acme.graphql("rectify_answer", json!({"input": input})).await?.ok();
        let note = acme.escalation().await?["notes"][0]["id"].clone();
        let input = json!({"noteId": note, "text": format!("Noted: {}", new.of("note"))});
        acme.graphql("rectify_note", json!({"input": input})).await?.ok();
        let known = acme.graphql("subject", json!({"id": visitor.subject})).await?.ok();
        for identifier in known.get("/subject/identifiers").as_array().cloned().unwrap_or_default() {
            let value = match identifier["kind"].as_str() {
                Some("EMAIL") => new.address("email"),
                _ => new.of("external"),
            };
            let input = json!({"identifierId": identifier["id"], "value": value});
            acme.graphql("rectify_identifier", json!({"input": input})).await?.ok();
        }
        // The customer's server says it anew, of the same person.
        assert_eq!(server.lets_in(app, new.claims()).await?.subject, visitor.subject);
        let back =
            json!({"purpose": "CORRECTION", "subjectId": visitor.subject, "evidence": "It was somebody else's card."});
        acme.graphql("take_back_objection", json!({"input": back})).await?.ok();
        self.object(&new).await?;
        Ok(new)
    }
}

/// Somebody without a token asks; staff sees who it is, and answers. Answers the person whom the request made.
async fn asks_by_the_form(app: &TestApp, acme: &Member, words: &Words) -> Result<String> {
    let set = acme.graphql("configure_privacy", json!({"input": {"dpoEmail": "dpo@acme.example"}})).await?.ok();
    let address = set.text("/configurePrivacy/privacySettings/address");
    let message = format!("Call me {}.", words.of("asked"));
    let input = json!({"address": address, "kind": "ACCESS", "email": words.address("contact"), "message": message});
    app.public().graphql("submit_privacy_request", json!({"input": input})).await?.ok();
    let all = acme.graphql("privacy_requests", json!({"first": 1})).await?.ok();
    let request = all.text("/privacyRequests/nodes/0/id");
    let evidence = format!("Her card says {}.", words.of("showed"));
    let confirmed = json!({"privacyRequestId": request, "evidence": evidence});
    acme.graphql("confirm_identity", json!({"input": confirmed})).await?.ok();
    acme.graphql("take_privacy_request", json!({"input": {"privacyRequestId": request}})).await?.ok();
    let told = json!({"privacyRequestId": request, "words": format!("We hold {} of you.", words.of("told"))});
    acme.graphql("fulfil_privacy_request", json!({"input": told})).await?.ok();
    let db = app.database.connections().await?.into_iter().next().context("a database")?;
    let sql = "SELECT subject_id AS id FROM privacy_requests WHERE source = 'FORM'";
    let row = db.query_one_raw(Statement::from_string(db.get_database_backend(), sql)).await?.context("a request")?;
    Ok(public_id(row.try_get::<uuid::Uuid>("", "id")?))
}
