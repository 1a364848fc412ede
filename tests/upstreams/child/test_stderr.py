from structlog.testing import capture_logs

from proxy.testing.clock import ManualClock
from proxy.upstreams.child.stderr import LINES_PER_WINDOW, MAX_LINE_BYTES, WINDOW_S, StderrLog


def lines(logs):
    return [entry["line"] for entry in logs if entry["event"] == "child.stderr"]


def test_standard_error_is_logged_at_debug_without_colours_and_secrets():
    with capture_logs() as logs:
        StderrLog("c#0", ManualClock(), ("tiger",)).feed(
            b"\x1b[2m2026-01-01\x1b[0m \x1b[31mERROR\x1b[0m key is tiger, at http://10.0.0.1:80/v1\n"
        )

    assert lines(logs) == ["2026-01-01 ERROR key is [key], at [url]"]
    assert {entry["log_level"] for entry in logs} == {"debug"}


def test_a_line_without_end_is_cut():
    with capture_logs() as logs:
        StderrLog("c#0", ManualClock()).feed(b"x y " * MAX_LINE_BYTES)

    [line] = lines(logs)
    assert len(line) <= MAX_LINE_BYTES


async def test_a_flood_is_counted_and_not_logged():
    clock = ManualClock()
    stderr = StderrLog("c#0", clock)
    with capture_logs() as logs:
        stderr.feed(b"again\n" * (LINES_PER_WINDOW + 30))
        await clock.advance(WINDOW_S)
        stderr.feed(b"later\n")

    assert len(lines(logs)) == LINES_PER_WINDOW + 1
    assert [entry["lines"] for entry in logs if entry["event"] == "child.stderr_dropped"] == [30]


def test_secrets_that_are_empty_replace_nothing():
    with capture_logs() as logs:
        StderrLog("c#0", ManualClock(), ("",)).feed(b"plain\n")

    assert lines(logs) == ["plain"]
