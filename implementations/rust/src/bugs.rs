//! Defects as Rust programs have them. Each bites at the one place that asks for
//! it; without any the server is correct.

#[derive(Clone, Copy, Default)]
pub struct Bugs {
    pub lagged: bool,
    pub lock_across_await: bool,
    pub lost_in_select: bool,
    pub deadline_of_handler: bool,
    pub while_let_ok: bool,
    pub limit_in_chars: bool,
    pub poisoned_lock: bool,
    pub entries_first: bool,
}

type Plant = fn(&mut Bugs);

const CATALOGUE: [(&str, &str, Plant); 8] = [
    ("lagged", "A slow reader's buffer skips its oldest entries, as a broadcast receiver that answers Lagged with `continue`.", |b| {
        b.lagged = true
    }),
    ("lock-across-await", "One lock is held while a send is awaited: a WebSocket reader that stalls stalls all the others.", |b| {
        b.lock_across_await = true
    }),
    (
        "lost-in-select",
        "On WebSocket, select! drops the branch that has taken an entry when a filter comes first: the entry is lost.",
        |b| b.lost_in_select = true,
    ),
    ("deadline-of-handler", "grpc-timeout bounds the handler's future, as tonic has it, and not the stream that it returns.", |b| {
        b.deadline_of_handler = true
    }),
    ("while-let-ok", "`while let Ok(Some(filter))` takes an error for the client's end.", |b| b.while_let_ok = true),
    ("limit-in-chars", "The limit of `contains` counts characters, not bytes.", |b| b.limit_in_chars = true),
    ("poisoned-lock", "An unknown min_level is unwrapped under the log's lock: the panic poisons it for everybody.", |b| {
        b.poisoned_lock = true
    }),
    ("entries-first", "On WebSocket, a biased select! looks for entries first: while they flow no filter is read.", |b| {
        b.entries_first = true
    }),
];

pub fn plant(name: &str) -> Result<Bugs, String> {
    let mut bugs = Bugs::default();
    if name.is_empty() {
        return Ok(bugs);
    }
    match CATALOGUE.iter().find(|(known, ..)| *known == name) {
        Some((_, _, plant)) => plant(&mut bugs),
        None => {
            let names: Vec<&str> = CATALOGUE.iter().map(|(known, ..)| *known).collect();
            return Err(format!("no bug {name:?}: it is one of {}", names.join(", ")));
        }
    }
    Ok(bugs)
}

pub fn list() {
    for (name, sentence, _) in CATALOGUE {
        println!("{name:20} {sentence}");
    }
}
