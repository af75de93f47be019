"""The exact reading of one record: it is accepted, or it is a `BadRecord` with a reason; nothing else.

Slow and plain.  The scanner and the reader of tables decide what is ordinary; whatever they do not
recognise at once comes here, so what this file says is what section 1 of the contract means to us.

msgspec reads the JSON, but takes what the contract calls broken: a key given twice (the last one wins),
lengths in characters, a `ts` of 2^63; and it raises RecursionError and UnicodeDecodeError.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import TYPE_CHECKING, Any, Final

import msgspec

from detectors import event as ev
from detectors import names as nm
from monitor.core import scan_fields as sf
from monitor.core.scan_fields import Field, Sign, Type
from monitor.core.scan_reason import unnumbered_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

REASONS: Final = (
    "not_json",  # no legal JSON document, or more than one
    "not_object",  # legal, but not an object
    "not_arrow",  # begins as an Arrow stream and is none, or is over its bounds
    "encoding",  # not UTF-8, or with a byte order mark
    "too_large",
    "too_deep",
    "duplicate_key",
    "missing",  # a required field is absent or null
    "wrong_type",
    "bad_value",  # right type, but not in the field's list or form
    "out_of_range",  # too long, too short, too many, wrong sign, zero
    "overflow",  # a number that int64 fixed point cannot hold
    "not_allowed",  # this kind or source is not allowed on this topic
    "crashed_us",  # it ended our process twice: said by the shell, never here
)


class BadRecord(ValueError):
    """The producer's fault.  Count it, keep its offset, carry on."""

    def __init__(self, path: str, reason: str, detail: str) -> None:
        super().__init__(f"{path or 'record'}: {reason}: {detail}")
        self.path = path
        self.reason = reason
        self.detail = detail


@dataclass(slots=True)
class Judged:
    """An accepted record: the numbers of its row, and the names that its row still needs codes for."""

    row: NDArray[np.int64]
    names: list[tuple[int, int, str]] = field(default_factory=list)  # (column, kind of name, text), in order
    parent: bytes = b""  # text of parent_id


class _Written:
    """A number with a fraction or an exponent, as it was written."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text


_DECODER: Final = msgspec.json.Decoder(float_hook=_Written)
_WORD_OF: Final = {
    bool: "true or false", str: "a string", int: "a number", float: "a number", _Written: "a number",
    Decimal: "a number", list: "an array", dict: "an object",
}  # fmt: skip
_STRING: Final = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_NOT_BRACKET: Final = re.compile(rb"[^\[\]{}]+")
_LONG_INTEGER: Final = re.compile(rb'"(?:[^"\\]|\\.)*"|(?<![.\d])\d{4000,}', re.DOTALL)
_NUMBER: Final = re.compile(r"(-?\d+(?:\.\d+)?)(?:[eE]([+-]?\d+))?")
_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_EPOCH: Final = dt.date(1970, 1, 1).toordinal()
_EXACT: Final = Context(prec=70_000, Emax=400_000, Emin=-400_000)
_FAR: Final = Decimal("1e20")
_SMALLEST: Final = Decimal("1e-8")
_INT64_MAX: Final = (1 << 63) - 1


def judge(raw: bytes) -> Judged | None:
    """Read one JSON record; None for a kind that is not known.  Raises `BadRecord` and nothing else."""
    return judge_fields(_object(raw))


def _object(raw: bytes) -> dict[str, Any]:
    if len(raw) > sf.RECORD_BYTES_MAX:
        raise BadRecord("", "too_large", f"{len(raw)} bytes, at most {sf.RECORD_BYTES_MAX} are allowed")
    if raw.startswith(b"\xef\xbb\xbf"):
        raise BadRecord("", "encoding", "begins with a byte order mark")
    try:
        raw.decode()
    except UnicodeDecodeError as broken:
        raise BadRecord("", "encoding", f"not UTF-8: {broken.reason} at byte {broken.start}") from None
    try:
        value = _decoded(raw)
    except RecursionError:
        raise BadRecord("", "too_deep", f"over {sf.DEPTH_MAX} levels") from None
    except (msgspec.DecodeError, ValueError) as broken:
        raise BadRecord("", "not_json", str(broken)) from None
    bare = _STRING.sub(b"", raw)
    depth = deepest = 0
    for bracket in _NOT_BRACKET.sub(b"", bare):
        depth += 1 if bracket in b"[{" else -1
        deepest = max(deepest, depth)
    if deepest > sf.DEPTH_MAX:
        raise BadRecord("", "too_deep", f"{deepest} levels, at most {sf.DEPTH_MAX} are allowed")
    if not isinstance(value, dict):
        raise BadRecord("", "not_object", "a record is one JSON object")
    if bare.count(b":") != _members(value):  # one colon a member, and none elsewhere outside strings
        raise BadRecord("", "duplicate_key", "a key is given twice in one object")
    return value


def _decoded(raw: bytes) -> Any:
    try:
        return _DECODER.decode(raw)
    except (
        msgspec.ValidationError
    ):  # an integer of over 4,300 digits is legal JSON; cut short it is as much out of range
        return _DECODER.decode(
            _LONG_INTEGER.sub(lambda found: found[0] if found[0][:1] == b'"' else found[0][:4000], raw)
        )


def _members(value: Any) -> int:
    """How many members all objects in a value have together.  At most 16 levels."""
    if isinstance(value, dict):
        return len(value) + sum(
            _members(inner) for inner in value.values() if isinstance(inner, (dict, list))
        )
    return sum(_members(inner) for inner in value if isinstance(inner, (dict, list)))


def judge_fields(fields: Mapping[str, Any]) -> Judged | None:
    """Judge the members of one event; None for a kind that is not known."""
    kind_text = fields.get("kind")
    if kind_text is None:
        raise BadRecord("kind", "missing", "every event needs it")
    if not isinstance(kind_text, str):
        raise _wrong_type("kind", "a string", kind_text)
    kind = sf.KIND_NAMES.index(kind_text) + 1 if kind_text in sf.KIND_NAMES else int(ev.Kind.UNKNOWN)
    judged = Judged(sf.TEMPLATE.copy())
    judged.row[ev.KIND] = kind
    for name, value in fields.items():
        index = sf.FIELD_OF.get(name)
        if value is None or not index:  # null is absent; not named in the contract; or `kind` itself
            continue
        if kind == ev.Kind.UNKNOWN and index >= len(sf.COMMON):
            continue
        _FIT[sf.FIELDS[index].type](judged, sf.FIELDS[index], kind if sf.HAS[kind, index] else None, value)
    if fields.get("ts") is None:
        raise BadRecord("ts", "missing", "every event needs it")
    for index in sf.REQUIRED[kind]:
        if fields.get(sf.FIELDS[index].name) is None:
            raise BadRecord(sf.FIELDS[index].name, "missing", f"{kind_text} needs it")
    if fields.get("trade_date") is None:
        judged.row[ev.TRADE_DATE] = judged.row[ev.TS] // sf.DAY_NS
    return judged if kind != ev.Kind.UNKNOWN else None


def _wrong_type(path: str, wanted: str, value: Any) -> BadRecord:
    return BadRecord(
        path, "wrong_type", f"must be {wanted}, not {_WORD_OF.get(type(value), type(value).__name__)}"
    )


# Below, one function a type: it checks the type always, and where the event's kind has the field (`kind`
# is then not None) also the value, which it keeps.


def _string(f: Field, value: Any) -> str:
    if not isinstance(value, str):
        raise _wrong_type(f.name, "a string", value)
    return value


def _written(f: Field, value: Any) -> str | int:
    """A number as it was written.  A float of a column table has the digits that name it."""
    if isinstance(value, _Written):
        return value.text
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, float):
        if value - value != 0:
            raise BadRecord(f.name, "out_of_range", "numbers are finite")
        return repr(value)
    if isinstance(value, Decimal) and value.is_finite():
        return str(value)
    raise _wrong_type(f.name, "a number", value)


def _exact(text: str) -> Decimal:
    """The number that a JSON text means.  An exponent beyond all use is cut to one that is far enough."""
    match = _NUMBER.fullmatch(text)
    assert match, text
    exponent = match[2] or "0"
    if len(exponent.lstrip("+-0")) > 6:
        exponent = exponent[0].replace("+", "").strip("0123456789") + "200000"
    number = Decimal(match[1])
    return number and number.scaleb(max(-200_000, min(200_000, int(exponent))), _EXACT)


def _signed_right(f: Field, sign: int, value: int | Decimal) -> None:
    if sign == Sign.POSITIVE and value <= 0:
        raise BadRecord(f.name, "out_of_range", "must be over 0")
    if sign == Sign.NOT_NEGATIVE and value < 0:
        raise BadRecord(f.name, "out_of_range", "must not be under 0")


def _integer(judged: Judged, f: Field, kind: int | None, value: Any) -> None:
    text = _written(f, value)
    if isinstance(text, str):
        number = _exact(text)
        if number != number.to_integral_value():
            raise BadRecord(f.name, "wrong_type", f"must be an integer, not {text[:40]}")
        whole: int | Decimal = int(number) if number.adjusted() < 20 else _FAR.copy_sign(number)
    else:
        whole = text
    if kind is None:
        return
    _signed_right(f, f.more, whole)
    if not ev.NONE < whole <= _INT64_MAX:
        raise BadRecord(f.name, "out_of_range" if f.more == Sign.POSITIVE else "overflow", "is over int64")
    judged.row[f.column] = whole


def _number(judged: Judged, f: Field, kind: int | None, value: Any) -> None:
    text = _written(f, value)
    if kind is None:
        return
    if isinstance(text, str):
        number = _exact(text)
        if number.adjusted() > 20:
            raise BadRecord(f.name, "overflow", f"{text[:40]} does not fit int64 at 1e-8")
        if number.adjusted() < -20:
            number = Decimal(0)
        fixed = int(number.quantize(_SMALLEST, ROUND_HALF_EVEN, _EXACT).scaleb(8, _EXACT))
    else:
        fixed = text * ev.UNIT
    if not ev.NONE < fixed <= _INT64_MAX:
        raise BadRecord(f.name, "overflow", "does not fit int64 at 1e-8")
    sign = Sign.ANY if (kind, sf.FIELD_OF[f.name]) == sf.SIGNED else f.more
    _signed_right(f, sign, fixed)
    judged.row[f.column] = fixed


def _boolean(judged: Judged, f: Field, kind: int | None, value: Any) -> None:
    if not isinstance(value, bool):
        raise _wrong_type(f.name, "true or false", value)
    if kind is not None and value:
        judged.row[f.column] |= f.more


def _text(judged: Judged, f: Field, kind: int | None, value: Any) -> None:
    text = _string(f, value)
    if kind is not None:
        if len(text.encode()) > f.bytes_max:
            raise BadRecord(
                f.name, "out_of_range", f"{len(text.encode())} bytes, at most {f.bytes_max} are allowed"
            )
        judged.names.append((f.column, f.more, unnumbered_text(text) if f.more == nm.REASON else text))


def _id_bytes(f: Field, text: str) -> bytes:
    raw = text.encode()
    if not 1 <= len(raw) <= f.bytes_max:
        raise BadRecord(f.name, "out_of_range", f"{len(raw)} bytes, an id has 1 to {f.bytes_max}")
    return raw


def _name(judged: Judged, f: Field, kind: int | None, value: Any) -> None:
    text = _string(f, value)
    if kind is not None:
        _id_bytes(f, text)
        judged.names.append((f.column, f.more, text))


def _id(judged: Judged, f: Field, kind: int | None, value: Any) -> None:
    text = _string(f, value)
    if kind is None:
        return
    raw = _id_bytes(f, text)
    if f.column < 0:
        return
    high, low = nm.id_hash(raw)
    judged.row[f.column] = high
    if f.column == ev.MATCH:
        judged.row[f.column] = high or low
        return
    judged.row[f.column + 1] = low
    if f.column == ev.PARENT_HI:
        judged.parent = raw


def _word(judged: Judged, f: Field, kind: int | None, value: Any) -> None:
    text = _string(f, value)
    if kind is None:
        return
    words = sf.WORDS[f.more]
    allowed = range(1, len(words) + 1) if f.column != ev.PHASE else sf.PHASES_OF[kind]
    code = words.index(text) + 1 if text in words else 0
    if code not in allowed:
        raise BadRecord(
            f.name, "bad_value", f"{text[:40]!r} is none of {', '.join(words[code - 1] for code in allowed)}"
        )
    judged.row[f.column] = code


def _date(judged: Judged, f: Field, kind: int | None, value: Any) -> None:
    text = _string(f, value)
    if kind is None:
        return
    try:
        day = dt.date.fromisoformat(text) if _DATE.fullmatch(text) else None
    except ValueError:
        day = None
    if day is None:
        raise BadRecord(f.name, "bad_value", f"{text[:40]!r} is not a day as YYYY-MM-DD")
    judged.row[f.column] = day.toordinal() - _EPOCH


def _flags(judged: Judged, f: Field, kind: int | None, value: Any) -> None:
    if not isinstance(value, list):
        raise _wrong_type(f.name, "an array of strings", value)
    for index, flag in enumerate(value):
        if not isinstance(flag, str):
            raise _wrong_type(f"{f.name}[{index}]", "a string", flag)
    if kind is None:
        return
    if len(value) > sf.FLAGS_MAX:
        raise BadRecord(f.name, "out_of_range", f"{len(value)} flags, at most {sf.FLAGS_MAX} are allowed")
    judged.names.append((f.column, f.more, nm.flags_text(value).decode()))


def _any(judged: Judged, f: Field, kind: int | None, value: Any) -> None:
    if kind is None:
        return
    if isinstance(value, str):
        text = value
    elif isinstance(value, _Written):
        text = value.text
    else:
        text = msgspec.json.encode(value, enc_hook=lambda inner: msgspec.Raw(inner.text.encode())).decode()
    judged.names.append((f.column, f.more, text))


_FIT: Final = {
    Type.INTEGER: _integer, Type.NUMBER: _number, Type.BOOLEAN: _boolean, Type.NAME: _name, Type.TEXT: _text,
    Type.ID: _id, Type.WORD: _word, Type.DATE: _date, Type.FLAGS: _flags, Type.ANY: _any,
}  # fmt: skip
