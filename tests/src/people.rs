//! The people who play in the stories: members of a workspace, programs with a key, visitors.

use std::{
    ops::Deref,
    sync::atomic::{AtomicU32, Ordering},
};

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::{client::Client, listen::Listener};

/// A key that no earlier call of this process used.
pub fn idempotency_key() -> String {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    format!("test-{}-{}", std::process::id(), CALLS.fetch_add(1, Ordering::Relaxed))
}

/// Somebody who works for a customer: a member who signed in, or a program with a secret key.
#[derive(Clone)]
pub struct Member {
    client: Client,
    /// Where they work.
    pub workspace: String,
}

impl Deref for Member {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Member {
    /// Signs in; to the first workspace of the account where none is named.
    pub async fn sign_in(public: &Client, email: &str, password: &str, workspace: Option<&str>) -> Result<Self> {
        let input = json!({"email": email, "password": password, "workspaceId": workspace});
        let session = public.graphql("sign_in", json!({"input": input})).await?.ok();
        Ok(Self {
            client: public.with_token(session.text("/signIn/session/accessToken")),
            workspace: session.text("/signIn/session/workspaceId"),
        })
    }

    /// The same, at another gateway of the installation.
    #[must_use]
    pub fn at(&self, base: &str) -> Self {
        Self { client: self.client.at(base), workspace: self.workspace.clone() }
    }

    /// A program with a secret key that may do this.
    pub async fn program(&self, permissions: &[&str]) -> Result<Self> {
        let input = json!({"name": "a program", "permissions": permissions});
        let made = self.graphql("create_api_key", json!({"input": input})).await?.ok();
        let client = self.client.with_token(made.text("/createApiKey/secret"));
        Ok(Self { client, workspace: self.workspace.clone() })
    }

    /// A colleague who answers visitors, signed in.
    pub async fn agent(&self, public: &Client, email: &str) -> Result<Self> {
        let password = "Pelican-Harbour-31-Lantern";
        let input = json!({"email": email, "password": password, "role": "AGENT"});
        self.graphql("add_member", json!({"input": input})).await?.ok().get("/addMember/accountId");
        Self::sign_in(public, email, password, Some(&self.workspace)).await
    }

    /// Uses a channel, and has the assistant call people through it; `more` says when and how.
    pub async fn call_people(&self, assistant: &str, channels: &[&str], more: Value) -> Result<()> {
        for channel in channels {
            self.graphql("enable_plugin", json!({"input": {"pluginId": channel}})).await?.ok();
        }
        // The stand-ins say of no region that they are in it.
        let input = json!({"processing": {"transfers": "ANY"}});
        self.graphql("configure_workspace", json!({"input": input})).await?.ok();
        let mut input = json!({"assistantId": assistant, "channelIds": channels, "content": "CONVERSATION"});
        for (name, value) in more.as_object().into_iter().flatten() {
            input[name] = value.clone();
        }
        let configured = self.graphql("configure_escalation", json!({"input": input})).await?.ok();
        configured.get("/configureEscalation/settings");
        Ok(())
    }

    /// Answers a visitor.
    pub async fn reply(&self, chat: &str, text: &str) -> Result<()> {
        let input = json!({"chatId": chat, "text": text, "idempotencyKey": idempotency_key()});
        self.graphql("reply_to_chat", json!({"input": input})).await?.ok().get("/replyToChat/message");
        Ok(())
    }

    /// Does this to a chat (`take_chat`, `hand_back_chat`, `resolve_chat`); answers why not, where it is not done.
    pub async fn does(&self, operation: &str, chat: &str) -> Result<Option<String>> {
        let done = self.graphql(operation, json!({"input": {"chatId": chat}})).await?;
        Ok(done.user_error().or(done.error()).map(str::to_owned))
    }

    /// The newest escalation, with its notes.
    pub async fn escalation(&self) -> Result<Value> {
        let all = self.graphql("escalations", json!({"first": 1})).await?.ok();
        let id = all.text("/escalations/nodes/0/id");
        Ok(self.graphql("escalation", json!({"id": id})).await?.ok().get("/escalation").clone())
    }

    /// Deliveries in this state, newest first.
    pub async fn deliveries(&self, state: &str) -> Result<Vec<Value>> {
        let all = self.graphql("deliveries", json!({"state": state, "first": 100})).await?.ok();
        Ok(all.get("/deliveries/nodes").as_array().cloned().unwrap_or_default())
    }

    /// A key that pages of this origin may show.
    pub async fn publishable_key(&self, assistant: &str, origin: &str) -> Result<String> {
        let input = json!({"name": "the site", "assistantId": assistant, "origins": [origin]});
        let made = self.graphql("create_publishable_key", json!({"input": input})).await?.ok();
        Ok(made.text("/createPublishableKey/secret"))
    }

    /// Makes an assistant that speaks English, German and French.
    pub async fn assistant(&self, name: &str) -> Result<String> {
        let input = json!({"name": name, "languages": ["en", "de", "fr"]});
        Ok(self.graphql("create_assistant", json!({"input": input})).await?.ok().text("/createAssistant/assistant/id"))
    }

    /// Lets a visitor in, as the customer's own server does.
    pub async fn visitor(&self, assistant: &str) -> Result<Visitor> {
        let input = json!({"assistantId": assistant});
        let session = self.graphql_in_turn("create_visitor_token", json!({"input": input})).await?.ok();
        Ok(Visitor::of(&self.client, session.get("/createVisitorToken/visitorSession")))
    }

    /// Lets a visitor in, and says what they are known by: `externalId`, `email`, `phone`; or who they were: `visitorToken`.
    pub async fn visitor_known_as(&self, assistant: &str, identity: Value) -> Result<Visitor> {
        let mut input = identity;
        input["assistantId"] = json!(assistant);
        let session = self.graphql("create_visitor_token", json!({"input": input})).await?.ok();
        Ok(Visitor::of(&self.client, session.get("/createVisitorToken/visitorSession")))
    }

    /// Uploads a file in the three steps of a staged upload, and answers the document, still to be read.
    pub async fn upload(&self, file_name: &str, media_type: &str, bytes: &[u8]) -> Result<String> {
        let document = self.upload_in_place_of(None, file_name, media_type, bytes).await?;
        Ok(document["id"].as_str().unwrap_or_default().to_owned())
    }

    /// Uploads a file that replaces a document.
    pub async fn upload_in_place_of(
        &self,
        replaced: Option<&str>,
        file_name: &str,
        media_type: &str,
        bytes: &[u8],
    ) -> Result<Value> {
        let upload = self.send(replaced, file_name, media_type, bytes).await?;
        let completed = self.graphql("complete_upload", json!({"input": {"uploadId": upload}})).await?.ok();
        Ok(completed.get("/completeUpload/document").clone())
    }

    /// Uploads an archive, and answers what became of its files, or why nothing did.
    pub async fn upload_archive(&self, bytes: &[u8]) -> Result<Value> {
        let upload = self.send(None, "files.zip", "application/zip", bytes).await?;
        let completed = self.graphql("complete_archive_upload", json!({"input": {"uploadId": upload}})).await?;
        Ok(completed.get("/completeArchiveUpload").clone())
    }

    /// Announces a file and sends its bytes; answers the upload's id.
    async fn send(&self, replaced: Option<&str>, file_name: &str, media_type: &str, bytes: &[u8]) -> Result<Value> {
        let input = json!({
            "fileName": file_name, "mediaType": media_type, "bytes": bytes.len(), "replacesDocumentId": replaced,
        });
        let created = self.graphql("create_upload", json!({"input": input})).await?.ok();
        let upload = created.get("/createUpload/upload");
        let (url, method) = (created.text("/createUpload/upload/url"), created.text("/createUpload/upload/method"));
        let mut request = self.request(method.parse()?, &url).body(bytes.to_vec());
        for header in upload["headers"].as_array().into_iter().flatten() {
            let text = |field: &str| header[field].as_str().unwrap_or_default().to_owned();
            request = request.header(text("name"), text("value"));
        }
        let sent = request.send().await?;
        ensure!(sent.status().is_success(), "the bytes were refused: {} {}", sent.status(), sent.text().await?);
        Ok(upload["id"].clone())
    }

    /// Adds a Markdown text as a document, still to be read.
    pub async fn add_text(&self, title: &str, text: &str) -> Result<String> {
        let input = json!({"title": title, "text": text});
        Ok(self.graphql("add_text_document", json!({"input": input})).await?.ok().text("/addTextDocument/document/id"))
    }

    /// A document, if it is known here.
    pub async fn document(&self, id: &str) -> Result<Option<Value>> {
        let found = self.graphql("document", json!({"id": id})).await?.ok();
        Ok(Some(found.body["data"]["document"].clone()).filter(|document| !document.is_null()))
    }

    /// What an answer to this question would rest on: titles, the best first.
    pub async fn search(&self, question: &str) -> Result<Vec<String>> {
        let found = self.graphql("search_knowledge", json!({"question": question})).await?.ok();
        let passages = found.get("/searchKnowledge").as_array().cloned().unwrap_or_default();
        Ok(passages.iter().map(|passage| passage["title"].as_str().unwrap_or_default().to_owned()).collect())
    }

    /// Begins to erase a person; answers the erasure's id.
    pub async fn erase(&self, subject: &str) -> Result<String> {
        erase(self, subject).await
    }

    /// An erasure.
    pub async fn erasure(&self, id: &str) -> Result<Value> {
        Ok(self.graphql("erasure", json!({"id": id})).await?.ok().get("/erasure").clone())
    }

    /// Actions in the audit log, newest first.
    pub async fn audited_actions(&self) -> Result<Vec<String>> {
        let log = self.graphql("audit_log", json!({"first": 100})).await?.ok();
        let entries = log.get("/auditLog/nodes").as_array().cloned().unwrap_or_default();
        Ok(entries.iter().map(|entry| entry["action"].as_str().unwrap_or_default().to_owned()).collect())
    }
}

/// A visitor of a customer's site.
#[derive(Clone)]
pub struct Visitor {
    client: Client,
    /// The person, as the workspace holds data about them.
    pub subject: String,
    /// The visitor.
    pub id: String,
}

impl Deref for Visitor {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Visitor {
    /// Comes in through a page of this origin that shows this key.
    pub async fn on_page(public: &Client, key: &str, origin: &str) -> Result<Self> {
        let page = public.from_page(origin);
        let input = json!({"publishableKey": key});
        let session = page.graphql("start_visitor_session", json!({"input": input})).await?.ok();
        Ok(Self::of(&page, session.get("/startVisitorSession/visitorSession")))
    }

    /// From the session that was answered.
    pub fn of(client: &Client, session: &Value) -> Self {
        let text = |field: &str| session[field].as_str().unwrap_or_default().to_owned();
        Self { client: client.with_token(text("visitorToken")), subject: text("subjectId"), id: text("visitorId") }
    }

    /// Starts a chat.
    pub async fn start_chat(&self) -> Result<String> {
        Ok(self.graphql("start_chat", json!({})).await?.ok().text("/startChat/chat/id"))
    }

    /// Asks; answers the id of the answer that was opened.
    pub async fn ask(&self, chat: &str, question: &str) -> Result<String> {
        let input = json!({"chatId": chat, "text": question, "idempotencyKey": idempotency_key()});
        Ok(self.graphql("ask_question", json!({"input": input})).await?.ok().text("/askQuestion/answer/id"))
    }

    /// Writes, whoever reads it; answers the id of the answer, where one was opened.
    pub async fn say(&self, chat: &str, text: &str) -> Result<Option<String>> {
        let input = json!({"chatId": chat, "text": text, "idempotencyKey": idempotency_key()});
        let asked = self.graphql("ask_question", json!({"input": input})).await?.ok();
        asked.get("/askQuestion/message");
        Ok(asked.body["data"]["askQuestion"]["answer"]["id"].as_str().map(str::to_owned))
    }

    /// Asks for a person by the button.
    pub async fn request_person(&self, chat: &str) -> Result<()> {
        self.graphql("request_person", json!({"input": {"chatId": chat}})).await?.ok().get("/requestPerson/chat");
        Ok(())
    }

    /// As [`Visitor::request_person`]; answers why not, where nobody is called.
    pub async fn does_ask_for_a_person(&self, chat: &str) -> Result<Option<String>> {
        let asked = self.graphql("request_person", json!({"input": {"chatId": chat}})).await?;
        Ok(asked.user_error().or(asked.error()).map(str::to_owned))
    }

    /// Who has the chat.
    pub async fn state(&self, chat: &str) -> Result<String> {
        Ok(self.graphql("chat_state", json!({"id": chat})).await?.ok().text("/chat/state"))
    }

    /// What was written in a chat: author and text, oldest first.
    pub async fn messages(&self, chat: &str) -> Result<Vec<(String, String)>> {
        let shown = self.graphql("chat_messages", json!({"id": chat, "first": 30})).await?.ok();
        let nodes = shown.get("/chat/messages/nodes").as_array().cloned().unwrap_or_default();
        let text = |node: &Value, field: &str| node[field].as_str().unwrap_or_default().to_owned();
        Ok(nodes.iter().map(|node| (text(node, "author"), text(node, "text"))).collect())
    }

    /// An answer, with its citations.
    pub async fn answer(&self, id: &str) -> Result<Value> {
        Ok(self.graphql("answer", json!({"id": id})).await?.ok().get("/answer").clone())
    }

    /// Listens to a chat behind this event.
    pub async fn chat_events(&self, chat: &str, after: Option<i64>) -> Result<Listener> {
        self.listen("chat_events", json!({"chatId": chat, "after": after})).await
    }

    /// Asks for everything about oneself to be erased; answers the erasure's id.
    pub async fn erase_myself(&self) -> Result<String> {
        erase(self, &self.subject).await
    }
}

async fn erase(by: &Client, subject: &str) -> Result<String> {
    let input = json!({"subjectId": subject, "idempotencyKey": idempotency_key()});
    Ok(by.graphql("erase_subject", json!({"input": input})).await?.ok().text("/eraseSubject/erasure/id"))
}
