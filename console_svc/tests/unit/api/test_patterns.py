# SPDX-License-Identifier: Apache-2.0

import testtools

from console_svc.api.bodies.patterns import Pattern


class PatternTest(testtools.TestCase):
    def test_a_part_of_the_text_matches_in_any_case(self) -> None:
        self.assertTrue(Pattern('EB-[0-9]').matches('web-1'))
        self.assertTrue(Pattern('ÄÖ').matches('xäöx'))
        self.assertFalse(Pattern('^eb').matches('web-1'))

    def test_patterns_on_which_others_backtrack(self) -> None:
        # With Python's re, each of these takes exponential time.
        for text in ('(a+)+b', '(a|aa)*b', '((a*)*)*b', 'a*' * 100 + 'b'):
            self.assertFalse(Pattern(text).matches('a' * 255))

    def test_invalid_and_large_patterns_are_refused(self) -> None:
        for text in (
            *('', '[', '(', '*', 'a{1001}', '(?=a)', r'(a)\1', 'a' * 256),
            *('((a{99}){99}){99}', '(.*){1,200}z', '\udcff'),
        ):
            self.assertRaises(ValueError, Pattern, text)

    def test_long_names_are_good_patterns(self) -> None:
        for name in ('a' * 255, 'ä' * 255):
            self.assertTrue(Pattern(name).matches(name))

    def test_text_that_is_not_unicode_does_not_match(self) -> None:
        self.assertFalse(Pattern('a').matches('a\udcff'))
