"""What Amazon Bedrock bills beside the tokens of an answer: guardrails, work that is done later, retrieval.

After the service models of botocore 1.43. `ApplyGuardrail` says how much each policy processed. What
`StartAsyncInvoke` began is seen at its end by `GetAsyncInvoke`, which names the model and no usage; neither
`RetrieveAndGenerate` nor `Rerank` says any. Such a response is a record whose usage is missing, for it is
billed: unknown is not zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from otel_tokenomics.adapters.aws import Answer, Request
from otel_tokenomics.adapters.bedrock_guardrails import check_units, guardrail_units
from otel_tokenomics.flow.contracts import Draft
from otel_tokenomics.model.call import Facts, Reading, Responded
from otel_tokenomics.model.text import clean
from otel_tokenomics.model.usage import MISSING, Usage

_UNDER_WAY = "InProgress"
_DONE = "Completed"
_HELD = ("modelInput", "input", "queries")
"""What of a request goes to a model, for the worst case."""


class AnswerMeter:
    """Reads what botocore parsed of one response, and nothing that follows it."""

    veils = False
    keeps = False
    complete = True

    def __init__(self, request: Request, facts: Facts) -> None:
        self._request = request
        self._facts = facts
        self._answer = Answer(None)

    def prepare(self) -> Request:
        """The request as it is."""
        return self._request

    def request_body(self) -> Mapping[str, Any] | None:
        """What goes to a model."""
        return {key: value for key, value in self._request.params.items() if key in _HELD}

    def capped(self, request: Request, tokens: int) -> Request:
        """The request as it is: it has no output cap."""
        return request

    def respond(self, word: Responded) -> None:
        """Take note of what was parsed."""
        self._answer = word.response

    def skim(self, data: bytes) -> bool:
        """Nothing that follows says what is billed."""
        return True

    def feed(self, data: bytes) -> None:
        """It is not read."""

    def reading(self) -> Reading:
        """That it was answered: what that used nobody says."""
        return Reading(response_id=self._answer.request_id)

    def draft(self) -> Draft | None:
        """Nothing is estimated: most of what goes to the model is not in the request."""
        return None


class GuardrailMeter(AnswerMeter):
    """Reads the text units that a guardrail processed, apart from any model."""

    def reading(self) -> Reading:
        """What each policy processed."""
        read = check_units if self._facts.route == "InvokeGuardrailChecks" else guardrail_units
        units = read(self._answer.body.get("usage"))
        return Reading(Usage(units) if units else MISSING, self._answer.request_id)


class JobMeter(AnswerMeter):
    """Reads work that is done later: begun by one response, and billed once it is seen to be done."""

    def reading(self) -> Reading:
        """Its id, and how far it is."""
        body = self._answer.body
        begun, status = self._facts.billing == "metered", body.get("status")
        return Reading(
            response_id=clean(body.get("invocationArn")),
            response_model=clean(body.get("modelArn")),
            pending=begun or status == _UNDER_WAY,
            background=status == _DONE,
        )
