import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest

from proxy.config import KINDS, OpenAIUpstream, Settings, load
from proxy.config.clocks import ClockTable
from proxy.config.fields import Section, Unit
from proxy.config.reference import BEGIN, reference, updated
from proxy.config.upstreams import UpstreamBase

DOCUMENT = Path(__file__).parents[2] / "docs" / "configuration.md"


def _sections(section: type[Section]) -> Iterator[type[Section]]:
    """Every table that can stand in a configuration."""
    yield section
    for field in section.model_fields.values():
        yield from _within(field.annotation)


def _within(annotation: Any) -> Iterator[type[Section]]:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield from _sections(annotation)
    for member in get_args(annotation):
        yield from _within(member)


ALL = list(dict.fromkeys(_sections(Settings)))


def test_the_document_has_the_reference_that_the_code_makes() -> None:
    """Remedy: `turnstile config reference --update docs/configuration.md`."""
    text = DOCUMENT.read_text(encoding="utf-8")

    assert text == updated(text)


@pytest.mark.parametrize("section", ALL)
def test_every_field_has_one_line_of_meaning(section: type[Section]) -> None:
    for name, field in section.model_fields.items():
        assert field.description, f"{section.__name__}.{name}"
        assert "\n" not in field.description
        assert field.description.endswith(".")
        assert "|" not in field.description, "would end the cell of the table"


@pytest.mark.parametrize("section", [section for section in ALL if section is not Settings])
def test_every_field_of_every_table_is_in_the_reference(section: type[Section]) -> None:
    rows = [line for line in reference().splitlines() if line.startswith("| `")]

    for name, field in section.model_fields.items():
        if section in KINDS.values() and name in UpstreamBase.model_fields:
            continue  # told once for all kinds
        assert any(f"`{name}`" in row or f".{name}`" in row for row in rows if (field.description or "") in row)


def test_every_field_of_a_plain_table_has_its_variable_and_default() -> None:
    text = reference()

    for table, field in Settings.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            for name in field.annotation.model_fields:
                (row,) = re.findall(rf"^.*`TURNSTILE_{table.upper()}__{name.upper()}`.*$", text, re.MULTILINE)
                assert row.split("|")[4].strip() not in ("", "unset")


def test_every_number_in_seconds_bytes_or_tokens_says_so() -> None:
    """A number without its unit is read in the wrong one."""
    units = {"_s": "s", "_ms": "ms", "_bytes": "bytes", "_tokens": "tokens"}
    for section in ALL:
        for name, field in section.model_fields.items():
            wanted = "s" if section is ClockTable else units.get(name[name.rfind("_") :])
            marks = [
                *field.metadata,
                *(mark for arg in get_args(field.annotation) for mark in getattr(arg, "__metadata__", ())),
            ]
            assert wanted is None or Unit(wanted) in marks, f"{section.__name__}.{name}"


def test_types_are_told_in_the_words_of_toml() -> None:
    types = {line.split("|")[2].strip() for line in reference().splitlines() if line.startswith("| `")}

    assert {
        "integer",
        "number",
        "boolean",
        "string",
        "secret",
        "table",
        "array of networks",
        "array of tables",
    } <= types
    assert {"array of arrays of tables", "table of secrets", '`"keys"` or `"none"`'} <= types
    assert not {kind for kind in types if not kind or "class" in kind or "Annotated" in kind}


def test_the_kinds_of_upstream_are_named() -> None:
    (row,) = [line for line in reference().splitlines() if "TURNSTILE_UPSTREAMS__0__KIND`" in line]

    assert all(f"`{kind}`" in row for kind in KINDS)


def test_a_document_without_its_mark_is_not_touched() -> None:
    with pytest.raises(ValueError, match="is missing"):
        updated("# Configuration\n")
    assert updated(f"# Intro\n\n{BEGIN}old") == f"# Intro\n\n{BEGIN}\n{reference()}"


def test_the_documented_example_loads(tmp_path: Path) -> None:
    """What an operator copies must work as it stands."""
    (example,) = re.findall(r"```toml\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    path = tmp_path / "turnstile.toml"
    path.write_text(example, encoding="utf-8")
    (tmp_path / "batch.key").write_text("sk-batch\n")

    found = load(path, {"TURNSTILE_KEY": "sk-dev", "GPU_TOKEN": "t"}, {})

    assert [model.id for model in found.models] == ["qwen3-max", "qwen3-plus", "try/*"]
    assert found.auth.keys[1].key.matches("sk-batch")
    assert isinstance(found.upstreams[0], OpenAIUpstream)


def test_the_documented_variables_work(tmp_path: Path) -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    (block,) = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    (example,) = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    environ = {name: value.strip("'") for name, _, value in (line.partition("=") for line in block.splitlines())}
    path = tmp_path / "turnstile.toml"
    path.write_text(example.replace("file:batch.key", "sk-batch"), encoding="utf-8")

    found = load(path, {**environ, "TURNSTILE_KEY": "sk-dev", "GPU_TOKEN": "t"}, {})

    assert found.server.port == 9000
    assert found.models[0].fallback == ("qwen3-plus",)
