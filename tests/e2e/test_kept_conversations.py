"""Conversations outlive the daemon: they stand in a file that its workers share."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from proxy.testing.process import Daemon, DaemonFailed, clean_environment
from tests.e2e.wire import Answer, ask, chat

KEYED: dict[str, Any] = {
    "auth": {"keys": [{"name": name, "key": f"sk-{name}"} for name in ("ann", "bob")]},
    "upstreams": [{"name": "scripted", "kind": "scripted"}],
    "models": [{"id": "scripted", "upstream": "scripted"}],
}
MINE = {"x-session-id": "mine"}


def text_of(answer: Answer) -> str:
    return str(answer.json["choices"][0]["message"]["content"])


@pytest.mark.parametrize("ends_by", [signal.SIGTERM, signal.SIGKILL])
async def test_a_daemon_without_a_file_remembers_a_conversation_when_it_comes_back(
    tmp_path: Path, ends_by: signal.Signals
) -> None:
    with Daemon(folder=tmp_path) as daemon:
        await ask(daemon.url, "POST", "/", chat("One."), MINE)
        daemon.signal(ends_by)
        await daemon.exited()
    assert (tmp_path / "turnstile/sessions.db").stat().st_mode & 0o777 == 0o600
    with Daemon(folder=tmp_path) as daemon:
        answer = await ask(daemon.url, "POST", "/", chat("Two."), MINE)

    assert text_of(answer) == "You said, in turn 2: Two."


async def test_workers_share_the_conversations_of_their_host(tmp_path: Path) -> None:
    """Every connection is a new one, so they come to either."""
    with Daemon({**KEYED, "auth": {"mode": "none"}, "server": {"workers": 2}}, folder=tmp_path) as daemon:
        for number in range(2, 12):
            await ask(daemon.url, "POST", "/", chat("Hello."), {"x-session-id": f"c{number}"})
            for turn in range(2, 5):
                answer = await ask(daemon.url, "POST", "/", chat("On."), {"x-session-id": f"c{number}"})
                assert text_of(answer) == f"You said, in turn {turn}: On."


@pytest.mark.parametrize("workers", [1, 2])
def test_a_store_that_cannot_be_used_is_one_clear_line(tmp_path: Path, workers: int) -> None:
    (tmp_path / "there.db").write_text("not a database, but long enough to be taken for one" * 100)
    config = {**KEYED, "session": {"store": f"sqlite://{tmp_path}/there.db"}, "server": {"workers": workers}}
    daemon = Daemon(config, folder=tmp_path)
    with pytest.raises(DaemonFailed), daemon:
        pass

    told = daemon.errors_path.read_text() + daemon.log_path.read_text()
    assert daemon.exit_code == 1
    assert "session.store: " in told
    assert "Traceback" not in told


# --- what an operator sees of them


def turnstile(folder: Path, *arguments: str) -> tuple[int, str, str]:
    done = subprocess.run(  # noqa: S603 - a command of ours
        [sys.executable, "-P", "-m", "proxy", *arguments],
        cwd=folder,
        env=clean_environment(folder),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


async def test_an_operator_lists_shows_and_deletes_them_by_fingerprints(tmp_path: Path) -> None:
    """While the daemon runs; neither ids nor texts nor keys are told."""
    with Daemon(KEYED, folder=tmp_path) as daemon:
        for name, session in (("ann", "secret-one"), ("ann", "secret-two"), ("bob", "secret-three")):
            headers = {"Authorization": f"Bearer sk-{name}", "x-session-id": session}
            await ask(daemon.url, "POST", "/", chat("Quiet words."), headers)
        code, listed, _ = turnstile(tmp_path, "sessions", "list")
        rows = [line.split() for line in listed.splitlines()]
        assert (code, rows[0]) == (0, ["SESSION", "CALLER", "UPSTREAM", "MODEL", "TURNS", "USED", "AGE"])
        assert [row[2:5] for row in rows[1:]] == [["scripted", "scripted", "1"]] * 3
        assert not {"secret", "Quiet", "sk-"} & {word for word in ("secret", "Quiet", "sk-") if word in listed}

        one = rows[1][0]
        code, shown, _ = turnstile(tmp_path, "sessions", "show", one)
        assert (code, f"session   {one}" in shown, "records   3" in shown) == (0, True, True)
        assert turnstile(tmp_path, "sessions", "delete", one)[:2] == (0, "deleted 1\n")
        assert turnstile(tmp_path, "sessions", "show", one)[0] == 1
        assert turnstile(tmp_path, "sessions", "delete", "--caller", "ann")[:2] == (0, "deleted 2\n")
        assert turnstile(tmp_path, "sessions", "list")[1].count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["delete"], 2, "turnstile: sessions delete: say which: a session, or --caller NAME\n"),
        (["show", "0000"], 1, "turnstile: there is no such conversation\n"),
        (["show"], 2, "the following arguments are required: SESSION"),
        (["lst"], 2, "invalid choice: 'lst'"),
    ],
)
def test_a_wrong_question_is_one_clear_line(tmp_path: Path, arguments: list[str], code: int, told: str) -> None:
    ended, _, errors = turnstile(tmp_path, "sessions", *arguments)

    assert (ended, told in errors, errors.count("\n")) == (code, True, 1)


def test_a_store_in_memory_is_out_of_reach(tmp_path: Path) -> None:
    (tmp_path / "turnstile.toml").write_text('[session]\nstore = "memory:"\n[auth]\nmode = "none"\n')
    with (tmp_path / "turnstile.toml").open("a") as file:
        file.write('[[upstreams]]\nname = "s"\nkind = "scripted"\n[[models]]\nid = "m"\nupstream = "s"\n')

    assert turnstile(tmp_path, "sessions", "list") == (
        1,
        "",
        "turnstile: the store is in a daemon's memory, where nobody else can look (session.store)\n",
    )
