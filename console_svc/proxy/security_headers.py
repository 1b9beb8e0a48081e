# SPDX-License-Identifier: Apache-2.0

"""Headers with which browsers protect the users of pages."""

from collections.abc import Mapping
from typing import Final

from oslo_config import cfg

_KEYWORDS: Final = frozenset({'self', 'none'})

# For the pages of this package, which have neither scripts nor styles inside.
# Images and cursors that servers send are data, and SPICE's video is a blob.
_OWN_POLICY: Final = '; '.join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        'media-src blob:',
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
    )
)


class SecurityHeaders:
    """The headers of all responses; a page may replace them by its own."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        options = conf.proxy
        # It may have several lines in the file.
        policy = ' '.join(options.content_security_policy.split()).strip('; ')
        ancestors = frame_ancestors(options.frame_ancestors)
        self._plain = {
            'Content-Security-Policy': '; '.join(
                filter(None, (policy, ancestors))
            )
        }
        self._tls = {
            **self._plain,
            'Strict-Transport-Security': f'max-age={options.hsts_max_age}',
        }

    def of(self, is_https: bool) -> Mapping[str, str]:
        """The headers of a response.

        :param is_https: whether the browser uses TLS
        """
        return self._tls if is_https else self._plain


def own_policy(conf: cfg.ConfigOpts, wasm: bool = False) -> str:
    """The content security policy of the pages of this package.

    :param wasm: whether the page may compile WebAssembly
    """
    policy = _OWN_POLICY
    if wasm:
        policy = policy.replace(
            "script-src 'self'", "script-src 'self' 'wasm-unsafe-eval'"
        )
    return f'{policy}; {frame_ancestors(conf.proxy.frame_ancestors)}'


def frame_ancestors(sources: list[str]) -> str:
    """The directive frame-ancestors (CSP level 3, section 6.4.2).

    :param sources: those of ``[proxy] frame_ancestors``; none: no page may
        embed ours
    """
    bare = [it.strip("'") for it in sources] or ['none']
    quoted = (f"'{it}'" if it.lower() in _KEYWORDS else it for it in bare)
    return ' '.join(('frame-ancestors', *quoted))
