//! The wire between the product and its Postgres, which a test can cut.

use std::{net::SocketAddr, sync::Arc};

use anyhow::{Context, Result};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};

use crate::database::Database;

/// A wire to a server. While it is cut, connections break and new ones are closed at once. It ends when this is dropped.
pub struct Wire {
    address: SocketAddr,
    is_whole: watch::Sender<bool>,
    accepting: JoinHandle<()>,
}

impl Wire {
    /// To the server of this database; none where it is a file.
    pub async fn to(database: &Database) -> Result<Option<Self>> {
        let Database::Postgres { superuser, .. } = database else { return Ok(None) };
        let url: reqwest::Url = superuser.parse()?;
        let host = url.host_str().context("a Postgres URL names a host")?;
        let server: Arc<str> = format!("{host}:{}", url.port().unwrap_or(5432)).into();
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (is_whole, watching) = watch::channel(true);
        let accepting = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                tokio::spawn(join(near, server.clone(), watching.clone()));
            }
        });
        Ok(Some(Self { address, is_whole, accepting }))
    }

    /// This URL, by the wire.
    ///
    /// # Errors
    /// It is no URL.
    pub fn through(&self, url: &str) -> Result<String> {
        let mut url: reqwest::Url = url.parse()?;
        url.set_host(Some("127.0.0.1"))?;
        url.set_port(Some(self.address.port())).ok().context("a Postgres URL has a port")?;
        Ok(url.to_string())
    }

    /// Cuts it.
    pub fn cut(&self) {
        self.is_whole.send_replace(false);
    }

    /// Mends it.
    pub fn mend(&self) {
        self.is_whole.send_replace(true);
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Joins both ends until one hangs up or the wire is cut.
async fn join(mut near: TcpStream, server: Arc<str>, mut is_whole: watch::Receiver<bool>) {
    if !*is_whole.borrow_and_update() {
        return;
    }
    let Ok(mut far) = TcpStream::connect(&*server).await else { return };
    tokio::select! {
        _ = copy_bidirectional(&mut near, &mut far) => {}
        _ = is_whole.changed() => {}
    }
}
