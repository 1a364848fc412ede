"""The application: which path leads where."""

from aiohttp import web

from proxy.server import chat, health, models, sessions
from proxy.server.cors import add_cors_headers
from proxy.server.envelopes import SERVER, envelopes
from proxy.server.gateway import Gateway
from proxy.server.keys import GATEWAY


def build_app(gateway: Gateway) -> web.Application:
    """An aiohttp application around *gateway*; every path also works with a slash at its end."""
    app = web.Application(middlewares=[envelopes])
    app[GATEWAY] = gateway
    app.on_response_prepare.extend([add_cors_headers, sign])
    post = {
        "/v1/chat/completions": chat.chat_completions,
        "/": chat.chat_completions,
        "/v1/completions": chat.completions,
    }
    get = {
        "/v1/models": models.list_models,
        "/v1/models/{id:.+}": models.show_model,
        "/v1/sessions": sessions.list_sessions,
        "/v1/sessions/{id}": sessions.show_session,
        "/livez": health.livez,
        "/readyz": health.readyz,
        "/health": health.health,
        "/healthz": health.health,
    }
    delete = {"/v1/sessions": sessions.delete_sessions, "/v1/sessions/{id}": sessions.delete_session}
    for method, table in (("POST", post), ("GET", get), ("DELETE", delete)):
        for path, handler in table.items():
            for spelling in spellings(path):
                app.router.add_route(method, spelling, handler)
    return app


async def sign(_request: web.Request, response: web.StreamResponse) -> None:
    """Name the daemon in the answer, not the HTTP library and its version."""
    response.headers["Server"] = SERVER


def spellings(path: str) -> list[str]:
    """A path without and with a slash at its end; a pattern takes the slash itself."""
    return [path] if path == "/" or "{" in path else [path, path + "/"]
