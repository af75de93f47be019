"""One morning, told once for all tests that read it."""

import json

import pytest

from monitor.scenarios import registry
from tests.scenarios.morning import SCALE, SEED, UNTIL_NS


@pytest.fixture(scope="session")
def knight():
    return registry()["knight"]


@pytest.fixture(scope="session")
def told(knight):
    return list(knight.events(SEED, SCALE, UNTIL_NS))


@pytest.fixture(scope="session")
def morning(told):
    return [json.loads(event.value) for event in told]
