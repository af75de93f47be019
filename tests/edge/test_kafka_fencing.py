"""A fetch says whose log its offset is of; a leader that refuses it is asked how far its log is the old one's."""

import asyncio
from types import SimpleNamespace

import pytest
from aiokafka.errors import IncompatibleBrokerVersion, KafkaConnectionError
from aiokafka.protocol.fetch import FetchRequest, FetchRequest_v4, FetchRequest_v11

from monitor.edge.kafka_in import fencing
from monitor.edge.kafka_in.fencing import FENCED, UNKNOWN_EPOCH, FencedFetch, FencingClient, led_anew
from monitor.edge.kafka_in.metadata import TopicsQuestion

KEY = ("orders", 0)
ID = b"i" * 16
FETCH = FetchRequest(100, 1, 1_000, 0, [("orders", [(0, 42, 500), (1, 43, 500)])])


class Client:
    """In the place of aiokafka's: answers by the kind of question, and keeps what it was asked."""

    def __init__(self, **answers):
        self.answers, self.asked, self.updates, self.cluster = answers, [], 0, "the cluster"

    async def send(self, node_id, request, **_how):
        self.asked.append((node_id, request))
        answer = self.answers[type(request).__name__]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def force_metadata_update(self):
        self.updates += 1


def refused(*codes):
    return SimpleNamespace(topics=[("orders", [(part, code, 0) for part, code in enumerate(codes)])])


def topics(epoch, topic_id=ID):
    return SimpleNamespace(topics=[(0, "orders", topic_id, False, [(0, 0, 2, epoch, [], [], [], {})], 0, {})])


def ends(error, end):
    return SimpleNamespace(topics=[("orders", [(error, 0, 3, end)])])


def test_it_is_aiokafkas_fetch_with_the_epochs_that_are_known():
    built = FencedFetch(FETCH, {KEY: 7}).build(FetchRequest_v11)
    assert built.topics == [("orders", [(0, 7, 42, -1, 500), (1, -1, 43, -1, 500)])]
    assert FencedFetch(FETCH, {}).build(FetchRequest_v11) == FETCH.build(FetchRequest_v11)
    assert FencedFetch(FETCH, {KEY: 7}).build(FetchRequest_v4) == FETCH.build(FetchRequest_v4), (
        "has no room for it"
    )


async def test_who_refuses_is_noted_and_not_asked_again_at_once(monkeypatch):
    slept = []

    async def sleep(seconds):
        slept.append(seconds)

    monkeypatch.setattr(fencing, "asyncio", SimpleNamespace(sleep=sleep, timeout=asyncio.timeout))
    client = Client(FencedFetch=refused(FENCED, UNKNOWN_EPOCH))
    ours = FencingClient(client, {KEY: 7})
    assert await ours.send(2, FETCH) is client.answers["FencedFetch"]
    assert (ours.fenced, client.updates, slept) == ({KEY: 2}, 1, [fencing.PAUSE_S])
    client.answers["FencedFetch"] = refused(0, 0)
    await ours.send(2, FETCH)
    assert len(slept) == 1


async def test_everything_else_goes_through_as_it_is():
    client = Client(TopicsQuestion=topics(8))
    ours = FencingClient(client, {KEY: 7})
    question = TopicsQuestion(["orders"])
    assert await ours.send(1, question) is client.answers["TopicsQuestion"]
    assert client.asked == [(1, question)]
    assert ours.cluster == "the cluster"


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ({"TopicsQuestion": topics(8), "EpochEndQuestion": ends(0, 40)}, (8, 40)),
        ({"TopicsQuestion": topics(8), "EpochEndQuestion": ends(0, -1)}, (8, None)),
        ({"TopicsQuestion": topics(8), "EpochEndQuestion": ends(6, -1)}, None),
        ({"TopicsQuestion": topics(7)}, None),
        ({"TopicsQuestion": topics(8, b"j" * 16)}, None),
        ({"TopicsQuestion": KafkaConnectionError()}, None),
        ({"TopicsQuestion": topics(9), "EpochEndQuestion": IncompatibleBrokerVersion()}, (9, None)),
    ],
    ids=["cut", "it cannot say", "leads no more", "has not heard", "another topic", "gone", "too old"],
)  # fmt: skip
async def test_how_far_the_new_log_is_the_old_one(answers, said):
    assert await led_anew(SimpleNamespace(_client=Client(**answers)), KEY, 2, 7, ID) == said
