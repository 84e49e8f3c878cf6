//! The gRPC transport, on tonic.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio_stream::Stream;
use tonic::metadata::MetadataMap;
use tonic::{Code, Request, Response, Status, Streaming};

use crate::journal::{End, Filter, Journal, Subscription};
use pb::logger_server::{Logger, LoggerServer};
use pb::{MonitorResponse, MonitorStreamingRequest};

pub mod pb {
    tonic::include_proto!("logger");
    pub const DESCRIPTORS: &[u8] = tonic::include_file_descriptor_set!("logger");
}

const MAX_FILTER_BYTES: usize = 64 << 10;

pub fn service(journal: Arc<Journal>, stopping: watch::Receiver<bool>) -> LoggerServer<LoggerService> {
    LoggerServer::new(LoggerService { journal, stopping }).max_decoding_message_size(MAX_FILTER_BYTES)
}

pub struct LoggerService {
    journal: Arc<Journal>,
    stopping: watch::Receiver<bool>,
}

#[tonic::async_trait]
impl Logger for LoggerService {
    type MonitorStream = Entries;

    async fn monitor(&self, request: Request<Streaming<MonitorStreamingRequest>>) -> Result<Response<Entries>, Status> {
        let deadline = timeout_of(request.metadata())?.filter(|_| !self.journal.bugs.deadline_of_handler);
        let subscription = self.journal.subscribe();
        // The receiving task also ends the stream where the sending side is blocked on a slow
        // reader: tonic polls the entries only when there is room for one.
        let receiving = tokio::spawn({
            let (journal, subscription, mut stopping) = (self.journal.clone(), subscription.clone(), self.stopping.clone());
            async move {
                let reason = tokio::select! {
                    reason = receive(&journal, &subscription, request.into_inner()) => reason,
                    () = expired(deadline) => End::Deadline,
                    _ = stopping.wait_for(|stopping| *stopping) => End::Stopping,
                };
                journal.end(&subscription, reason);
            }
        });
        Ok(Response::new(Entries { journal: self.journal.clone(), subscription, receiving: receiving.abort_handle(), over: false }))
    }
}

async fn receive(journal: &Journal, subscription: &Subscription, mut requests: Streaming<MonitorStreamingRequest>) -> End {
    loop {
        match requests.message().await {
            Ok(None) => return End::Client,
            Err(_) if journal.bugs.while_let_ok => return End::Client,
            // tonic's own answer to a message over the limit would be OUT_OF_RANGE
            Err(status) if status.code() == Code::OutOfRange => {
                return End::Refused(Code::ResourceExhausted as i32, status.message().to_owned());
            }
            Err(status) => return End::Refused(status.code() as i32, status.message().to_owned()),
            Ok(Some(MonitorStreamingRequest { min_level, sources, contains })) => {
                let filter = Filter { min_level, sources, contains };
                if let Err(fault) = filter.check(&journal.bugs) {
                    return End::Invalid(fault);
                }
                subscription.replace(filter);
            }
        }
    }
}

async fn expired(after: Option<Duration>) {
    match after {
        Some(after) => tokio::time::sleep(after).await,
        None => std::future::pending().await,
    }
}

/// What `grpc-timeout` says. tonic applies it to the handler, which returns at once.
fn timeout_of(metadata: &MetadataMap) -> Result<Option<Duration>, Status> {
    let Some(value) = metadata.get("grpc-timeout") else {
        return Ok(None);
    };
    let malformed = || Status::invalid_argument("malformed grpc-timeout");
    let text = value.to_str().map_err(|_| malformed())?;
    let (digits, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(malformed)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(malformed());
    }
    let count: u64 = digits.parse().map_err(|_| malformed())?;
    match unit {
        "H" => Ok(Some(Duration::from_secs(count * 3600))),
        "M" => Ok(Some(Duration::from_secs(count * 60))),
        "S" => Ok(Some(Duration::from_secs(count))),
        "m" => Ok(Some(Duration::from_millis(count))),
        "u" => Ok(Some(Duration::from_micros(count))),
        "n" => Ok(Some(Duration::from_nanos(count))),
        _ => Err(malformed()),
    }
}

/// The stream of a call. Dropping it, as tonic does with a cancelled call, ends the subscription.
pub struct Entries {
    journal: Arc<Journal>,
    subscription: Arc<Subscription>,
    receiving: AbortHandle,
    over: bool,
}

impl Stream for Entries {
    type Item = Result<MonitorResponse, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.over {
            return Poll::Ready(None);
        }
        self.subscription.poll_next(context).map(|next| match next {
            Ok(entry) => Some(Ok(MonitorResponse {
                sequence: entry.sequence,
                time: entry.time.clone(),
                level: entry.level.clone(),
                source: entry.source.clone(),
                message: entry.message.clone(),
            })),
            Err(reason) => {
                self.over = true;
                status_of(reason).map(Err)
            }
        })
    }
}

impl Drop for Entries {
    fn drop(&mut self) {
        self.receiving.abort();
        self.journal.end(&self.subscription, End::Gone);
    }
}

fn status_of(reason: End) -> Option<Status> {
    match reason {
        End::Client => None,
        End::Gone => Some(Status::cancelled("the call is over")),
        End::Invalid(text) => Some(Status::invalid_argument(text)),
        End::TooSlow => Some(Status::resource_exhausted("the reader is too slow")),
        End::Deadline => Some(Status::deadline_exceeded("the deadline has passed")),
        End::Stopping => Some(Status::unavailable("the server is stopping")),
        End::Refused(code, text) => Some(Status::new(Code::from_i32(code), text)),
    }
}
