"""The client libraries that are covered: one row each. A new one is a row here and an adapter file.

A row names things; nothing is imported before the application imports the library itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from otel_tokenomics.adapters.hosts import Hosts
    from otel_tokenomics.flow.contracts import Adapter

_ADAPTERS = "otel_tokenomics.adapters"
Kind = Literal["stainless", "http", "marked", "botocore", "aiobotocore", "claude_agent", "rpc", "gapic"]


@dataclass(frozen=True, slots=True)
class Point:
    """A place in a client library that is hooked, by any of several names in its versions."""

    module: str
    owner: str
    names: tuple[str, ...]
    without: str
    """What it means when the point is missing."""

    @property
    def title(self) -> str:
        """The point as people write it."""
        return f"{self.module}.{self.owner}.{'|'.join(self.names)}"


@dataclass(frozen=True, slots=True)
class Library:
    """A client library: what it is called, the module whose import is waited for, and who reads it.

    `adapter` is a module below `adapters` and a class in it. `instrumentor` is the class that the entry
    point names.
    """

    distribution: str
    instrumentor: str
    adapter: str
    module: str
    kind: Kind
    points: tuple[Point, ...]
    oldest: str
    """The oldest version that is recorded; of an older one nothing is, which is said once."""
    sockets: tuple[Point, ...] = ()
    """Its connections that stay open, such as websockets; a version need not have them."""
    package: str = ""
    """What an older version is known by at its import, where it has no such `module`."""
    quiet: bool = True
    """Whether importing it is quick and reaches for no network; else `doctor` reads the source instead."""

    @property
    def entry_point(self) -> str:
        """The name that it is switched off by, in `OTEL_PYTHON_DISABLED_INSTRUMENTATIONS`."""
        return "tokenomics_" + self.distribution.replace("-", "_")

    def adapter_class(self) -> Callable[[Hosts], Adapter]:
        """The adapter's class, imported now."""
        module, _, name = self.adapter.partition(":")
        kind: Callable[[Hosts], Adapter] = getattr(import_module(f"{_ADAPTERS}.{module}"), name)
        return kind


def _stainless(
    package: str,
    distribution: str,
    instrumentor: str,
    adapter: str,
    oldest: str,
    sockets: tuple[Point, ...] = (),
) -> Library:
    module = f"{package}._base_client"
    hooks = (
        (("request",), "its calls are not recorded"),
        (("_process_response",), "its calls are not recorded"),
        (("_sleep_for_retry", "_retry_request"), "retried attempts are not counted"),
    )
    points = tuple(
        Point(module, owner, names, without)
        for owner in ("SyncAPIClient", "AsyncAPIClient")
        for names, without in hooks
    )
    return Library(distribution, instrumentor, adapter, module, "stainless", points, oldest, sockets, package)


def _http(
    module: str,
    distribution: str,
    instrumentor: str,
    adapter: str,
    owner: str,
    oldest: str,
    home: str | None = None,
) -> Library:
    """A library seen at its HTTP library. What the row names is only looked for, by `doctor`.

    `module` is what every use of the library imports; the owner is there, unless it has another `home`.
    """
    name, _, method = owner.partition(".")
    point = Point(
        home or module, name, (method,), "it may send its requests in another way: look for its calls"
    )
    return Library(distribution, instrumentor, adapter, module, "http", (point,), oldest)


_BOTOCORE = Library(
    "botocore",
    "BotocoreInstrumentor",
    "bedrock:Bedrock",
    "botocore.client",
    "botocore",
    (
        Point("botocore.client", "BaseClient", ("_make_api_call",), "its calls are not recorded"),
        Point("botocore.endpoint", "Endpoint", ("_needs_retry",), "lost attempts are not counted"),
    ),
    "1.34.116",
)
_AIOBOTOCORE = Library(
    "aiobotocore",
    "AiobotocoreInstrumentor",
    "bedrock:AioBedrock",
    "aiobotocore.client",
    "aiobotocore",
    (
        Point("aiobotocore.client", "AioBaseClient", ("_make_api_call",), "its calls are not recorded"),
        Point("aiobotocore.endpoint", "AioEndpoint", ("_needs_retry",), "lost attempts are not counted"),
    ),
    "2.15.0",
)
_CLAUDE_AGENT = Library(
    "claude-agent-sdk",
    "ClaudeAgentInstrumentor",
    "claude_agent:ClaudeAgent",
    "claude_agent_sdk._internal.query",
    "claude_agent",
    (
        Point(
            "claude_agent_sdk._internal.query",
            "Query",
            ("receive_messages",),
            "its results are not recorded",
        ),
    ),
    "0.1.37",
)
_XAI = Library(
    "xai-sdk",
    "XAIInstrumentor",
    "xai:XAI",
    "xai_sdk",
    "rpc",
    (
        *(
            Point(f"xai_sdk.{module}", f"{service}_pb2_grpc", (stub,), "its calls are not recorded")
            for module, service, stub in (
                ("chat", "chat", "ChatStub"),
                ("image", "image", "ImageStub"),
                ("video", "video", "VideoStub"),
                ("tokenizer", "tokenize", "TokenizeStub"),
            )
        ),
        *(
            Point(f"xai_sdk.{way}.client", "Client", ("_make_grpc_channel",), "host and key are not told")
            for way in ("sync", "aio")
        ),
    ),
    "1.6.1",
)
_VOYAGE = Library(
    "voyageai",
    "VoyageInstrumentor",
    "voyage:Voyage",
    "voyageai.api_resources.api_requestor",
    "marked",
    tuple(
        Point("voyageai.api_resources.api_requestor", "APIRequestor", (name,), "its calls are not recorded")
        for name in ("request_raw", "arequest_raw")
    ),
    "0.1.7",
)
_OPENAI_SOCKETS = tuple(
    Point(f"openai.resources.{module}", asynchronous + owner, ("recv_bytes",), "its messages are not read")
    for module, owner in (
        ("realtime.realtime", "RealtimeConnection"),
        ("beta.realtime.realtime", "RealtimeConnection"),
        ("responses.responses", "ResponsesConnection"),
        ("beta.responses.responses", "ResponsesConnection"),
        ("live.sideband", "SidebandConnection"),
    )
    for asynchronous in ("", "Async")
)
_VERTEX = Library(
    "google-cloud-aiplatform",
    "VertexAIInstrumentor",
    "vertex:VertexAI",
    "google.cloud.aiplatform_v1.services.prediction_service.client",
    "gapic",
    tuple(
        Point(
            f"google.cloud.aiplatform_{version}.services.prediction_service.{module}",
            owner,
            (name,),
            "its calls are not recorded",
        )
        for version in ("v1", "v1beta1")
        for module, owner in (
            ("client", "PredictionServiceClient"),
            ("async_client", "PredictionServiceAsyncClient"),
        )
        for name in ("generate_content", "stream_generate_content")
    ),
    # Messages of an older one have no count of thoughts, which are billed as output.
    "1.94.0",
    quiet=False,
)
_GOOGLE_SOCKETS = (
    Point("google.genai.live", "AsyncLive", ("connect",), "its sessions name no model"),
    Point("google.genai.live", "AsyncSession", ("_receive",), "its messages are not read"),
)
_ROWS = (
    _stainless("openai", "openai", "OpenAIInstrumentor", "openai:OpenAI", "1.40.0", _OPENAI_SOCKETS),
    _stainless("anthropic", "anthropic", "AnthropicInstrumentor", "anthropic:Anthropic", "0.49.0"),
    _stainless("groq", "groq", "GroqInstrumentor", "compatible:Groq", "0.9.0"),
    _stainless("together", "together", "TogetherInstrumentor", "compatible:Together", "2.0.0"),
    _stainless(
        "cerebras.cloud.sdk", "cerebras-cloud-sdk", "CerebrasInstrumentor", "compatible:Cerebras", "1.0.0"
    ),
    _stainless("fireworks", "fireworks-ai", "FireworksInstrumentor", "compatible:Fireworks", "1.2.0"),
    _stainless("writerai", "writer-sdk", "WriterInstrumentor", "compatible:Writer", "2.0.0"),
    replace(
        _http(
            "google.genai._api_client",
            "google-genai",
            "GoogleGenAIInstrumentor",
            "google:Google",
            "BaseApiClient._request_once",
            "1.10.0",
        ),
        sockets=_GOOGLE_SOCKETS,
    ),
    # Before 2.9.4 it bounds OpenTelemetry's version below ours; before 2 its modules are others.
    replace(
        _http(
            "mistralai.client.basesdk",
            "mistralai",
            "MistralInstrumentor",
            "mistral:Mistral",
            "BaseSDK.do_request",
            "2.9.4",
        ),
        package="mistralai",
    ),
    _http(
        "cohere.core.http_client",
        "cohere",
        "CohereInstrumentor",
        "cohere:Cohere",
        "HttpClient.request",
        "5.16.0",
    ),
    _http("ollama._client", "ollama", "OllamaInstrumentor", "ollama:Ollama", "Client._request", "0.2.1"),
    _http(
        # Its two clients are in modules of their own: who uses one need not import the other.
        "huggingface_hub.inference._common",
        "huggingface-hub",
        "HuggingFaceInstrumentor",
        "huggingface:HuggingFace",
        "InferenceClient._inner_post",
        "0.28.0",
        "huggingface_hub.inference._client",
    ),
    _http(
        "replicate.client",
        "replicate",
        "ReplicateInstrumentor",
        "replicate:Replicate",
        "Client._request",
        "0.33.0",
    ),
    _VOYAGE,
    # Its own requests. What it sends through another client library is that one's.
    replace(
        _http(
            "litellm",
            "litellm",
            "LiteLLMInstrumentor",
            "litellm:LiteLLM",
            "HTTPHandler.post",
            "1.60.0",
            "litellm.llms.custom_httpx.http_handler",
        ),
        quiet=False,
    ),
    _http(
        "azure.ai.inference",
        "azure-ai-inference",
        "AzureInferenceInstrumentor",
        "azure_inference:AzureInference",
        "ChatCompletionsClient.send_request",
        "1.0.0b6",
    ),
    _http(
        "ibm_watsonx_ai.client",
        "ibm-watsonx-ai",
        "WatsonxInstrumentor",
        "watsonx:Watsonx",
        "APIClient._get_headers",
        "1.3.42",
    ),
    _XAI,
    _BOTOCORE,
    _AIOBOTOCORE,
    _CLAUDE_AGENT,
    _VERTEX,
)
LIBRARIES: Final[Mapping[str, Library]] = {row.distribution: row for row in _ROWS}
"""Every covered client library, by the name of its distribution."""
