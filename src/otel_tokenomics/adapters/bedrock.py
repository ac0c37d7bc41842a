"""The `botocore` client library, below `boto3` and LangChain, and `aiobotocore`: models on Amazon Bedrock.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_Operations_Amazon_Bedrock_Runtime.html. A request
is an operation and its parameters. `Converse` and its stream have one shape for every model; `InvokeModel`
and its stream hand the model's own body through. What answers say is read in `bedrock_meter`. None names the
model that answered: Bedrock bills the id, profile or ARN that was asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from otel_tokenomics.adapters.aws import Request
from otel_tokenomics.adapters.bedrock_meter import BedrockMeter
from otel_tokenomics.adapters.bedrock_requests import OPERATIONS, operation_of
from otel_tokenomics.adapters.hosts import Hosts
from otel_tokenomics.model.call import Billing, Facts
from otel_tokenomics.model.text import clean

_OPERATIONS: Mapping[str, Billing] = {
    "Converse": "metered",
    "ConverseStream": "metered",
    "InvokeModel": "metered",
    "InvokeModelWithResponseStream": "metered",
    "CountTokens": "free",
}


class Bedrock:
    """The adapter. `hosts` says who is behind an endpoint."""

    operations = OPERATIONS
    flavor = "botocore"

    def __init__(self, hosts: Hosts | None = None) -> None:
        self._hosts = hosts or Hosts()

    def facts(self, client: Any, options: Request, stream: bool) -> Facts | None:
        """What the request says, or `None` if it calls no model."""
        billing = _OPERATIONS.get(options.operation)
        if billing is None:
            return None
        url = urlsplit(client.meta.endpoint_url)
        known = self._hosts.find(url.hostname) if url.hostname else None
        model = clean(options.params.get("modelId"))
        tier = options.params.get("serviceTier")
        return Facts(
            provider="aws.bedrock" if known is None else known.provider,
            operation=operation_of(options, model or ""),
            flavor=self.flavor,
            route=options.operation,
            request_model=model,
            stream=options.operation.endswith("Stream"),
            billing=billing,
            provider_assumed=known is None,
            service_tier=clean(tier.get("type") if isinstance(tier, dict) else tier),
            server_address=url.hostname,
            server_port=url.port or (443 if url.scheme == "https" else 80),
        )

    def meter(self, client: Any, options: Request, facts: Facts) -> BedrockMeter:
        """A meter for the response to this request."""
        return BedrockMeter(options, facts)


class AioBedrock(Bedrock):
    """The same, through `aiobotocore`."""

    flavor = "aiobotocore"
