"""No byte of a prompt, an answer or a tool's arguments leaves, whoever wrote it; the rest does."""

from __future__ import annotations

import re
import shutil
import ssl
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from tests._required import missing
from tests.wire import feed
from tests.wire.load import SECRET
from tests.wire.otelcol import Collector
from tests.wire.sink import Sink, mapping
from tools.collector import build, words

TEXTS = [
    "gen_ai.input.messages",
    "gen_ai.output.messages",
    "gen_ai.system_instructions",
    "gen_ai.tool.definitions",
    "gen_ai.tool.call.arguments",
    "gen_ai.tool.call.result",
    "gen_ai.prompt",
    "gen_ai.completion",
    "gen_ai.prompt.0.content",
    "gen_ai.completion.0.content",
    "gen_ai.prompt.variable.name",
    "gen_ai.content.prompt",
    "gen_ai.retrieval.query.text",
    "gen_ai.retrieval.documents",
    "gen_ai.evaluation.explanation",
    "llm.input_messages.0.message.content",
    "llm.output_messages.0.message.tool_calls.0.tool_call.function.arguments",
    "llm.prompts",
    "llm.prompts.0",
    "llm.completions",
    "llm.prompt_template.template",
    "llm.tools.0.tool.json_schema",
    "llm.invocation_parameters",
    "input.value",
    "output.value",
    "embedding.embeddings.0.embedding.text",
    "retrieval.documents.0.document.content",
    "document.content",
    "message.content",
    "tool.parameters",
    "traceloop.entity.input",
    "traceloop.entity.output",
    "traceloop.prompt.template",
    "llm.request.functions.0.arguments",
    "ai.prompt",
    "ai.prompt.messages",
    "ai.response.text",
    "ai.response.object",
    "ai.response.toolCalls",
    "ai.toolCall.args",
    "ai.toolCall.result",
    "ai.value",
    "ai.values",
    "langfuse.observation.input",
    "langfuse.trace.output",
    "mlflow.spanInputs",
    "mlflow.spanOutputs",
    "request_data",
    "response_data",
    "all_messages_events",
    "user_prompt",
    "prompt",
    "prompt_text",
    "response",
    "request_text",
    "response_text",
    "tool_arguments",
    "input",
    "output",
    "messages",
]
KEPT: feed.Values = {
    "gen_ai.operation.name": "chat",
    "gen_ai.prompt.name": "greeting",
    "gen_ai.request.model": "gpt-4o",
    "gen_ai.response.id": "chatcmpl-1",
    "gen_ai.response.finish_reasons": "stop",
    "gen_ai.usage.input_tokens": 10,
    "gen_ai.usage.cost.amount": 0.5,
    "gen_ai.tool.name": "search",
    "gen_ai.tool.call.id": "call_1",
    "llm.token_count.prompt": 10,
    "llm.model_name": "gpt-4o",
    "ai.model.id": "gpt-4o",
    "ai.usage.inputTokens": 10,
    "openinference.span.kind": "LLM",
    "tokenomics.team.id": "search",
    "session.id": "s1",
    "http.response.status_code": 200,
}


def test_no_text_leaves_under_any_known_name_and_nothing_else_is_lost(tmp_path: Path) -> None:
    texts: feed.Values = {key: f"{SECRET} {key}" for key in TEXTS}
    with Sink() as sink:
        settings = {"TOKENOMICS_OTLP_ENDPOINT": sink.url}
        with Collector(tmp_path, "role-laptop", "backend-otlp", settings=settings) as collector:
            message = feed.spans({**texts, **KEPT})
            span = message.resource_spans[0].scope_spans[0].spans[0]
            span.status.message = f"refused: {SECRET}"
            span.status.code = 2
            for name in ("exception", "gen_ai.user.message", "gen_ai.choice", "app"):
                event = span.events.add(name=name)
                event.attributes.extend(feed.pairs({**texts, "exception.message": SECRET}))
                event.attributes.extend(feed.pairs({"exception.stacktrace": SECRET, "exception.type": "E"}))
            feed.post(collector, "traces", message)
            feed.post(collector, "logs", logs(texts))
            assert sink.wait(lambda: len(sink.spans()) == 1 and len(sink.records()) == 1)
    left = [request.body for request in sink.requests if SECRET.encode() in request.body]
    assert left == []
    assert mapping(sink.spans()[0].attributes) == KEPT
    assert sink.spans()[0].status.code == 2
    assert sink.records() == [{"tokenomics.record.key": "k", "tokenomics.usage.bucket.input": 10}]


def logs(texts: feed.Values) -> ExportLogsServiceRequest:
    """A usage record with texts in it, an event of messages, and somebody else's line."""
    message = ExportLogsServiceRequest()
    inside = message.resource_logs.add().scope_logs.add()
    record = inside.log_records.add(event_name="tokenomics.usage.recorded")
    record.attributes.extend(feed.pairs({**texts, "tokenomics.record.key": "k"}))
    record.body.kvlist_value.values.extend(feed.pairs({**texts, "tokenomics.usage.bucket.input": 10}))
    details = inside.log_records.add(event_name="gen_ai.client.inference.operation.details")
    details.attributes.extend(feed.pairs(texts))
    inside.log_records.add().body.string_value = f"the user said {SECRET}"
    return message


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate for loopback, and its key."""
    openssl = shutil.which("openssl") or missing("the tool openssl is not on PATH")
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    ask = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    where = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(cert)]
    subprocess.run([openssl, *ask, *where], check=True, capture_output=True)
    return cert, key


def test_a_receiver_for_others_asks_for_tls_and_a_token(
    tmp_path: Path, certificate: tuple[Path, Path]
) -> None:
    cert, key = certificate
    (tmp_path / "token").write_text("let-me-in", encoding="utf-8")
    with Sink() as sink:
        outer = {
            "TOKENOMICS_OTLP_ENDPOINT": sink.url,
            "TOKENOMICS_TLS_CERT": str(cert),
            "TOKENOMICS_TLS_KEY": str(key),
            "TOKENOMICS_TOKEN_FILE": str(tmp_path / "token"),
        }
        gateway = Collector(tmp_path / "gateway", "role-laptop", "backend-otlp", "listen-tls", settings=outer)
        hop = {
            "TOKENOMICS_GATEWAY": f"127.0.0.1:{gateway.grpc}",
            "TOKENOMICS_HOP_INSECURE": "false",
            "TOKENOMICS_HOP_CA_FILE": str(cert),
            "TOKENOMICS_HOP_TOKEN": "let-me-in",
        }
        agent = Collector(tmp_path / "agent", "role-agent", settings=hop)
        with gateway, agent:
            feed.post(agent, "traces", feed.spans(KEPT))
            assert sink.wait(lambda: len(sink.spans()) == 1)
            assert gateway.complaints() == agent.complaints() == []
            request = urllib.request.Request(
                f"https://127.0.0.1:{gateway.http}/v1/traces",
                data=feed.spans(KEPT).SerializeToString(),
                headers={"content-type": "application/x-protobuf", "authorization": "Bearer wrong"},
            )
            with pytest.raises(urllib.error.HTTPError, match="401"):
                urllib.request.urlopen(request, context=ssl.create_default_context(cafile=str(cert)))


def test_every_name_that_the_registry_says_holds_text_is_deleted() -> None:
    text = (build.ROOT / "semconv" / "model" / "upstream.yaml").read_text("utf-8")
    named = re.findall(r"ref: ([a-z_.]+), annotations: \{tokenomics: \{content: true\}\}", text)
    assert len(named) > 5
    pattern = re.compile("^(" + "|".join(words.TEXT) + ")$")
    assert [name for name in named if not pattern.match(f"{name}{TEMPLATES.get(name, '')}")] == []


# A template's attributes have a key behind its name.
TEMPLATES = {"gen_ai.prompt.variable": ".customer"}
