"""Usage records through a real Kafka broker that crashes: nothing lost, nothing counted twice."""

from __future__ import annotations

import time
from decimal import Decimal
from pathlib import Path

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from tests.wire import fleet, vendored
from tests.wire.kafka import Broker
from tests.wire.sink import whole

from otel_tokenomics.telemetry import names

CALLS = 40
TOPIC = "tokenomics_records"


def arrived(broker: Broker, wanted: set[str], seconds: float = 90) -> list[dict[str, object]]:
    """Every usage record in the topic once all wanted responses are among them, or the time is over."""
    until = time.monotonic() + seconds
    found = records(broker)
    while time.monotonic() < until and not wanted <= {record[names.RESPONSE_ID] for record in found}:
        found = records(broker)
    return found


def records(broker: Broker) -> list[dict[str, object]]:
    """Every usage record in the topic, duplicates included."""
    return [
        whole(log)
        for message in broker.messages(TOPIC)
        for resource in ExportLogsServiceRequest.FromString(message).resource_logs
        for scope in resource.scope_logs
        for log in scope.log_records
    ]


def test_a_broker_that_crashes_loses_no_record(tmp_path: Path) -> None:
    vendored.require()
    everything = fleet.ids(["kafka"], CALLS)
    broker = Broker(tmp_path)
    settings = {"KAFKA_BROKERS": f"127.0.0.1:{broker.port}"}
    collector = vendored.collector(tmp_path, "role-laptop", "backend-kafka", settings=settings)
    with collector, broker:
        process = fleet.start("kafka", CALLS, f"http://127.0.0.1:{collector.grpc}", pause_at=CALLS // 2)
        assert process.stdout is not None
        assert process.stdout.readline() == "half\n"
        broker.kill()
        fleet.finish(process)
        broker.start()
        # Started again it tries at once what waits in its queue on disk.
        collector.stop()
        collector.start()
        found = arrived(broker, everything)
    amounts = {str(record[names.RECORD_KEY]): Decimal(str(record[names.COST_EXACT])) for record in found}
    assert {record[names.RESPONSE_ID] for record in found} == everything
    assert len(amounts) == CALLS
    assert sum(amounts.values()) == Decimal(fleet.bill(CALLS, 1)) / 10**12
