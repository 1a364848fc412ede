"""A new kind, dialect or state is one file and one row; one without the other is refused here."""

from collections.abc import Iterable
from pathlib import Path
from typing import get_args

import proxy.dialects
import proxy.states
import proxy.upstreams
from proxy import config
from statechart.vocabulary import WORKING_STATES

NOT_KINDS = {
    "child": "what kinds that are child processes share",
    "http": "what kinds that speak HTTP share",
    "improvised": "what `scripted` says without a script",
}
"""What lies among the upstreams and is no kind of its own."""

NOT_DIALECTS = {
    "code": "inline code and fences in answers",
    "elements": "values written as nested elements",
    "json_text": "JSON texts and their parts",
    "shape": "what a schema says of a value's type",
    "teller": "what was found becomes events",
    "controls": "how much of an answer is told after a call",
    "choices": "a decoder for each choice",
    "conforming": "whether arguments keep their schema",
    "decoder": "a scanner behind the port that the states know",
    "ids": "the ids that calls get",
    "json_calls": "what dialects share whose calls hold JSON",
    "json_pieces": "JSON told as it comes",
    "port": "what every dialect offers",
    "python_text": "Python literals told as JSON",
    "reasoning": "answers in which no calls are looked for",
    "rewriting": "a request as such a model is told it",
    "reader": "text read as if it were all there",
    "scanner": "what surrounds calls, the same in every dialect",
    "schema": "values typed by the schema that a tool declares",
    "tagged": "what dialects share whose calls are elements",
    "words": "words that every dialect needs",
    "emulation": "wraps the decoder of any dialect",
}
"""What lies among the dialects and is none."""

NOT_STATES = {
    "answering": "what the states that answer share",
    "outcomes": "how reading tool calls came out, counted",
    "calls": "what the states that talk to an upstream share",
    "fitting": "what the states share that fit a request into a budget",
}
"""What lies among the states and is none."""


def rooms(package: str) -> set[str]:
    """The names of the modules and packages directly in a package."""
    here = Path(package).parent
    return {each.stem for each in here.iterdir() if not each.name.startswith("__")}


def modules_of(makers: Iterable[object], package: str) -> set[str]:
    """The rooms of *package* that functions, classes or bound class methods come from."""
    return {str(maker.__module__).removeprefix(f"{package}.").partition(".")[0] for maker in makers}


def test_every_kind_of_upstream_is_a_file_or_folder_of_its_name_and_a_row() -> None:
    """A module or package in proxy/upstreams is a kind, bears its name, and has a row, unless it is listed above."""
    assert rooms(proxy.upstreams.__file__) == proxy.upstreams.KINDS.keys() | NOT_KINDS.keys()
    assert modules_of(proxy.upstreams.KINDS.values(), "proxy.upstreams") == set(proxy.upstreams.KINDS)


def test_every_kind_of_upstream_can_be_configured_and_made() -> None:
    assert config.KINDS.keys() == proxy.upstreams.KINDS.keys()
    assert {kind: get_args(table.model_fields["kind"].annotation) for kind, table in config.KINDS.items()} == {
        kind: (kind,) for kind in config.KINDS
    }


def test_every_dialect_is_a_file_of_its_name_and_a_row() -> None:
    """A module in proxy/dialects is a dialect, bears its name, and has a row, unless it is listed above."""
    assert rooms(proxy.dialects.__file__) == proxy.dialects.DIALECTS.keys() | NOT_DIALECTS.keys()
    assert modules_of(map(type, proxy.dialects.DIALECTS.values()), "proxy.dialects") == set(proxy.dialects.DIALECTS)


def test_every_working_state_has_a_module_and_a_handler_of_its_name() -> None:
    """In order of life; a module without a state is listed above."""
    assert rooms(proxy.states.__file__) == set(WORKING_STATES) | NOT_STATES.keys()
    assert tuple(proxy.states.HANDLERS) == WORKING_STATES
    assert {state: handler.__name__ for state, handler in proxy.states.HANDLERS.items()} == {
        state: state.value for state in WORKING_STATES
    }
    assert modules_of(proxy.states.HANDLERS.values(), "proxy.states") == set(WORKING_STATES)


def test_what_is_listed_as_no_kind_dialect_or_state_is_there() -> None:
    """An exception that nothing needs any more is removed."""
    assert NOT_KINDS.keys() <= rooms(proxy.upstreams.__file__)
    assert NOT_DIALECTS.keys() <= rooms(proxy.dialects.__file__)
    assert NOT_STATES.keys() <= rooms(proxy.states.__file__)
