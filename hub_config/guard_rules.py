"""What may pass between a browser and a session: a table of paths and methods, a byte budget, headers. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum
from urllib.parse import unquote

__all__ = [
    "CONTENT_SECURITY_POLICY",
    "RULES",
    "Kind",
    "Rule",
    "TokenBucket",
    "cookie_stays_inside",
    "decide",
    "request_headers",
    "response_headers",
    "split",
]


class Kind(Enum):
    """How an allowed path is carried."""

    STATIC = "served from the guard's own copy; the session is not asked"
    METERED = "fetched from the session, every byte counted"
    CHANNEL = "a websocket, every message counted"


@dataclass(frozen=True)
class Rule:
    """Methods and a pattern of the path below the session's prefix."""

    methods: frozenset[str]
    pattern: re.Pattern[str]
    kind: Kind


def _rule(methods: str, pattern: str, kind: Kind = Kind.METERED) -> Rule:
    return Rule(frozenset(methods.split()), re.compile(pattern), kind)


_UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"

# Read in order; the first that fits decides, and what fits none is refused.
# Left out on purpose: files, nbconvert, view, terminals, lsp, metrics, api/nbconvert, api/config, extension managers.
RULES: tuple[Rule, ...] = (
    _rule("GET", r"static/.+", Kind.STATIC),
    _rule("GET", r"lab/extensions/.+", Kind.STATIC),
    _rule("GET", r"lab/api/themes/.+", Kind.STATIC),
    _rule("GET", rf"api/kernels/{_UUID}/channels", Kind.CHANNEL),
    _rule("GET", r"api/events/subscribe", Kind.CHANNEL),
    _rule("GET", r"|lab/?|lab/(tree|workspaces)(/.*)?"),
    _rule("GET", r"api/?|api/(me|status|kernelspecs)"),
    _rule("GET", r"oauth_callback|logout|custom/custom\.css"),
    _rule("GET", r"kernelspecs/[\w.-]+/logo-[\w]+\.(png|svg)"),
    _rule("GET", r"lab/api/(settings|workspaces|translations|listings|licenses|plugins)(/.*)?"),
    _rule("PUT DELETE", r"lab/api/(settings|workspaces)/.+"),
    _rule("GET POST", r"api/sessions"),
    _rule("GET PATCH DELETE", rf"api/sessions/{_UUID}"),
    _rule("GET POST", r"api/kernels"),
    _rule("GET DELETE", rf"api/kernels/{_UUID}"),
    _rule("POST", rf"api/kernels/{_UUID}/(interrupt|restart)"),
    _rule("GET POST PUT PATCH DELETE", r"api/contents(/.*)?"),
)

_PREFIX = re.compile(r"/user/([a-z0-9-]+)/([a-z0-9-]+)(?:/(.*))?", re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x1f\x7f\\]")


def split(raw_path: str) -> tuple[str, str, str] | None:
    """Split a raw request path into user, project and the rest below the session's prefix.

    Parameters
    ----------
    raw_path : str
        Path as it stands in the request line, without the query.

    Returns
    -------
    tuple of (user, project, rest) or None
        None if the path is not below a session's prefix.
    """
    match = _PREFIX.fullmatch(raw_path)
    return (match[1], match[2], match[3] or "") if match else None


def decide(method: str, rest: str) -> Kind | None:
    """Say how a request is carried, or None if it is refused.

    Parameters
    ----------
    method : str
        HTTP method, upper case.
    rest : str
        Raw path below the session's prefix.

    Notes
    -----
    The pattern has to fit the raw path, which is what the session's server routes by, so an encoded slash cannot turn one
    route into another; dot segments and control characters are looked for after decoding.
    """
    decoded = unquote(rest)
    if _CONTROL.search(decoded) or any(part in {".", ".."} for part in decoded.split("/")):
        return None
    return next((rule.kind for rule in RULES if method in rule.methods and rule.pattern.fullmatch(rest)), None)


@dataclass
class TokenBucket:
    """A budget of bytes that refills evenly.

    Parameters
    ----------
    capacity : float
        Bytes that may leave at once.
    per_second : float
        Bytes that come back each second.
    now : float
        The clock's reading, in seconds.
    """

    capacity: float
    per_second: float
    now: float
    left: float = field(init=False)

    def __post_init__(self) -> None:
        self.left = self.capacity

    def take(self, amount: float, *, now: float) -> bool:
        """Take an amount if it is there; an amount that is refused costs nothing."""
        self.left = min(self.capacity, self.left + max(0.0, now - self.now) * self.per_second)
        self.now = max(self.now, now)
        if amount > self.left:
            return False
        self.left -= amount
        return True


# No downloads, pop-ups or other hosts, whatever a page's script tries. 'self' includes this host's websockets.
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "sandbox allow-scripts allow-same-origin allow-forms allow-modals",
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self' blob: data:",
        "worker-src 'self' blob:",
        "frame-src 'none'",
        "object-src 'none'",
        "form-action 'self'",
        "base-uri 'self'",
        "frame-ancestors 'none'",
    )
)
ADDED_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
# Lists of what passes, not of what is dropped: any other header would be a channel of its own.
_TO_SESSION = frozenset(
    (
        *("accept", "accept-language", "authorization", "content-type", "cookie", "host", "if-modified-since", "if-none-match"),
        *("origin", "referer", "user-agent", "x-xsrftoken"),
        *("x-forwarded-for", "x-forwarded-host", "x-forwarded-port", "x-forwarded-proto"),
    )
)
_TO_BROWSER = frozenset(("cache-control", "content-type", "etag", "expires", "last-modified", "location", "vary", "x-jupyterhub-version"))


def request_headers(headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Keep the request headers that a session needs."""
    return [(name, value) for name, value in headers if name.lower() in _TO_SESSION]


def response_headers(headers: list[tuple[str, str]], prefix: str) -> list[tuple[str, str]]:
    """Keep the response headers that a browser needs, and cookies that stay below the session's prefix; add the guard's own."""
    kept = [(name, value) for name, value in headers if name.lower() in _TO_BROWSER]
    cookies = [(name, value) for name, value in headers if name.lower() == "set-cookie" and cookie_stays_inside(value, prefix)]
    return kept + cookies + list(ADDED_HEADERS.items())


def cookie_stays_inside(cookie: str, prefix: str) -> bool:
    """Say whether a cookie is limited to a session's prefix, so that a session cannot plant cookies for the hub or another session."""
    attributes = dict(part.strip().lower().partition("=")[::2] for part in cookie.split(";")[1:])
    return attributes.get("path", "").startswith(prefix.lower()) and "domain" not in attributes
