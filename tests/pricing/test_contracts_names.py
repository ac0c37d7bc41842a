"""A name in a price file that nothing knows is refused where it could never apply, and doubted elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from otel_tokenomics.pricing.book import bundled
from otel_tokenomics.pricing.contracts_file import PriceFileError
from otel_tokenomics.pricing.contracts_names import checked

LLAMA = '[[model]]\nprovider = "vllm"\nid = "acme-llama"\nrates = { input = "1" }\n'
PTU = (
    '[[commitment]]\nname = "ptu"\nprovider = "azure.ai.openai"\n'
    'price = "1"\nevery = "hour"\nfrom = 2026-11-01\n'
)
SONNET = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"


def discount(provider: str, model: str, more: str = "") -> str:
    return f'[[discount]]\nprovider = "{provider}"\nmodel = "{model}"\npercent = "10"\n{more}'


def look_up(folder: Path, text: str) -> list[str]:
    path = folder / "prices.toml"
    path.write_text(text)
    return checked(path, bundled())[1]


WRONG = {
    "a discount's model": (discount("openai", "gpt-5-mni"), 3, "discount.model is 'gpt-5-mni'", "gpt-5-mini"),
    "any provider's": (discount("*", "claude-opus-5-55"), 3, "discount.model is", "claude-opus-5-5"),
    "another provider's": (
        discount("openai", "claude-opus-5-5"),
        3,
        "discount.model is",
        "could never apply",
    ),
    "a provider": (
        discount("antropic", "*"),
        2,
        "discount.provider is 'antropic'",
        "did you mean anthropic?",
    ),
    "the second": (discount("openai", "gpt-5") + discount("openai", "gpt-55"), 7, "discount.model", "gpt-5"),
    "an own model": (LLAMA + discount("vllm", "acme-lama"), 7, "discount.model", "did you mean acme-llama?"),
    "a commitment's": (
        PTU + 'models = ["gpt-5", "gpt-5-mni"]\n',
        7,
        "commitment.models is 'gpt-5-mni'",
        "gpt-5-mini",
    ),
    "a deployment's": (
        '[deployments]\nprod = "gpt-5-mni"\n',
        2,
        "deployments.prod is 'gpt-5-mni'",
        "gpt-5-mini",
    ),
    "a profile's": (f'[profiles]\nabc = "{SONNET[:-5]}1-v1:0"\n', 2, "profiles.abc is", "claude-sonnet-4-5"),
}


@pytest.mark.parametrize("case", WRONG.values(), ids=WRONG)
def test_a_name_that_could_never_apply(case: tuple[str, int, str, str], tmp_path: Path) -> None:
    text, line, *words = case
    with pytest.raises(PriceFileError) as raised:
        look_up(tmp_path, text)
    for word in (f"prices.toml, line {line}: ", *words):
        assert word in str(raised.value)


RIGHT = {
    "an id": discount("openai", "gpt-5"),
    "a dated name": discount("openai", "gpt-5-2025-08-07"),
    "of any provider": discount("*", "claude-opus-5-5"),
    "all of one": discount("azure.ai.openai", "*"),
    "fine-tuned": discount("openai", "ft:gpt-4o-mini-2024-07-18:acme::x1"),
    "an own model": LLAMA + discount("vllm", "acme-llama"),
    "an own model, anywhere": LLAMA + discount("*", "acme-llama"),
    "a deployment": '[deployments]\nprod = "gpt-5"\n' + discount("azure.ai.openai", "prod"),
    "a deployment of an own model": LLAMA + '[deployments]\nprod = "acme-llama"\n',
    "a commitment's deployment": PTU + 'deployments = ["nobody-knows-it"]\n',
    "a commitment's models": PTU + 'models = ["gpt-5"]\n',
    "a profile": f'[profiles]\nabc = "{SONNET}"\n',
    "a term that has ended": discount("openai", "gone-1", "until = 2024-01-01\n"),
    "an own model alone": LLAMA,
    "an own price of a known model": LLAMA.replace("vllm", "openai").replace("acme-llama", "gpt-5-mini"),
    "an own fine-tuned one": LLAMA.replace("vllm", "openai").replace(
        "acme-llama", "ft:gpt-4.1-mini:acme::x1"
    ),
    "an own one like no other": LLAMA.replace("vllm", "openai").replace("acme-llama", "acme-in-house"),
}


@pytest.mark.parametrize("text", RIGHT.values(), ids=RIGHT)
def test_a_name_that_something_knows(text: str, tmp_path: Path) -> None:
    assert look_up(tmp_path, text) == []


def test_an_own_model_that_is_nearly_a_known_one(tmp_path: Path) -> None:
    text = LLAMA.replace("vllm", "openai").replace("acme-llama", "gpt-5-mni")
    (doubt,) = look_up(tmp_path, LLAMA + text)
    assert "prices.toml, line 7: model.id is 'gpt-5-mni'" in doubt
    assert "gpt-5-mini" in doubt
    assert look_up(tmp_path, text + "private = true\n") == []


def test_private_is_true_or_false(tmp_path: Path) -> None:
    with pytest.raises(PriceFileError, match=r"line 5: model\.private must be true or false"):
        look_up(tmp_path, LLAMA + 'private = "yes"\n')


@pytest.mark.parametrize("file", sorted((Path(__file__).parents[2] / "docs" / "examples").glob("*.toml")))
def test_the_examples_have_no_doubt(file: Path) -> None:
    assert checked(file, bundled())[1] == []
