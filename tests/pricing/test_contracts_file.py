"""A wrong price file is refused, with the line, the key and what would be right."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.pricing._cases import femto, instant
from tests.pricing._terms import FILE, terms

from otel_tokenomics.model.money import FEMTO, decimal_string
from otel_tokenomics.pricing.contracts_file import PriceFileError, overlap
from otel_tokenomics.pricing.contracts_parse import read_terms

DISCOUNT = '[[discount]]\nprovider = "openai"\n'
MODEL = '[[model]]\nprovider = "vllm"\nid = "acme-1"\n'
PTU = '[[commitment]]\nname = "p"\nprovider = "azure"\nmodels = ["m"]\nprice = "1"\nevery = "hour"\n'
GPU = '[[self_hosted]]\nname = "g"\nprovider = "vllm"\nmodels = ["m"]\nhourly = "2"\nfrom = 2026-01-01\n'
SEATS = '[[subscription]]\nname = "s"\nprovider = "anthropic"\nprice = "20"\nfrom = 2026-01-01\n'
RATE = '[[rate]]\nbase = "EUR"\nrate = "1.08"\ndate = 2026-01-01\n'

WRONG = [
    (
        "[[discuont]]",
        1,
        "discuont is not known (did you mean discount?); known: discount, model, deployments",
    ),
    ("[discount]\nx = 1", 1, "discount must be tables: begin each with [[discount]]"),
    ("discount = [1]", 1, "discount must be tables: begin each with [[discount]]"),
    ("deployments = 1", 1, "deployments must be a table: begin it with [deployments]"),
    (DISCOUNT + 'precent = "1"', 3, "discount.precent is not known (did you mean percent?); known: provider"),
    ('\n[[discount]]\npercent = "1"', 2, 'discount lacks provider: add provider = "openai"'),
    (DISCOUNT, 1, "discount must have either percent or unit_price: add percent"),
    (DISCOUNT + 'percent = "1"\nunit_price = "1"', 1, "must have either percent or unit_price"),
    (DISCOUNT + "percent = 12.5", 3, "percent is the number 12.5; write it as a string, so that it is exact"),
    (DISCOUNT + "percent = 12", 3, 'is the number 12; write it as a string, so that it is exact: "12.5"'),
    (DISCOUNT + 'percent = "-3"', 3, "is '-3'; it must be a plain decimal of at most 15 places, as \"12.5\""),
    (DISCOUNT + 'percent = "1e3"', 3, "must be a plain decimal"),
    (DISCOUNT + 'percent = "٣"', 3, "must be a plain decimal"),
    (DISCOUNT + 'percent = "100.1"', 3, 'percent is \'100.1\'; it must be from "0" to "100"'),
    (DISCOUNT + 'unit_price = "0.0000000000000001"', 3, "at most 15 places"),
    (DISCOUNT + 'unit_price = "1"\nper = 0', 4, "discount.per must be a whole number from 1 on, not 0"),
    (DISCOUNT + 'unit_price = "1"\nper = true', 4, "must be a whole number from 1 on, not True"),
    (DISCOUNT + 'percent = "1"\nper = 1', 4, "per belongs to unit_price: leave it out beside percent"),
    (DISCOUNT + 'percent = "1"\nmodel = "gpt-*"', 4, "is 'gpt-*'; it must be one exact id, or \"*\""),
    (DISCOUNT + 'percent = "1"\nmodel = ""', 4, "discount.model must be a non-empty string, not ''"),
    (
        DISCOUNT + 'percent = "1"\nbucket = "ouptut"',
        4,
        "bucket is 'ouptut'; it must be \"*\" or begin with inp",
    ),
    (DISCOUNT + 'percent = "1"\nbucket = "ouptut"', 4, "(did you mean output?)"),
    (DISCOUNT + 'percent = "1"\nfrom = "2026-01-01"', 4, "must be a date without quotes: from = 2026-10-01"),
    (DISCOUNT + 'percent = "1"\nfrom = 2026-01-01T01:02:03', 4, "write 2026-01-01T01:02:03Z for UTC"),
    (
        DISCOUNT + 'percent = "1"\nfrom = 2026-02-01\nuntil = 2026-02-01',
        5,
        "discount.until is not after from: until is the first instant that is outside",
    ),
    (
        DISCOUNT + 'percent = "1"\n' + DISCOUNT + 'percent = "2"',
        4,
        "is about the same, at the same time, as the one on line 1 (this one begins on line 4): end one",
    ),
    ('[[model]]\nprovider = "p"', 1, "model lacks id: add id ="),
    (MODEL, 1, 'model lacks rates: add rates = { input = "0.80", output = "3.20" }'),
    (MODEL + "rates = {}", 4, "model.rates must be a table, not {}"),
    (MODEL + "rates = { input = 0.8 }", 4, "model.rates.input is the number 0.8; write it as a string"),
    (MODEL + "[model.rates]\ninput = 0.8", 5, "model.rates.input is the number 0.8"),
    (MODEL + 'rates.inptu = "1"', 4, "(did you mean input?)"),
    (MODEL + '[model.rates]\n"*" = "1"', 5, "is not a bucket: give input, output"),
    (MODEL + 'rates = { input = { prise = "1" } }', 4, "prise is not known (did you mean price?)"),
    (MODEL + "rates = { input = { per = 1 } }", 4, "model.rates.input lacks price: add price ="),
    (MODEL + 'rates = { input = "1" }\ncurrency = "eur"', 5, "is 'eur'; it must be a code of ISO 4217"),
    ('[[model]]\nprovider = "p"\nid = "m*"\nrates = { input = "1" }', 3, "is 'm*'; it must be one exact id"),
    (
        MODEL + 'rates = { input = "1" }\n' + MODEL + 'rates = { input = "1" }',
        5,
        "is about the same, at the same time, as the one on line 1",
    ),
    ("[deployments]\nprod = 3", 2, "deployments.prod must be a non-empty string, not 3: prod ="),
    ('[deployments]\nprod = { sku = "global" }', 2, "deployments.prod lacks model: add model ="),
    (
        '[deployments]\nprod = { model = "m", sku = "globl" }',
        2,
        "is 'globl'; it must be global, datazone or regional (did you mean global?)",
    ),
    ('[deployments]\nprod = { modle = "m" }', 2, "modle is not known (did you mean model?)"),
    ('[profiles]\n"arn:x/1" = 1', 2, "must be a non-empty string, not 1"),
    (PTU, 1, "commitment lacks from: add from = 2026-10-01"),
    (PTU.replace('models = ["m"]\n', "") + "from = 2026-01-01", 1, "lacks models: add models ="),
    (PTU.replace('["m"]', '["m*"]') + "from = 2026-01-01", 4, "names 'm*'; it must hold exact ids, or only"),
    (PTU.replace('["m"]', '["m", "m"]') + "from = 2026-01-01", 4, "names something twice: name each once"),
    (PTU.replace('["m"]', '"m"') + "from = 2026-01-01", 4, "must be a list of strings, not 'm'"),
    (PTU.replace("hour", "year") + "from = 2026-01-01", 6, "is 'year'; it must be hour, day or month"),
    (
        PTU + "from = 2026-01-01\n" + PTU + "from = 2027-01-01",
        9,
        "commitment.name is 'p' a second time: give each a name of its own",
    ),
    (GPU, 1, "self_hosted lacks tokens_per_second: add tokens_per_second ="),
    (GPU + "tokens_per_second = { input = 1.5 }", 7, "must be a whole number from 1 on, not 1.5"),
    (GPU + "tokens_per_second = { images = 1 }", 7, "is not counted in tokens; it must begin with input"),
    (GPU.replace('["m"]', '["*"]') + "tokens_per_second = { input = 1 }", 4, "must name its models"),
    (GPU.replace('["m"]', "[]") + "tokens_per_second = { input = 1 }", 1, "must name its models"),
    (SEATS, 1, "subscription lacks seats: add seats = 10, or users"),
    (SEATS + 'seats = 1\nusers = ["a", "b"]', 6, "seats is 1, and users names 2: it must be as many or more"),
    (RATE.replace('"EUR"', '"USD"'), 1, "rate.quote is 'USD', as base is: they must differ"),
    (RATE.replace("1.08", "0"), 3, "rate.rate is 0; it must say how much of quote one of base is"),
    (RATE.replace("date = 2026-01-01", ""), 1, "rate lacks date: add date = 2026-10-01"),
    (RATE.replace('base = "EUR"', ""), 1, 'rate lacks base: add base = "EUR"'),
    (RATE + 'to = "USD"', 5, "rate.to is not known"),
]


@pytest.mark.parametrize(("text", "line", "words"), WRONG)
def test_what_is_wrong_is_told_with_its_line(text: str, line: int, words: str) -> None:
    with pytest.raises(PriceFileError) as caught:
        terms(text)
    message = str(caught.value)
    assert message.startswith(f"{FILE}, line {line}: ")
    assert words in message


def test_the_second_of_its_kind_is_told_by_its_own_line() -> None:
    text = DISCOUNT + 'percent = "1"\nuntil = 2026-01-01\n\n# then\n' + DISCOUNT + "percent = 2"
    with pytest.raises(PriceFileError, match=r"line 9: discount\.percent is the number 2"):
        terms(text)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"[[discount", "is not TOML: "),
        (b"\xff\xfe", "cannot be read: "),
        (b"a=" + b"[" * 9000, "is not TOML"),
    ],
)
def test_a_file_that_is_none(tmp_path: Path, content: bytes, words: str) -> None:
    file = tmp_path / "prices.toml"
    file.write_bytes(content)
    with pytest.raises(PriceFileError) as caught:
        read_terms(file)
    assert str(caught.value).startswith(f"{file} {words}")


def test_a_file_that_is_absent_or_too_large(tmp_path: Path) -> None:
    with pytest.raises(PriceFileError, match=r"absent\.toml cannot be read"):
        read_terms(tmp_path / "absent.toml")
    with pytest.raises(PriceFileError, match="cannot be read"):
        read_terms(tmp_path)
    large = tmp_path / "large.toml"
    large.write_bytes(b"#" * 4_000_001)
    with pytest.raises(PriceFileError, match="is larger than 4 MB: is it a price file"):
        read_terms(large)


def test_an_empty_file_agrees_nothing(tmp_path: Path) -> None:
    file = tmp_path / "prices.toml"
    file.write_text("")
    found = read_terms(file)
    assert (found.discounts, found.models, found.exchange) == ((), (), ())
    assert found.digest.startswith("e3b0c44298fc")


@given(st.integers(0, 10**15 - 1), st.integers(0, 10**15 - 1))
def test_money_is_read_to_the_last_digit(whole: int, places: int) -> None:
    text = f"{whole}.{places:015d}"
    (found,) = terms(DISCOUNT + f'unit_price = "{text}"').discounts
    assert found.unit == (exact := whole * FEMTO + places, 1_000_000)
    assert decimal_string(exact) == text.rstrip("0").rstrip(".")


@given(st.text(max_size=20))
def test_money_is_a_plain_decimal_or_refused(text: str) -> None:
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    try:
        (found,) = terms(DISCOUNT + f'unit_price = "{quoted}"').discounts
    except PriceFileError:
        return
    assert text.isascii()
    assert text.replace(".", "", 1).isdigit()
    assert found.unit == (femto(text), 1_000_000)


@given(st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1)))
def test_instants_are_exact(moment: datetime) -> None:
    (found,) = terms(DISCOUNT + f'percent = "1"\nfrom = {moment.isoformat()}Z').discounts
    whole = int(moment.replace(microsecond=0, tzinfo=UTC).timestamp())
    assert found.span == (whole * 10**9 + moment.microsecond * 1000, None)


def test_a_date_is_its_midnight_and_an_offset_is_kept() -> None:
    dated, offset = terms(
        DISCOUNT
        + 'percent = "1"\nuntil = 2026-10-01\n'
        + DISCOUNT
        + 'percent = "2"\nfrom = 2026-10-01T02:00:00+02:00'
    ).discounts
    assert dated.span[1] == offset.span[0] == instant("2026-10-01T00:00")


@given(*[st.tuples(st.integers(0, 9), st.none() | st.integers(1, 12))] * 2, st.integers(0, 20))
def test_intervals_overlap_when_an_instant_is_in_both(
    one: tuple[int, int | None], other: tuple[int, int | None], at: int
) -> None:
    both = all(start <= at and (end is None or at < end) for start, end in (one, other))
    if both:
        assert overlap(one, other)
    assert overlap(one, other) == overlap(other, one)
