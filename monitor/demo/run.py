"""One demo from an empty folder to its figures: brokers, monitor and fleet in this process."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path
from typing import Any, Final

from monitor.core.roads import ACKS, ALLOWANCES, COMMANDS, LEASES, STATES
from monitor.demo.cockpit import view_for
from monitor.demo.figures import document_of
from monitor.demo.folder import Folder, claimed
from monitor.demo.gateways import REFERENCE, TELEMETRY, Brokers
from monitor.demo.morning import GATEWAYS, Happened, Morning
from monitor.demo.plan import ToldScenario, tell
from monitor.demo.recording import Recording
from monitor.demo.view import View
from monitor.edge import logs
from monitor.edge.embedded import EmbeddedKafka, EmbeddedMqtt
from monitor.outside import DEAD_LETTERS
from monitor.scenarios import registry
from monitor.settings import Config
from monitor.settings.load import default_file
from monitor.settings.sections import Audit, Http, InputTopic, Kafka, Keys, Mqtt, Pages, Snapshot
from monitor.warm import warm_up

SCENARIO: Final = "knight"
TELEMETRY_PARTITIONS: Final = 4
TOPICS: Final = {
    TELEMETRY: TELEMETRY_PARTITIONS,
    **dict.fromkeys((REFERENCE, COMMANDS, STATES, LEASES, ACKS, ALLOWANCES, DEAD_LETTERS), 1),
}


def demo(config: Config, *, folder: Path, seed: int, scale: float, view: bool) -> dict[str, Any]:
    """Watch Knight's morning be stopped.  Raises `FolderTaken` if the folder is not the demo's."""
    with claimed(folder) as ours, ours.log.open("w") as log:
        logs.configure(stream=log, human=False)  # the screen is the view's
        shown = view_for(config, cockpit=view)
        shown.say("loading the compiled kernels (the first time they are compiled: a few minutes)")
        warm_up(config.detectors)
        shown.say("telling the morning of 1 August 2012")
        scenario = registry()[SCENARIO]
        history = scenario.history(seed)
        told = tell(scenario, seed, scale)
        shown.say("starting Kafka, MQTT, the monitor and eight routers")
        happened = asyncio.run(_embedded(config, ours, told, seed, scale, shown))
        source = "" if Path(config.source) == default_file() else config.source
        return document_of(happened, history, ours, scenario=SCENARIO, seed=seed, scale=scale, source=source)


async def _embedded(
    config: Config, folder: Folder, told: ToldScenario, seed: int, scale: float, shown: View
) -> Happened:
    async with EmbeddedKafka(topics=TOPICS) as kafka, EmbeddedMqtt() as mqtt:
        brokers = Brokers(kafka.bootstrap_servers, mqtt.host, mqtt.port)
        return await closed_loop(config, folder, brokers, told, seed=seed, scale=scale, shown=shown)


async def closed_loop(
    config: Config,
    folder: Folder,
    brokers: Brokers,
    told: ToldScenario,
    *,
    seed: int,
    scale: float,
    shown: View,
) -> Happened:
    """The morning over these brokers, by this policy; leaves keys, recording and trail in the folder."""
    config = config_for(config, brokers, folder)
    signers, keyring = folder.make_keys(config.issuer, list(GATEWAYS))
    with Recording(folder.recording) as recording:
        morning = Morning(
            config, told, seed=seed, scale=scale, signers=signers, keyring=keyring, recording=recording,
            also=shown.on_records,
        )  # fmt: skip
        looking = asyncio.create_task(shown.look(morning))
        try:
            return await morning.run()
        finally:
            looking.cancel()
            await asyncio.wait({looking})
            shown.last_look(morning)


def config_for(config: Config, brokers: Brokers, folder: Folder) -> Config:
    """The same policy; roads, keys and files are the demo's own, and nobody is paged."""
    return dataclasses.replace(
        config,
        kafka=Kafka(
            bootstrap_servers=brokers.kafka,
            inputs=(
                InputTopic(topic=TELEMETRY),
                InputTopic(
                    topic=REFERENCE,
                    sources=("market", "oms"),
                    kinds=("instrument", "position", "fx", "mark", "session_phase"),
                ),
            ),
        ),
        mqtt=Mqtt(host=brokers.mqtt_host, port=brokers.mqtt_port),
        keys=Keys(signing_key_file=folder.monitor_key, pinned_keys_file=folder.pinned_keys),
        audit=Audit(folder=folder.audit),
        snapshot=Snapshot(folder=folder.snapshot),
        pages=Pages(runbook_url=config.pages.runbook_url),
        http=Http(port=0),
    )
