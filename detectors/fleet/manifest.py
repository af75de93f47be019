"""What the manifest says of a name, asked once a name; and what is wrong with it and with the grants.

>>> overlap("smars-*", "*-8"), overlap("smars-?", "smars-10")
(True, False)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from detectors import names as nm
from detectors.fleet import tables as tb

if TYPE_CHECKING:
    from detectors.contract import View
    from detectors.fleet.settings import FleetSettings


def matches(text: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(text, pattern) for pattern in patterns)


def answer(t: tb.Tables, settings: FleetSettings, view: View, asked: int, code: int) -> None:
    """Say what the kernel has asked for of a name."""
    rows, names = settings.rows, view.names
    match asked:
        case tb.ASK_HOST:
            place_host(t, settings, view, code)
        case tb.ASK_BUILD:
            text = names.text(nm.BUILD, code)
            t.builds[code] = _bits(text == row.build for row in rows)
        case tb.ASK_CONFIG:
            text = names.text(nm.CONFIG_HASH, code)
            t.configs[code] = _bits(text == row.config_hash for row in rows)
        case tb.ASK_FLAGS:
            flags = names.flags(code)
            t.flag_masks[code] = _bits(row.flags is None or set(flags) <= set(row.flags) for row in rows)
            _know_flags(t, view, code, flags)


def place_host(t: tb.Tables, settings: FleetSettings, view: View, host: int) -> None:
    """Which row of the manifest a host is in, and which role."""
    text = view.names.text(nm.HOST, host)
    found = next((n for n, row in enumerate(settings.rows) if matches(text, row.hosts)), None)
    t.hosts[host, tb.H_ROW] = -1 if found is None else found + 1
    t.hosts[host, tb.H_ROLE] = 0 if found is None else t.manifest[found, tb.M_ROLE]


def _bits(answers: Iterator[bool]) -> int:
    return sum(int(yes) << row for row, yes in enumerate(answers)) | 1 << tb.ASKED


def _know_flags(t: tb.Tables, view: View, code: int, flags: Sequence[str]) -> None:
    """Each flag has a code of its own; when it was last used before us, the baseline says."""
    codes = {flag: view.names.code_of_flags([flag]) for flag in sorted(set(flags))}
    known = [(flag, each) for flag, each in codes.items() if each > nm.OTHER]
    t.flag_sets[code, 0] = len(known)
    for place, (flag, each) in enumerate(known, 1):
        t.flag_sets[code, place] = each
        if t.flags[each, tb.F_DAY] == 0:
            t.flags[each, tb.F_DAY] = view.flags_seen.get(flag, -1) + 1


# -- what is wrong with them ------------------------------------------------------------------------

WILD: Final = frozenset("*?[")
ID_BYTES_MAX: Final = 64
Wrong = tuple[str, str, str]  # key below the family's table, what is wrong, what to write


def problems(table: Mapping[str, Any]) -> Iterator[Wrong]:
    """Looks at raw TOML, so that it is named in the same breath as misspelt keys."""
    claimed: list[tuple[int, str]] = []
    for index, row in enumerate(_rows(table.get("manifest"))):
        hosts, key = _texts(row.get("hosts")), f"manifest[{index}]"
        for name in ("role", "hosts"):
            if name not in row:
                yield f"{key}.{name}", "is missing", f"write {name} = ..."
        if row.get("role") == "":
            yield f"{key}.role", "is empty", 'write for instance role = "router"'
        if hosts is not None and not any(map(_is_possible, hosts)):
            yield f"{key}.hosts", "matches no host", 'write hosts = ["name-*"]'
        elif hosts is not None:
            yield from _hosts_wrong(key, hosts, row.get("count"))
        for pattern in hosts or ():
            for other, taken in claimed:
                if other != index and overlap(pattern, taken):
                    where = f"manifest[{other}] ({taken})"
                    yield (
                        f"{key}.hosts",
                        f"{pattern} names a host that {where} names too",
                        "name each host once",
                    )
                    break
            claimed.append((index, pattern))
    for index, row in enumerate(_rows(table.get("grants"))):
        for name in ("hosts", "strategies", "accounts"):
            patterns = _texts(row.get(name))
            if patterns is not None and not any(map(_is_possible, patterns)):
                yield (
                    f"grants[{index}].{name}",
                    "is empty: it grants nobody anything",
                    'write for instance ["*"]',
                )


def _hosts_wrong(key: str, hosts: Sequence[str], count: Any) -> Iterator[Wrong]:
    """What is wrong within the hosts of one row, and with how many they are said to be."""
    for nth, host in enumerate(hosts):
        if not _is_possible(host):
            yield f"{key}.hosts[{nth}]", "matches no host", "remove it"
        elif host in hosts[:nth]:
            yield f"{key}.hosts[{nth}]", f"{host} is there twice", "name each host once"
    if not isinstance(count, int):
        return
    if count < 0:
        yield f"{key}.count", f"is {count}", "write how many there are"
    elif count and count != len(set(hosts)) and not any(WILD & set(host) for host in hosts):
        yield f"{key}.count", f"is {count}, but {len(set(hosts))} hosts are named", f"write {len(set(hosts))}"


def _is_possible(pattern: str) -> bool:
    """Whether an id, 1 to 64 bytes, can match it."""
    return pattern != "" and (bool(WILD & set(pattern)) or len(pattern.encode()) <= ID_BYTES_MAX)


def _rows(value: Any) -> list[Mapping[str, Any]]:
    return [row if isinstance(row, dict) else {} for row in value] if isinstance(value, list) else []


def _texts(value: Any) -> list[str] | None:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else None


@cache
def overlap(one: str, other: str) -> bool:
    """Whether some name matches both patterns; a set in brackets is taken for any character."""
    if not one or not other:
        return set(one + other) <= {"*"}
    if one[0] == "*" or other[0] == "*":
        star, rest = (one, other) if one[0] == "*" else (other, one)
        return overlap(star[1:], rest) or overlap(star, _after(rest))
    same = one[0] == other[0] or {one[0], other[0]} & {"?", "["} != set()
    return same and overlap(_after(one), _after(other))


def _after(pattern: str) -> str:
    """The pattern without its first character, or its first set."""
    closing = pattern.find("]", 2)
    return pattern[closing + 1 :] if pattern[0] == "[" and closing > 0 else pattern[1:]
