"""The table of surfaces."""

import json
from collections.abc import Callable
from typing import Any

from proxy.wire.answer import Answer, AnswerHead, Surface, answer_id, body_of, frames_for
from proxy.wire.answer.surfaces import RENDERINGS
from proxy.wire.events import Finished, TextDelta, Usage


def test_every_surface_has_its_writers() -> None:
    assert RENDERINGS.keys() == set(Surface)


def test_a_surface_decides_ids_objects_and_shape(head: AnswerHead, usage: Usage, chunks_of: Callable[..., Any]) -> None:
    objects = {}
    for surface in Surface:
        told = head._replace(id=answer_id(surface, "ab" * 16))
        answer = Answer()
        answer.fold([TextDelta("a"), Finished("stop"), usage])
        frames = frames_for(surface, told)
        chunks = chunks_of(frames.frames([TextDelta("a")]) + frames.closing({0: "stop"}, usage))
        body = json.loads(body_of(surface, told, answer))
        objects[surface] = (body["id"], body["object"], {chunk["object"] for chunk in chunks})

    assert objects == {
        Surface.CHAT: ("chatcmpl-" + "ab" * 16, "chat.completion", {"chat.completion.chunk"}),
        Surface.COMPLETIONS: ("cmpl-" + "ab" * 16, "text_completion", {"text_completion"}),
    }
