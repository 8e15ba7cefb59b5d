"""Which proxy an address is reached through, as the environment says it.

Asked once for all requests. aiohttp's own `trust_env` asks again for each, and takes passwords out of
`~/.netrc` besides, which then contradict our signature or go to a webhook.
"""

from __future__ import annotations

from urllib.parse import urlsplit
from urllib.request import getproxies_environment, proxy_bypass

from harvester.errors import ConfigError


def find_proxy(url: str) -> str | None:
    """The proxy for this address by `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`; None: directly.

    The address that it gives holds the proxy's password.

    Raises:
        ConfigError: it is a proxy that is not spoken to by plain HTTP, such as one by SOCKS.
    """
    target = urlsplit(url)
    proxies = getproxies_environment()
    if proxy_bypass(target.netloc.rpartition("@")[2]):
        return None
    proxy = proxies.get(target.scheme) or proxies.get("all")
    if not proxy:
        return None
    kind, separator, _ = proxy.partition("://")
    if separator and kind.lower() != "http":
        shown = kind if kind.isalnum() else "unknown"  # what stands there may be a password
        raise ConfigError(
            f"the environment names a proxy of the kind {shown}; only http:// proxies can be used. "
            "Set another one in HTTPS_PROXY, or add the host to NO_PROXY"
        )
    return proxy if separator else f"http://{proxy}"
