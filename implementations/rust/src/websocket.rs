//! The WebSocket transport, on axum.

use std::time::Duration;

use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::http::StatusCode;
use axum::http::header::SEC_WEBSOCKET_VERSION;
use axum::response::{IntoResponse, Response};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite;

use crate::Shared;
use crate::journal::{End, Entry, Filter, Journal, Subscription};

const MAX_FILTER_BYTES: usize = 64 << 10;

/// How long what was sent may take to leave after the stream has ended.
const DRAIN_WITHIN: Duration = Duration::from_secs(10);

/// How long the client has for its half of the closing handshake, and how long one that is behind has.
const CLOSE_WITHIN: Duration = Duration::from_millis(700);
const SLOW_CLOSE_WITHIN: Duration = Duration::from_secs(5);

/// The filter as JSON: what is null is absent, what is unknown is ignored.
#[derive(Deserialize)]
struct FilterText {
    min_level: Option<String>,
    sources: Option<Vec<String>>,
    contains: Option<String>,
}

pub async fn upgrade(State(shared): State<Shared>, upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>) -> Response {
    match upgrade {
        // The frame's limit is the message's: a long frame is then refused by its header.
        Ok(upgrade) => upgrade
            .max_message_size(MAX_FILTER_BYTES)
            .max_frame_size(MAX_FILTER_BYTES)
            .write_buffer_size(0)
            .on_upgrade(move |socket| serve(shared, socket)),
        Err(WebSocketUpgradeRejection::InvalidWebSocketVersionHeader(_)) => {
            (StatusCode::UPGRADE_REQUIRED, [(SEC_WEBSOCKET_VERSION, "13")]).into_response()
        }
        Err(rejection) => rejection.into_response(),
    }
}

async fn serve(Shared { journal, mut stopping, one_send, .. }: Shared, socket: WebSocket) {
    let (mut sink, mut stream) = socket.split();
    let subscription = journal.subscribe();
    let reason = if journal.bugs.lost_in_select || journal.bugs.entries_first {
        one_loop(&journal, &subscription, &mut stream, &mut sink).await
    } else {
        let lock = journal.bugs.lock_across_await.then_some(&*one_send);
        tokio::select! {
            reason = receive(&journal, &subscription, &mut stream) => reason,
            reason = send(&subscription, &mut sink, lock) => reason,
            reason = subscription.ended() => reason,
            _ = stopping.wait_for(|stopping| *stopping) => End::Stopping,
        }
    };
    journal.end(&subscription, reason.clone());
    close(sink, stream, reason).await;
}

async fn receive(journal: &Journal, subscription: &Subscription, stream: &mut SplitStream<WebSocket>) -> End {
    loop {
        match next_filter(journal, stream).await {
            Ok(filter) => subscription.replace(filter),
            Err(end) => return end,
        }
    }
}

async fn next_filter(journal: &Journal, stream: &mut SplitStream<WebSocket>) -> Result<Filter, End> {
    loop {
        return match stream.next().await {
            Some(Ok(Message::Text(text))) => filter_of(journal, text.as_str()),
            Some(Ok(Message::Binary(_))) => Err(End::Refused(close_code::UNSUPPORTED.into(), "filters are text frames".into())),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
            Some(Ok(Message::Close(_))) | None => Err(End::Gone),
            Some(Err(_)) if journal.bugs.while_let_ok => Err(End::Client),
            Some(Err(error)) => Err(end_of(&*error.into_inner())),
        };
    }
}

fn filter_of(journal: &Journal, text: &str) -> Result<Filter, End> {
    if text.trim_ascii() == "null" {
        return Err(End::Client);
    }
    // serde would take an array for a struct's fields in order
    let parsed = if text.trim_ascii_start().starts_with('{') {
        serde_json::from_str(text).map_err(|error| error.to_string())
    } else {
        Err("a filter is an object".to_owned())
    };
    match parsed {
        Ok(FilterText { min_level, sources, contains }) => {
            let filter = Filter { min_level, sources: sources.unwrap_or_default(), contains };
            filter.check(&journal.bugs).map(|()| filter).map_err(End::Invalid)
        }
        Err(_) if journal.bugs.while_let_ok => Err(End::Client),
        Err(fault) => Err(End::Refused(close_code::INVALID.into(), fault)),
    }
}

/// What a failed read means for the client.
fn end_of(error: &(dyn std::error::Error + Send + Sync + 'static)) -> End {
    use tungstenite::Error::{Capacity, Protocol, Utf8};
    use tungstenite::error::ProtocolError::ResetWithoutClosingHandshake;
    match error.downcast_ref::<tungstenite::Error>() {
        Some(Capacity(_)) => End::Refused(close_code::SIZE.into(), "filter too long".into()),
        Some(Utf8(_)) => End::Refused(close_code::INVALID.into(), "not UTF-8".into()),
        Some(Protocol(fault)) if !matches!(fault, ResetWithoutClosingHandshake) => {
            End::Refused(close_code::PROTOCOL.into(), fault.to_string())
        }
        _ => End::Gone,
    }
}

async fn send(subscription: &Subscription, sink: &mut SplitSink<WebSocket, Message>, lock: Option<&Mutex<()>>) -> End {
    loop {
        match subscription.next().await {
            Ok(entry) => {
                let _held = match lock {
                    Some(lock) => Some(lock.lock().await),
                    None => None,
                };
                if sink.send(frame_of(&entry)).await.is_err() {
                    return End::Gone;
                }
            }
            Err(end) => return end,
        }
    }
}

fn frame_of(entry: &Entry) -> Message {
    Message::text(serde_json::to_string(entry).expect("an entry is plain data"))
}

/// The loop of the bugs lost-in-select and entries-first.
async fn one_loop(
    journal: &Journal,
    subscription: &Subscription,
    stream: &mut SplitStream<WebSocket>,
    sink: &mut SplitSink<WebSocket, Message>,
) -> End {
    loop {
        let prepared = async {
            let entry = subscription.next().await?;
            tokio::task::yield_now().await; // as anything that is awaited between taking and sending
            Ok(entry)
        };
        let next = if journal.bugs.lost_in_select {
            tokio::select! {
                biased;
                filter = next_filter(journal, stream) => filter.map(|filter| (Some(filter), None)),
                entry = prepared => entry.map(|entry| (None, Some(entry))),
            }
        } else {
            tokio::select! {
                biased;
                entry = subscription.next() => entry.map(|entry| (None, Some(entry))),
                filter = next_filter(journal, stream) => filter.map(|filter| (Some(filter), None)),
            }
        };
        match next {
            Ok((Some(filter), _)) => subscription.replace(filter),
            Ok((_, Some(entry))) if sink.send(frame_of(&entry)).await.is_err() => return End::Gone,
            Ok(_) => (),
            Err(end) => return end,
        }
    }
}

/// Sends Close behind what was sent, and waits a moment for the client's.
async fn close(mut sink: SplitSink<WebSocket, Message>, mut stream: SplitStream<WebSocket>, reason: End) {
    let (code, text) = match &reason {
        End::Gone | End::Deadline => {
            // Reading on is what sends the answer to the client's Close.
            let _ = timeout(CLOSE_WITHIN, async { while let Some(Ok(_)) = stream.next().await {} }).await;
            return;
        }
        End::Client => (close_code::NORMAL, ""),
        End::Stopping => (close_code::AWAY, "the server is stopping"),
        End::Invalid(fault) => (close_code::POLICY, fault.as_str()),
        End::TooSlow => (close_code::AGAIN, "the reader is too slow"),
        End::Refused(code, fault) => (*code as u16, fault.as_str()),
    };
    let frame = CloseFrame { code, reason: shortened(text).into() };
    if !matches!(timeout(DRAIN_WITHIN, sink.send(Message::Close(Some(frame)))).await, Ok(Ok(()))) {
        return;
    }
    let within = if matches!(reason, End::TooSlow) { SLOW_CLOSE_WITHIN } else { CLOSE_WITHIN };
    let _ = timeout(within, async { while let Some(Ok(_)) = stream.next().await {} }).await;
}

fn shortened(text: &str) -> &str {
    const MOST: usize = 123;
    &text[..text.floor_char_boundary(MOST)]
}
