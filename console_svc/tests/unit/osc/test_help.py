# SPDX-License-Identifier: Apache-2.0

import argparse
from importlib import metadata

import testtools

from console_svc.osc import plugin


class HelpTest(testtools.TestCase):
    """The help texts of the plugin are sentences."""

    def check(self, text: str | None, where: object) -> None:
        self.assertRegex(text or '', r'^[A-Z].*\.( \(Env: [A-Z_]+\))?$', where)

    def test_commands_and_their_arguments(self) -> None:
        entries = metadata.entry_points(group='openstack.console.v2')
        self.assertEqual(16, len(entries))
        for entry in entries:
            kind = entry.load()
            for line in kind.__doc__.split('\n\n'):
                self.check(' '.join(line.split()), entry.name)
            parser = kind(None, None).get_parser('openstack')
            own = [
                action
                for action in parser._actions
                if not action.option_strings
                or action.option_strings[0] in ('--long', '--server')
            ]
            self.assertNotEqual([], own)
            for action in own:
                self.check(action.help, entry.name)

    def test_the_global_option(self) -> None:
        parser = argparse.ArgumentParser(add_help=False)
        plugin.build_option_parser(parser)
        (option,) = parser._actions
        self.check(option.help, option.dest)
