# SPDX-License-Identifier: Apache-2.0

"""auth_token's cache in memcached."""

import json
import pathlib
import pickle
import socket

import fixtures as fixtures_
import keystonemiddleware.opts
import testtools
from oslo_config import cfg

from console_svc.api import token_cache


class Planted:
    """Creates a file when it is unpickled."""

    def __init__(self, path: pathlib.Path) -> None:
        self._path = path

    def __reduce__(self):
        return pathlib.Path.touch, (self._path,)


class BytesTest(testtools.TestCase):
    def test_values_with_flags_are_ignored(self) -> None:
        folder = self.useFixture(fixtures_.TempDir()).path
        path = pathlib.Path(folder) / 'ran'
        planted = pickle.dumps(Planted(path))
        for flags in (1, 2, 16, 255, 65535):
            self.assertIsNone(
                token_cache.Bytes().deserialize('k', planted, flags)
            )
        self.assertFalse(path.exists())

    def test_bytes_stay_bytes(self) -> None:
        stored, flags = token_cache.Bytes().serialize('k', b'{}')
        self.assertEqual(
            b'{}', token_cache.Bytes().deserialize('k', stored, flags)
        )


class TokenCacheTest(testtools.TestCase):
    def conf(self, **options: object) -> cfg.ConfigOpts:
        conf = cfg.ConfigOpts()
        for group, found in keystonemiddleware.opts.list_auth_token_opts():
            conf.register_opts(found, group)
        for name, value in options.items():
            conf.set_override(name, value, 'keystone_authtoken')
        return conf

    def test_only_auth_tokens_own_values_are_returned(self) -> None:
        for value, expected in (
            ({'token': {}}, True),
            ({'token': {'user': {}}}, True),
            ({'token': {}, 'more': 1}, False),
            ({'token': 5}, False),
            ([{'token': {}}, 'expiry'], False),
            ({}, False),
            (5, False),
            (None, False),
        ):
            found = token_cache._is_token(json.dumps(value).encode())
            self.assertEqual(expected, found, value)
        for content in (b'', b'\x80\x04K\x05.', b'\xff', b'[' * 100_000):
            self.assertFalse(token_cache._is_token(content))

    def test_there_is_none_without_memcached(self) -> None:
        conf = self.conf()
        self.assertIsNone(token_cache.load(conf))
        self.assertIsNone(conf.keystone_authtoken.cache)

    def test_auth_token_is_told_where_it_is(self) -> None:
        conf = self.conf(memcached_servers=['a'], cache='swift.cache')
        self.assertIsNotNone(token_cache.load(conf))
        self.assertEqual(token_cache.KEY, conf.keystone_authtoken.cache)

    def test_sasl_is_refused(self) -> None:
        conf = self.conf(memcached_servers=['a'], memcache_sasl_enabled=True)
        error = self.assertRaises(cfg.Error, token_cache.load, conf)
        self.assertIn('memcache_sasl_enabled', str(error))

    def test_servers_that_do_not_answer_are_an_empty_cache(self) -> None:
        closed = socket.create_server(('127.0.0.1', 0))
        port = closed.getsockname()[1]
        closed.close()
        conf = self.conf(
            memcached_servers=[
                f'127.0.0.1:{port}',
                f'inet:127.0.0.1:{port}',
                f'inet6:[::1]:{port}',
                f'[::1]:{port}',
                'unix:/nonexistent',
            ]
        )
        cache = token_cache.load(conf)
        for number in range(20):
            cache.set(f'key-{number}', b'{}', 60)
            self.assertIsNone(cache.get(f'key-{number}'))
