"""URLs of Redis, taken apart; what they hold is never repeated."""

import pytest

from proxy.sessions.redis_url import Login, RedisUrl, parsed
from proxy.sessions.sqlite_file import StoreUnusable

NOBODY = Login()
LOGIN = Login("me", "s3cr3t/@:?")
ESCAPED = "me:s3cr3t%2F%40%3A%3F@"


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("redis://host", RedisUrl("server", NOBODY, nodes=(("host", 6379),))),
        ("redis://", RedisUrl("server", NOBODY, nodes=(("localhost", 6379),))),
        ("redis://127.0.0.1:6380/3", RedisUrl("server", NOBODY, nodes=(("127.0.0.1", 6380),), db=3)),
        ("redis://host?db=4", RedisUrl("server", NOBODY, nodes=(("host", 6379),), db=4)),
        ("redis://[::1]", RedisUrl("server", NOBODY, nodes=(("::1", 6379),))),
        ("redis://[::1]:6380", RedisUrl("server", NOBODY, nodes=(("::1", 6380),))),
        (f"redis://{ESCAPED}host/1", RedisUrl("server", LOGIN, nodes=(("host", 6379),), db=1)),
        ("redis://:word@host", RedisUrl("server", Login(None, "word"), nodes=(("host", 6379),))),
        ("rediss://host", RedisUrl("server", NOBODY, tls=True, nodes=(("host", 6379),))),
        (
            "rediss://host?ssl_ca_certs=/etc/ca.pem&ssl_cert_reqs=none&ssl_check_hostname=false",
            RedisUrl(
                "server",
                NOBODY,
                tls=True,
                nodes=(("host", 6379),),
                tls_options={"ssl_ca_certs": "/etc/ca.pem", "ssl_cert_reqs": "none", "ssl_check_hostname": False},
            ),
        ),
        ("unix:///run/redis.sock", RedisUrl("unix", NOBODY, path="/run/redis.sock")),
        (f"unix://{ESCAPED}/run/re%20dis.sock?db=2", RedisUrl("unix", LOGIN, path="/run/re dis.sock", db=2)),
        (
            "redis+sentinel://a,b:26380,[::1]/mine/2?sentinel_username=su&sentinel_password=sp",
            RedisUrl(
                "sentinel",
                NOBODY,
                Login("su", "sp"),
                nodes=(("a", 26379), ("b", 26380), ("::1", 26379)),
                service="mine",
                db=2,
            ),
        ),
        (
            f"rediss+sentinel://{ESCAPED}a/mine",
            RedisUrl("sentinel", LOGIN, tls=True, nodes=(("a", 26379),), service="mine"),
        ),
        ("redis+cluster://a:7000,b", RedisUrl("cluster", NOBODY, nodes=(("a", 7000), ("b", 6379)))),
        ("rediss+cluster://a", RedisUrl("cluster", NOBODY, tls=True, nodes=(("a", 6379),))),
    ],
)
def test_every_form(url, found):
    assert parsed(url) == found


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("redis://h:s3cr3t", "a port is not a number"),
        ("redis://h:0", "a port is not a number"),
        ("redis://h:70000", "a port is not a number"),
        ("redis://h/s3cr3t", "the database is not a number"),
        ("redis://a,s3cr3t", "several hosts"),
        ("redis://h?socket_timeout=5", "not known, or not for this kind: socket_timeout"),
        ("redis://h?s3-cr3t=1", "not known, or not for this kind: …"),
        ("redis://h?ssl_ca_certs=s3cr3t", "not for this kind: ssl_ca_certs"),
        ("rediss://h?ssl_cert_reqs=s3cr3t", "ssl_cert_reqs is neither"),
        ("rediss://h?ssl_check_hostname=s3cr3t", "ssl_check_hostname is neither"),
        ("unix://", "the path of the socket is missing"),
        ("unix:///s?db=s3cr3t", "the database is not a number"),
        ("redis+sentinel://h", "the name of the service is missing"),
        ("redis+cluster://h/1", "a cluster has no databases"),
    ],
)
def test_what_is_not_right_is_told_without_repeating_it(url, told):
    with pytest.raises(StoreUnusable) as raised:
        parsed(url)

    message = raised.value.strerror
    assert message.startswith("session.store: the URL of Redis is not right: ")
    assert told in message
    assert "s3cr3t" not in message


def test_nothing_secret_is_shown():
    shown = repr(parsed("redis+sentinel://u5er:s3cr3t@h/m?sentinel_username=u5er&sentinel_password=s3cr3t"))

    assert "s3cr3t" not in shown
    assert "u5er" not in shown
