"""The site: its calls, its rules, and what it has seen."""

from collections import deque
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

from proxy.testing.qwen.plays import Answers, Refuses, Says, told
from proxy.testing.qwen.tree import Chain, Chat, Said, UnknownNode
from proxy.testing.raw import Script
from proxy.testing.raw_server import RawServer, Received

Json = dict[str, Any]
Replies = Callable[[list[Said]], str]


def numbered(shown: list[Said]) -> str:
    """An answer that tells how many turns the model was shown."""
    return f"Answer {[role for role, _text in shown].count('user')}."


class QwenSite(RawServer):
    """A server; *chain* is the id by which it takes a turn to follow an answer, *prefix* the beginning of its paths.

    *received* are all calls, *completions* the bodies of those that ask for an answer, *contexts* what the model was
    shown for each, *stops* the bodies of stop calls.  What nobody has said otherwise is answered by *replies*.
    """

    def __init__(
        self,
        *,
        chain: Chain = "parent_id",
        prefix: str = "",
        replies: Replies = numbered,
    ) -> None:
        super().__init__()
        self.chain: Chain = chain
        self.replies = replies
        self.chats: dict[str, Chat] = {}
        self.completions: list[Json] = []
        self.contexts: list[list[Said]] = []
        self.stops: list[Json] = []
        self.created: list[Json] = []
        self.models: list[Json] = []
        self.model_list: Refuses | None = None
        self._prefix = prefix
        self._answers: deque[Answers] = deque()
        self._creations: deque[Answers] = deque()

    @property
    def url(self) -> str:
        """What an upstream is configured with."""
        return self.base_url.removesuffix("/v1") + self._prefix

    def answers(self, *answers: Answers | str) -> None:
        """What the next completions get, in order."""
        self._answers.extend(Says(each) if isinstance(each, str) else each for each in answers)

    def creations(self, *answers: Answers) -> None:
        """What the next creations of a chat get, in order; after that, chats again."""
        self._creations.extend(answers)

    def forget(self) -> None:
        """Lose every chat."""
        self.chats.clear()

    @property
    def chat(self) -> Chat:
        """The newest chat."""
        return list(self.chats.values())[-1]

    def calls(self, path: str) -> list[Received]:
        """The calls to a path, in order."""
        return [each for each in self.received if self._path(each) == path]

    def _path(self, request: Received) -> str:
        return urlsplit(request.head.split(" ")[1]).path.removeprefix(self._prefix)

    def take(self, request: Received) -> Script:
        """Record a request, and say what is done with it."""
        super().take(request)
        match (request.head.split(" ")[0], self._path(request)):
            case ("GET", "/api/models"):
                return self.model_list.script if self.model_list else told({"data": self.models})
            case ("POST", "/api/v2/chats/new"):
                return self._create(request)
            case ("POST", "/api/v2/chat/completions"):
                return self._complete(request)
            case ("POST", "/api/v2/chat/completions/stop"):
                return self._stop(request)
        return Refuses(404, b"no such path", "text/plain").script

    def _owner(self, request: Received) -> str:
        return request.headers.get("bx-umidtoken", "") + request.headers.get("Cookie", "")

    def _create(self, request: Received) -> Script:
        body = request.json
        self.created.append(body)
        if self._creations:
            answer = self._creations.popleft()
            assert isinstance(answer, Refuses)  # noqa: S101 - a creation has nothing to say
            return answer.script
        chat = Chat(self._owner(request), body["models"][0], self.chain)
        self.chats[chat.id] = chat
        return told({"success": True, "request_id": "9d1e", "data": {"id": chat.id}})

    def _complete(self, request: Received) -> Script:
        body = request.json
        self.completions.append(body)
        chat = self.chats.get(body["chat_id"])
        query = parse_qs(urlsplit(request.head.split(" ")[1]).query)
        if chat is None or chat.owner != self._owner(request) or query.get("chat_id") != [body["chat_id"]]:
            return Refuses.with_code("Not_Found", "The chat is not exist.").script
        if chat.in_progress:
            return Refuses.busy().script
        if self._answers and isinstance(self._answers[0], Refuses):
            refusal = self._answers.popleft()
            assert isinstance(refusal, Refuses)  # noqa: S101 - narrows the type
            return refusal.script
        messages = body["messages"]
        user = messages[-1]
        system = "".join(each["content"] for each in messages if each["role"] == "system")
        try:
            taken = chat.take(body["parent_id"], user["content"], system)
        except UnknownNode:
            return Refuses.with_code("Bad_Request", f"The parent_id {body['parent_id']} is not exist.").script
        self.contexts.append(taken.shown())
        answer = self._answers.popleft() if self._answers else Says(self.replies(taken.shown()))
        assert isinstance(answer, Says)  # noqa: S101 - refusals have been dealt with
        misread = any(type(each["content"]) is not str for each in messages)
        late = bool(system) and body["parent_id"] is not None
        if misread or late or user["role"] != "user":
            answer = Says("")
        taken.answer = answer.whole
        chat.in_progress = answer.ends == "stall"
        thinks = bool(user["feature_config"]["thinking_enabled"])
        return answer.script(chat.id, taken, stream=body["stream"] is not False, thinks=thinks)

    def _stop(self, request: Received) -> Script:
        body = request.json
        self.stops.append(body)
        if body["chat_id"] in self.chats:
            self.chats[body["chat_id"]].in_progress = False
        return told({"success": True})
