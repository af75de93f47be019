"""Text <-> dense code, one code space a kind of name, in order of first sight.

    code(kind, text)  is the same number for the same text, counts up from 2, and never changes

0 is "absent", 1 is the bucket "…other" that every name over its kind's bound falls into, and
that is counted.  One hash table serves all kinds; its hash is fixed, so two runs over the same
records give the same codes.  Compiled code and Python intern into the same arrays.

>>> names = Names()
>>> names.code(HOST, "smars-8"), names.code(ACCOUNT, "33"), names.code(HOST, b"smars-8")
(2, 2, 2)
>>> names.text(HOST, 2), names.find(HOST, "smars-9"), names.count(HOST)
('smars-8', None, 1)
>>> names.flags(names.code_of_flags(["rlp"]))
('rlp',)
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from detectors.kernel import compiled_with_bounds, inlined_with_bounds

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# fmt: off
(
    HOST, BUILD, BOOT, STREAM, ACCOUNT, STRATEGY, ALGO, TRADER, DESK, CLIENT, ENTITY, GATEWAY, SESSION, VENUE,
    SYMBOL, CURRENCY, ROLE, CONFIG_HASH, REASON, FLAG_SET, ACTOR, TICKET, KEY, VALUE, ASSET_CLASS,
) = range(25)
# fmt: on
KINDS: Final = 25
# fmt: off
KIND_WORDS: Final = (
    "host", "build", "boot", "stream", "account", "strategy", "algo", "trader", "desk", "client", "entity",
    "gateway", "session", "venue", "symbol", "currency", "role", "config_hash", "reason", "flag_set", "actor",
    "ticket", "key", "value", "asset_class",
)
# fmt: on

ABSENT: Final = 0
OTHER: Final = 1
OTHER_TEXT: Final = "…other"
FIRST: Final = 2  # the first code that is a name

# names of a kind, bytes kept of each: ids have at most 64, a reason at most 512 (contract, section 1).
# What is longer is kept as its beginning and its hash; a set of flags that is longer goes to the bucket.
_BOUNDS: Final = {
    HOST: (4_096, 64), BUILD: (4_096, 64), BOOT: (16_384, 64), STREAM: (16_384, 64),
    ACCOUNT: (65_536, 64), STRATEGY: (65_536, 64), ALGO: (16_384, 64), TRADER: (65_536, 64),
    DESK: (4_096, 64), CLIENT: (65_536, 64), ENTITY: (4_096, 64), GATEWAY: (4_096, 64),
    SESSION: (16_384, 64), VENUE: (4_096, 64), SYMBOL: (65_536, 64), CURRENCY: (1_024, 64),
    ROLE: (1_024, 64), CONFIG_HASH: (16_384, 128), REASON: (16_384, 512), FLAG_SET: (1_024, 4_096),
    ACTOR: (4_096, 64), TICKET: (16_384, 64), KEY: (4_096, 128), VALUE: (16_384, 128), ASSET_CLASS: (256, 64),
}  # fmt: skip
# 494,848 names; 46 MB of text if every kind is full, of which only touched pages are resident,
# 2 MB of lengths and 4 MB of slots (half full at worst).
NAMES_MAX: Final = sum(names for names, _ in _BOUNDS.values())
SLOTS: Final = 1 << 20
BYTES_MAX: Final = SLOTS * 4 + sum(names * (size + 4) for names, size in _BOUNDS.values())

# Where a kind's rows begin, where its text begins (in words of 8 bytes), how many words a name has.
_ROWS: Final = np.array([0, *np.cumsum([_BOUNDS[k][0] for k in range(KINDS)])], np.int64)
_WIDTH: Final = np.array([_BOUNDS[k][1] // 8 for k in range(KINDS)], np.int64)
_TEXT: Final = np.array([0, *np.cumsum([_BOUNDS[k][0] * _BOUNDS[k][1] // 8 for k in range(KINDS)])], np.int64)

PAD: Final = bytes(24)  # what follows a buffer, so that a word may be read at its last byte

Words = NDArray[np.uint64]

_ONE: Final = np.uint64(1)
_ALL: Final = np.uint64(0xFFFFFFFFFFFFFFFF)
_SHIFT_32: Final = np.uint64(32)
_SHIFT_29: Final = np.uint64(29)
_SHIFT_63: Final = np.uint64(63)
_MIX_A: Final = np.uint64(0x9E3779B97F4A7C15)
_MIX_B: Final = np.uint64(0xC2B2AE3D27D4EB4F)
_MIX_C: Final = np.uint64(0xFF51AFD7ED558CCD)
_MIX_D: Final = np.uint64(0xC4CEB9FE1A85EC53)
_SLOT_MASK: Final = np.uint64(SLOTS - 1)


def as_words(padded: bytes) -> Words:
    """The words of a buffer that ends in `PAD`; what is over a multiple of eight bytes is left off."""
    return np.frombuffer(padded, np.uint64, len(padded) // 8)


def bytes_kept(kind: int) -> int:
    """How long a name may be to be kept as it is."""
    return _BOUNDS[kind][1]


@inlined_with_bounds
def word_at(words, at):
    """Eight bytes from any byte position, first byte lowest."""
    index = at >> 3
    shift = np.uint64((at & 7) << 3)
    return (words[index] >> shift) | ((words[index + 1] << _ONE) << (_SHIFT_63 - shift))


@inlined_with_bounds
def first_bytes(word, count):
    """The first `count` bytes (1 to 8) of a word, the others zero."""
    return word & (_ALL >> np.uint64(64 - (count << 3)))


@inlined_with_bounds
def hash_id(words, start, length):
    """128-bit hash of an id's bytes as two int64; never (0, 0), which means absent."""
    size = np.uint64(length)
    a = (size + _ONE) * _MIX_A
    b = (size + _ONE) * _MIX_B
    at = start
    end = start + length
    while at < end:
        word = word_at(words, at)
        if end - at < 8:
            word = first_bytes(word, end - at)
        a = (a ^ word) * _MIX_C
        a ^= a >> _SHIFT_32
        b = (b ^ word) * _MIX_D
        b ^= b >> _SHIFT_29
        at += 8
    a = (a ^ (b >> _SHIFT_32)) * _MIX_A
    a ^= a >> _SHIFT_29
    b = (b ^ (a >> _SHIFT_32)) * _MIX_B
    b ^= b >> _SHIFT_32
    if a == 0 and b == 0:
        b = _ONE
    return np.int64(a), np.int64(b)


@inlined_with_bounds
def seek(words, start, length, kind, slots, lengths, arena):
    """The slot of a name (at most as long as its kind keeps): its row is there, or the slot is free."""
    mixed = (np.uint64(kind) + _ONE) * _MIX_B + np.uint64(length)
    at = start
    end = start + length
    while at < end:
        word = word_at(words, at)
        if end - at < 8:
            word = first_bytes(word, end - at)
        mixed = (mixed ^ word) * _MIX_C
        mixed ^= mixed >> _SHIFT_32
        at += 8
    slot = np.int64(mixed & _SLOT_MASK)
    first = _ROWS[kind]
    last = _ROWS[kind + 1]
    while slots[slot] != 0:
        row = np.int64(slots[slot]) - 1
        if first <= row < last and lengths[row] == length:
            here = _TEXT[kind] + (row - first) * _WIDTH[kind]
            at = start
            while at < end:
                word = word_at(words, at)
                if end - at < 8:
                    word = first_bytes(word, end - at)
                if word != arena[here]:
                    break
                here += 1
                at += 8
            if at >= end:
                return slot
        slot = (slot + 1) & (SLOTS - 1)
    return slot


@inlined_with_bounds
def intern(words, start, length, kind, slots, lengths, arena, counts):
    """The code of a name, given to it now if it is new."""
    if length == 0:
        return 0
    if length > _WIDTH[kind] << 3:
        counts[kind, 1] += 1
        return 1
    slot = seek(words, start, length, kind, slots, lengths, arena)
    if slots[slot] != 0:
        return np.int64(slots[slot]) - 1 - _ROWS[kind]
    code = counts[kind, 0]
    if _ROWS[kind] + code >= _ROWS[kind + 1]:
        counts[kind, 1] += 1
        return 1
    counts[kind, 0] = code + 1
    row = _ROWS[kind] + code
    slots[slot] = np.int32(row + 1)
    lengths[row] = length
    here = _TEXT[kind] + code * _WIDTH[kind]
    at = start
    end = start + length
    while at < end:
        word = word_at(words, at)
        if end - at < 8:
            word = first_bytes(word, end - at)
        arena[here] = word
        here += 1
        at += 8
    return code


@compiled_with_bounds
def _intern_all(words, sizes, kinds, slots, lengths, arena, counts):
    start = 0
    for index in range(sizes.size):
        intern(words, start, np.int64(sizes[index]), np.int64(kinds[index]), slots, lengths, arena, counts)
        start += sizes[index]


@compiled_with_bounds
def _find(words, length, kind, slots, lengths, arena):
    """The code of a name, -1 if it has none."""
    slot = seek(words, 0, length, kind, slots, lengths, arena)
    return np.int64(slots[slot]) - 1 - _ROWS[kind] if slots[slot] != 0 else -1


def id_hash(text: str | bytes) -> tuple[int, int]:
    """The 128-bit hash of an id, as the columns of a batch hold it."""
    raw = text.encode() if isinstance(text, str) else text
    high, low = hash_id(as_words(raw + PAD), 0, len(raw))
    return int(high), int(low)


def flags_text(flags: Sequence[str]) -> bytes:
    """The canonical text of an array of flags: compact JSON."""
    return json.dumps(list(flags), ensure_ascii=False, separators=(",", ":")).encode()


class Names:
    """All names of a run.  `tables` are what `intern` takes, in its order."""

    def __init__(self) -> None:
        self.slots = np.zeros(SLOTS, np.int32)  # row + 1, 0 is free
        self.lengths = np.zeros(NAMES_MAX, np.int32)
        self.arena = np.zeros(int(_TEXT[KINDS]), np.uint64)
        self.counts = np.zeros((KINDS, 2), np.int64)  # the next code; how often the bucket was used
        self.counts[:, 0] = FIRST
        self.tables = (self.slots, self.lengths, self.arena, self.counts)

    def code(self, kind: int, text: str | bytes) -> int:
        """The code of `text`, given to it now if it is new; 0 for "", 1 over the bound."""
        raw = _kept(kind, text)
        words = as_words(raw + PAD)
        return int(intern(words, 0, len(raw), kind, self.slots, self.lengths, self.arena, self.counts))

    def find(self, kind: int, text: str | bytes) -> int | None:
        """The code of `text` if it has one."""
        raw = _kept(kind, text)
        if not raw:
            return ABSENT
        if len(raw) > _BOUNDS[kind][1]:
            return None
        found = int(_find(as_words(raw + PAD), len(raw), kind, self.slots, self.lengths, self.arena))
        return found if found >= 0 else None

    def text(self, kind: int, code: int) -> str:
        """The text of a code: "" for 0, "…other" for 1.  `IndexError` if nobody was given it."""
        return self.raw(kind, code).decode()

    def raw(self, kind: int, code: int) -> bytes:
        """As `text`, in bytes."""
        if code in (ABSENT, OTHER):
            return OTHER_TEXT.encode() if code else b""
        if not FIRST <= code < self.counts[kind, 0]:
            msg = f"no {KIND_WORDS[kind]} has code {code}"
            raise IndexError(msg)
        here = int(_TEXT[kind] + code * _WIDTH[kind])
        return self.arena[here : here + int(_WIDTH[kind])].tobytes()[: int(self.lengths[_ROWS[kind] + code])]

    def code_of_flags(self, flags: Sequence[str]) -> int:
        """One code a distinct array; the empty array has one too: it says "none", absent says nothing."""
        return self.code(FLAG_SET, flags_text(flags))

    def flags(self, code: int) -> tuple[str, ...]:
        """The flags of a code of kind FLAG_SET: none for 0, the bucket's name for 1."""
        if code in (ABSENT, OTHER):
            return (OTHER_TEXT,) if code else ()
        return tuple(json.loads(self.raw(FLAG_SET, code)))

    def count(self, kind: int) -> int:
        """How many names of this kind have a code of their own."""
        return int(self.counts[kind, 0]) - FIRST

    def overflowed(self, kind: int) -> int:
        """How often a name of this kind went to the bucket."""
        return int(self.counts[kind, 1])

    def snapshot(self) -> dict[str, NDArray[np.generic]]:
        """All names, in the order in which they got their codes."""
        texts = [self.raw(k, code) for k in range(KINDS) for code in range(FIRST, int(self.counts[k, 0]))]
        return {
            "counts": self.counts.copy(),
            "lengths": np.array([len(text) for text in texts], np.int32),
            "text": np.frombuffer(b"".join(texts), np.uint8),
        }

    def restore(self, state: Mapping[str, NDArray[np.generic]]) -> None:
        """Back to a snapshot: the same codes for the same names."""
        counts = np.asarray(state["counts"], np.int64)
        if counts.shape != (KINDS, 2):
            msg = f"names: a snapshot of {len(counts)} kinds, not of {KINDS}"
            raise ValueError(msg)
        self.slots[:] = 0
        self.counts[:, 0] = FIRST
        kinds = np.repeat(np.arange(KINDS), counts[:, 0] - FIRST)
        words = as_words(np.asarray(state["text"], np.uint8).tobytes() + PAD)
        sizes = np.asarray(state["lengths"], np.int32)
        _intern_all(words, sizes, kinds, self.slots, self.lengths, self.arena, self.counts)
        if not np.array_equal(self.counts[:, 0], counts[:, 0]):
            msg = "names: the snapshot's names do not give the codes that it counts"
            raise ValueError(msg)
        self.counts[:] = counts


def _kept(kind: int, text: str | bytes) -> bytes:
    """The bytes that stand for a name: itself, or its beginning and its hash."""
    raw = text.encode() if isinstance(text, str) else text
    bound = _BOUNDS[kind][1]
    if len(raw) <= bound or kind == FLAG_SET:
        return raw
    high, low = id_hash(raw)
    tail = f"…{high & 0xFFFFFFFFFFFFFFFF:016x}{low & 0xFFFFFFFFFFFFFFFF:016x}".encode()
    return raw[: bound - len(tail)].decode(errors="ignore").encode() + tail
