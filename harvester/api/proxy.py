"""Finds out how an address is reached: through which proxy, and with which headers.

The environment is read once for all requests. aiohttp's own `trust_env` reads it for each request, and also
takes passwords from `~/.netrc`, which would replace our signature or be sent to a webhook.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit
from urllib.request import getproxies_environment, proxy_bypass

from harvester.errors import ConfigError
from harvester.secrets import basic_credentials, hide_proxy


@dataclass(frozen=True)
class Route:
    """The way to an address; the proxy's password is in headers and never in its URL.

    aiohttp writes the URL of a proxy into the texts of its errors.
    """

    proxy: str | None = None
    """URL of the proxy; None: the address is reached directly."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Sent with each request: a plain http request goes to the proxy as a whole."""
    proxy_headers: Mapping[str, str] | None = field(default=None, repr=False)
    """Sent with the CONNECT that precedes an https request."""


def find_route(url: str) -> Route:
    """Return the way to this address by `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`.

    Raises:
        ConfigError: the proxy does not use plain HTTP (SOCKS, for example), or its address is invalid.
    """
    target = urlsplit(url)
    proxies = getproxies_environment()
    if proxy_bypass(target.netloc.rpartition("@")[2]):
        return Route()
    proxy = proxies.get(target.scheme) or proxies.get("all")
    if not proxy:
        return Route()
    # Before anything about it can be written.
    hide_proxy(proxy)
    kind, separator, _ = proxy.partition("://")
    if separator and kind.lower() != "http":
        shown = kind if kind.isalnum() else "unknown"  # it may be a password
        raise ConfigError(
            f"the environment names a proxy of the kind {shown}; only http:// proxies can be used. "
            "Set another one in HTTPS_PROXY, or add the host to NO_PROXY"
        )
    return _route(proxy if separator else f"http://{proxy}", target.scheme)


def _route(proxy: str, scheme: str) -> Route:
    userinfo, _, host = urlsplit(proxy).netloc.rpartition("@")
    address = f"http://{host}"
    try:
        usable = urlsplit(address).hostname and (urlsplit(address).port or 80)
    except ValueError:
        usable = None
    if not usable:
        raise ConfigError(
            "the address of the proxy in the environment is invalid; write http://USER:PASSWORD@HOST:PORT "
            "in HTTPS_PROXY, with %2F for / and %40 for @ within the password"
        )
    headers = {"Proxy-Authorization": f"Basic {basic_credentials(userinfo)}"} if userinfo else {}
    if scheme == "https":
        return Route(address, proxy_headers=headers)
    return Route(address, headers=headers)
