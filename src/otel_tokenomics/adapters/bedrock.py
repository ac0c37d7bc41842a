"""The `botocore` client library, below `boto3` and LangChain, and `aiobotocore`: models on Amazon Bedrock.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_Operations_Amazon_Bedrock_Runtime.html. A request
is an operation and its parameters. `Converse` and its stream have one shape for every model; `InvokeModel`
and its stream hand the model's own body through. What answers say is read in `bedrock_meter`, and what is
billed otherwise in `bedrock_others` and `bedrock_agents`. None names the model that answered: Bedrock bills
the id, profile or ARN that was asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from otel_tokenomics.adapters.aws import Request
from otel_tokenomics.adapters.bedrock_agents import AgentMeter
from otel_tokenomics.adapters.bedrock_meter import BedrockMeter
from otel_tokenomics.adapters.bedrock_others import AnswerMeter, GuardrailMeter, JobMeter
from otel_tokenomics.adapters.bedrock_requests import OPERATIONS, operation_of
from otel_tokenomics.adapters.hosts import Hosts
from otel_tokenomics.model.call import Billing, Facts
from otel_tokenomics.model.text import clean

Meter = BedrockMeter | AnswerMeter


class Kind(NamedTuple):
    """How an operation bills, who reads its answer, and what it is if its model does not tell."""

    billing: Billing
    meter: Callable[[Request, Facts], Meter] = BedrockMeter
    operation: str | None = None


_OPERATIONS: Mapping[str, Kind] = {
    "Converse": Kind("metered"),
    "ConverseStream": Kind("metered"),
    "InvokeModel": Kind("metered"),
    "InvokeModelWithResponseStream": Kind("metered"),
    "CountTokens": Kind("free"),
    "ApplyGuardrail": Kind("metered", GuardrailMeter, "moderation"),
    "InvokeGuardrailChecks": Kind("metered", GuardrailMeter, "moderation"),
    "StartAsyncInvoke": Kind("metered", JobMeter),
    "GetAsyncInvoke": Kind("polled", JobMeter, "video_generation"),
    "InvokeAgent": Kind("several", AgentMeter, "invoke_agent"),
    "InvokeInlineAgent": Kind("several", AgentMeter, "invoke_agent"),
    "InvokeFlow": Kind("several", AgentMeter, "invoke_workflow"),
    "RetrieveAndGenerate": Kind("metered", AnswerMeter, "chat"),
    "RetrieveAndGenerateStream": Kind("metered", AnswerMeter, "chat"),
    "Rerank": Kind("metered", AnswerMeter, "rerank"),
}
_STREAMED = ("Stream", "Agent", "Flow")
_MODELS = ("modelId", "modelArn")


class Bedrock:
    """The adapter. `hosts` says who is behind an endpoint."""

    operations = (*OPERATIONS, "moderation", "invoke_agent", "invoke_workflow")
    flavor = "botocore"

    def __init__(self, hosts: Hosts | None = None) -> None:
        self._hosts = hosts or Hosts()

    def facts(self, client: Any, options: Request, stream: bool) -> Facts | None:
        """What the request says, or `None` if it calls no model."""
        kind = _OPERATIONS.get(options.operation)
        if kind is None:
            return None
        url = urlsplit(client.meta.endpoint_url)
        known = self._hosts.find(url.hostname) if url.hostname else None
        model = _model(options.params) if kind.billing != "several" else None
        tier = options.params.get("serviceTier")
        return Facts(
            provider="aws.bedrock" if known is None else known.provider,
            operation=kind.operation or operation_of(options, model or ""),
            flavor=self.flavor,
            route=options.operation,
            request_model=model,
            stream=options.operation.endswith(_STREAMED),
            billing=kind.billing,
            provider_assumed=known is None,
            service_tier=clean(tier.get("type") if isinstance(tier, dict) else tier),
            server_address=url.hostname,
            server_port=url.port or (443 if url.scheme == "https" else 80),
        )

    def meter(self, client: Any, options: Request, facts: Facts) -> Meter:
        """A meter for the response to this request."""
        return _OPERATIONS[options.operation].meter(options, facts)


def _model(params: Any) -> str | None:
    """The model that is asked for, at any depth: its id, profile or ARN."""
    if not isinstance(params, dict):
        return None
    named = next((clean(params[name]) for name in _MODELS if name in params), None)
    inner = (_model(value) for key, value in params.items() if key.endswith("onfiguration"))
    return named or next((model for model in inner if model), None)


class AioBedrock(Bedrock):
    """The same, through `aiobotocore`."""

    flavor = "aiobotocore"
