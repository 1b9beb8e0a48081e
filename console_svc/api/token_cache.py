# SPDX-License-Identifier: Apache-2.0

"""auth_token's cache in memcached, without pickles.

By default auth_token uses python-memcached, which unpickles what memcached
returns: whoever can write to memcached could run code in the API. This client
takes bytes only.
"""

import json
import ssl
from typing import Any, Final

from oslo_config import cfg

#: Where the environ has the cache; see [keystone_authtoken] cache.
KEY: Final = 'console_svc.token_cache'

_GROUP: Final = 'keystone_authtoken'


class Bytes:
    """Stores bytes in memcached, and returns nothing else.

    It has the interface that pymemcache calls serde.
    """

    def serialize(self, key: str, value: bytes) -> tuple[bytes, int]:
        return value, 0

    def deserialize(self, key: str, value: bytes, flags: int) -> bytes | None:
        # Flags mark pickles, numbers and compressed values.
        return None if flags else value


class TokenCache:
    """Validated tokens in memcached, as auth_token uses them.

    A memcached that fails or does not answer is a cache without values. It is
    not asked again for ``memcache_pool_dead_retry`` seconds, and its tokens
    are cached by the others.

    :param conf: has the options of [keystone_authtoken]
    """

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        # Imported here: it is an optional dependency.
        from pymemcache import HashClient
        from pymemcache.pool import ObjectPool

        options = conf[_GROUP]
        self._is_plain = options.memcache_security_strategy.lower() == 'none'
        servers = [
            it.removeprefix('inet:').removeprefix('inet6:')
            for it in options.memcached_servers
        ]
        context = _tls_context(options)

        def connect() -> HashClient:
            return HashClient(
                servers,
                serde=Bytes(),
                connect_timeout=options.memcache_pool_socket_timeout,
                timeout=options.memcache_pool_socket_timeout,
                retry_attempts=0,
                dead_timeout=options.memcache_pool_dead_retry,
                ignore_exc=True,
                default_noreply=False,
                tls_context=context,
            )

        # A HashClient is not thread-safe when a memcached fails.
        self._pool: ObjectPool[HashClient] = ObjectPool(
            connect,
            after_remove=lambda client: client.close(),
            idle_timeout=options.memcache_pool_unused_timeout,
        )

    def get(self, key: str) -> bytes | None:
        """A value; None if there is none that auth_token can use."""
        with self._pool.get_and_release(destroy_on_fail=True) as client:
            value: bytes | None = client.get(key)
        if value is None or (self._is_plain and not _is_token(value)):
            return None
        return value

    def set(self, key: str, value: bytes, time: int = 0) -> None:
        """Store a value.

        :param time: seconds until it expires; 0: never
        """
        with self._pool.get_and_release(destroy_on_fail=True) as client:
            client.set(key, value, expire=time)


def load(conf: cfg.ConfigOpts) -> TokenCache | None:
    """The cache; None: [keystone_authtoken] memcached_servers is not set.

    :raises oslo_config.cfg.Error: pymemcache (the extra ``memcache``) is not
        installed, or SASL is enabled
    """
    if not conf[_GROUP].memcached_servers:
        return None
    if conf[_GROUP].memcache_sasl_enabled:
        raise cfg.Error(
            f'[{_GROUP}] memcache_sasl_enabled is not supported, because '
            'its client unpickles what memcached returns. Use '
            'memcache_tls_enabled or memcache_security_strategy instead.'
        )
    try:
        cache = TokenCache(conf)
    except ImportError as error:
        raise cfg.Error(
            f'[{_GROUP}] memcached_servers is set, but pymemcache is not '
            'installed: install console-svc[memcache]'
        ) from error
    # auth_token takes the cache from the environ only if this names it.
    conf.set_override('cache', KEY, _GROUP)
    return cache


def _tls_context(options: Any) -> ssl.SSLContext | None:
    """The same as auth_token makes for its own client."""
    if not options.memcache_tls_enabled:
        return None
    context = ssl.create_default_context(cafile=options.memcache_tls_cafile)
    if options.memcache_tls_certfile:
        context.load_cert_chain(
            options.memcache_tls_certfile, options.memcache_tls_keyfile
        )
    if options.memcache_tls_allowed_ciphers:
        context.set_ciphers(options.memcache_tls_allowed_ciphers)
    return context


def _is_token(value: bytes) -> bool:
    """Whether a value is one of auth_token's, which fails on others."""
    try:
        document = json.loads(value.decode())
    except (ValueError, RecursionError):
        return False
    return (
        isinstance(document, dict)
        and document.keys() == {'token'}
        and isinstance(document['token'], dict)
    )
