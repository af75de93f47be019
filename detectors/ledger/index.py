"""Open addressing by 128-bit keys: where a code is found again.

An index is a table of int32, a power of two long, at most half full; 0 is empty, else
it holds a code whose key is `keys[code, 0:2]`.  Linear probing, deletion by shifting
back, so that no tombstone ever slows a stream down and recycling leaves no trace.
"""

from __future__ import annotations

from detectors.kernel import compiled, inlined


@inlined
def mix(a, b):
    """One well mixed 64-bit number of two (the finaliser of MurmurHash3, public domain)."""
    h = (a * -7046029254386353131) ^ (b * -4417276706812531889)
    h ^= (h >> 33) & 0x7FFFFFFF
    h *= -49064778989728563
    h ^= (h >> 33) & 0x7FFFFFFF
    h *= -4265267296055464877
    h ^= (h >> 33) & 0x7FFFFFFF
    return h


@inlined
def place_of(index, keys, hi, lo):
    """The slot that holds this key, or the empty one where it would go."""
    mask = index.size - 1
    slot = (hi ^ (lo << 1)) & mask
    while True:
        code = index[slot]
        if code == 0 or (keys[code, 0] == hi and keys[code, 1] == lo):
            return slot
        slot = (slot + 1) & mask


@inlined
def erase(index, keys, slot):
    """Empty a slot and close the gap behind it."""
    mask = index.size - 1
    hole = slot
    probe = (slot + 1) & mask
    while index[probe] != 0:
        code = index[probe]
        home = (keys[code, 0] ^ (keys[code, 1] << 1)) & mask
        if ((probe - home) & mask) >= ((probe - hole) & mask):
            index[hole] = code
            hole = probe
        probe = (probe + 1) & mask
    index[hole] = 0


@compiled
def move(index, larger, keys):
    """All that an index finds, into an empty one."""
    for slot in range(index.size):
        code = index[slot]
        if code != 0:
            larger[place_of(larger, keys, keys[code, 0], keys[code, 1])] = code
