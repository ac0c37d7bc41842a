"""The attribute names that the collector's configuration is generated from."""

from __future__ import annotations

import re
from typing import Final

from tools.semconv.registry import load

from otel_tokenomics.telemetry.instruments import INSTRUMENTS

LABELS: Final = (
    *sorted({label for about in INSTRUMENTS.values() for label in about.labels}),
    *(attribute.key for attribute in load().attributes.values() if attribute.elsewhere and attribute.label),
)
"""What may be a label of a metric that leaves: enumerations, models, tools, owners; no ids, no users."""

TEXT: Final = (
    # What OpenTelemetry's registry says holds text.
    *(
        re.escape(attribute.key) + (r"\..*" if attribute.template else "")
        for attribute in load().attributes.values()
        if attribute.about.get("content")
    ),
    # And what its instrumentations have called it.
    r"gen_ai\.(input|output)\.messages",
    r"gen_ai\.(input|output)\.(type\.)?(content|text).*",
    r"gen_ai\.system[._]instructions.*",
    r"gen_ai\.tool\.(definitions|description|call\.(arguments|result)|message.*|parameters.*)",
    r"gen_ai\.(prompt|completion)(\.[0-9]+.*|\.variable\..*|)",
    r"gen_ai\.(content.*|event\.content|evaluation\.explanation|retrieval\.(query|documents).*|memory\.(query|records?).*)",
    r"gen_ai\.request\.(messages|instructions|tools|stop_sequences|prompt.*)",
    r"gen_ai\.response\.(text|content|messages|choices|tool_calls).*",
    # OpenInference.
    r"llm\.(input_messages|output_messages|prompts|choices|prompt_template|tools|function_call|invocation_parameters).*",
    r"(input|output)\.(value|images|audio).*",
    r"(embedding|retrieval|reranker|document|message|tool_call|image|audio)\..*",
    r"tool\.(parameters|json_schema|description)",
    # OpenLLMetry, OpenLIT.
    r"traceloop\.(entity\.(input|output)|prompt).*",
    r"llm\.(completions|request\.functions|prompt|completion|user_prompt|response\.(text|content)).*",
    # Vercel AI SDK.
    r"ai\.(prompt|response\.(text|object|toolCalls|reasoning|files|msgId)|values?|embeddings?|toolCall\.(args|input|result|output)|result).*",
    # Langfuse, MLflow, Logfire, LangSmith.
    r"langfuse\.(observation|trace)\.(input|output|prompt).*",
    r"mlflow\.span(Inputs|Outputs)",
    r"(request_data|response_data|all_messages|all_messages_events|pydantic_ai\.all_messages|final_result|raw_input|events)",
    r"langsmith\.(inputs?|outputs?).*",
    # Coding agents and plain names.
    r"(user_)?prompts?(_text|\.text)?",
    r"(input|output|messages?|completions?|responses?|content|request_text|response_text|tool_(arguments|input|output|response|result|parameters)|assistant_response|system_prompt|arguments|query|body)",
    r"(gen_ai\.)?(http\.)?(request|response)\.body.*",
)
"""Names, as regular expressions of the whole name, under which instrumentations put text."""


def text_pattern() -> str:
    """One regular expression for all of `TEXT`, as OTTL in YAML wants it."""
    pattern = "^(" + "|".join(TEXT) + ")$"
    return pattern.replace("\\", "\\\\").replace("$", "$$")


def label_list() -> str:
    """The labels as the items of an OTTL list."""
    return ", ".join(f'"{label}"' for label in LABELS)
