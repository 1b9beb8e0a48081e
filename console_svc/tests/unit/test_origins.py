# SPDX-License-Identifier: Apache-2.0

"""Which pages may open consoles."""

import testtools
from hypothesis import given
from hypothesis import strategies as st

from console_svc import origins
from console_svc.tests.unit.fuzz import SETTINGS, texts

TEXTS = texts('htps:/.[]%0af@?#x,* \xfc') | st.from_regex(
    r'(https?://)?[0-9a-fx_.\[\]:%-]*(:[0-9]*)?/?', fullmatch=True
)


def is_allowed(
    origin: str, *allowed: str, scheme: str = 'https', host: str = 'p.test'
) -> bool:
    return origins.is_allowed(
        origin, scheme, host, map(origins.parse_allowed, allowed)
    )


class OwnOriginTest(testtools.TestCase):
    def test_host_and_port_are_compared(self) -> None:
        for scheme, host, origin, expected in (
            ('https', 'p.test', 'https://p.test', True),
            ('https', 'p.test:443', 'https://p.test', True),
            ('https', 'p.test', 'https://p.test:443', True),
            ('http', 'p.test:80', 'http://p.test', True),
            ('http', 'p.test:6080', 'http://p.test:6080', True),
            ('https', 'P.Test:6080', 'HTTPS://p.TEST:6080', True),
            ('https', 'xn--p-1ga.test', 'https://XN--P-1GA.test', True),
            (
                'https',
                '[2001:DB8::7]:6080',
                'https://[2001:db8::7]:6080',
                True,
            ),
            ('https', '192.0.2.7', 'https://192.0.2.7', True),
            ('https', 'p.test', 'https://p.test:6080', False),
            ('https', 'p.test:6080', 'https://p.test', False),
            ('https', 'p.test:80', 'https://p.test', False),
            ('http', 'p.test:443', 'http://p.test', False),
            ('https', 'p.test', 'https://p.test.evil.test', False),
            ('https', 'p.test', 'https://evil.p.test', False),
        ):
            self.assertEqual(
                expected,
                is_allowed(origin, scheme=scheme, host=host),
                (host, origin),
            )

    def test_the_scheme_is_that_of_the_request(self) -> None:
        for page, scheme, expected in (
            ('http', 'http', True),
            ('https', 'https', True),
            ('http', 'https', False),
            ('https', 'http', False),
        ):
            self.assertEqual(
                expected,
                is_allowed(
                    f'{page}://p.test:6080', scheme=scheme, host='p.test:6080'
                ),
            )

    def test_other_values_of_the_headers_are_refused(self) -> None:
        for origin in (
            '',
            'null',
            'p.test',
            '//p.test',
            'https://',
            'https://[',
            'https://p.test/',
            'https://p.test/x',
            'https://p.test:',
            'https://p.test:0',
            'https://p.test:x',
            'https://p.test:99999',
            'https://p.test#',
            'https://p.test, https://p.test',
            'https://p.test https://p.test',
            'https://evil.test@p.test',
            'https://p.test@evil.test',
            'https://p.test\\@evil.test',
            'https://p_.test\x00',
            'https://p.test\n',
            'chrome-extension://p.test',
            'file://p.test',
            'wss://p.test',
        ):
            self.assertFalse(is_allowed(origin), origin)
        for host in ('', 'null', 'p.test, p.test', 'x@p.test', 'p.test/', '['):
            self.assertFalse(is_allowed('https://p.test', host=host), host)


class AllowedOriginTest(testtools.TestCase):
    def test_origins_as_people_write_them(self) -> None:
        for entry, origin in (
            ('d.test', 'https://d.test'),
            ('d.test', 'https://d.test:8443'),
            ('D.Test', 'https://d.test'),
            ('d.test/', 'https://d.test'),
            (' d.test ', 'https://d.test'),
            ('https://d.test', 'https://d.test'),
            ('https://d.test', 'https://d.test:8443'),
            ('HTTPS://D.test/', 'https://d.test'),
            ('d.test:443', 'https://d.test'),
            ('https://d.test:443', 'https://d.test'),
            ('d.test:8443', 'https://d.test:8443'),
            ('https://d.test:8443/', 'https://d.test:8443'),
            ('dashboard', 'https://dashboard'),
            ('192.0.2.7', 'https://192.0.2.7:8443'),
            ('192.0.2.7:8443', 'https://192.0.2.7:8443'),
            ('2001:DB8:0::7', 'https://[2001:db8::7]'),
            ('[2001:db8::7]', 'https://[2001:db8::7]:8443'),
            ('https://[2001:db8::7]:8443', 'https://[2001:db8::7]:8443'),
            ('müller.test', 'https://xn--mller-kva.test'),
            ('https://MÜLLER.test:8443', 'https://xn--mller-kva.test:8443'),
            ('XN--mller-kva.test', 'https://xn--mller-kva.test'),
        ):
            self.assertTrue(is_allowed(origin, 'other.test', entry), entry)

    def test_what_an_entry_names_is_compared(self) -> None:
        for entry, origin in (
            ('d.test', 'https://evil.test'),
            ('d.test', 'https://d.test.evil.test'),
            ('d.test', 'https://evil.d.test'),
            ('d.test:443', 'https://d.test:8443'),
            ('d.test:80', 'https://d.test'),
            ('d.test:8443', 'https://d.test'),
            ('http://d.test', 'https://d.test'),
            ('192.0.2.7', 'https://192.0.2.8'),
            ('2001:db8::7', 'https://[2001:db8::8]'),
            ('müller.test', 'https://muller.test'),
        ):
            self.assertFalse(is_allowed(origin, entry), entry)

    def test_a_page_without_tls_is_refused_on_a_request_with_tls(
        self,
    ) -> None:
        for entry in ('d.test', 'http://d.test', 'http://d.test:80'):
            self.assertFalse(is_allowed('http://d.test', entry), entry)
            self.assertTrue(is_allowed('http://d.test', entry, scheme='http'))

    def test_wrong_entries_are_refused(self) -> None:
        for entry in (
            '',
            '/',
            '*',
            '*.d.test',
            'null',
            'https://',
            'https:/d.test',
            'ftp://d.test',
            'wss://d.test',
            'd.test:',
            'd.test:0',
            'd.test:65536',
            'd.test:https',
            'd.test/x',
            'https://d.test//',
            'd.test?x',
            'd.test#x',
            'joe@d.test',
            'd test',
            'd.test d2.test',
            '.d.test',
            'd..test',
            f'{"x" * 64}.test',
            '.'.join(['x' * 60] * 5),
            '192.0.2.300',
            '192.0.2',
            '[192.0.2.7]',
            '[2001:db8::7',
            '[fe80::1%eth0]',
            '2001:db8::7::',
            'https://2001:db8::7',
            # IDNA 2003 and 2008 differ.
            'straße.test',
            'ü..test',
            f'{"ü" * 64}.test',
        ):
            error = self.assertRaises(ValueError, origins.parse_allowed, entry)
            self.assertIn(repr(entry), str(error))

    def test_entries_are_formatted_as_they_are_written(self) -> None:
        for text in (
            'd.test',
            'd.test:8443',
            'https://d.test',
            'https://[2001:db8::7]:8443',
        ):
            self.assertEqual(text, str(origins.parse_allowed(text)))


class FuzzTest(testtools.TestCase):
    @SETTINGS
    @given(TEXTS, TEXTS, st.sampled_from(['http', 'https']))
    def test_any_header_is_allowed_or_refused(
        self, origin: str, host: str, scheme: str
    ) -> None:
        origins.is_allowed(origin, scheme, host, ())

    @SETTINGS
    @given(TEXTS)
    def test_an_entry_is_parsed_or_refused(self, text: str) -> None:
        try:
            entry = origins.parse_allowed(text)
        except ValueError:
            return
        self.assertEqual(entry, origins.parse_allowed(str(entry)))
