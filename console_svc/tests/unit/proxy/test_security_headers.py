# SPDX-License-Identifier: Apache-2.0

import testtools

from console_svc.conf.origin_types import FrameAncestor
from console_svc.proxy.security_headers import frame_ancestors


class FrameAncestorsTest(testtools.TestCase):
    def test_directive(self) -> None:
        for sources, directive in (
            (['*'], 'frame-ancestors *'),
            ([], "frame-ancestors 'none'"),
            (['none'], "frame-ancestors 'none'"),
            (
                ["'self'", 'https://a.example.org:*'],
                "frame-ancestors 'self' https://a.example.org:*",
            ),
        ):
            self.assertEqual(directive, frame_ancestors(sources))

    def test_values_of_the_option(self) -> None:
        parse = FrameAncestor()
        for value in (
            '*',
            'self',
            "'self'",
            'https:',
            'dashboard.example.org',
            '*.example.org',
            'https://dashboard.example.org:8443/',
        ):
            self.assertEqual(value, parse(value))
        for value in (
            '',
            'a b',
            "a; script-src 'unsafe-eval'",
            'https://a/path',
            'a\r\nX: y',
            'a,b',
        ):
            self.assertRaises(ValueError, parse, value)
