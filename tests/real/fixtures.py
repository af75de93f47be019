"""Real servers as fixtures, and the marker `real(part, ...)`: missing is a failure in CI, elsewhere a skip that says how.

The shared Kafka lives as long as the test run, so a test makes topics of its own names (`topic_name`) and harms
nothing; what a test kills, freezes or fills, it takes for itself (`kafka_own`, `kafka_three`).
"""

import os
import uuid

import pytest

from tests.real import server
from tests.real.alertmanager import Alertmanager
from tests.real.kafka import Kafka
from tests.real.mosquitto import Guard, Mosquitto
from tests.real.parts import PARTS, missing

IN_CI = os.environ.get("CI", "").lower() in {"1", "true"}


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    for marker in item.iter_markers("real"):
        for part in marker.args:
            assert part in PARTS, f"real({part!r}): known parts are {', '.join(PARTS)}"
            if gap := missing(part):
                pytest.fail(gap, pytrace=False) if IN_CI else pytest.skip(gap)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """The end of each live server's log, beside what failed with it."""
    outcome = yield
    report = outcome.get_result()
    if report.failed and item.get_closest_marker("real"):
        report.sections += [(f"log of {one.name}", one.log_tail()) for one in server.alive]


@pytest.fixture
def measured(request, capsys):
    """Says figures beside the test's name, for `tests/faults.md`."""

    def say(**figures: float) -> None:
        words = ", ".join(f"{name} {figure:.2f}" for name, figure in figures.items())
        with capsys.disabled():
            print(f"\n{request.node.name}: {words}")

    return say


@pytest.fixture(scope="session")
def kafka(tmp_path_factory):
    with Kafka(tmp_path_factory.mktemp("kafka")) as running:
        yield running


@pytest.fixture
def topic_name():
    return f"t-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def kafka_own(tmp_path):
    with Kafka(tmp_path) as running:
        yield running


@pytest.fixture
def kafka_three(tmp_path):
    with Kafka(tmp_path, nodes=3) as running:
        yield running


@pytest.fixture
def mosquitto(tmp_path):
    with Mosquitto(tmp_path) as running:
        yield running


@pytest.fixture
def mosquitto_guarded(tmp_path):
    with Mosquitto(tmp_path, guard=Guard.of_the_contract()) as running:
        yield running


@pytest.fixture
def alertmanager(tmp_path):
    with Alertmanager(tmp_path) as running:
        yield running
