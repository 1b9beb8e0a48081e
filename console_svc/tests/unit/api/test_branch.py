# SPDX-License-Identifier: Apache-2.0

import testtools

from console_svc.api.middleware.branch import is_small

LIMIT = 100


class BodiesTest(testtools.TestCase):
    def is_small(self, method: str, length: str | None = None) -> bool:
        environ = {'REQUEST_METHOD': method}
        if length is not None:
            environ['CONTENT_LENGTH'] = length
        return is_small(environ, LIMIT)

    def test_a_known_length_is_compared_with_the_limit(self) -> None:
        for method in ('GET', 'POST', 'DELETE'):
            for length, expected in (
                ('0', True),
                ('100', True),
                ('101', False),
                ('9' * 5000, False),
                ('0' * 5000, False),
            ):
                self.assertIs(expected, self.is_small(method, length))

    def test_an_unknown_length_may_be_any(self) -> None:
        for length in ('-1', '+1', '1_0', ' 1', '\xb2', 'x', '1.0'):
            self.assertFalse(self.is_small('GET', length))

    def test_without_a_length_only_some_methods_have_no_body(self) -> None:
        for length in (None, ''):
            self.assertTrue(self.is_small('GET', length))
            self.assertTrue(self.is_small('HEAD', length))
            for method in ('POST', 'PUT', 'DELETE', 'PATCH', 'OTHER'):
                self.assertFalse(self.is_small(method, length))
