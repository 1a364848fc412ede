"""Which client is calling: a closed set of names, found in the user agent."""

CLIENTS: tuple[tuple[str, str], ...] = (
    ("openai/python", "openai-python"),
    ("asyncopenai/python", "openai-python"),
    ("openai/js", "openai-node"),
    ("asyncopenai/js", "openai-node"),
    ("openai-go", "openai-go"),
    ("openai/go", "openai-go"),
    ("langchain", "langchain"),
    ("litellm", "litellm"),
    ("ai-sdk", "ai-sdk"),
    ("open-webui", "open-webui"),
    ("librechat", "librechat"),
    ("roo", "roo-code"),
    ("cline", "cline"),
    ("cursor", "cursor"),
    ("continue", "continue"),
    ("aider", "aider"),
    ("zed", "zed"),
    ("opencode", "opencode"),
    ("curl/", "curl"),
    ("python-httpx", "httpx"),
    ("python-requests", "requests"),
    ("aiohttp", "aiohttp"),
    ("node", "node"),
    ("go-http-client", "go"),
    ("mozilla/", "browser"),
)
"""What is looked for in the lower-case user agent, in this order, and the name it stands for."""

_names: dict[str, str] = {}
REMEMBERED = 512  # user agents are few; a flood of made-up ones must not fill the memory


def client_name(user_agent: str | None) -> str:
    """The client's name from the closed set, else `other`."""
    if not user_agent:
        return "other"
    name = _names.get(user_agent)
    if name is None:
        lower = user_agent.lower()
        name = next((known for mark, known in CLIENTS if mark in lower), "other")
        if len(_names) < REMEMBERED:
            _names[user_agent] = name
    return name
