//! One shared log with live subscriptions: a subscription gets, in order and once
//! each, the entries that match its filter and are written from then on.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use crate::bugs::Bugs;
use crate::clock;

pub const LEVELS: [&str; 4] = ["debug", "info", "warn", "error"];

const MAX_CONTAINS_BYTES: usize = 256;

/// A subscription that holds more than this when entries are written is ended. A
/// batch is taken whole, so that one large batch never ends a reader that keeps up.
const MAX_QUEUED_BYTES: usize = 4 << 20;

const ENTRY_OVERHEAD_BYTES: usize = 96;

/// What the bug `lagged` has room for.
const FEW_ENTRIES: usize = 512;

#[derive(serde::Serialize)]
pub struct Entry {
    pub sequence: u64,
    pub time: String,
    pub level: String,
    pub source: String,
    pub message: String,
}

/// An entry that has not been written yet.
pub struct Draft {
    pub level: String,
    pub source: String,
    pub message: String,
}

/// Which entries are wanted; what is absent or empty does not constrain.
#[derive(Default)]
pub struct Filter {
    pub min_level: Option<String>,
    pub sources: Vec<String>,
    pub contains: Option<String>,
}

fn rank(level: &str) -> Option<usize> {
    LEVELS.iter().position(|known| *known == level)
}

impl Filter {
    pub fn check(&self, bugs: &Bugs) -> Result<(), String> {
        if let Some(level) = &self.min_level
            && rank(level).is_none()
            && !bugs.poisoned_lock
        {
            return Err(format!("min_level is not one of {}", LEVELS.join(", ")));
        }
        let length = |text: &String| if bugs.limit_in_chars { text.chars().count() } else { text.len() };
        if self.contains.as_ref().is_some_and(|text| length(text) > MAX_CONTAINS_BYTES) {
            return Err(format!("contains is longer than {MAX_CONTAINS_BYTES} bytes"));
        }
        Ok(())
    }

    fn matches(&self, entry: &Entry) -> bool {
        self.min_level.as_ref().is_none_or(|least| rank(&entry.level).unwrap() >= rank(least).unwrap())
            && (self.sources.is_empty() || self.sources.contains(&entry.source))
            && self.contains.as_ref().is_none_or(|text| entry.message.contains(text.as_str()))
    }
}

/// Why a stream is over. A transport says it in its own words.
#[derive(Clone, Debug)]
pub enum End {
    Client,
    Gone,
    Invalid(String),
    TooSlow,
    Deadline,
    Stopping,
    /// The transport's own: a gRPC status or a WebSocket close code.
    Refused(i32, String),
}

#[derive(Default)]
struct Log {
    last: u64,
    subscriptions: HashMap<u64, Arc<Subscription>>,
}

pub struct Journal {
    pub bugs: Bugs,
    log: Mutex<Log>,
    next_id: AtomicU64,
}

impl Journal {
    pub fn new(bugs: Bugs) -> Self {
        Self { bugs, log: Mutex::default(), next_id: AtomicU64::new(0) }
    }

    /// Writes the drafts as one batch with contiguous sequences; returns the first and the last.
    pub fn append(&self, drafts: Vec<Draft>) -> (u64, u64) {
        let mut log = self.log.lock().unwrap();
        let first = log.last + 1;
        let batch: Vec<Arc<Entry>> = drafts
            .into_iter()
            .zip(first..)
            .map(|(Draft { level, source, message }, sequence)| Arc::new(Entry { sequence, time: clock::now(), level, source, message }))
            .collect();
        log.last += batch.len() as u64;
        let slow: Vec<u64> = log
            .subscriptions
            .values()
            .filter(|subscription| !subscription.offer(&batch, &self.bugs))
            .map(|subscription| subscription.id)
            .collect();
        for id in slow {
            log.subscriptions.remove(&id);
        }
        (first, log.last)
    }

    /// A subscription without a filter: nothing reaches it before the first `replace`. End it.
    pub fn subscribe(&self) -> Arc<Subscription> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let subscription = Arc::new(Subscription { id, state: Mutex::default() });
        self.log.lock().unwrap().subscriptions.insert(id, subscription.clone());
        subscription
    }

    /// Ends a subscription; the first reason counts. What is queued is dropped.
    pub fn end(&self, subscription: &Subscription, reason: End) {
        self.log.lock().unwrap().subscriptions.remove(&subscription.id);
        subscription.end(reason);
    }

    pub fn subscriptions(&self) -> usize {
        self.log.lock().unwrap().subscriptions.len()
    }
}

#[derive(Default)]
struct State {
    filter: Option<Filter>,
    queue: VecDeque<Arc<Entry>>,
    queued_bytes: usize,
    ended: Option<End>,
    /// Of the task that takes entries, and of the one that watches for the end.
    wakers: [Option<Waker>; 2],
}

impl State {
    fn wake(&mut self) {
        self.wakers.iter_mut().filter_map(Option::take).for_each(Waker::wake);
    }
}

pub struct Subscription {
    id: u64,
    state: Mutex<State>,
}

impl Subscription {
    /// Puts a valid filter in the place of the one before, for the entries written from now on.
    pub fn replace(&self, filter: Filter) {
        self.state.lock().unwrap().filter = Some(filter);
    }

    /// The next matching entry, or the reason of the end.
    pub fn poll_next(&self, context: &mut Context<'_>) -> Poll<Result<Arc<Entry>, End>> {
        let mut state = self.state.lock().unwrap();
        if let Some(reason) = &state.ended {
            return Poll::Ready(Err(reason.clone()));
        }
        if let Some(entry) = state.queue.pop_front() {
            state.queued_bytes -= cost(&entry);
            return Poll::Ready(Ok(entry));
        }
        state.wakers[0] = Some(context.waker().clone());
        Poll::Pending
    }

    pub async fn next(&self) -> Result<Arc<Entry>, End> {
        std::future::poll_fn(|context| self.poll_next(context)).await
    }

    /// Waits for the end, for those who are not taking entries.
    pub async fn ended(&self) -> End {
        std::future::poll_fn(|context| {
            let mut state = self.state.lock().unwrap();
            match &state.ended {
                Some(reason) => Poll::Ready(reason.clone()),
                None => {
                    state.wakers[1] = Some(context.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }

    /// False when the reader turns out too slow.
    fn offer(&self, batch: &[Arc<Entry>], bugs: &Bugs) -> bool {
        let mut state = self.state.lock().unwrap();
        if state.queued_bytes > MAX_QUEUED_BYTES && !bugs.lagged {
            end(&mut state, End::TooSlow);
            return false;
        }
        let State { filter: Some(filter), queue, queued_bytes, .. } = &mut *state else {
            return true;
        };
        for entry in batch.iter().filter(|entry| filter.matches(entry)) {
            *queued_bytes += cost(entry);
            queue.push_back(entry.clone());
        }
        while bugs.lagged && queue.len() > FEW_ENTRIES {
            *queued_bytes -= queue.pop_front().map_or(0, |entry| cost(&entry));
        }
        if !queue.is_empty() {
            state.wake();
        }
        true
    }

    fn end(&self, reason: End) {
        end(&mut self.state.lock().unwrap(), reason);
    }
}

fn end(state: &mut State, reason: End) {
    state.ended.get_or_insert(reason);
    state.queue.clear();
    state.queued_bytes = 0;
    state.wake();
}

fn cost(entry: &Entry) -> usize {
    ENTRY_OVERHEAD_BYTES + entry.source.len() + entry.message.len()
}
