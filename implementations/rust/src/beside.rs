//! What the server offers beside its streams: command line, producer, probe and
//! background entries.

use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{fmt, fs};

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use serde::de::{Deserializer, Visitor};
use serde_json::{Value, json};

use crate::Shared;
use crate::journal::{Draft, Journal, LEVELS};

const SOURCES: [&str; 3] = ["alpha", "beta", "gamma"];
const BACKGROUND_INTERVAL: Duration = Duration::from_millis(5);
const PAGE_BYTES: u64 = 4096;

pub struct Options {
    pub host: String,
    pub grpc_port: u16,
    pub http_port: u16,
    /// Background entries a second, 0: none.
    pub rate: f64,
    pub bug: String,
}

impl Options {
    pub fn read() -> Result<Self, String> {
        let mut options = Self { host: "127.0.0.1".into(), grpc_port: 50051, http_port: 8080, rate: 1000.0, bug: String::new() };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let (name, value) = match argument.split_once('=') {
                Some((name, value)) => (name.to_owned(), value.to_owned()),
                None => {
                    let value = arguments.next().ok_or_else(|| format!("{argument} needs a value"))?;
                    (argument, value)
                }
            };
            let wrong = |_| format!("{name} can't be {value:?}");
            match name.as_str() {
                "--host" => options.host = value,
                "--grpc-port" => options.grpc_port = value.parse().map_err(|_| wrong(()))?,
                "--http-port" => options.http_port = value.parse().map_err(|_| wrong(()))?,
                "--rate" => options.rate = value.parse().map_err(|_| wrong(()))?,
                "--bug" => options.bug = value,
                _ => return Err(format!("no option {name}: there are --host, --grpc-port, --http-port, --rate and --bug")),
            }
        }
        Ok(options)
    }
}

/// Writes `rate` entries a second, for ever.
pub async fn write_background(journal: Arc<Journal>, rate: f64) {
    let start = Instant::now();
    let mut written = 0;
    while rate > 0.0 {
        tokio::time::sleep(BACKGROUND_INTERVAL).await;
        let due = (start.elapsed().as_secs_f64() * rate) as usize;
        for tick in written..due {
            journal.append(vec![Draft {
                level: LEVELS[tick % LEVELS.len()].into(),
                source: SOURCES[tick % SOURCES.len()].into(),
                message: format!("tick {}", tick + 1),
            }]);
        }
        written = due;
    }
}

#[derive(Deserialize)]
struct Posted {
    level: String,
    source: WellFormed,
    message: WellFormed,
}

/// JSON text in which a lone surrogate, which has no UTF-8, has become U+FFFD.
struct WellFormed(String);

impl<'de> Deserialize<'de> for WellFormed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = WellFormed;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a string")
            }

            // serde_json gives a lone surrogate as the three bytes that UTF-8 would have for it.
            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<WellFormed, E> {
                let mut bytes = bytes.to_vec();
                for at in 0..bytes.len().saturating_sub(2) {
                    if bytes[at] == 0xed && bytes[at + 1] >= 0xa0 {
                        bytes[at..at + 3].copy_from_slice("\u{fffd}".as_bytes());
                    }
                }
                Ok(WellFormed(String::from_utf8_lossy(&bytes).into_owned()))
            }
        }
        deserializer.deserialize_bytes(Text)
    }
}

pub async fn produce(State(shared): State<Shared>, body: Bytes) -> (StatusCode, Json<Value>) {
    let refused = |fault: String| (StatusCode::BAD_REQUEST, Json(json!({ "error": fault })));
    let posted: Vec<Posted> = match serde_json::from_slice(&body) {
        Ok(posted) => posted,
        Err(fault) => return refused(fault.to_string()),
    };
    if posted.is_empty() {
        return refused("the body is an array of entries".into());
    }
    if let Some(entry) = posted.iter().find(|entry| !LEVELS.contains(&entry.level.as_str())) {
        return refused(format!("level {:?} is not one of {}", entry.level, LEVELS.join(", ")));
    }
    let drafts = posted.into_iter().map(|Posted { level, source, message }| Draft { level, source: source.0, message: message.0 });
    let (first, last) = shared.journal.append(drafts.collect());
    (StatusCode::ACCEPTED, Json(json!({ "first": first, "last": last })))
}

pub async fn stats(State(shared): State<Shared>) -> Json<Value> {
    Json(json!({ "open_streams": shared.journal.subscriptions(), "rss_bytes": resident_bytes() }))
}

/// The process's resident memory as Linux counts it, 0 elsewhere.
fn resident_bytes() -> u64 {
    let pages = |statm: String| statm.split_whitespace().nth(1).and_then(|pages| pages.parse::<u64>().ok());
    fs::read_to_string("/proc/self/statm").ok().and_then(pages).unwrap_or(0) * PAGE_BYTES
}
