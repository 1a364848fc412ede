"""What callers may ask, and what is told of it."""

import pytest

from proxy.testing.qwen import Says
from tests.e2e.wire import connected, request


async def test_an_answer_comes_as_it_is_made(start):
    """The first delta is out before the second exists at the site."""
    daemon = await start()
    daemon.site.answers(Says(("It is", " sunny."), ends="stall", after=2))
    body = {"model": "qwen3-max", "stream": True, "messages": [{"role": "user", "content": "Hi."}]}
    async with connected(daemon.gateway.url) as caller:
        await caller.send(request("POST", "/", body, {"Authorization": "Bearer key-a"}))
        status, _headers = await caller.head()
        frames = b""
        while b"It is" not in frames:
            frames += await caller.chunk()
        assert status == 200
        caller.reset()


@pytest.mark.parametrize(
    ("messages", "status"),
    [
        ([{"role": "user", "content": "Hi."}, {"role": "assistant", "content": "Yes?"}], 400),
        ([{"role": "user", "content": ""}], 400),
        ([{"role": "user", "content": " \n"}], 400),
        ([{"role": "system", "content": "Be brief."}, {"role": "user", "content": ""}], 400),
        (
            [
                {"role": "user", "content": "Hi."},
                {"role": "assistant", "content": "Yes?"},
                {"role": "user", "content": ""},
            ],
            400,
        ),
        (
            [
                {"role": "user", "content": "Hi."},
                {"role": "assistant", "content": "Yes?"},
                {"role": "system", "content": "Answer."},
            ],
            200,
        ),
        ([{"role": "user", "content": ""}, {"role": "user", "content": "Hi."}], 200),
        ([{"role": "user", "content": "Hi."}, {"role": "user", "content": ""}], 200),
    ],
)
async def test_a_history_must_end_with_something_to_answer(start, messages, status):
    daemon = await start()
    answer = await daemon.ask(*messages)

    assert answer.status == status
    if status == 400:
        assert (answer.error["code"], answer.error["param"]) == ("invalid_value", "messages")
        assert daemon.site.received == []


async def test_images_are_refused_by_name_before_anything_is_asked_wherever_they_stand(start):
    image = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://h/x.png"}}]}
    daemon = await start()
    for messages in ([image], [image, {"role": "assistant", "content": "A cat."}, {"role": "user", "content": "?"}]):
        error = (await daemon.ask(*messages)).error
        text = "messages[0].content[0] has type 'image_url', which model 'qwen3-max' does not support"
        assert (error["message"], error["code"]) == (text, "unsupported_content_part")
    assert daemon.site.received == []

    lenient = await start(unsupported_parts="placeholder")
    await lenient.says(image)
    assert lenient.site.contexts == [[("user", "[image_url omitted]")]]


async def test_what_the_site_cannot_do_is_refused_or_named(start):
    daemon = await start()
    assert (await daemon.ask("Hi.", n=2)).error["code"] == "unsupported_value"
    answer = await daemon.ask("Hi.", temperature=0.5, seed=7, reasoning_effort="low")

    assert set(answer.headers["x-ignored-params"].replace(" ", "").split(",")) == {
        "temperature",
        "seed",
        "reasoning_effort",
    }


async def test_the_whole_history_over_the_budget_is_refused_and_never_cut(start):
    daemon = await start(model={"max_input_tokens": 50})
    answer = await daemon.ask("long " * 200, "Never said.", "Two?")

    assert (answer.status, answer.error["code"]) == (400, "context_length_exceeded")
    assert daemon.site.received == []
