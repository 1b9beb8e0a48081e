# SPDX-License-Identifier: Apache-2.0

"""Console tokens: where the proxy finds them, and which it accepts."""

import time

import sqlalchemy as sa

from console_svc.db import tables
from console_svc.tests.functional.proxy.base import ProxyTest

NOT_VALID = (1008, 'The console token is invalid or has expired.')
NO_TOKEN = (1008, 'There is no console token in the URL.')


class TokenTest(ProxyTest):
    def test_token_in_the_query_or_a_cookie(self) -> None:
        self.console()
        token = self.token()
        for target, cookie in (
            (f'?token={token}', None),
            (f'websockify?x=1&token={token}', None),
            (f'websockify?path=%3Ftoken%3D{token}', None),
            ('websockify', f'token={token}'),
            ('websockify', f'a=b; token="{token}"'),
        ):
            headers = {'Cookie': cookie} if cookie else None
            self.check_echo(self.connect(target, additional_headers=headers))

    def test_other_cookies_do_not_hide_the_token(self) -> None:
        self.console()
        token = self.token()
        for lines in (
            [f'x={{"a":1}}; token={token}'],
            [f'prefs[a]=b; token={token}'],
            [f'name=J\xf6rg; token={token}'],
            [f'bare; token={token}'],
            [f'token={token}; token=other'],
            [f'token=a/b; token={token}'],
            ['x="', f'token={token}'],
            # Large, but allowed.
            ['x=' + 'y' * 8000] * 7 + [f'token={token}'],
        ):
            connection = self.connect(
                'websockify',
                additional_headers=[('Cookie', line) for line in lines],
            )
            self.check_echo(connection)
            connection.close()

    def test_token_elsewhere_is_ignored(self) -> None:
        token = self.token()
        for target in (
            '',
            token,
            f'token={token}',
            f'?key={token}',
            '?token=',
            '?token=a/../b',
            '?token=%00',
            f'?token={"x" * 129}',
            '?path=%3Ftoken',
        ):
            self.assertEqual(NO_TOKEN, self.refused(target), target)
        self.assertEqual(
            NO_TOKEN,
            self.refused('', additional_headers={'Cookie': 'token="\\"; ;'}),
        )

    def test_unknown_and_expired_tokens_are_refused(self) -> None:
        self.assertEqual(NOT_VALID, self.refused('?token=unknown'))
        token = self.token()
        with self.service.database.writing() as connection:
            connection.execute(
                sa.update(tables.console_auth_tokens).values(expires=1)
            )
        self.assertEqual(NOT_VALID, self.refused(f'?token={token}'))


class SingleUseTest(ProxyTest):
    PROXY = {'enable_proxy_headers_parsing': True}
    CONSOLEAUTH = {'max_uses': 1}

    USED_UP = (1008, 'Token is used up.')

    def test_used_up_token_is_refused(self) -> None:
        self.console()
        target = f'?token={self.token()}'
        self.check_echo(self.connect(target))
        self.assertEqual(self.USED_UP, self.refused(target))

    def test_channels_of_a_spice_page_are_one_use(self) -> None:
        """While one is open, and shortly after, its address can open more."""
        self.console(kind='spice-html5')
        target = f'?token={self.token("spice", "spice-html5")}'
        elsewhere = {'X-Forwarded-For': '198.51.100.9'}
        channels = [self.connect(target) for _ in range(4)]
        for channel in channels:
            self.check_echo(channel)
        self.assertEqual(
            self.USED_UP, self.refused(target, additional_headers=elsewhere)
        )
        channels.pop().close()
        channels.append(self.connect(target))
        self.check_echo(channels[-1])
        for channel in channels:
            channel.close()
        self.wait_for_no_session()
        self.check_echo(again := self.connect(target))
        again.close()
        self.wait_for_no_session()
        with self.service.database.writing() as connection:
            connection.execute(
                sa.update(tables.console_sessions).values(
                    alive_until=int(time.time())
                )
            )
        self.assertEqual(self.USED_UP, self.refused(target))


class UserLimitTest(ProxyTest):
    CONSOLEAUTH = {'max_sessions_per_user': 1}

    def test_a_session_beyond_the_limit_is_refused(self) -> None:
        self.console()
        self.check_echo(first := self.connect(f'?token={self.token()}'))
        target = f'?token={self.token()}'
        self.assertEqual(
            (1008, 'The user has as many console sessions as a user may.'),
            self.refused(target),
        )
        first.close()
        self.wait_for_no_session()
        self.check_echo(self.connect(target))


class BehindLoadBalancerTest(ProxyTest):
    """With a load balancer that says where clients are."""

    PROXY = {'enable_proxy_headers_parsing': True}
    CONSOLEAUTH = {'bind_to_client_address': True}

    def test_token_is_good_for_its_address_only(self) -> None:
        self.console()
        target = f'?token={self.token()}'
        self.check_echo(
            self.connect(
                target,
                additional_headers={
                    'X-Forwarded-For': '198.51.100.9, 127.0.0.1'
                },
            )
        )
        self.assertEqual(
            (1008, 'Token was issued to another address.'),
            self.refused(
                target, additional_headers={'X-Forwarded-For': '198.51.100.9'}
            ),
        )

    def test_channels_of_a_spice_page_come_from_one_address(self) -> None:
        self.console(kind='spice-html5')
        target = f'?token={self.token("spice", "spice-html5")}'
        for forwarded, allowed in (
            ('127.0.0.1', True),
            ('198.51.100.9', False),
            ('127.0.0.1', True),
        ):
            connection = self.connect(
                target, additional_headers={'X-Forwarded-For': forwarded}
            )
            if allowed:
                self.check_echo(connection)
            else:
                self.assertEqual(
                    (1008, 'Token was issued to another address.'),
                    self.closed(connection),
                )
