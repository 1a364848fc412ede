from collections.abc import Callable
from itertools import pairwise

import pytest

from proxy.config import Model, Settings
from proxy.config.controls import ControlTable

Load = Callable[..., Settings]
Refused = Callable[..., list[str]]


def _models(*entries: str) -> str:
    """Entries, on the upstream `up` where they name none."""
    return "".join(
        f"[[models]]\n{entry}\n" if "upstream" in entry else f'[[models]]\n{entry}\nupstream = "up"\n'
        for entry in entries
    )


def _chain(**links: list[str]) -> str:
    return _models(*(f"id = '{name}'\nfallback = {fallback}" for name, fallback in links.items()))


def test_a_model_needs_no_more_than_an_id_and_an_upstream(loaded: Load) -> None:
    (model,) = loaded('[[models]]\nid = "m"\nupstream = "up"').models

    assert model.model_dump(exclude={"clocks", "budget", *ControlTable.model_fields}) == {
        "id": "m",
        "aliases": (),
        "upstream": "up",
        "upstreams": (),
        "fallback": (),
        "resume": False,
        "delivery": "live",
        "require_user": None,
        "reasoning_field": "reasoning_content",
        "report_model": "answering",
        "upstream_model": None,
        "tools": "auto",
        "dialect": None,
        "tool_prompt": "",
        "reasoning_tags": False,
        "reasoning_preopened": False,
        "fences": None,
        "entities": None,
        "effort": None,
        "effort_variants": (),
        "context_window_tokens": None,
        "max_input_tokens": None,
        "max_output_tokens": None,
    }


def test_a_model_is_found_by_id_by_alias_and_by_its_longest_prefix(loaded: Load) -> None:
    found = loaded(_models("id = 'm'\naliases = ['x', 'mix/a']", "id = 'mix/*'", "id = 'mix/big/*'"))

    def served(requested: str) -> str | None:
        model = found.model_named(requested)
        return model.id if model else None

    assert [served(name) for name in ("m", "x", "mix/a")] == ["m", "m", "m"]
    assert [served(name) for name in ("mix/b", "mix/", "mix/bigger")] == ["mix/*", "mix/*", "mix/*"]
    assert served("mix/big/c") == "mix/big/*"
    assert [served(name) for name in ("n", "M", "", "mix")] == [None, None, None, None]


def test_an_upstream_is_told_its_own_name_for_a_model() -> None:
    assert Model(id="m", aliases=("x",), upstream="up").sent_as("x") == "m"
    assert Model(id="m", upstream="up", upstream_model="m-fp8").sent_as("m") == "m-fp8"
    assert Model(id="mix/*", upstream="up").sent_as("mix/a") == "mix/a"
    assert Model(id="mix/*", upstream="up", upstream_model="one").sent_as("mix/a") == "one"


def test_one_upstream_or_several_are_one_list() -> None:
    assert Model(id="m", upstream="up").upstream_names == ("up",)
    assert Model(id="m", upstreams=("b", "a")).upstream_names == ("b", "a")


@pytest.mark.parametrize(
    ("upstreams", "setting", "required"),
    [
        (["up"], "", False),
        (["script"], "", True),
        (["up", "script"], "", True),
        (["up"], "require_user = true", True),
        (["script"], "require_user = false", False),
    ],
)
def test_a_user_message_is_required_as_the_kind_or_the_entry_says(
    loaded: Load,
    upstreams: list[str],
    setting: str,
    required: bool,
) -> None:
    found = loaded(
        '[[upstreams]]\nname = "up"\nbase_url = "http://h"\n[[upstreams]]\nname = "script"\nkind = "scripted"\n'
        f"[[models]]\nid = 'm'\nupstreams = {upstreams}\n{setting}"
    )

    assert found.requires_user(found.models[0]) is required


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ("upstream = 'up'", ".id: is required"),
        ("id = ''", ".id: must not be empty"),
        (f"id = '{'m' * 257}'", ".id: must be at most 256 characters long"),
        ('id = "a\\nb"', ".id: must not contain control characters or line breaks"),
        ("id = '*'", ".id: an id may hold '*' only at its end, after a prefix: 'mix/*'"),
        ("id = '/*'", ".id: an id may hold '*' only at its end, after a prefix: 'mix/*'"),
        ("id = 'a*'", ".id: an id may hold '*' only at its end, after a prefix: 'mix/*'"),
        ("id = 'a/*/b/*'", ".id: an id may hold '*' only at its end, after a prefix: 'mix/*'"),
        ("id = 'm'\naliases = ['a/*']", ".aliases[0]: names one model: '*' has no meaning here"),
        ("id = 'm'\naliases = ['a', 'a']", ".aliases: 'a' is given twice"),
        ("id = 'm'\nfallback = ['a/*']", ".fallback[0]: names one model: '*' has no meaning here"),
        ("id = 'm'\nfallback = ['n', 'n']", ".fallback: 'n' is given twice"),
        (
            "id = 'm'\nupstream = 'up'\nupstreams = ['up']",
            ".upstreams: is given along with `upstream`; keep one of them",
        ),
        ("id = 'm'\nupstreams = []", ".upstream: is required"),
        ("id = 'm'\nupstreams = ['up', 'up']", ".upstreams: 'up' is given twice"),
        ("id = 'm'\ndelivery = 'x'", ".delivery: expected 'live' or 'assured', got 'x'"),
        ("id = 'm'\ntools = 'words'", ".tools: expected 'auto', 'native', 'text' or 'off', got 'words'"),
        ("id = 'm'\ndialect = 'jsn'", ".dialect: unknown dialect 'jsn'; did you mean 'json'?"),
        (
            "id = 'm'\nreasoning_field = 'x'",
            ".reasoning_field: expected 'reasoning_content', 'reasoning' or 'off', got 'x'",
        ),
        ("id = 'm'\nreport_model = 'x'", ".report_model: expected 'answering' or 'requested', got 'x'"),
        ("id = 'm'\nmax_input_tokens = 0", ".max_input_tokens: must be at least 1, got 0"),
        ("id = 'm'\ncontext_window_tokens = 0", ".context_window_tokens: must be at least 1, got 0"),
        (
            "id = 'm'\ncontext_window_tokens = 10\nmax_input_tokens = 11",
            ".max_input_tokens: 11 is above context_window_tokens, which is 10",
        ),
        (
            "id = 'm'\ncontext_window_tokens = 10\nmax_output_tokens = 11",
            ".max_output_tokens: 11 is above context_window_tokens, which is 10",
        ),
    ],
)
def test_an_entry_that_cannot_be_right_is_refused(refused: Refused, entry: str, told: str) -> None:
    assert refused(_models(entry)) == [f"models[0]{told}"]


def test_limits_up_to_the_window_are_taken(loaded: Load) -> None:
    assert loaded(_models("id = 'm'\ncontext_window_tokens = 10\nmax_input_tokens = 10\nmax_output_tokens = 10"))
    assert loaded(_models("id = 'm'\nmax_input_tokens = 10\nmax_output_tokens = 99"))


def test_an_unknown_upstream_is_told_with_the_nearest_one(refused: Refused) -> None:
    assert refused(_models("id = 'm'\nupstream = 'upp'", "id = 'n'\nupstreams = ['up', 'zzz']")) == [
        "models[0].upstream: unknown upstream 'upp'; did you mean 'up'?",
        "models[1].upstreams[1]: unknown upstream 'zzz'; upstreams: up",
    ]


def test_an_id_or_alias_means_one_model(refused: Refused) -> None:
    assert refused(_models("id = 'm'\naliases = ['a']", "id = 'm'", "id = 'n'\naliases = ['a', 'm']")) == [
        "models[1].id: 'm' is the id or alias of another entry",
        "models[2].aliases[0]: 'a' is the id or alias of another entry",
        "models[2].aliases[1]: 'm' is the id or alias of another entry",
    ]


def test_an_entry_for_a_prefix_has_no_aliases(refused: Refused) -> None:
    assert refused(_models("id = 'a/*'\naliases = ['b']")) == [
        "models[0].aliases: an entry for a prefix can't have aliases"
    ]


def test_an_unknown_fallback_is_told_with_the_nearest_one(refused: Refused) -> None:
    assert refused(_chain(big=["bigg"], bigger=[])) == [
        "models[0].fallback[0]: unknown model 'bigg'; did you mean 'big'?",
    ]


def test_a_fallback_may_go_by_an_alias_and_help_a_prefix_out(loaded: Load) -> None:
    assert loaded(_models("id = 'a'\nfallback = ['x']", "id = 'b'\naliases = ['x']", "id = 'mix/*'\nfallback = ['a']"))


def test_a_fallback_is_an_entry_not_just_any_id_under_a_prefix(refused: Refused) -> None:
    assert refused(_models("id = 'a'\nfallback = ['mix/y']", "id = 'mix/*'")) == [
        "models[0].fallback[0]: unknown model 'mix/y'; models: a"
    ]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (_chain(a=["a"]), "models[0].fallback: goes in a circle: a → a"),
        (_models("id = 'a'\naliases = ['x']\nfallback = ['x']"), "models[0].fallback: goes in a circle: a → a"),
    ],
)
def test_a_fallback_to_itself_is_refused(refused: Refused, text: str, line: str) -> None:
    assert refused(text) == [line]


def test_fallbacks_that_go_in_a_circle_are_refused_with_the_circle(refused: Refused) -> None:
    (line,) = refused(_chain(start=["a"], a=["b"], b=["c"], c=["a"]))

    place, _, circle = line.partition(": goes in a circle: ")
    names = circle.split(" → ")
    assert len(names) == 4
    assert names[0] == names[-1]
    assert set(names) == {"a", "b", "c"}
    assert all(following in {"a": "b", "b": "c", "c": "a"}[name] for name, following in pairwise(names))
    assert place == f"models[{['start', 'a', 'b', 'c'].index(names[0])}].fallback"


def test_fallbacks_may_lead_over_four_links(loaded: Load) -> None:
    assert loaded(_chain(a=["b", "c", "d", "e"], b=[], c=[], d=[], e=[]))
    assert loaded(_chain(a=["b"], b=["c"], c=["d"], d=["e"], e=[]))
    assert loaded(_chain(a=["b", "c"], b=["d"], c=["d"], d=[]))


@pytest.mark.parametrize(
    "text",
    [
        _chain(a=["b", "c", "d", "e", "f"], b=[], c=[], d=[], e=[], f=[]),
        _chain(a=["b"], b=["c"], c=["d"], d=["e"], e=["f"], f=[]),
        _chain(a=["z", "b"], z=[], b=["c"], c=["d"], d=["e"], e=["f"], f=[]),
    ],
)
def test_fallbacks_over_more_than_four_links_are_refused(refused: Refused, text: str) -> None:
    """Each link is another wait; a caller has left long before the sixth candidate."""
    assert refused(text) == ["models[0].fallback: leads over 5 links, and 4 are the most"]
