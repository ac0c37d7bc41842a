"""`tokenomics prices`: what is in force, what it says, and newer cards in its place or not at all."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Tokenomics
from tests.pricing._cases import femto
from tools import build_cards

from otel_tokenomics.cli.cards import per_million, price_text
from otel_tokenomics.pricing.book import bundled
from otel_tokenomics.pricing.cards import Rate

COMMITTED = build_cards.CARDS.read_bytes()
OWN = (
    '[[model]]\nprovider = "vllm"\nid = "acme-1"\ncurrency = "EUR"\nrates = { input = "0.80" }\n'
    '[[self_hosted]]\nname = "pool"\nprovider = "vllm"\nmodels = ["llama"]\nhourly = "7"\nfrom = 2026-01-01\n'
    "tokens_per_second = { input = 3000 }\n"
)


def archive(*, provider: str = "openai", price: str = "9", honest: bool = True, **manifest: Any) -> bytes:
    """A card archive of one model, of the day after the package's."""
    body = json.dumps({"cards": {"gpt-5": {"prices": [{"rates": {"input": femto(price)}}]}}, "names": {}})
    bodies = {f"{provider}.json": body.encode()}
    digest = hashlib.sha256()
    for name, content in bodies.items():
        digest.update(f"{name}:{len(content)}\n".encode() + content)
    told = {
        "name": "genai-prices",
        "version": "9.9",
        "date": "2099-01-01",
        "units": {"input": 10**6},
        "providers": [provider],
        "sha256": digest.hexdigest() if honest else 64 * "0",
        **manifest,
    }
    return packed({"manifest.json": json.dumps(told).encode(), **bodies})


def packed(members: Mapping[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return made.getvalue()


def put(home: Path, data: bytes) -> Path:
    """Cards in the user's data folder, however they came there."""
    place = home / ".local/share/otel-tokenomics/cards.zip"
    place.parent.mkdir(parents=True)
    place.write_bytes(data)
    return place


def update(tokenomics: Tokenomics, folder: Path, data: bytes, digest: str | None = None, **given: str) -> Any:
    file = folder / "new.zip"
    file.write_bytes(data)
    wanted = hashlib.sha256(data).hexdigest() if digest is None else digest
    return tokenomics("prices", "update", "--from", file, "--sha256", wanted, **given)


def test_help_teaches(tokenomics: Tokenomics) -> None:
    done = tokenomics("prices", "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "examples:\n  tokenomics prices list" in done.stdout
    assert "prices" in tokenomics("--help").stdout


def test_the_providers(tokenomics: Tokenomics) -> None:
    done = tokenomics("prices", "list")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == f"{bundled().name} {bundled().version} of {bundled().date}, from package"
    assert {line.split()[0] for line in lines[2:]} == set(bundled().providers())
    document = json.loads(tokenomics("prices", "list", "--json").stdout)
    assert (document["version"], document["from"]) == (bundled().version, "package")
    assert [item["provider"] for item in document["providers"]] == list(bundled().providers())


def test_the_models_of_a_provider(tokenomics: Tokenomics) -> None:
    done = tokenomics("prices", "list", "--provider", "anthropic")
    (row,) = [line for line in done.stdout.splitlines() if line.split()[0] == "claude-opus-5-5"]
    assert row.split()[1:5] == ["4", "0.2", "5", "20"]
    assert "batch, fast" in row
    document = json.loads(tokenomics("prices", "list", "--provider", "azure.ai.openai", "--json").stdout)
    section = bundled().section("azure")
    assert section is not None
    assert [model["id"] for model in document["models"]] == sorted(section.ids())


def test_a_narrow_terminal_keeps_the_prices(tokenomics: Tokenomics) -> None:
    lines = tokenomics("prices", "list", "--provider", "anthropic", COLUMNS="40").stdout.splitlines()
    assert lines[1].split() == ["model", "input", "output"]
    assert max(map(len, lines[1:-1])) <= 40
    assert lines[-1] == "not shown for want of width: also, cache write, cache read (--json has all)"


def test_all_that_a_card_says(tokenomics: Tokenomics) -> None:
    done = tokenomics("prices", "show", "openai/gpt-6-sol")
    assert done.stdout.startswith("openai/gpt-6-sol (id): ")
    assert "\n  input             2 per 1M; 4 above 272,000\n" in done.stdout
    assert "\nflex from 2026-10-12:\n" in done.stdout
    document = json.loads(tokenomics("prices", "show", "openai/gpt-6-sol", "--json").stdout)
    (listed, *_) = document["card"]["lists"]
    assert listed["rates"]["input"] == {"price": "2", "per": 1_000_000, "above": {"272000": "4"}}
    assert (document["rule"], document["own"]) == ("id", [])


def test_ones_own_models_are_listed(tokenomics: Tokenomics, tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    file.write_text(OWN)
    given = {"OTEL_TOKENOMICS_PRICES": str(file)}
    rows = tokenomics("prices", "list", "--provider", "vllm", **given).stdout.splitlines()
    assert [row.split() for row in rows[2:]] == [
        ["acme-1", "(own,", "EUR)", "0.8", "-", "-", "-"],
        ["llama", "(own,", "USD)", "~0.648148", "-", "-", "-"],
    ]
    shown = tokenomics("prices", "show", "vllm/acme-1", **given).stdout
    assert shown == "vllm/acme-1: your own price, in EUR\n  input             0.8 per 1M\n"
    document = json.loads(tokenomics("prices", "show", "vllm/acme-1", "--json", **given).stdout)
    assert (document["card"], document["own"][0]["currency"]) == (None, "EUR")
    assert "\nvllm " in tokenomics("prices", "list", **given).stdout


@pytest.mark.parametrize("command", [("list",), ("list", "--provider", "openai"), ("show", "openai/gpt-5")])
def test_a_wrong_price_file_is_refused(
    tokenomics: Tokenomics, tmp_path: Path, command: tuple[str, ...]
) -> None:
    file = tmp_path / "own.toml"
    file.write_text('[[discount]]\nprovider = "openai"\npercent = 5\n')
    done = tokenomics("prices", *command, OTEL_TOKENOMICS_PRICES=str(file))
    assert (done.returncode, done.stdout) == (2, "")
    assert (
        f"tokenomics: {file}, line 3: discount.percent is the number 5; write it as a string" in done.stderr
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "the following arguments are required: COMMAND"),
        (("list", "--provider", "opena"), "no prices for the provider 'opena'. Did you mean openai?"),
        (("list", "--provider", "zzz"), "'zzz'. `tokenomics prices list` names all."),
        (("show", "gpt-5"), "'gpt-5' must be PROVIDER/MODEL, such as openai/gpt-5."),
        (("show", "openai/"), "must be PROVIDER/MODEL"),
        (
            ("show", "openai/gpt-5.7"),
            "no price for the model 'gpt-5.7' of openai. Near, and not the same: gpt-5",
        ),
        (("show", "opena/gpt-5"), "Did you mean openai?"),
        (("diff", "absent.zip"), "absent.zip cannot be read: No such file or directory."),
        (("diff", "/"), "/ cannot be read: Is a directory."),
        (("update", "--from", "x"), "required: --sha256"),
        (("update", "--from", "x", "--sha256", "12"), "--sha256 '12' must be 64 hexadecimal digits."),
        (("update", "--from", "x", "--sha256", 64 * "a"), "x cannot be read: No such file or directory."),
    ],
)
def test_rubbish_is_answered_plainly(tokenomics: Tokenomics, arguments: tuple[str, ...], words: str) -> None:
    done = tokenomics("prices", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_wrong_settings_are_refused(tokenomics: Tokenomics) -> None:
    done = tokenomics("prices", "list", OTEL_TOKENOMICS_SPANS="x")
    assert (done.returncode, "OTEL_TOKENOMICS_SPANS is 'x'" in done.stderr) == (2, True)


def test_newer_cards_are_put_in_force(tokenomics: Tokenomics, tmp_path: Path) -> None:
    done = update(tokenomics, tmp_path, archive(), XDG_DATA_HOME=str(tmp_path / "data"))
    place = tmp_path / "data" / "otel-tokenomics" / "cards.zip"
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{bundled().version} of {bundled().date} -> 9.9 of 2099-01-01, in {place}\n"
    listed = tokenomics("prices", "list", XDG_DATA_HOME=str(tmp_path / "data")).stdout
    assert listed.splitlines() == [
        f"genai-prices 9.9 of 2099-01-01, from {place}",
        "provider  models",
        "openai         1",
    ]
    assert [path.name for path in place.parent.iterdir()] == ["cards.zip"]
    assert "9.9" not in tokenomics("prices", "list").stdout


def test_cards_are_by_default_below_home(tokenomics: Tokenomics, tmp_path: Path) -> None:
    assert update(tokenomics, tmp_path, archive()).returncode == 0
    assert (tmp_path / ".local/share/otel-tokenomics/cards.zip").read_bytes() == archive()


def cut() -> bytes:
    return COMMITTED[: len(COMMITTED) // 2]


@pytest.mark.parametrize(
    ("data", "digest", "words"),
    [
        (archive(), 64 * "0", "has the SHA-256 "),
        (b"", None, "it is no archive of price cards (BadZipFile"),
        (b"rubbish" * 99, None, "it is no archive of price cards (BadZipFile"),
        (cut(), None, "it is no archive of price cards (BadZipFile"),
        (packed({"x": b""}), None, "it is no archive of price cards (KeyError"),
        (packed({"manifest.json": b"[]"}), None, "it is no archive of price cards (AttributeError"),
        (packed({"manifest.json": b"{}"}), None, "it is no archive of price cards (KeyError"),
        (archive(schema=2), None, "it is of form 2, and this version reads 1: upgrade the package"),
        (archive(schema="2"), None, "it is of form '2'"),
        (archive(honest=False), None, "its content is not what its manifest says: it was cut or changed"),
        (archive(units={}), None, "it holds a card that cannot be read (KeyError: 'input')"),
        (archive(providers=["absent"]), None, "it holds a card that cannot be read (KeyError"),
        (archive(date="2020-01-01"), None, "is of 2020-01-01, older than the prices in force, of "),
        (packed({"x": b"0" * 50_000_001}), None, "unpacks to more than 50 MB"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_wrong_leaves_the_prices_as_they_are(
    tokenomics: Tokenomics, tmp_path: Path, data: bytes, digest: str | None, words: str
) -> None:
    before = put(tmp_path, archive(version="9.8", date="2098-01-01")).read_bytes()
    done = update(tokenomics, tmp_path, data, digest)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert "stay" in done.stderr
    assert (tmp_path / ".local/share/otel-tokenomics/cards.zip").read_bytes() == before


def test_a_folder_that_nobody_may_write(tokenomics: Tokenomics, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where a folder should be")
    done = update(tokenomics, tmp_path, archive(), XDG_DATA_HOME=str(tmp_path / "data"))
    assert (done.returncode, "cannot be written" in done.stderr) == (2, True)


@pytest.mark.parametrize("content", [b"rubbish", archive(schema=7)], ids=["rubbish", "newer"])
def test_cards_that_became_unreadable_give_way_to_the_packages(
    tokenomics: Tokenomics, tmp_path: Path, content: bytes
) -> None:
    place = put(tmp_path, content)
    done = tokenomics("prices", "list")
    assert done.returncode == 0
    assert done.stdout.startswith(f"{bundled().name} {bundled().version}")
    assert f"{place} is not used: it is " in done.stderr


def test_cards_older_than_the_packages_give_way(tokenomics: Tokenomics, tmp_path: Path) -> None:
    put(tmp_path, archive(date="2020-01-01"))
    assert tokenomics("prices", "list").stdout.startswith(f"{bundled().name} {bundled().version}")


def test_the_differences(tokenomics: Tokenomics, tmp_path: Path) -> None:
    file = tmp_path / "other.zip"
    file.write_bytes(archive(version="9.9"))
    put(tmp_path, archive(price="1"))
    done = tokenomics("prices", "diff", file)
    assert done.stdout.splitlines() == [
        "9.9 of 2099-01-01 -> 9.9 of 2099-01-01: 1 difference",
        "~ openai/gpt-5 list input: 1 per 1M -> 9 per 1M",
    ]
    document = json.loads(tokenomics("prices", "diff", file, "--json").stdout)
    assert document["changes"] == [
        {
            "provider": "openai",
            "model": "gpt-5",
            "list": "list",
            "bucket": "input",
            "before": "1 per 1M",
            "after": "9 per 1M",
        }
    ]


def test_models_that_come_and_go(tokenomics: Tokenomics, tmp_path: Path) -> None:
    file = tmp_path / "other.zip"
    file.write_bytes(archive(provider="acme"))
    lines = tokenomics("prices", "diff", file).stdout.splitlines()
    assert "+ acme/gpt-5" in lines
    assert "- openai/gpt-5" in lines
    file.write_bytes(COMMITTED)
    assert tokenomics("prices", "diff", file).stdout.endswith(": no difference\n")


@pytest.mark.parametrize(
    ("rate", "million", "text"),
    [
        (Rate(femto("1.25"), 10**6), "1.25", "1.25 per 1M"),
        (Rate(femto("10"), 1000), "10000", "10 per 1,000"),
        (Rate(femto("0.5"), 1), "500000", "0.5 per 1"),
        (Rate(femto("0.111"), 3_600_000), "~0.030833", "0.111 per hour"),
        (Rate(0, 10**6), "0", "0 per 1M"),
    ],
)
def test_prices_are_written_exactly(rate: Rate, million: str, text: str) -> None:
    assert (per_million(rate), price_text(rate)) == (million, text)
    assert per_million(None) == "-"
