"""One assigned consumer, rebuilt when it fails; positions are ours and outlive it.

No consumer group: with its coordinator dead a group falls silent for ten seconds beside
healthy leaders.  No reset policy: `latest` jumps over what retention took without a word.
A partition whose fetches are not answered for a second is said to be down, and up again
when they are; a client that stays mute is thrown away and built again.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.client import ConnectionGroup
from aiokafka.errors import IllegalStateError, KafkaError, OffsetOutOfRangeError, RecordTooLargeError

from monitor.core.inputs import LinkChanged
from monitor.edge.kafka_in.batches import CorruptBatchError
from monitor.edge.kafka_in.drain import NS_PER_MS, Drain
from monitor.edge.kafka_in.facts import Bearings, Fact, Gap, Key, Lag, Source, Started
from monitor.edge.kafka_in.fencing import led_anew
from monitor.edge.kafka_in.metadata import TopicNow, TopicsQuestion, topics_in
from monitor.edge.kafka_in.part import Part, chunks

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

REQUEST_MS: Final = 3_000
FETCH_WAIT_MS: Final = 100
METADATA_AGE_MS: Final = 5_000
PARTITION_FETCH_BYTES: Final = 512 * 1024

CONNECT_S_MAX: Final = 8.0  # bootstrap servers are tried one after another
LOOKUP_S_MAX: Final = 3.0
CLOSE_S_MAX: Final = 2.0
LOOK_EVERY_S: Final = 2.0  # new partitions and topics made again are seen within 5 s
UPKEEP_S: Final = 0.2
SILENT_S: Final = 1.0  # BLIND within 2 s needs this and one upkeep
MUTE_S: Final = 10.0  # a partition that long without an answer: perhaps it is the client
BACKOFF_S: Final = (0.1, 0.25, 0.5, 1.0, 2.0)
BUSY_RECORDS: Final = 512  # below it a record's own latency counts for more than the next fetch
FETCH_TURNS: Final = 4
NO_END: Final = 1 << 62
CORRUPT_TRIES: Final = 3  # a batch broken on the wire is whole the next time; one broken on disk never is


class KafkaIn:
    """Telemetry, or the halt topics: `run()` beside `read()`, until cancelled.

    `client` is what any aiokafka client needs: `bootstrap_servers` and how to log in.
    `start` holds the offsets of a snapshot, `bearings` of which logs they are meant.
    """

    def __init__(
        self,
        client: Mapping[str, Any],
        sources: Sequence[Source],
        *,
        now_ns: Callable[[], int],
        start: Mapping[Key, int | None] | None = None,
        bearings: Bearings | None = None,
        partitions: frozenset[int] | None = None,
        link: str = "kafka",
    ) -> None:
        self._client = dict(client)
        self._sources = {source.topic: source for source in sources}
        self._now_ns = now_ns
        self._link = link
        self._only = partitions
        self.positions: dict[Key, int] = {}  # next offset to read
        self.ends: dict[Key, int] = {}
        before = bearings or Bearings()
        self._topic_ids = dict(before.topic_ids)
        self._start = {key: offset for key, offset in (start or {}).items() if offset is not None}
        self._known_topics: set[str] = {topic for topic, _ in self._start}
        self._last_arrived_ns: dict[Key, int] = {}
        self._heard_s: dict[Key, float] = {}
        self._stamps: dict[Key, int | None] = {}
        self._answered_ns: dict[Key, int] = {}  # its last answer came after this
        self._read_to_ns: dict[Key, int] = {}  # what was there then is read
        self._looked_ns = 0  # when the upkeep before was done
        self._handing_on = False  # positions are ahead of what was handed on
        self._up: dict[str, bool] = {}  # link -> last said
        self._epochs = dict(before.epochs)  # of the leader from whose log our position is
        self._troubled: dict[Key, Exception] = {}
        self._corrupt: dict[Key, int] = {}  # how often the batch at this position was broken
        self._facts: deque[Fact] = deque()
        self._drain: Drain | None = None
        self._ready = asyncio.Event()

    # -- what others ask

    @property
    def bearings(self) -> Bearings:
        """For who saves our positions."""
        return Bearings(dict(self._topic_ids), dict(self._epochs))

    def lag(self) -> dict[Key, Lag]:
        """Of every partition that is read, by the last answers of its broker."""
        now_ns = self._now_ns()
        lags = {}
        for key, position in self.positions.items():
            records = max(0, self.ends.get(key, position) - position)
            arrived_ns = self._last_arrived_ns.get(key)
            seconds = max(0, now_ns - arrived_ns) / 1e9 if records and arrived_ns else 0.0
            lags[key] = Lag(records, seconds)
        return lags

    def read_to_ns(self) -> int:
        """What its brokers had at this time is read, of every partition; 0 while that is not known of one."""
        return min((self._read_to_ns.get(key, 0) for key in self.positions), default=0)

    def caught_up(self) -> bool:
        """Every partition was answered for, and read to the end that its broker named."""
        return bool(self.ends) and all(
            self.ends.get(key, position + 1) <= position for key, position in self.positions.items()
        )

    # -- reading

    async def read(self) -> AsyncIterator[Fact]:
        """What came, and what happened to the links, in the order in which it was seen."""
        while True:
            while self._facts:
                yield self._facts.popleft()
            drain = self._drain
            if drain is None:
                self._ready.clear()
                # Not `wait_for`: in Python 3.11 it swallows a cancellation that comes together with the news.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(UPKEEP_S):
                        await self._ready.wait()
                continue
            try:
                parts = drain.take(self._trouble)
                if not parts:
                    await drain.wait(UPKEEP_S)
                    continue
            except (KafkaError, OSError) as broken:
                self._lost(drain, repr(broken))
                continue
            parts = [part for part in parts if self._took(part)]
            if sum(map(len, parts)) >= BUSY_RECORDS:
                # While these are judged the broker shall already fetch the next: the client's tasks need some
                # turns of the loop to ask for them.
                for _ in range(FETCH_TURNS):
                    await asyncio.sleep(0)
            self._handing_on = True
            for chunk in chunks(parts):
                yield chunk
                await asyncio.sleep(0)
            self._handing_on = False

    def _took(self, part: Part) -> bool:
        """Note how far we are, before anything is handed on: another client would begin here."""
        key = (part.topic, part.partition)
        if key not in self.positions:
            return False  # its end was said meanwhile
        self.positions[key] = part.next_offset
        self.ends[key] = part.end_offset
        self._corrupt.pop(key, None)
        if len(part):
            self._last_arrived_ns[key] = int(part.arrived_ns[-1])
        return True

    def _trouble(self, partition: TopicPartition, error: Exception) -> None:
        self._troubled[(partition.topic, partition.partition)] = error

    def _lost(self, drain: Drain | None, why: str) -> None:
        if drain is not None and self._drain is drain:
            self._drain = None
            self._say(self._link, up=False, detail=why)

    def _say(self, link: str, *, up: bool, detail: str = "", for_s: float = 0.0) -> None:
        """`for_s`: how long it has been so before we could know."""
        if self._up.get(link) is not up:
            self._up[link] = up
            self._tell(LinkChanged(link, up, self._now_ns() - int(for_s * 1e9), detail))

    def _tell(self, fact: Fact) -> None:
        self._facts.append(fact)
        self._ready.set()
        if self._drain is not None:
            self._drain.wake()

    # -- keeping a client

    async def run(self) -> None:
        """Keep one client alive for ever, with a bounded pause after each failure."""
        failures = 0
        while True:
            consumer = None
            try:
                async with asyncio.timeout(CONNECT_S_MAX):
                    consumer = AIOKafkaConsumer(
                        **self._client,
                        group_id=None,
                        enable_auto_commit=False,
                        auto_offset_reset="none",
                        fetch_max_wait_ms=FETCH_WAIT_MS,
                        request_timeout_ms=REQUEST_MS,
                        metadata_max_age_ms=METADATA_AGE_MS,
                        max_partition_fetch_bytes=PARTITION_FETCH_BYTES,
                        retry_backoff_ms=100,
                    )
                    await consumer.start()
                self._drain = Drain(consumer, self._epochs)
                for topic in self._sources:  # connected is not read: nothing is known until it was looked at
                    self._say(f"{topic}/*", up=False, detail="its reading has not begun")
                self._say(self._link, up=True)
                failures = 0
                await self._keep(consumer, self._drain)
            except (KafkaError, OSError, TimeoutError) as broken:
                self._drain = None
                self._say(self._link, up=False, detail=f"{self._client.get('bootstrap_servers')}: {broken!r}")
            finally:
                self._drain = None
                self._say(self._link, up=False, detail="the client was closed")
                if consumer is not None:
                    await _close(consumer)
            await asyncio.sleep(BACKOFF_S[min(failures, len(BACKOFF_S) - 1)])
            failures += 1

    async def _keep(self, consumer: AIOKafkaConsumer, drain: Drain) -> None:
        """Upkeep of one client, until it is lost or mute."""
        self._stamps.clear()
        self._answered_ns.clear()
        built_s = look_s = last_s = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            looking: asyncio.Task[None] | None = None
            self._looked_ns = self._now_ns()
            while self._drain is drain:
                now_s = time.monotonic()
                # Blocked or stopped ourselves: nobody else was silent meanwhile.
                excused_s = max(0.0, now_s - last_s - 2 * UPKEEP_S)
                looked_s, last_s = last_s, now_s
                if looking is None or (looking.done() and now_s >= look_s):
                    # Beside the upkeep: a dead broker may keep the question open for seconds.
                    looking = tasks.create_task(self._look(consumer))
                    look_s = now_s + LOOK_EVERY_S
                if self._troubled:
                    await self._settle(consumer)
                if drain.fenced:
                    await self._follow_leaders(consumer, drain.fenced)
                quiet_s = self._listen(consumer, drain, excused_s, looked_s + excused_s)
                self._looked_ns = self._now_ns()
                if quiet_s >= MUTE_S and now_s - built_s >= MUTE_S:
                    self._lost(drain, f"no answer for {quiet_s:.0f} s")
                await asyncio.sleep(UPKEEP_S)
            if looking is not None:
                looking.cancel()

    def _listen(self, consumer: AIOKafkaConsumer, drain: Drain, excused_s: float, looked_s: float) -> float:
        """Who answers; returns the longest silence of a partition, in seconds.

        An answer came at some time since `looked_s`: silence counts from there, and is never said late.
        """
        now_s = time.monotonic()
        quiet_s = 0.0
        for partition in consumer.assignment():
            key = (partition.topic, partition.partition)
            stamp = consumer.last_poll_timestamp(partition)
            is_new = stamp != self._stamps.get(key)
            if is_new or drain.pending(partition):
                self._stamps[key] = stamp
                self._heard_s[key] = looked_s
                if stamp is not None:
                    end = consumer.highwater(partition)
                    if end is not None:
                        self.ends[key] = end
                    if is_new:
                        self._answered(key, is_read=not drain.pending(partition))
                    self._say(f"{partition.topic}/{partition.partition}", up=True)
                continue
            self._heard_s[key] = self._heard_s.get(key, now_s) + excused_s
            silent_s = now_s - self._heard_s[key]
            quiet_s = max(quiet_s, silent_s)
            if silent_s >= SILENT_S:
                link = f"{partition.topic}/{partition.partition}"
                self._say(link, up=False, detail="fetches not answered", for_s=silent_s)
        return quiet_s

    def _answered(self, key: Key, *, is_read: bool) -> None:
        """A new answer since the upkeep before.  Its question was asked after the answer before it came.

        An answer may be old: it waited in our socket while we were stopped.  What it says is true of a time
        after its question only.
        """
        asked_ns, self._answered_ns[key] = self._answered_ns.get(key, 0), self._looked_ns
        at_end = self.positions.get(key, 0) >= self.ends.get(key, NO_END)
        if asked_ns and is_read and at_end and not self._handing_on:
            self._read_to_ns[key] = asked_ns

    # -- which partitions, and from where

    async def _look(self, consumer: AIOKafkaConsumer) -> None:
        """Topics as they are now; new partitions are assigned, topics made again begin again."""
        topics = await self._topics_now(consumer)
        wanted: set[Key] = set()
        for topic, source in self._sources.items():
            now = topics.get(topic)
            if now is None:
                self._say(f"{topic}/*", up=False, detail="no such topic, or not allowed to see it")
                wanted |= {key for key in self.positions if key[0] == topic}
                continue
            known = self._topic_ids.get(topic, b"")
            if now.id:
                self._topic_ids[topic] = now.id
            if known and now.id and known != now.id:
                self._forget(topic)
                self._lost(
                    self._drain, f"{topic} was made again"
                )  # with it whatever was fetched of the old one
                return
            mine = now.partitions if self._only is None or source.whole else now.partitions & self._only
            wanted |= {(topic, partition) for partition in mine}
        for key in self.positions.keys() - wanted:
            self._epochs.pop(key, None)
            self._tell(Gap(*key, self.positions.pop(key), 0, "partition_gone"))
        new = wanted - self.positions.keys()
        begun = await asyncio.gather(*(self._begin(consumer, key) for key in sorted(new)))
        for key, started in zip(sorted(new), begun, strict=True):
            if started is not None:
                self.positions[key] = started.offset
                self._tell(started)
        for topic, partition in self.positions:
            epoch = topics[topic].epochs.get(partition) if topic in topics else None
            if epoch is not None:
                self._epochs.setdefault((topic, partition), epoch)
        self._known_topics |= {key[0] for key in self.positions}
        self._assign(consumer)
        unbegun = {key[0] for key in wanted - self.positions.keys()}
        for topic in self._sources:
            if topic in topics and topic not in unbegun:
                self._say(f"{topic}/*", up=True)

    def _forget(self, topic: str) -> None:
        """A topic of the same name that is another: all that we held offsets of is gone."""
        for key in [key for key in self._epochs if key[0] == topic]:
            del self._epochs[key]
        for key in [key for key in self.positions if key[0] == topic]:
            self._start.pop(key, None)
            self._tell(Gap(*key, self.positions.pop(key), 0, "recreated"))
        for key in [key for key in self._start if key[0] == topic]:
            self._tell(Gap(*key, self._start.pop(key), 0, "recreated"))
        self._known_topics.add(topic)

    def _assign(self, consumer: AIOKafkaConsumer) -> None:
        wanted = {TopicPartition(*key) for key in self.positions}
        if wanted and wanted != consumer.assignment():
            consumer.assign(sorted(wanted))
            self._stamps.clear()
            self._answered_ns.clear()
            for key, position in self.positions.items():
                consumer.seek(TopicPartition(*key), position)

    async def _topics_now(self, consumer: AIOKafkaConsumer) -> dict[str, TopicNow]:
        client = consumer._client
        try:
            async with asyncio.timeout(LOOKUP_S_MAX):
                # On a connection of its own: the fetch's may be waiting for records.
                answer = await client.send(
                    client.get_random_node(),
                    TopicsQuestion(list(self._sources)),
                    group=ConnectionGroup.COORDINATION,
                )
                topics = topics_in(answer)
        except (NotImplementedError, KafkaError, OSError, TimeoutError):
            topics = {}
        for topic in self._sources:
            # What the client's own metadata says, where the question is not understood or not answered.
            known = consumer.partitions_for_topic(topic)
            if known and topic not in topics:
                topics[topic] = TopicNow(b"", frozenset(known))
            elif topic not in topics:
                client.add_topic(topic)
        return topics

    async def _begin(self, consumer: AIOKafkaConsumer, key: Key) -> Started | None:
        """Where to begin; None if it cannot be known yet."""
        if key in self._start:
            return Started(*key, self._start[key], "snapshot")
        since_ns = self._sources[key[0]].since_ns
        later = key[0] in self._known_topics
        asked_s = time.monotonic()
        try:
            async with asyncio.timeout(LOOKUP_S_MAX):
                first, end = await _bounds(consumer, key)
                if later:
                    return Started(*key, first, "new_partition")
                if since_ns is None or first == end:
                    return Started(*key, first, "beginning")
                found = await _offset_at(consumer, key, since_ns // NS_PER_MS)
                if found is not None:
                    return Started(*key, found, "session")
                # None means "nothing since then", or a broker that never answers this question.
                if await _offset_at(consumer, key, 1) is None:
                    return Started(*key, first, "beginning")
                return Started(*key, end, "nothing_since")
        except (KafkaError, OSError, TimeoutError) as broken:
            link, detail = f"{key[0]}/{key[1]}", f"no answer where to begin: {broken!r}"
            self._say(link, up=False, detail=detail, for_s=time.monotonic() - asked_s)
            return None

    # -- offsets that are not there

    async def _settle(self, consumer: AIOKafkaConsumer) -> None:
        """Say what is missing and go on behind it."""
        for key in list(self._troubled):
            error = self._troubled.pop(key)
            partition = TopicPartition(*key)
            position = self.positions.get(key)
            if position is None or partition not in consumer.assignment():
                continue
            if isinstance(error, OffsetOutOfRangeError):
                await self._find_again(consumer, key, position)
            elif isinstance(error, RecordTooLargeError):
                self._skip(consumer, key, position + 1, "too_large")
            elif isinstance(error, CorruptBatchError):
                self._corrupt[key] = self._corrupt.get(key, 0) + 1
                if self._corrupt[key] >= CORRUPT_TRIES:
                    self._skip(consumer, key, error.end, "corrupt")
            else:
                self._say(f"{key[0]}/{key[1]}", up=False, detail=repr(error))

    async def _follow_leaders(self, consumer: AIOKafkaConsumer, fenced: dict[Key, int]) -> None:
        """Where another leader's log is shorter than what we read of the one before it, that is a gap."""
        for key in list(fenced):
            node_id, epoch = fenced.pop(key), self._epochs.get(key)
            if epoch is None:
                continue
            found = await led_anew(consumer, key, node_id, epoch, self._topic_ids.get(key[0], b""))
            if found is None or key not in self.positions:
                continue  # the next fetch says it again
            self._epochs[key], end = found
            if end is not None and end < self.positions[key]:
                self._skip(consumer, key, end, "truncated")

    async def _find_again(self, consumer: AIOKafkaConsumer, key: Key, position: int) -> None:
        try:
            async with asyncio.timeout(LOOKUP_S_MAX):
                first, end = await _bounds(consumer, key)
                now = (await self._topics_now(consumer)).get(key[0])
        except (KafkaError, OSError, TimeoutError):
            return  # the next fetch says it again
        if self.positions.get(key) != position:
            return  # meanwhile the look has said that it is gone
        known = self._topic_ids.get(key[0], b"")
        if now is not None and known and now.id and known != now.id:
            return  # the look says so for all of its partitions
        if position < first:
            self._skip(consumer, key, first, "retention")
        elif position > end:
            # Cut back by an unclean election: what follows is new.  Without an id it may be another topic
            # of that name, whose records up to `end` we never saw: read all, duplicates are no-ops.
            self._skip(consumer, key, end if known else first, "truncated")

    def _skip(self, consumer: AIOKafkaConsumer, key: Key, to: int, why: str) -> None:
        self._tell(Gap(*key, self.positions[key], to, why))
        self.positions[key] = to
        self._corrupt.pop(key, None)
        with contextlib.suppress(IllegalStateError):  # no longer assigned: the assignment seeks
            consumer.seek(TopicPartition(*key), to)


async def _bounds(consumer: AIOKafkaConsumer, key: Key) -> tuple[int, int]:
    partition = TopicPartition(*key)
    first = await consumer.beginning_offsets([partition])
    end = await consumer.end_offsets([partition])
    return int(first[partition]), int(end[partition])


async def _offset_at(consumer: AIOKafkaConsumer, key: Key, at_ms: int) -> int | None:
    partition = TopicPartition(*key)
    found = (await consumer.offsets_for_times({partition: at_ms}))[partition]
    return None if found is None else int(found.offset)


async def _close(consumer: AIOKafkaConsumer) -> None:
    """Within a deadline: a client of a dead broker must not keep a live one waiting.

    In a task of its own: a client that is stopped before its own tasks ran lets their cancellation out,
    and that would end our reading without a word.
    """
    stopping = asyncio.ensure_future(consumer.stop())
    done, _ = await asyncio.wait({stopping}, timeout=CLOSE_S_MAX)
    if not done:
        stopping.cancel()
    elif not stopping.cancelled():
        stopping.exception()  # looked at: nobody is left whom it concerns
