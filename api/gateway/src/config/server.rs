//! Where the gateway listens, and as what.

use std::net::SocketAddr;

use clap::Args;

/// Where the gateway listens.
#[derive(Args, Debug, Clone)]
#[command(next_help_heading = "Server")]
pub struct ServerConfig {
    /// Address of the API.
    #[arg(long, env = "CONSIGNE_LISTEN", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// Address of Prometheus metrics; keep it off the public network.
    #[arg(long, env = "CONSIGNE_METRICS_LISTEN", default_value = "127.0.0.1:9464")]
    pub metrics_listen: SocketAddr,
    /// Where clients reach the API, if not at the address it listens on: `https://api.example.com`.
    #[arg(long, env = "CONSIGNE_PUBLIC_URL")]
    pub public_url: Option<String>,
    /// Production mode: no playground, no introspection for the public.
    #[arg(long, env = "CONSIGNE_PRODUCTION")]
    pub production: bool,
    /// A proxy in front speaks TLS, and puts the address of the client last into `X-Forwarded-For`. Without it only
    /// loopback addresses are listened on.
    #[arg(long, env = "CONSIGNE_BEHIND_TLS_PROXY")]
    pub behind_tls_proxy: bool,
    /// Threads that serve HTTP; as many as there are cores where left out.
    #[arg(long, env = "CONSIGNE_HTTP_THREADS")]
    pub http_threads: Option<usize>,
    /// Seconds that a stop waits for work under way.
    #[arg(long, env = "CONSIGNE_STOP_SECONDS", default_value_t = 20)]
    pub stop_seconds: u64,
}
