import pytest
from multidict import CIMultiDict

from proxy.errors import RequestRejected
from proxy.wire.request import ControlHeaders, control_headers


def read(*headers):
    return control_headers(CIMultiDict(headers))


def test_nothing_asked_is_nothing():
    assert read() == ControlHeaders(None, None, None, keepalive=True)


def test_all_may_be_asked():
    asked = read(
        ("X-Stop-After-Tools", "burst"), ("X-Suppress-Tail", "true"), ("X-Tool-Block-Max", "3"), ("X-No-Keepalive", "1")
    )

    assert asked == ControlHeaders("burst", suppress_tail=True, tool_block_max=3, keepalive=False)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x-stop-after-tools", "second"),
        ("x-stop-after-tools", ""),
        ("x-suppress-tail", "yes"),
        ("x-tool-block-max", "-1"),
        ("x-tool-block-max", "129"),
        ("x-tool-block-max", "1e1"),
        ("x-no-keepalive", "2"),
    ],
)
def test_another_value_is_refused_by_the_name_of_its_header(name, value):
    with pytest.raises(RequestRejected) as refused:
        read((name, value))

    assert (refused.value.param, refused.value.told_code) == (name, "invalid_value")


@pytest.mark.parametrize("name", ["x-stop-after-tools", "x-suppress-tail", "x-tool-block-max", "x-no-keepalive"])
def test_a_header_is_sent_once(name):
    with pytest.raises(RequestRejected):
        read((name, "0"), (name, "0"))
