"""Streams of events as firms make them, for hypothesis; and a tiny notation for stories told by hand.

A stream is a list of moves of a `Desk`, so that a failure shrinks to the few moves that matter.

>>> [told["kind"] for told in orders("P1 C A F B done C")]
['parent_new', 'order_new', 'order_ack', 'fill', 'parent_fill', 'parent_done', 'order_new']
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hypothesis import strategies as st

from tests.desk import DAY, GAPS, MS, SECOND, START, Desk, Told, World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

ORDERLY: Final = (
    "parent", "parent", "parent_amended", "booked", "booked", "done", "child", "child", "child_of_the_latest", "child_of_nobody",
    "acked", "acked", "rejected", "cancelled", "cancel_asked", "replaced", "restated", "filled", "filled", "filled_in_full",
    "filled_first", "busted", "corrected", "position", "closed", "heartbeat",
)  # fmt: skip
MESSY: Final = (
    *ORDERLY, "parent_suspended", "booked_unasked", "unheard_of", "filled_for_nobody", "fill_told_otherwise", "busted_first",
    "complained", "told_again", "told_again", "next_day", "filled_first_elsewhere", "filled_elsewhere", "busted_vaguely", "replaced", "filled_first", "busted", "corrected",
    "undone_early", "replaced_late", "replaced_late",
)  # fmt: skip
WILD: Final = (
    *ORDERLY,
    "burst",
    "runaway",
    "runaway",
    "circles",
    "orphans",
    "filled_first",
    "told_again",
    "parent_suspended",
    "beat",
    "beating",
    "deployed",
    "flagged",
    "limit_changed",
    "rebooted",
    "said",
    "stormed",
)
FLEET: Final = (
    *ORDERLY,
    "beat",
    "beat",
    "beat",
    "beating",
    "beating",
    "deployed",
    "flagged",
    "told_again",
    "closed",
)

STORM: Final = (
    *ORDERLY, "said", "said", "said", "stormed", "stormed", "stormed", "beat", "unheard_of", "filled_first",
    "complained", "told_again", "next_day",
)  # fmt: skip

Move = tuple[str, int, int, int]  # (method of `Desk`, two numbers, ns before it)


def play(desk: Desk, moves: Iterable[Move]) -> list[Told]:
    """What a desk tells, in order of arrival."""
    for name, n, m, gap in moves:
        desk.now += gap
        move: Callable[[int, int], None] = getattr(desk, name)
        move(n, m)
    return desk.events()


def moves(names: Sequence[str] = MESSY, size_max: int = 30) -> st.SearchStrategy[list[Move]]:
    number = st.integers(0, 7)
    return st.lists(
        st.tuples(st.sampled_from(names), number, number, st.sampled_from(GAPS)), max_size=size_max
    )


def world_events() -> st.SearchStrategy[list[Told]]:
    """Prices, rates and multipliers within the first ten seconds."""
    names, number = st.sampled_from(("mark", "mark", "instrument", "fx")), st.integers(0, 4)
    drawn = st.lists(st.tuples(names, number, number, st.integers(0, 10_000)), max_size=6)

    def tell(drawn: list[tuple[str, int, int, int]]) -> list[Told]:
        told = [
            {
                **getattr(World(), name)(n, m),
                "ts": START + at * MS,
                "arrival_ts": START + at * MS,
                "source": "market",
                "host": "md",
            }
            for name, n, m, at in sorted(drawn, key=lambda each: each[3])
        ]
        return [{**each, "seq": seq} for seq, each in enumerate(told, 1)]

    return drawn.map(tell)


def merged(*streams: Iterable[Told]) -> list[Told]:
    """Streams of several desks in one order of arrival; each keeps its own order."""
    return sorted(
        (told for stream in streams for told in stream),
        key=lambda told: int(told["arrival_ts"] if "arrival_ts" in told else told["ts"]),
    )


@st.composite
def order_streams(
    draw: st.DrawFn,
    names: Sequence[str] = MESSY,
    size_max: int = 30,
    desk: str = "a",
    *,
    seq: bool | None = None,
) -> list[Told]:
    """One desk's stream, among prices."""
    with_seq = draw(st.booleans()) if seq is None else seq
    own = play(Desk(desk, with_seq=with_seq), draw(moves(names, size_max)))
    return merged(draw(world_events()), own)


@st.composite
def clock_streams(draw: st.DrawFn, size_max: int = 30) -> list[tuple[int, Told]]:
    """(partition, event): hosts that are fast, partitions that lag or fall silent, arrivals known or not."""
    now, stream = START, []
    step = st.sampled_from((0, MS, 400 * MS, 1_500 * MS, 4 * SECOND, 30 * SECOND))
    skew = st.sampled_from((0, 0, 0, -3 * SECOND, -20 * SECOND, 3 * SECOND, 6 * SECOND, DAY))
    for _ in range(draw(st.integers(0, size_max))):
        now += draw(step)
        told: Told = {
            "kind": "error",
            "reason": "?",
            "ts": now + draw(skew),
            "host": draw(st.sampled_from("abc")),
        }
        if draw(st.booleans()):
            told["arrival_ts"] = now
        stream.append((draw(st.integers(0, 2)), told))
    return stream


def orders(words: str, desk: Desk | None = None) -> list[Told]:
    """A tiny notation: `P1` a parent, `C` a child of it, `A` ack, `F` fill in full, `B` booked, `X` cancel,
    `R` reject, `done`, `+250ms`; a millisecond between two words.
    """
    desk = desk or Desk()
    words_of = {
        "C": desk.plain_child,
        "A": desk.acked,
        "F": desk.filled_in_full,
        "X": desk.cancelled,
        "R": desk.rejected,
    }
    for word in words.split():
        desk.now += MS
        if word.startswith("+"):
            desk.now += int(word[1:].removesuffix("ms")) * MS
        elif word.startswith("P"):
            desk.plain_parent(word)
        elif word == "B":
            desk.booked(-1, 0)
        elif word == "done":
            desk.done(-1, 0)
        else:
            words_of[word](0, 0)
    return desk.events()
