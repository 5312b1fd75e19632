"""What the guard lets through: every method on every path, headers, cookies and the byte budget."""

from __future__ import annotations

from itertools import product

import pytest

from hub_config.guard_rules import (
    CONTENT_SECURITY_POLICY,
    Kind,
    TokenBucket,
    cookie_stays_inside,
    decide,
    request_headers,
    response_headers,
    split,
)
from hub_config.hub_gate import allowed

UUID = "0d3f1c9e-12ab-4cde-8f01-23456789abcd"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "get", "")
S, M, C = Kind.STATIC, Kind.METERED, Kind.CHANNEL

# path -> method -> how it is carried; every pair that is not named here is refused.
TABLE: dict[str, dict[str, Kind]] = {
    "": {"GET": M},
    "lab": {"GET": M},
    "lab/": {"GET": M},
    "lab/tree/分析.ipynb": {"GET": M},
    "lab/tree/%E5%88%86%E6%9E%90.ipynb": {"GET": M},
    "lab/workspaces/auto-x": {"GET": M},
    "static/lab/main.js": {"GET": S},
    "lab/extensions/x/static/y.js": {"GET": S},
    "lab/api/themes/a/index.css": {"GET": S},
    "lab/api/settings": {"GET": M},
    "lab/api/settings/@jupyterlab/apputils-extension:themes": {"GET": M, "PUT": M, "DELETE": M},
    "lab/api/workspaces/default": {"GET": M, "PUT": M, "DELETE": M},
    "lab/api/translations/zh_CN": {"GET": M},
    "lab/api/extensions": {},
    "lab/api/build": {},
    "api": {"GET": M},
    "api/me": {"GET": M},
    "api/status": {"GET": M},
    "api/kernelspecs": {"GET": M},
    "kernelspecs/python3/logo-64x64.png": {"GET": M},
    "kernelspecs/python3/kernel.json": {},
    "api/sessions": {"GET": M, "POST": M},
    f"api/sessions/{UUID}": {"GET": M, "PATCH": M, "DELETE": M},
    "api/kernels": {"GET": M, "POST": M},
    f"api/kernels/{UUID}": {"GET": M, "DELETE": M},
    f"api/kernels/{UUID}/interrupt": {"POST": M},
    f"api/kernels/{UUID}/restart": {"POST": M},
    f"api/kernels/{UUID}/channels": {"GET": C},
    "api/kernels/x/channels": {},
    "api/events/subscribe": {"GET": C},
    "api/events": {},
    "api/contents": dict.fromkeys(("GET", "POST", "PUT", "PATCH", "DELETE"), M),
    "api/contents/a b.ipynb": dict.fromkeys(("GET", "POST", "PUT", "PATCH", "DELETE"), M),
    "api/contents/a/checkpoints": dict.fromkeys(("GET", "POST", "PUT", "PATCH", "DELETE"), M),
    "oauth_callback": {"GET": M},
    "logout": {"GET": M},
    # doors that are shut
    "files/a.csv": {},
    "files": {},
    "view/a.html": {},
    "nbconvert/html/a.ipynb": {},
    "nbconvert/html": {},
    "api/nbconvert": {},
    "api/terminals": {},
    "api/terminals/1": {},
    "terminals/websocket/1": {},
    "lsp/status": {},
    "lsp/ws/pylsp": {},
    "metrics": {},
    "api/metrics/v1": {},
    "api/config/notebook": {},
    "api/shutdown": {},
    "api/spec.yaml": {},
    "proxy/8888/": {},
    "tree": {},
    "doc": {},
    "edit/a.py": {},
    "jupytext/x": {},
    # ways round
    "api/contents/..": {},
    "api/contents/../../x": {},
    "api/contents/%2e%2e/x": {},
    "api/contents/%2E%2E%2Fx": {},
    "api/contents/a/./b": {},
    "api/contents/a%00b": {},
    "api/contents/a%0d%0ab": {},
    "api/contents/a\\b": {},
    "api/contents/a%5Cb": {},
    "api/contents\n": {},
    "static/../files/a.csv": {},
    "static/%2e%2e/files/a.csv": {},
    "api%2Fcontents": {},
    "API/contents": {},
    "//files/a.csv": {},
    "/api/contents": {},
    "lab/../files/a": {},
    "api/statusx": {},
    "xapi/status": {},
}


def test_every_method_on_every_path():
    pairs = list(product(METHODS, TABLE))
    assert {pair: decide(*pair) for pair in pairs} == {(method, path): TABLE[path].get(method) for method, path in pairs}


@pytest.mark.parametrize(
    ("raw", "parts"),
    [
        ("/user/alice/heart/api/contents", ("alice", "heart", "api/contents")),
        ("/user/alice/heart/", ("alice", "heart", "")),
        ("/user/alice/heart", ("alice", "heart", "")),
        ("/user/alice/", None),
        ("/user/Alice/heart/x", None),
        ("/user/alice%2fheart/x/", None),
        ("/user/../heart/x", None),
        ("/hub/api/users", None),
        ("user/alice/heart/", None),
    ],
)
def test_the_session_is_named_by_the_path(raw, parts):
    assert split(raw) == parts


def test_only_known_headers_pass_and_cookies_stay_below_the_session():
    prefix = "/user/alice/heart/"
    headers = [
        ("Content-Type", "application/json"),
        ("Content-Disposition", "attachment"),
        ("X-Leak", "secret"),
        ("Refresh", "0; url=http://elsewhere"),
        ("Set-Cookie", "a=1; Path=/user/alice/heart/"),
        ("Set-Cookie", "b=1; Path=/hub/"),
        ("Set-Cookie", "c=1"),
        ("Set-Cookie", "d=1; Path=/user/alice/heart/; Domain=example.org"),
        ("Content-Security-Policy", "default-src *"),
    ]
    passed = response_headers(headers, prefix)
    assert [value for name, value in passed if name == "Set-Cookie"] == ["a=1; Path=/user/alice/heart/"]
    assert [value for name, value in passed if name == "Content-Security-Policy"] == [CONTENT_SECURITY_POLICY]
    assert not {"Content-Disposition", "X-Leak", "Refresh"} & {name for name, _ in passed}
    assert request_headers([("Cookie", "a"), ("X-Evil", "b"), ("Range", "bytes=0-1"), ("Upgrade", "x")]) == [("Cookie", "a")]


@pytest.mark.parametrize(
    ("cookie", "inside"),
    [
        ("a=1; Path=/user/alice/heart/", True),
        ("a=1; path=/user/alice/heart/api; HttpOnly", True),
        ("a=1; Path=/", False),
        ("a=1; Path=/user/alice/heart", False),
        ("a=1; Path=/user/alice/heartx/", False),
        ("a=1", False),
    ],
)
def test_cookie(cookie, inside):
    assert cookie_stays_inside(cookie, "/user/alice/heart/") is inside


def test_no_way_out_in_the_policy():
    assert "allow-downloads" not in CONTENT_SECURITY_POLICY
    assert "allow-popups" not in CONTENT_SECURITY_POLICY
    assert "*" not in CONTENT_SECURITY_POLICY
    assert "http" not in CONTENT_SECURITY_POLICY


def test_bucket_lets_out_its_capacity_and_what_came_back():
    bucket = TokenBucket(capacity=100, per_second=10, now=0.0)
    assert bucket.take(60, now=0.0)
    assert bucket.take(40, now=0.0)
    assert not bucket.take(1, now=0.0)
    assert not bucket.take(51, now=5.0)
    assert bucket.take(50, now=5.0)
    assert not bucket.take(101, now=1000.0)
    assert bucket.take(100, now=1000.0)


def test_bucket_gains_nothing_from_a_clock_that_goes_back():
    bucket = TokenBucket(capacity=10, per_second=1, now=100.0)
    assert bucket.take(10, now=100.0)
    assert not bucket.take(1, now=50.0)
    assert not bucket.take(1, now=100.5)
    assert bucket.take(1, now=101.0)


GATE_PATHS = {
    "/hub/api": "GET",
    "/hub/api/": "GET",
    "/hub/api/user": "GET",
    "/hub/api/oauth2/token": "POST",
    "/hub/api/users/alice/activity": "POST",
    "/hub/api/users": None,
    "/hub/api/users/alice": None,
    "/hub/api/users/alice/servers/heart": None,
    "/hub/api/users/alice/tokens": None,
    "/hub/api/user/../users": None,
    "/hub/api/user%2f..": None,
    "/hub/api/proxy": None,
    "/hub/api/shutdown": None,
    "/hub/api/batchspawner": None,
    "/hub/login": None,
    "/user/alice/heart/": None,
    "/hub/api/user\n": None,
}


def test_every_call_to_the_hub():
    pairs = list(product(METHODS, GATE_PATHS))
    assert {pair: allowed(*pair) for pair in pairs} == {(method, path): GATE_PATHS[path] == method for method, path in pairs}
