//! GraphiQL at `/playground`, for development. All of it comes from the parts folder; nothing is loaded from elsewhere,
//! and the page may talk to this server only.

use std::path::{Path, PathBuf};

use actix_web::{
    HttpResponse,
    http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE},
    web,
};
use serde::Deserialize;

/// The script of ours that starts GraphiQL; the policy allows no inline script.
const START: &str = include_str!("playground/start.js");
const LAYOUT: &str = include_str!("playground/layout.css");
/// GraphiQL sets styles on elements, which a policy does not see, and puts one `<style>` into the page while a dialog
/// is open, which this policy refuses: the page behind the dialog can then be scrolled, no more.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                      font-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; \
                      form-action 'none'";

/// Where GraphiQL lies, and whether it is served.
#[derive(Debug, Clone)]
pub struct Playground {
    /// The folder with `manifest.json`; none in production.
    folder: Option<PathBuf>,
}

/// What `make parts` wrote beside the files.
#[derive(Debug, Deserialize)]
struct Manifest {
    styles: Vec<Asset>,
    scripts: Vec<Asset>,
}

#[derive(Debug, Deserialize)]
struct Asset {
    file: String,
    integrity: String,
}

impl Playground {
    /// Serves GraphiQL from `<parts>/graphiql`.
    pub fn from_parts(parts: &Path) -> Self {
        Self { folder: Some(parts.join("graphiql")) }
    }

    /// Serves nothing: every page is 404.
    pub fn off() -> Self {
        Self { folder: None }
    }

    async fn manifest(&self) -> Option<Manifest> {
        let bytes = tokio::fs::read(self.folder.as_ref()?.join("manifest.json")).await.ok()?;
        serde_json::from_slice(&bytes).ok()
    }

    /// A file that the manifest names; no other file of the folder, or outside it, can be asked for.
    async fn asset(&self, name: &str) -> Option<Vec<u8>> {
        let manifest = self.manifest().await?;
        let asset = manifest.styles.iter().chain(&manifest.scripts).find(|asset| asset.file == name)?;
        let path = Path::new(&asset.file);
        let is_plain = path.file_name().is_some_and(|file| file == path.as_os_str());
        if !is_plain {
            return None;
        }
        tokio::fs::read(self.folder.as_ref()?.join(path)).await.ok()
    }
}

/// The page.
pub async fn page(playground: web::Data<Playground>) -> HttpResponse {
    if playground.folder.is_none() {
        return HttpResponse::NotFound().finish();
    }
    let (status, html) = match playground.manifest().await {
        Some(manifest) => (HttpResponse::Ok(), with_graphiql(&manifest)),
        None => (HttpResponse::ServiceUnavailable(), without_graphiql()),
    };
    send(status, "text/html; charset=utf-8", html)
}

/// A script or a style of the page.
pub async fn file(playground: web::Data<Playground>, name: web::Path<String>) -> HttpResponse {
    if playground.folder.is_none() {
        return HttpResponse::NotFound().finish();
    }
    let kind = match name.rsplit_once('.') {
        Some((_, "js")) => "text/javascript; charset=utf-8",
        Some((_, "css")) => "text/css; charset=utf-8",
        _ => return HttpResponse::NotFound().finish(),
    };
    match name.as_str() {
        "start.js" => send(HttpResponse::Ok(), kind, START),
        "layout.css" => send(HttpResponse::Ok(), kind, LAYOUT),
        name => match playground.asset(name).await {
            Some(bytes) => send(HttpResponse::Ok(), kind, bytes),
            None => HttpResponse::NotFound().finish(),
        },
    }
}

fn send<B: actix_web::body::MessageBody + 'static>(
    mut response: actix_web::HttpResponseBuilder,
    kind: &'static str,
    body: B,
) -> HttpResponse {
    response
        .insert_header((CONTENT_TYPE, kind))
        .insert_header((CACHE_CONTROL, "no-cache"))
        .insert_header((CONTENT_SECURITY_POLICY, POLICY))
        .body(body)
}

fn with_graphiql(manifest: &Manifest) -> String {
    let attribute = |text: &str| text.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;");
    let styles = manifest.styles.iter().map(|Asset { file, integrity }| {
        let (file, integrity) = (attribute(file), attribute(integrity));
        format!(r#"<link rel="stylesheet" href="/playground/{file}" integrity="{integrity}">"#)
    });
    let scripts = manifest.scripts.iter().map(|Asset { file, integrity }| {
        let (file, integrity) = (attribute(file), attribute(integrity));
        format!(r#"<script src="/playground/{file}" integrity="{integrity}"></script>"#)
    });
    let (styles, scripts): (String, String) = (styles.collect(), scripts.collect());
    format!(
        "{HEAD}{styles}</head><body><div id=\"graphiql\">Loading…</div>{scripts}\
         <script src=\"/playground/start.js\"></script></body></html>"
    )
}

fn without_graphiql() -> String {
    format!(
        "{HEAD}</head><body><main><h1>The playground is not here yet</h1><p>Run <code>make parts</code> and reload. \
         Until then, send operations to <code>POST /graphql</code>.</p></main></body></html>"
    )
}

const HEAD: &str = "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Consigne playground</title>\
                    <meta name=\"viewport\" content=\"width=device-width\"><link rel=\"icon\" href=\"data:,\">\
                    <link rel=\"stylesheet\" href=\"/playground/layout.css\">";
