"""The login: from the configuration, or from a file that changes while the daemon runs."""

import json
import os

import pytest
from structlog.testing import capture_logs

from proxy.errors import UpstreamUnavailable
from proxy.testing.qwen import Says
from proxy.upstreams.qwen.credential import Login

NEW = "/api/v2/chats/new"


class LoginFile:
    """A credential file that something else keeps fresh."""

    def __init__(self, path) -> None:
        self.path = path
        self._changed_ns = 10**18

    def write(self, token="", expires_at=None, raw=None) -> None:
        told = {"token": token, "cookies": "c=1", "expires_at": expires_at}
        self.path.write_text(json.dumps(told) if raw is None else raw)
        self._changed_ns += 10**9
        os.utime(self.path, ns=(self._changed_ns, self._changed_ns))


@pytest.fixture
def file(tmp_path) -> LoginFile:
    return LoginFile(tmp_path / "login.json")


def managed(file: LoginFile) -> dict[str, str]:
    return {"mode": "managed", "path": str(file.path)}


async def tokens(line) -> list[str]:
    """The tokens that were sent, as chats were created."""
    await line.ask()
    return [each.headers["bx-umidtoken"] for each in line.site.calls(NEW)]


async def test_a_changed_file_is_read_without_a_restart(connect, file, clock):
    file.write("t1")
    line = await connect(credential=managed(file))
    assert await tokens(line) == ["t1"]

    file.write("t2")
    await clock.advance(1.0)

    assert await tokens(line) == ["t1", "t2"]


async def test_the_file_is_looked_at_once_a_second_at_most(connect, file, clock):
    file.write("t1")
    line = await connect(credential=managed(file))
    await line.ask()
    file.write("t2")
    await clock.advance(0.9)

    assert await tokens(line) == ["t1", "t1"]


@pytest.mark.parametrize(
    "raw",
    [
        "",
        '{"token": "t2", "coo',
        "[]",
        '{"token": "t2"}',
        '{"token": "", "cookies": "c"}',
        '{"token":1,"cookies":"c"}',
        '{"token":"t\\r\\nx: y","cookies":"c"}',
        '{"token":"tö","cookies":"c"}',
        '{"token":"t2","cookies":"c","expires_at":"soon"}',
    ],
)
async def test_a_half_written_file_keeps_what_was_there_and_is_told_of_once(connect, file, clock, raw):
    file.write("t1")
    line = await connect(credential=managed(file))
    with capture_logs() as logs:
        for _ in range(3):
            file.write(raw=raw)
            await clock.advance(1.0)
            assert (await tokens(line))[-1] == "t1"
    file.write("t3")
    await clock.advance(1.0)

    assert (await tokens(line))[-1] == "t3"
    assert [each["log_level"] for each in logs] == ["warning"]
    assert "t2" not in str(logs)


async def test_a_file_that_is_gone_keeps_what_was_there(connect, file, clock):
    file.write("t1")
    line = await connect(credential=managed(file))
    file.path.unlink()
    await clock.advance(1.0)

    assert await tokens(line) == ["t1"]


@pytest.mark.parametrize("credential", [None, {"mode": "none"}, {"mode": "managed", "path": "/nowhere/login.json"}])
async def test_without_a_credential_nothing_is_asked_and_the_caller_is_told(connect, credential):
    line = await connect(credential=credential)

    with pytest.raises(UpstreamUnavailable) as raised:
        await line.open()
    assert (raised.value.status, "absent" in raised.value.message) == (503, True)
    assert (line.adapter.credential.state, line.site.received) == ("absent", [])


async def test_a_file_may_come_later(connect, file, clock):
    line = await connect(credential=managed(file))
    with pytest.raises(UpstreamUnavailable):
        await line.open()
    file.write("t1")
    await clock.advance(1.0)

    assert await tokens(line) == ["t1"]


async def test_an_expired_credential_is_not_used(connect, file, clock):
    file.write("t1", expires_at=clock.wall() + 10)
    line = await connect(credential=managed(file))
    assert line.adapter.credential.state == "valid"
    await line.ask()
    await clock.advance(10.0)

    with pytest.raises(UpstreamUnavailable, match="expired"):
        await line.open()
    assert line.adapter.credential.state == "expired"
    assert len(line.site.calls(NEW)) == 1


async def test_a_turn_keeps_the_credential_that_it_began_with(connect, file, clock):
    """Its stop call included."""
    file.write("t1")
    line = await connect(credential=managed(file))
    line.site.answers(Says(ends="stall", after=2))
    call = await line.open()
    await call.receive()
    file.write("t2")
    await clock.advance(1.0)
    call.close()
    stop = await line.site.call(3)

    assert stop.headers["bx-umidtoken"] == "t1"


async def test_after_a_reload_what_was_known_is_kept_where_the_file_is_of_no_use(connect, file):
    file.write("t1")
    before = (await connect(credential=managed(file))).adapter
    file.write(raw="{")
    line = await connect(credential=managed(file))
    line.adapter.inherit(before)

    assert await tokens(line) == ["t1"]


async def test_another_file_inherits_nothing(connect, file, tmp_path):
    file.write("t1")
    before = (await connect(credential=managed(file))).adapter
    line = await connect(credential={"mode": "managed", "path": str(tmp_path / "other.json")})
    line.adapter.inherit(before)

    assert line.adapter.credential.state == "absent"


async def test_the_version_changes_with_the_file_alone(connect, file, clock):
    file.write("t1")
    line = await connect(credential=managed(file))
    first = line.adapter.credential.version
    await clock.advance(1.0)
    assert line.adapter.credential.version == first
    file.write("t2")
    await clock.advance(1.0)

    assert line.adapter.credential.version == first + 1


def test_a_login_shows_nothing_of_itself() -> None:
    login = Login("umid-token-1", "cna=abcdef12; lang=en")

    assert "umid" not in repr(login)
    assert "abcdef" not in repr(login)
    assert "umid" not in str(login)
    cleaned = login.clean("token umid-token-1, cookies cna=abcdef12; lang=en, and abcdef12 alone; en is a word")
    assert "umid-token-1" not in cleaned
    assert "abcdef12" not in cleaned
    assert "en is a word" in cleaned
