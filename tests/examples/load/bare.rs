//! A bare server on the same two libraries, which answers `viewer` from memory: what a query costs without a product.

use actix_web::{App, HttpServer, web};
use anyhow::Result;
use async_graphql::{EmptyMutation, EmptySubscription, ID, Object, Request, Response, Schema, SimpleObject};

#[derive(SimpleObject, Clone)]
struct Viewer {
    kind: String,
    actor_id: ID,
    workspace_id: ID,
    permissions: Vec<String>,
    subject_id: Option<ID>,
    assistant_id: Option<ID>,
}

struct Query(Viewer);

#[Object]
impl Query {
    async fn viewer(&self) -> Viewer {
        self.0.clone()
    }
}

type Bare = Schema<Query, EmptyMutation, EmptySubscription>;

/// Serves until it is killed; says where in its first line.
pub async fn serve() -> Result<()> {
    let permissions = ["WORKSPACE_READ", "KNOWLEDGE_READ", "CHATS_READ", "CHATS_ASK"].map(str::to_owned);
    let viewer = Viewer {
        kind: "API_KEY".to_owned(),
        actor_id: "0195f0a0-0000-7000-8000-000000000001".into(),
        workspace_id: "0195f0a0-0000-7000-8000-000000000002".into(),
        permissions: permissions.into(),
        subject_id: None,
        assistant_id: None,
    };
    let schema = Schema::build(Query(viewer), EmptyMutation, EmptySubscription).finish();
    let server = HttpServer::new(move || {
        App::new().app_data(web::Data::new(schema.clone())).route("/graphql", web::post().to(answer))
    })
    .bind("127.0.0.1:0")?;
    println!("http://{}", server.addrs().first().map(ToString::to_string).unwrap_or_default());
    Ok(server.run().await?)
}

async fn answer(schema: web::Data<Bare>, request: web::Json<Request>) -> web::Json<Response> {
    web::Json(schema.execute(request.into_inner()).await)
}
