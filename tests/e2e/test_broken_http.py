"""What is sent to the port need not be HTTP.  Whatever it is, it gets the envelope, and one line about it."""

import asyncio
import random
from typing import Any, NamedTuple

import pytest

from proxy.testing.process import Daemon
from tests.e2e.wire import Answer, Connection, chat, connected, request

MAX_BODY_BYTES = 100_000
BODY_CLOCK_S = 0.3

HOST = b"Host: turnstile\r\n"
POST = b"POST /v1/chat/completions HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\n"
GET = b"GET /livez HTTP/1.1\r\n" + HOST
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
BODY = b'{"model":"scripted","messages":[{"role":"user","content":"Hello."}]}'
WHOLE = b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY
TLS_HELLO = bytes.fromhex("16030100a5010000a10303") + bytes(100)


@pytest.fixture(scope="module")
def config(config: dict[str, Any]) -> dict[str, Any]:
    return config | {"server": {"max_body_bytes": MAX_BODY_BYTES}, "clocks": {"body": BODY_CLOCK_S}}


def chunks(*pieces: bytes) -> bytes:
    """The pieces, and the end of the body."""
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in (*pieces, b""))


def with_header(field: bytes) -> bytes:
    """A good request, but for one field."""
    return GET + field + b"\r\n\r\n"


class Case(NamedTuple):
    raw: bytes
    status: int
    code: str
    param: str | None = None
    closes: bool = False


def not_http(raw: bytes) -> Case:
    return Case(raw, 400, "invalid_json", closes=True)


CASES = {
    "words": not_http(b"hello world\r\n\r\n"),
    "every byte": not_http(bytes(range(256)) + b"\r\n\r\n"),
    "TLS": not_http(TLS_HELLO),
    "HTTP/2": not_http(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    "a version that there is not": not_http(b"GET /livez HTTP/9.9\r\n" + HOST + b"\r\n"),
    "a method that there is not": not_http(b"BREW /livez HTTP/1.1\r\n" + HOST + b"\r\n"),
    "a method that is no token": not_http(b"G<T /livez HTTP/1.1\r\n" + HOST + b"\r\n"),
    "no target": not_http(b"GET  HTTP/1.1\r\n" + HOST + b"\r\n"),
    "a zero byte in the target": not_http(b"GET /\x00 HTTP/1.1\r\n" + HOST + b"\r\n"),
    "bare line feeds": not_http(b"GET /livez HTTP/1.1\nHost: turnstile\n\n"),
    "no Host": not_http(b"GET /livez HTTP/1.1\r\n\r\n"),
    "two Hosts": not_http(GET + HOST + b"\r\n"),
    "a broken URL": not_http(b"GET http://[::1/livez HTTP/1.1\r\n" + HOST + b"\r\n"),
    "a control character in a field": not_http(with_header(b"x-a: a\x01b")),
    "a zero byte in a field": not_http(with_header(b"x-a: a\x00b")),
    "a bare carriage return in a field": not_http(with_header(b"x-request-id: a\rx-b: c")),
    "a field without colon": not_http(with_header(b"x-a")),
    "a blank before the colon": not_http(with_header(b"x-a : b")),
    "a folded field": not_http(with_header(b"x-a: b\r\n c")),
    "500 fields": not_http(GET + b"".join(b"x-%d: y\r\n" % n for n in range(500)) + b"\r\n"),
    "a long request line": Case(b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n", 431, "headers_too_large", closes=True),
    "a long field": Case(with_header(b"x-a: " + b"a" * 20_000), 431, "headers_too_large", closes=True),
    "a long field name": Case(with_header(b"a" * 20_000 + b": x"), 431, "headers_too_large", closes=True),
    "both framings": not_http(POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n" + chunks(BODY)),
    "two lengths": not_http(POST + b"Content-Length: 5\r\n" + WHOLE),
    "a negative length": not_http(POST + b"Content-Length: -5\r\n\r\n"),
    "a length in words": not_http(POST + b"Content-Length: five\r\n\r\n"),
    "a length beyond numbers": not_http(POST + b"Content-Length: " + b"9" * 30 + b"\r\n\r\n"),
    "an unknown transfer coding": not_http(POST + b"Transfer-Encoding: xyz\r\n\r\n" + chunks(BODY)),
    "a chunk's size in words": not_http(CHUNKED + b"five\r\nabcde\r\n0\r\n\r\n"),
    "a chunk's negative size": not_http(CHUNKED + b"-5\r\nabcde\r\n0\r\n\r\n"),
    "a chunk's size beyond numbers": not_http(CHUNKED + b"f" * 20 + b"\r\nabcde\r\n0\r\n\r\n"),
    "a chunk longer than its size": not_http(CHUNKED + b"5\r\nabcdefgh\r\n0\r\n\r\n"),
    "an expectation": Case(POST + b"Expect: tea\r\n" + WHOLE, 400, "invalid_value", "expect"),
    "an expectation where nothing is": Case(
        b"GET /tea HTTP/1.1\r\nExpect: tea\r\n" + HOST + b"\r\n", 400, "invalid_value", "expect"
    ),
    "plain text": Case(
        b"POST / HTTP/1.1\r\nContent-Type: text/plain\r\n" + HOST + WHOLE, 415, "unsupported_content_type"
    ),
    "a form": Case(
        b"POST / HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\n" + HOST + WHOLE,
        415,
        "unsupported_content_type",
    ),
    "Latin 1": Case(
        b"POST / HTTP/1.1\r\nContent-Type: application/json; charset=latin-1\r\n" + HOST + WHOLE,
        415,
        "unsupported_content_type",
    ),
    "gzip": Case(POST + b"Content-Encoding: gzip\r\n" + WHOLE, 415, "unsupported_content_encoding"),
    "deflate": Case(POST + b"Content-Encoding: deflate\r\n" + WHOLE, 415, "unsupported_content_encoding"),
    "br": Case(POST + b"Content-Encoding: br\r\n" + WHOLE, 415, "unsupported_content_encoding"),
    "no body": Case(POST + b"\r\n", 400, "invalid_json"),
    "a body of no bytes": Case(POST + b"Content-Length: 0\r\n\r\n", 400, "invalid_json"),
    "too long by its own word": Case(
        POST + b"Content-Length: %d\r\n\r\n" % (MAX_BODY_BYTES + 1), 413, "request_too_large", closes=True
    ),
    "too long in chunks": Case(CHUNKED + chunks(*[b" " * 10_000] * 11, BODY), 413, "request_too_large", closes=True),
    "a percent sign alone": Case(b"GET /%zz HTTP/1.1\r\n" + HOST + b"\r\n", 404, "unknown_url"),
    "a newline in the path": Case(b"GET /a%0d%0ab HTTP/1.1\r\n" + HOST + b"\r\n", 404, "unknown_url"),
    "a path that climbs": Case(b"GET /v1/../../etc/passwd HTTP/1.1\r\n" + HOST + b"\r\n", 404, "unknown_url"),
    "CONNECT": Case(b"CONNECT evil.example:80 HTTP/1.1\r\n" + HOST + b"\r\n", 404, "unknown_url"),
    "OPTIONS for all": Case(b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n", 404, "unknown_url"),
}


async def check_refusal(gateway: Daemon, name: str, case: Case) -> None:
    """Send one case: the envelope, the request id, one line about it, and a connection that is closed or good."""
    async with connected(gateway.url) as connection:
        await connection.send(case.raw)
        answer = await connection.answer()
        assert await (connection.ended() if case.closes else still_serves(connection)), name
    error = answer.error
    assert (answer.status, error["code"], error["param"]) == (case.status, case.code, case.param), name
    assert error["type"] == "invalid_request_error", name
    assert not case.closes or answer.headers["connection"] == "close", name
    line = await gateway.logged(answer.headers["x-request-id"])
    assert gateway.lines(request_id=answer.headers["x-request-id"]) == [line], name
    assert (line["end_reason"], line["http_status"], line["code"]) == ("invalid_request", case.status, case.code), name


async def still_serves(connection: Connection) -> bool:
    """Whether the connection can be used again."""
    await connection.send(request("GET", "/livez"))
    return (await connection.answer()).status == 200


async def test_what_is_not_a_good_request_gets_the_envelope(gateway: Daemon) -> None:
    """A client's parser of errors is written once; it must never meet HTML, plain text or silence."""
    await asyncio.gather(*(check_refusal(gateway, name, case) for name, case in CASES.items()))


@pytest.mark.parametrize("broken", [b"five\r\nabcde\r\n", b"5\r\nabcdefgh\r\n"], ids=["size", "end"])
async def test_a_body_whose_framing_breaks_while_it_is_read_is_refused_at_once(gateway: Daemon, broken: bytes) -> None:
    """Waiting for more of it would end in a time-out, which is another fault."""
    async with connected(gateway.url) as connection:
        await connection.send(CHUNKED.replace(HOST, HOST + b"x-request-id: framing\r\n") + chunks(BODY[:9])[:-5])
        await asyncio.sleep(0.05)
        before = asyncio.get_running_loop().time()
        await connection.send(broken)
        answer = await connection.answer()
        assert asyncio.get_running_loop().time() - before < BODY_CLOCK_S / 2
        assert await connection.ended(), "one request, one answer"
    assert (answer.status, answer.error["code"]) == (400, "invalid_json")
    assert answer.headers["x-request-id"] == "framing"
    assert (await gateway.logged("framing"))["path"] == "validate>invalid_request"


async def test_a_body_too_long_is_refused_while_it_is_still_being_sent(gateway: Daemon) -> None:
    """Reading stops at the limit; the refusal must be readable although the rest is under way."""
    async with connected(gateway.url) as connection:
        await connection.send(CHUNKED + chunks(b" " * (MAX_BODY_BYTES + 1))[:-5])
        answer = await connection.answer()
        assert (answer.status, answer.headers["connection"]) == (413, "close")


@pytest.mark.parametrize(
    "sent", [POST + b"Content-Length: 70\r\n\r\n" + BODY[:9], CHUNKED + b"9\r\nabc"], ids=["by length", "in chunks"]
)
async def test_a_body_that_does_not_come_to_its_end_is_told_of_by_its_clock(gateway: Daemon, sent: bytes) -> None:
    """A caller that sends too slowly must not hold a place for ever."""
    async with connected(gateway.url) as connection:
        await connection.send(sent)
        answer = await connection.answer()
    assert (answer.status, answer.error["code"]) == (408, "request_timeout")
    assert f"{BODY_CLOCK_S} seconds (clock 'body')" in answer.error["message"]
    assert answer.headers["x-end-reason"] == "timeout"
    assert answer.headers["connection"] == "close"
    line = await gateway.logged(answer.headers["x-request-id"])
    assert (line["end_reason"], line["clock"], line["path"]) == ("timeout", "body", "validate>timeout")


async def test_requests_sent_in_one_go_are_answered_in_their_order(gateway: Daemon) -> None:
    """Some clients pipeline; RFC 9112 §9.3.2."""
    asked = [request("POST", "/", chat(f"Number {n}."), {"x-request-id": f"pipelined-{n}"}) for n in range(5)]
    asked.insert(2, request("POST", "/", b"{", {"x-request-id": "pipelined-wrong"}))
    async with connected(gateway.url) as connection:
        await connection.send(b"".join(asked))
        answers = [await connection.answer() for _ in asked]
    ids = [answer.headers["x-request-id"] for answer in answers]
    assert ids == ["pipelined-0", "pipelined-1", "pipelined-wrong", "pipelined-2", "pipelined-3", "pipelined-4"]
    assert [answer.status for answer in answers] == [200, 200, 400, 200, 200, 200]
    assert answers[5].json["choices"][0]["message"]["content"] == "You said: Number 4."


@pytest.mark.parametrize("stream", [False, True])
async def test_http_1_0_gets_its_answer_and_the_end_of_the_connection(gateway: Daemon, *, stream: bool) -> None:
    """Old load balancers and simple clients speak it; the end of the connection is then the end of the body."""
    raw = request("POST", "/", chat(stream=stream)).replace(b"HTTP/1.1", b"HTTP/1.0")
    async with connected(gateway.url) as connection:
        await connection.send(raw)
        answer = await connection.answer()
        assert await connection.ended()
    assert answer.status == 200
    assert "transfer-encoding" not in answer.headers
    assert b"Hello." in answer.body or stream
    assert answer.body.endswith(b"data: [DONE]\n\n") == stream


async def test_a_caller_that_waits_to_be_told_to_go_on_is_told(gateway: Daemon) -> None:
    """As curl does for bodies over a megabyte; RFC 9110 §10.1.1."""
    async with connected(gateway.url) as connection:
        await connection.send(POST + b"Expect: 100-continue\r\n" + WHOLE.partition(BODY)[0])
        assert (await connection.head())[0] == 100
        await connection.send(BODY)
        assert (await connection.answer()).status == 200


async def test_a_request_id_that_could_do_harm_is_replaced(gateway: Daemon) -> None:
    """It is echoed in a header and written to a log."""
    harmful = ["", " ", "a b", "a,b", "é", "a\tb", "<script>", "x" * 129, "../x", "{}", 'a"b', "a%0d%0aSet-Cookie:x"]
    async with connected(gateway.url) as connection:
        for given in harmful:
            await connection.send(request("GET", "/nowhere", headers={"x-request-id": given}))
            told = (await connection.answer()).headers["x-request-id"]
            assert told.removeprefix("req_").isalnum(), given
            assert len(told) == 36, given
    assert (await gateway.logged(told))["http_status"] == 404


async def read_all(connection: Connection) -> list[Answer]:
    """Every response that comes, until the connection ends or nothing more is to be expected."""
    answers = []
    try:
        async with asyncio.timeout(2 * BODY_CLOCK_S):
            while True:
                answers.append(await connection.answer())
    except (TimeoutError, asyncio.IncompleteReadError):
        return answers


def mutated(seed: int) -> bytes:
    """A good request, changed in a few places."""
    rng = random.Random(seed)
    raw = bytearray(rng.choice([POST + WHOLE, CHUNKED + chunks(BODY[:20], BODY[20:]), GET + b"\r\n"]))
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(raw))
        match rng.randrange(5):
            case 0:
                raw[at] = rng.randrange(256)
            case 1:
                del raw[at : at + rng.randint(1, 20)]
            case 2:
                raw[at:at] = rng.choice([b"\r\n", b"\0", b" ", b": ", b"\xff", b"0\r\n\r\n", b"99999999", b"\n"])
            case 3:
                raw[at:at] = raw[: rng.randint(1, 60)]
            case _:
                raw[at:at] = rng.randbytes(rng.randint(1, 30))
        raw = raw or bytearray(b"\r\n")
    return bytes(raw)


async def fuzz(gateway: Daemon, seeds: range, at_once: int = 200) -> int:
    """Send mutated requests; gives the number of responses, each of which has been looked at."""
    count = 0

    async def one(seed: int) -> list[Answer]:
        async with connected(gateway.url) as connection:
            await connection.send(mutated(seed))
            return await read_all(connection)

    for start in range(0, len(seeds), at_once):
        batch = seeds[start : start + at_once]
        for seed, answers in zip(batch, await asyncio.gather(*map(one, batch)), strict=True):
            for answer in answers:
                assert answer.status < 500, f"seed {seed}"
                assert answer.headers["x-request-id"], f"seed {seed}"
                assert answer.status == 200 or answer.error, f"seed {seed}"
                count += 1
    return count


async def test_requests_with_random_damage_are_answered_or_refused_never_failed(gateway: Daemon) -> None:
    """Beyond what anybody thought of; the seed of a failure is told."""
    assert await fuzz(gateway, range(200)) > 100


@pytest.mark.deep
async def test_very_many_requests_with_random_damage_are_answered_or_refused(gateway: Daemon) -> None:
    assert await fuzz(gateway, range(1_000, 21_000)) > 10_000
