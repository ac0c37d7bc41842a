"""Spans of other instrumentations: what each key means, as statements of the collector's transform processor.

One table, read from the peers' own sources and from what they really emit. A span that this project's library
has written on is left alone. Only inference spans count: a workflow's or an agent's repeats their totals.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

INPUT, OUTPUT = "gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens"
CACHE_READ, CACHE_WRITE = "gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_write.input_tokens"
REASONING = "gen_ai.usage.reasoning.output_tokens"
OPERATION, PROVIDER = "gen_ai.operation.name", "gen_ai.provider.name"
REQUEST_MODEL, RESPONSE_MODEL = "gen_ai.request.model", "gen_ai.response.model"
STATUS, AMOUNT = "tokenomics.cost.status", "gen_ai.usage.cost.amount"

INFERENCE: Final = ("chat", "text_completion", "generate_content", "embeddings")

COUNTS: Final = {
    INPUT: (
        "gen_ai.usage.prompt_tokens",  # OpenLLMetry before 0.5, OpenLIT before 1.30
        "llm.token_count.prompt",  # OpenInference
        "llm.usage.prompt_tokens",
        "ai.usage.inputTokens",  # Vercel AI SDK 5 and newer, and before it
        "ai.usage.promptTokens",
        "ai.usage.tokens",
    ),
    OUTPUT: (
        "gen_ai.usage.completion_tokens",
        "llm.token_count.completion",
        "llm.usage.completion_tokens",
        "ai.usage.outputTokens",
        "ai.usage.completionTokens",
    ),
    CACHE_READ: (
        "gen_ai.usage.cache_read_input_tokens",
        "llm.token_count.prompt_details.cache_read",
        "llm.token_count.prompt_details.cache_input",
        "ai.usage.inputTokenDetails.cacheReadTokens",
        "ai.usage.cachedInputTokens",
    ),
    CACHE_WRITE: (
        "gen_ai.usage.cache_creation.input_tokens",  # OpenTelemetry's older name
        "gen_ai.usage.cache_creation_input_tokens",
        "gen_ai.usage.cache_write_input_tokens",
        "llm.token_count.prompt_details.cache_write",
        "ai.usage.inputTokenDetails.cacheWriteTokens",
    ),
    REASONING: (
        "gen_ai.usage.reasoning_tokens",
        "llm.usage.reasoning_tokens",
        "llm.token_count.completion_details.reasoning",
        "ai.usage.outputTokenDetails.reasoningTokens",
        "ai.usage.reasoningTokens",
    ),
}
"""OpenTelemetry's count, and the other names that it goes by, in order of preference."""

WORDS: Final = {
    PROVIDER: ("gen_ai.system", "llm.provider", "llm.system", "ai.model.provider"),
    REQUEST_MODEL: ("llm.request.model", "llm.model_name", "ai.model.id"),
    RESPONSE_MODEL: ("llm.response.model", "ai.response.model"),
    AMOUNT: ("gen_ai.usage.cost", "llm.cost.total", "gen_ai.cost.total_cost", "litellm.cost.total"),
}

OPERATIONS: Final = (
    ("openinference.span.kind", "^LLM$", "chat"),
    ("openinference.span.kind", "^EMBEDDING$", "embeddings"),
    ("llm.request.type", "^chat$", "chat"),
    ("llm.request.type", "^completion$", "text_completion"),
    ("llm.request.type", "^embedding$", "embeddings"),
    ("ai.operationId", "\\\\.do(Generate|Stream)$", "chat"),
    ("ai.operationId", "\\\\.doEmbed$", "embeddings"),
)
"""A key, what its value looks like, and the operation that it means."""

PROVIDERS: Final = (
    ("^(az\\\\.ai\\\\.openai|azure[._]openai|azure)", "azure.ai.openai"),
    ("^openai", "openai"),
    ("^(anthropic|Anthropic)", "anthropic"),
    ("^(vertex_ai|vertexai|google\\\\.vertex|gcp\\\\.vertex)", "gcp.vertex_ai"),
    ("^(gemini|google|Google|gcp\\\\.gen)", "gcp.gemini"),
    ("^(bedrock|AWS|aws|amazon)", "aws.bedrock"),
    ("^(mistral|MistralAI)", "mistral_ai"),
    ("^(xai|x_ai|x-ai)", "x_ai"),
)
"""How others spell a provider, and OpenTelemetry's word for it; the first that fits."""

APART: Final = (
    ("^openlit", "^(anthropic|aws\\\\.bedrock)$"),
    ("^opentelemetry\\\\.instrumentation\\\\.(bedrock|botocore)", "^aws\\\\.bedrock$"),
)
"""Scope and provider of those whose input does not hold what a cache served."""

AUDIT: Final = "com.anthropic.claude-platform"
"""The vendor's own spans of the same calls: they are for comparison, and counted nowhere."""

TIERS: Final = ("openai.response.service_tier", "gen_ai.openai.response.service_tier")
STANDARD: Final = ("default", "standard", "auto", "on_demand")


def span(key: str) -> str:
    """An attribute's path."""
    return f'span.attributes["{key}"]'


def put(key: str, value: str, *when: str) -> str:
    """A statement that sets an attribute when every condition holds."""
    return f"set({span(key)}, {value}) where {' and '.join(when)}"


def quoted(words: Iterable[str]) -> str:
    """The items of a list of OTTL."""
    return ", ".join(f'"{word}"' for word in words)


def alternatives(test: str, keys: tuple[str, ...]) -> str:
    """A condition that holds when it holds for one of the keys."""
    return " or ".join(f"{span(key)} {test}" for key in keys)


def marked() -> str:
    """The condition for a span of another instrumentation of a model."""
    keys = ("gen_ai.system", PROVIDER, OPERATION, *sorted({key for key, _, _ in OPERATIONS}))
    return f'{span(STATUS)} == nil and scope.name != "{AUDIT}" and ({alternatives("!= nil", keys)})'


def counted() -> str:
    """The condition for one that is to be priced."""
    inference = f"ContainsValue([{quoted(INFERENCE)}], {span(OPERATION)})"
    return f'{span(STATUS)} == nil and scope.name != "{AUDIT}" and {inference}'


def normalising() -> Iterator[str]:
    """Statements that give a span OpenTelemetry's names, and nothing else."""
    for key, pattern, operation in OPERATIONS:
        looks = f'IsMatch({span(key)}, "{pattern}")'
        yield put(OPERATION, f'"{operation}"', f"{span(OPERATION)} == nil", looks)
    for target, sources in WORDS.items():
        for source in sources:
            value = f"Double({span(source)})" if target == AMOUNT else span(source)
            yield put(target, value, f"{span(target)} == nil", f"{span(source)} != nil")
    for pattern, provider in PROVIDERS:
        other = f'{span(PROVIDER)} != "{provider}"'
        yield put(PROVIDER, f'"{provider}"', other, f'IsMatch({span(PROVIDER)}, "{pattern}")')
    for target, sources in COUNTS.items():
        for source in sources:
            yield put(target, f"Int({span(source)})", f"{span(target)} == nil", f"{span(source)} != nil")
        yield put(target, f"Int({span(target)})", f"{span(target)} != nil", f"not IsInt({span(target)})")
    yield from including()


def including() -> Iterator[str]:
    """Statements that make the input hold what a cache served and took, where it does not."""
    for key in (CACHE_READ, CACHE_WRITE):
        yield put(key, "0", f"{span(key)} == nil", f"{span(INPUT)} != nil")
    cached = f"{span(CACHE_READ)} + {span(CACHE_WRITE)}"
    apart = [
        f'(IsMatch(scope.name, "{scope}") and IsMatch({span(PROVIDER)}, "{provider}"))'
        for scope, provider in APART
    ]
    yield put(INPUT, f"{span(INPUT)} + {cached}", " or ".join([f"{span(INPUT)} < {cached}", *apart]))
