"""Defects as Python programs have them.

Each bites at the one place that asks for it; without any the server is correct.
"""

from dataclasses import dataclass, fields

SENTENCES = {
    "swallowed-cancel": "A bare except around the sending loop swallows the cancellation: the stream's tasks and its place in the log stay.",
    "drop-oldest": "The subscriber's queue drops its oldest entries when it is full, as a deque with a maxlen does.",
    "two-senders": "A new filter gets a queue and a task of its own, and the old task is left to drain its queue: old entries come after new ones.",
    "mutable-default": "The filter is a default argument that is updated in place: it is merged, and all streams share it.",
    "append-waits": "The writer awaits room in each subscriber's queue: a slow reader stops the log for everybody.",
    "waits-for-both": "asyncio.gather waits for the receiver and the sender: when the client has ended its side, the sender goes on.",
    "value-error": "An invalid filter raises what nobody catches: the client sees an unknown internal error.",
    "levels-as-text": "min_level is compared as text: debug < error < info < warn.",
    "blocking-check": "time.sleep stands in for a blocking call that looks at each filter: the event loop, and so every stream, waits.",
    "empty-is-none": "`if not message` takes the empty filter {} for no filter at all.",
}


@dataclass
class Bugs:
    """Which bugs are planted; the default is none."""

    swallowed_cancel: bool = False
    drop_oldest: bool = False
    two_senders: bool = False
    mutable_default: bool = False
    append_waits: bool = False
    waits_for_both: bool = False
    value_error: bool = False
    levels_as_text: bool = False
    blocking_check: bool = False
    empty_is_none: bool = False


def plant(name: str) -> Bugs:
    """Raises ValueError for a name that is not in the list."""
    bugs = Bugs()
    if name:
        if name not in SENTENCES:
            raise ValueError(f"no bug {name!r}: it is one of {', '.join(SENTENCES)}")
        setattr(bugs, name.replace("-", "_"), True)
    return bugs


def listed() -> str:
    assert {field.name.replace("_", "-") for field in fields(Bugs)} == set(SENTENCES)
    return "\n".join(f"{name:18} {sentence}" for name, sentence in SENTENCES.items())
