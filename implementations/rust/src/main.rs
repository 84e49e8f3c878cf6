//! A monitor server in idiomatic Rust: tonic on one port, axum on the other, one
//! journal behind both.

mod beside;
mod bugs;
mod clock;
mod grpc;
mod journal;
mod websocket;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Mutex, watch};
use tonic::transport::server::TcpIncoming;

use crate::beside::Options;
use crate::bugs::Bugs;
use crate::journal::Journal;

const MAX_BATCH_BYTES: usize = 16 << 20;

/// What is still open this long after SIGTERM is cut.
const STOP_WITHIN: Duration = Duration::from_secs(3);

/// What all streams share.
#[derive(Clone)]
pub struct Shared {
    pub journal: Arc<Journal>,
    pub stopping: watch::Receiver<bool>,
    /// The lock of the bug lock-across-await.
    pub one_send: Arc<Mutex<()>>,
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> ExitCode {
    let run = async {
        let options = Options::read()?;
        if options.bug == "list" {
            bugs::list();
            return Ok(());
        }
        let planted = bugs::plant(&options.bug)?;
        serve(options, planted).await
    };
    match run.await {
        Ok(()) => ExitCode::SUCCESS,
        Err::<(), Failure>(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(options: Options, planted: Bugs) -> Result<(), Failure> {
    let (stop, stopping) = watch::channel(false);
    let shared = Shared { journal: Arc::new(Journal::new(planted)), stopping: stopping.clone(), one_send: Arc::default() };

    let grpc_listener = TcpListener::bind((options.host.as_str(), options.grpc_port)).await?;
    let http_listener = TcpListener::bind((options.host.as_str(), options.http_port)).await?;
    println!("ready grpc={} http={}", grpc_listener.local_addr()?.port(), http_listener.local_addr()?.port());

    let reflection =
        tonic_reflection::server::Builder::configure().register_encoded_file_descriptor_set(grpc::pb::DESCRIPTORS).build_v1()?;
    let grpc = tonic::transport::Server::builder()
        .add_service(reflection)
        .add_service(grpc::service(shared.journal.clone(), stopping.clone()))
        .serve_with_incoming_shutdown(TcpIncoming::from(grpc_listener).with_nodelay(Some(true)), stopped(stopping.clone()));
    let routes = Router::new()
        .route("/logs/monitor", get(websocket::upgrade))
        .route("/logs", post(beside::produce))
        .route("/stats", get(beside::stats))
        .layer(DefaultBodyLimit::max(MAX_BATCH_BYTES))
        .with_state(shared.clone());
    let http = axum::serve(axum::serve::ListenerExt::tap_io(http_listener, |tcp| drop(tcp.set_nodelay(true))), routes)
        .with_graceful_shutdown(stopped(stopping));
    tokio::spawn(beside::write_background(shared.journal.clone(), options.rate));

    let mut served =
        tokio::spawn(
            async move { tokio::try_join!(async { grpc.await.map_err(Failure::from) }, async { http.await.map_err(Failure::from) }) },
        );
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        failed = &mut served => return Ok(failed?.map(|_| ())?),
        _ = terminate.recv() => (),
        _ = interrupt.recv() => (),
    }
    stop.send(true)?;
    let _ = tokio::time::timeout(STOP_WITHIN, async {
        let _ = served.await;
        // Upgraded connections are nobody's but their tasks', which drop what they share at the end.
        while Arc::strong_count(&shared.one_send) > 1 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    std::process::exit(0)
}

async fn stopped(mut stopping: watch::Receiver<bool>) {
    let _ = stopping.wait_for(|stopping| *stopping).await;
}
