//! What the gateway speaks over HTTP.
//!
//! In reading order: [`executor`] what the transports need of the schema's side, [`transport`] the one way every
//! operation takes, [`answer`] what a client gets back, [`media`] content types; then the transports [`graphql`],
//! [`sse`] and [`websocket`]; then [`channels`] what comes back
//! from where staff answers, [`exports`] copies that were made for people, [`privacy_form`] requests without a script, [`single_sign_on`] what identity providers say, [`cors`], [`security_headers`], [`tls`], [`health`],
//! [`metrics`] and the [`playground`].
//!
//! Nothing is executed over GET. Nothing is parsed as JSON that does not say it is JSON. No cookie is read or set, so
//! no page can act in a visitor's name. No path, query string, address or body reaches a log or a metric.

pub mod answer;
pub mod audit;
pub mod channels;
pub mod cors;
pub mod executor;
pub mod exports;
pub mod graphql;
pub mod health;
pub mod keys;
pub mod media;
pub mod metrics;
pub mod playground;
pub mod privacy_form;
pub mod security_headers;
pub mod single_sign_on;
pub mod sse;
#[cfg(test)]
mod tests;
pub mod tls;
pub mod transport;
pub mod uploads;
pub mod websocket;

use actix_web::{HttpRequest, HttpResponse, guard, middleware::from_fn, web};

use crate::graphql::Services;

pub use self::{
    executor::{Caller, Ended, Executor, Watch},
    health::Readiness,
    metrics::Metrics,
    playground::Playground,
    transport::{Settings, Transport},
};

/// Everything that is served on the public address. Cheap to clone: each worker of the server takes one.
#[derive(Clone)]
pub struct Routes {
    /// The way operations take.
    pub transport: web::Data<Transport>,
    /// What must work before requests are sent here.
    pub readiness: web::Data<Readiness>,
    /// GraphiQL, where it is switched on.
    pub playground: web::Data<Playground>,
    /// What uploads and keys call.
    pub services: web::Data<Services>,
}

impl Routes {
    /// Adds the routes to an application: `App::new().configure(|config| routes.configure(config))`.
    pub fn configure(&self, config: &mut web::ServiceConfig) {
        config
            .app_data(self.transport.clone())
            .app_data(self.readiness.clone())
            .app_data(self.playground.clone())
            .app_data(self.services.clone())
            .configure(operations_and_health)
            .service(
                web::resource("/uploads/{id}").wrap(from_fn(cors::cross_origin)).route(web::put().to(uploads::put)),
            )
            .service(
                web::resource("/channels/{address}")
                    .app_data(web::PayloadConfig::new(channels::LARGEST))
                    .route(web::post().to(channels::post)),
            )
            .service(
                web::scope("/privacy/{address}")
                    .app_data(
                        web::FormConfig::default().limit(privacy_form::LARGEST).error_handler(privacy_form::unreadable),
                    )
                    .route("", web::get().to(privacy_form::get))
                    .route("", web::post().to(privacy_form::post))
                    .route("/code", web::post().to(privacy_form::confirm)),
            )
            .service(
                web::resource("/sso/logout/{workspace}")
                    .app_data(
                        web::FormConfig::default()
                            .limit(single_sign_on::LARGEST)
                            .error_handler(single_sign_on::unreadable),
                    )
                    .route(web::post().to(single_sign_on::log_out)),
            )
            .route("/exports/{token}", web::get().to(exports::get))
            .route("/workspace-exports/{token}", web::get().to(exports::get_archive))
            .route("/audit.ndjson", web::get().to(audit::get))
            .route("/terminations/{receipt}", web::get().to(exports::receipt))
            .route("/schemas/portability-1.json", web::get().to(exports::portability_schema))
            .route("/.well-known/jwks.json", web::get().to(keys::jwks));
    }
}

/// The routes that need no service of the features.
fn operations_and_health(config: &mut web::ServiceConfig) {
    config
        .service(
            web::scope("/graphql")
                .wrap(from_fn(cors::cross_origin))
                .service(
                    web::resource("")
                        .route(web::post().to(graphql::post))
                        .route(web::get().guard(guard::fn_guard(websocket::is_upgrade)).to(websocket::upgrade))
                        .default_service(web::to(only_post)),
                )
                .service(web::resource("/stream").route(web::post().to(sse::post)).default_service(web::to(only_post))),
        )
        .route("/healthz", web::get().to(health::alive))
        .route("/readyz", web::get().to(health::ready))
        .route("/playground", web::get().to(playground::page))
        .route("/playground/{file}", web::get().to(playground::file));
}

/// Another method than POST.
async fn only_post(_: HttpRequest) -> HttpResponse {
    HttpResponse::MethodNotAllowed().insert_header(("Allow", "POST")).finish()
}
