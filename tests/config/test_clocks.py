from collections.abc import Callable
from dataclasses import FrozenInstanceError, fields

import pytest

from proxy.config import Clocks, ClockTable, Settings

Load = Callable[..., Settings]
Refused = Callable[..., list[str]]

NAMES = [field.name for field in fields(Clocks) if field.name != "first_event_explicit"]
LAYERED = """
[clocks]
total = 10
idle = 20
[[upstreams]]
name = "up"
base_url = "http://h/v1"
clocks = { idle = 21, connect = 31 }
[[models]]
id = "m"
upstream = "up"
clocks = { connect = 32, tail = 0 }
[[models]]
id = "plain"
upstream = "up"
"""


def test_the_defaults_are_those_of_the_failure_contract() -> None:
    assert Clocks() == Clocks(
        body=30,
        connect=5,
        failover=12,
        first_event=120,
        idle=60,
        progress=300,
        total=1800,
        tail=2,
        queue=5,
        client_write=30,
        heartbeat=15,
        commit_headers_after=15,
        first_event_explicit=False,
    )


def test_every_clock_can_be_set_and_no_other() -> None:
    assert list(ClockTable.model_fields) == NAMES


def test_a_failover_leaves_in_time_for_a_status() -> None:
    """A fallback that answers with an error is told with a real status only before headers leave."""
    assert Clocks().failover < Clocks().commit_headers_after


def test_a_model_beats_its_upstream_which_beats_the_global_table(loaded: Load) -> None:
    found = loaded(LAYERED)

    clocks = found.clocks_for(found.models[0], found.upstreams[0])

    assert (clocks.total, clocks.idle, clocks.connect, clocks.tail) == (10, 21, 32, 0)
    assert clocks.progress == Clocks().progress


def test_one_entry_does_not_touch_another(loaded: Load) -> None:
    found = loaded(LAYERED)

    assert found.clocks_for(found.models[1], found.upstreams[0]).connect == 31


def test_clocks_are_known_before_model_and_upstream_are(loaded: Load) -> None:
    found = loaded(LAYERED)

    assert (found.clocks_for().total, found.clocks_for().idle) == (10, 20)
    assert (found.clocks_for(found.models[0]).idle, found.clocks_for(found.models[0]).connect) == (20, 32)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("place", ["global", "upstream", "model"])
def test_each_clock_can_be_set_in_each_place_and_be_off(loaded: Load, name: str, place: str) -> None:
    table = f"clocks = {{ {name} = 0 }}\n"
    text = {
        "global": table,
        "upstream": f'[[upstreams]]\nname = "up"\nbase_url = "http://h/v1"\n{table}',
        "model": f'[[models]]\nid = "m"\nupstream = "up"\n{table}',
    }[place]
    found = loaded(text)

    assert getattr(found.clocks_for(found.models[0], found.upstreams[0]), name) == 0


@pytest.mark.parametrize(
    ("text", "explicit"),
    [
        ("", False),
        ("[clocks]\ntotal = 9", False),
        ("[clocks]\nfirst_event = 120", True),
        ('[[upstreams]]\nname = "up"\nbase_url = "http://h/v1"\nclocks = { first_event = 0 }', True),
        ('[[models]]\nid = "m"\nupstream = "up"\nclocks = { first_event = 7 }', True),
    ],
)
def test_it_is_known_whether_first_event_was_set(loaded: Load, text: str, explicit: bool) -> None:
    """Where it was not, an answer that can't be streamed may take as long as the whole request."""
    found = loaded(text)

    assert found.clocks_for(found.models[0], found.upstreams[0]).first_event_explicit is explicit


@pytest.mark.parametrize("value", ["-1", "inf", "nan", "true", "'a'"])
def test_a_clock_is_a_finite_number_of_seconds(refused: Refused, value: str) -> None:
    (line,) = refused(f"[clocks]\ntotal = {value}")

    assert line.startswith("clocks.total: ")


def test_clocks_are_plain_numbers_that_nobody_can_move(loaded: Load) -> None:
    """They are read for every chunk."""
    clocks = loaded("[clocks]\ntotal = 10").clocks_for()

    assert all(type(getattr(clocks, name)) is float for name in NAMES)
    with pytest.raises(FrozenInstanceError):
        clocks.total = 1.0  # type: ignore[misc]  # that is the point
