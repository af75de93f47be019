"""The architecture as a test: who may import whom, who may know the time, who may start a task.

Read from the source, so that an import inside a function or behind TYPE_CHECKING counts as well.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).parent.parent
SOURCES: Final = {
    file.relative_to(ROOT).as_posix(): ast.parse(file.read_bytes(), str(file))
    for folder in ("detectors", "monitor")
    for file in sorted((ROOT / folder).rglob("*.py"))
}

# What a pure file has no use for: clocks, chance, the machine, other threads, the network, logs.
# fmt: off
IMPURE: Final = {
    "asyncio", "concurrent", "ctypes", "fcntl", "ftplib", "getpass", "http", "io", "logging", "mmap",
    "multiprocessing", "os", "pathlib", "platform", "queue", "random", "sched", "secrets", "select",
    "selectors", "shutil", "signal", "smtplib", "socket", "socketserver", "ssl", "subprocess", "sys",
    "tempfile", "threading", "time", "urllib.request", "uuid",
}
# fmt: on
COMPILER: Final = "detectors/kernel.py"  # knows where compiled code lies, so it knows folders
PURE_THIRD_PARTIES: Final = {
    "detectors": {"numpy", "numba", "river"},
    "monitor/core": {"numpy", "msgspec", "rfc8785", "cryptography", "pyarrow"},
    "monitor/gateway": set[str](),  # an order path takes in nothing but us
}
# What decides.  An edge may know the words (inputs, commands, messages, ...) and never the judgement.
DECIDES: Final = {
    "engine", "weighing", "halt_loop", "doubt", "follow_up", "halts", "ladder", "policy", "scopes",
}  # fmt: skip
CLOCK_READER: Final = "monitor/edge/clock.py"
ONE_VERB: Final = "monitor/cli/"  # a person's command: over before a clock could drift
NOWS: Final = {"time.time", "time.time_ns", "datetime.now", "datetime.utcnow", "date.today", "datetime.today"}
TASK_STARTERS: Final = {"asyncio.create_task", "loop.create_task", "asyncio.run"}
SHELLS: Final = ("monitor/serve.py", "monitor/cli/", "monitor/demo", "monitor/replay.py")


def files(*folders: str) -> list[str]:
    return [name for name in SOURCES if name.startswith(tuple(f"{folder}/" for folder in folders))]


def imports(name: str) -> Iterator[str]:
    for node in ast.walk(SOURCES[name]):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}: a relative import hides who needs whom"
            yield from (f"{node.module}.{each.name}" for each in node.names)


def is_of(imported: str, module: str) -> bool:
    return imported == module or imported.startswith(f"{module}.")


def names_used(name: str) -> Iterator[str]:
    """Every `a.b` of the file, with only the last two words: `asyncio.create_task`, `time.time_ns`."""
    for node in ast.walk(SOURCES[name]):
        if isinstance(node, ast.Attribute):
            owner = node.value
            if isinstance(owner, ast.Call):  # asyncio.get_running_loop().create_task
                owner = owner.func
            if isinstance(owner, ast.Attribute):
                word = owner.attr
            elif isinstance(owner, ast.Name):
                word = owner.id
            else:
                continue
            yield f"{'loop' if word.endswith('_loop') else word}.{node.attr}"


def unit(name: str) -> str:
    """The one file or package of the edge that a file is part of: `monitor/edge/audit/disk.py` -> `audit`."""
    return Path(name).relative_to("monitor/edge").parts[0].removesuffix(".py")


def test_there_is_something_to_look_at():
    assert {"detectors/contract.py", "monitor/core/inputs.py", COMPILER, CLOCK_READER} <= set(SOURCES)


@pytest.mark.parametrize("name", files("detectors", "monitor/core", "monitor/gateway"))
def test_what_judges_touches_neither_the_clock_nor_chance_nor_the_world(name):
    allowed = {"os", "sys", "pathlib"} if name == COMPILER else set()
    wrong = [each for each in imports(name) if any(is_of(each, bad) for bad in IMPURE - allowed)]
    assert wrong == []


@pytest.mark.parametrize("name", files(*PURE_THIRD_PARTIES))
def test_what_judges_needs_few_third_parties(name):
    folder = next(folder for folder in PURE_THIRD_PARTIES if name.startswith(f"{folder}/"))
    known = PURE_THIRD_PARTIES[folder] | set(sys.stdlib_module_names) | {"detectors", "monitor"}
    assert {each.partition(".")[0] for each in imports(name)} <= known


@pytest.mark.parametrize("name", files("detectors", "monitor/core", "monitor/gateway"))
def test_what_judges_opens_no_file_and_prints_nothing(name):
    calls = {
        node.func.id
        for node in ast.walk(SOURCES[name])
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert calls.isdisjoint({"open", "print", "input", "breakpoint", "exec", "eval"})


@pytest.mark.parametrize("name", files("detectors"))
def test_detectors_know_nothing_of_the_monitor(name):
    assert [each for each in imports(name) if is_of(each, "monitor")] == []


@pytest.mark.parametrize("name", files("detectors"))
def test_a_family_knows_no_other_family(name):
    """Each is one file on the common frame; what two of them need belongs to the frame."""
    families = {f for f in files("detectors") if "(Detector)" in ast.unparse(SOURCES[f])}
    others = {Path(f).stem for f in families - {name}}
    assert [each for each in imports(name) for other in others if is_of(each, f"detectors.{other}")] == []


@pytest.mark.parametrize("name", files("monitor/core"))
def test_the_core_knows_of_detectors_and_itself_only(name):
    known = ("monitor.core", "detectors")
    ours = [each for each in imports(name) if is_of(each, "monitor")]
    assert [each for each in ours if not any(is_of(each, module) for module in known)] == []


@pytest.mark.parametrize("name", files("monitor/edge"))
def test_edge_files_do_not_know_each_other(name):
    ours = [each.split(".") for each in imports(name) if is_of(each, "monitor.edge")]
    assert [each for each in ours if len(each) < 3 or each[2] != unit(name)] == []


@pytest.mark.parametrize("name", files("monitor/edge"))
def test_the_edge_never_decides(name):
    wrong = [each for each in imports(name) for what in DECIDES if is_of(each, f"monitor.core.{what}")]
    assert wrong == []


@pytest.mark.parametrize("name", files("monitor/gateway"))
def test_a_gateway_imports_no_engine_and_no_edge(name):
    decides = [f"monitor.core.{what}" for what in sorted(DECIDES)]
    wrong = [each for each in imports(name) if any(is_of(each, m) for m in ("monitor.edge", *decides))]
    assert wrong == []


@pytest.mark.parametrize("name", files("monitor", "detectors"))
def test_the_time_of_day_is_read_in_one_place(name):
    used = NOWS & set(names_used(name))
    assert not used or name == CLOCK_READER or name.startswith(ONE_VERB)


@pytest.mark.parametrize("name", files("monitor", "detectors"))
def test_a_task_nobody_waits_for_is_started_by_a_shell_only(name):
    """A task of a `TaskGroup` is waited for; these are not."""
    used = TASK_STARTERS & set(names_used(name))
    assert not used or name.startswith(SHELLS)


def test_the_rules_see_what_breaks_them():
    """A test of the readers above: names behind aliases of two words, calls, imports in functions."""
    name = "monitor/edge/broken.py"
    SOURCES[name] = ast.parse(
        "import asyncio\n"
        "def f():\n"
        "    from monitor.edge.clock import Clock\n"
        "    asyncio.get_running_loop().create_task(f())\n"
        "    datetime.datetime.now(UTC)\n"
    )
    try:
        assert "monitor.edge.clock.Clock" in set(imports(name))
        assert {"loop.create_task", "datetime.now"} <= set(names_used(name))
        with pytest.raises(AssertionError):
            test_edge_files_do_not_know_each_other(name)
        with pytest.raises(AssertionError):
            test_a_task_nobody_waits_for_is_started_by_a_shell_only(name)
        with pytest.raises(AssertionError):
            test_the_time_of_day_is_read_in_one_place(name)
    finally:
        del SOURCES[name]
