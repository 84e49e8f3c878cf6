//! Receives a flood with tonic or tokio-tungstenite as their users would, and verifies sequence, filter and lag of each entry.
//! Usage: halfclose-bench-peer grpc|ws PORT WARMUP_SECONDS SECONDS; prints one line of JSON.

use std::error::Error;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::Message;

#[derive(Clone, PartialEq, prost::Message)]
struct Filter {
    #[prost(string, optional, tag = "1")]
    min_level: Option<String>,
    #[prost(string, repeated, tag = "2")]
    sources: Vec<String>,
    #[prost(string, optional, tag = "3")]
    contains: Option<String>,
}

#[derive(Clone, PartialEq, prost::Message, serde::Deserialize)]
struct Entry {
    #[prost(uint64, tag = "1")]
    sequence: u64,
    #[prost(string, tag = "2")]
    time: String,
    #[prost(string, tag = "3")]
    level: String,
    #[prost(string, tag = "4")]
    source: String,
    #[prost(string, tag = "5")]
    message: String,
}

type Failure = Box<dyn Error + Send + Sync>;

/// What was received, and what it cost from the end of the warm-up on.
struct Tally {
    began: Instant,
    warm_up: Duration,
    length: Duration,
    last: u64,
    entries: u64,
    faults: u64,
    lags: Vec<u64>,
    measured_from: Option<(u64, i64)>,
}

impl Tally {
    fn new(warm_up: f64, seconds: f64) -> Self {
        Tally {
            began: Instant::now(),
            warm_up: Duration::from_secs_f64(warm_up),
            length: Duration::from_secs_f64(seconds),
            last: 0,
            entries: 0,
            faults: 0,
            lags: vec![0; 4096],
            measured_from: None,
        }
    }

    /// Books an entry; true when the time is up.
    fn book(&mut self, entry: &Entry) -> bool {
        if (self.last != 0 && entry.sequence != self.last + 1) || entry.source != "alpha" {
            self.faults += 1;
        }
        self.last = entry.sequence;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64);
        match millis_of(&entry.time) {
            Some(written) => self.lags[(now - written).clamp(0, 4095) as usize] += 1,
            None => self.faults += 1,
        }
        self.entries += 1;
        if self.entries % 64 != 0 {
            return false;
        }
        let elapsed = self.began.elapsed();
        match self.measured_from {
            None if elapsed >= self.warm_up => self.measured_from = Some((self.entries, cpu_micros())),
            Some((before, cpu)) if elapsed >= self.warm_up + self.length => {
                println!("{{\"entries\":{},\"cpuMicros\":{},\"faults\":{}}}", self.entries - before, cpu_micros() - cpu, self.faults);
                return true;
            }
            _ => {}
        }
        false
    }
}

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, transport, port, warm_up, seconds] = arguments.as_slice() else {
        return Err("usage: grpc|ws PORT WARMUP_SECONDS SECONDS".into());
    };
    let tally = Tally::new(warm_up.parse()?, seconds.parse()?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        if transport == "grpc" { grpc(port, tally).await } else { web_socket(port, tally).await }
    })
}

async fn grpc(port: &str, mut tally: Tally) -> Result<(), Failure> {
    let channel = tonic::transport::Endpoint::from_shared(format!("http://127.0.0.1:{port}"))?.connect().await?;
    let mut client = tonic::client::Grpc::new(channel);
    client.ready().await?;
    let (filters, receiver) = tokio::sync::mpsc::channel::<Filter>(1);
    filters.send(Filter::default()).await?;
    let request = tonic::Request::new(tokio_stream::wrappers::ReceiverStream::new(receiver));
    let path = "/logger.Logger/Monitor".parse()?;
    let codec = tonic_prost::ProstCodec::<Filter, Entry>::default();
    let mut entries = client.streaming(request, path, codec).await?.into_inner();
    while let Some(entry) = entries.message().await? {
        if tally.book(&entry) {
            return Ok(());
        }
    }
    Err("the stream ended".into())
}

async fn web_socket(port: &str, mut tally: Tally) -> Result<(), Failure> {
    let (mut socket, _) = tokio_tungstenite::connect_async(format!("ws://127.0.0.1:{port}/logs/monitor")).await?;
    socket.send(Message::text("{}")).await?;
    while let Some(message) = socket.next().await {
        if let Message::Text(text) = message? {
            if tally.book(&serde_json::from_str(&text)?) {
                return Ok(());
            }
        }
    }
    Err("the stream ended".into())
}

/// Milliseconds since the Unix epoch of an RFC 3339 time in UTC.
fn millis_of(text: &str) -> Option<i64> {
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<i64>().ok();
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let seconds = number(11, 13)? * 3600 + number(14, 16)? * 60 + number(17, 19)?;
    // Days from the civil date, with March as the first month.
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let of_era = shifted.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    Some((days * 86_400 + seconds) * 1000 + number(20, 23)?)
}

fn cpu_micros() -> i64 {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::uninit();
    // SAFETY: getrusage fills the whole structure, and does not fail for RUSAGE_SELF.
    let usage = unsafe {
        libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr());
        usage.assume_init()
    };
    let micros = |time: libc::timeval| time.tv_sec as i64 * 1_000_000 + time.tv_usec as i64;
    micros(usage.ru_utime) + micros(usage.ru_stime)
}
