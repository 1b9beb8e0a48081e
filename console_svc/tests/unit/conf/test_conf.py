# SPDX-License-Identifier: Apache-2.0

import pathlib
import subprocess
import sys

import fixtures
import testtools
from oslo_config import cfg

from console_svc import conf as configuration
from console_svc.conf import (
    consoles,
    opts,
    origin_types,
    reading,
    unknown,
)


class ConfTest(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)

    def write(self, name: str, text: str) -> str:
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return str(path)

    def test_load_from_environment(self) -> None:
        one = self.write('1.conf', '[consoleauth]\ntoken_ttl = 1\n')
        two = self.write('2.conf', '[compute]\ndriver = two\n')
        self.write('d/3.conf', '[static]\ninventory = /three\n')
        conf = configuration.load_from_environment(
            {
                'OS_CONSOLE_SVC_CONFIG_FILES': f'{one}; {two};',
                'OS_CONSOLE_SVC_CONFIG_DIR': str(self.folder / 'd'),
            }
        )
        self.assertEqual(1, conf.consoleauth.token_ttl)
        self.assertEqual('two', conf.compute.driver)
        self.assertEqual('/three', conf.static.inventory)

    def test_invalid_values_are_errors_at_the_start(self) -> None:
        for section, line in (
            ('api', 'servers = maybe'),
            ('api', 'max_limit = 0'),
            ('api', 'forwarding_headers = X-Real-IP'),
            ('consoleauth', 'max_unused_tokens = many'),
            ('database', 'max_pool_size = some'),
            ('metrics', 'allowed_sources = 10.0.0.1/33'),
            ('proxy', 'frame_ancestors = a b'),
        ):
            file = self.write('x.conf', f'[{section}]\n{line}\n')
            error = self.assertRaises(
                cfg.ConfigFileValueError, configuration.load, files=[file]
            )
            self.assertIn(line.partition(' ')[0], str(error))

    def test_log_messages_are_printable(self) -> None:
        """A value from outside can neither forge a line nor control a tty."""
        file = self.write('x.conf', '')
        script = (
            'import logging, sys\n'
            'from console_svc import conf\n'
            'conf.setup_logging(conf.load(files=[sys.argv[1]]))\n'
            'logging.getLogger("x").error("%s", "a\\nb\\x1b\\udcff \\u0416")\n'
        )
        log = subprocess.run(
            [sys.executable, '-c', script, file],
            check=True,
            capture_output=True,
            text=True,
            encoding='utf-8',
        ).stderr
        # Libraries may have printed warnings before.
        self.assertIn(r'a\nb\x1b\udcff Ж', log.splitlines()[-1])

    def test_defaults_that_installations_rely_on(self) -> None:
        empty = self.write('empty.conf', '')
        conf = configuration.load(files=[empty])
        self.assertEqual(
            (
                'keystone',
                'sqlite:////var/lib/console-svc/console-svc.sqlite',
                'static',
                '/etc/console-svc/servers.yaml',
                600,
            ),
            (
                conf.api.auth_strategy,
                conf.database.connection,
                conf.compute.driver,
                conf.static.inventory,
                conf.consoleauth.token_ttl,
            ),
        )

    def test_own_ports_exclude_the_listen_port(self) -> None:
        for text, ports in (
            ('5901-5903', [5901, 5902, 5903]),
            ('5899-5901', [5899, 5901]),
            ('65535-65535', [65535]),
        ):
            file = self.write('x.conf', f'[consoles]\nport_range = {text}\n')
            conf = configuration.load(files=[file])
            self.assertEqual(ports, list(consoles.own_ports(conf)))
        unset = configuration.load(files=[self.write('empty.conf', '')])
        self.assertEqual([], list(consoles.own_ports(unset)))

    def test_invalid_port_ranges_are_refused(self) -> None:
        for text in (
            '5901',
            '5902-5901',
            '0-9',
            '65535-65536',
            '1-2-3',
            'a-b',
            '-5901',
            '',
        ):
            file = self.write('x.conf', f'[consoles]\nport_range = {text}\n')
            error = self.assertRaises(
                cfg.ConfigFileValueError, configuration.load, files=[file]
            )
            self.assertIn('is not a range of ports such as', str(error))

    def test_invalid_origins_are_refused(self) -> None:
        for text in ('*.d.test', 'one.test, two.test/x', 'one.test,,two.test'):
            file = self.write('x.conf', f'[proxy]\nallowed_origins = {text}\n')
            error = self.assertRaises(
                cfg.ConfigFileValueError, configuration.load, files=[file]
            )
            self.assertIn('option allowed_origins', str(error))
            self.assertIn('is not an origin such as', str(error))

    def test_origins_are_formatted_as_they_are_written(self) -> None:
        origins = origin_types.AllowedOrigin()
        self.assertEqual(
            ['https://[2001:db8::7]:8443'],
            origins.format_defaults(origins('https://[2001:db8::7]:8443')),
        )

    def test_a_port_range_is_formatted_as_it_is_written(self) -> None:
        ports = consoles.PortRange()
        self.assertEqual(
            ['5901-5903'], ports.format_defaults(ports('5901-5903'))
        )

    def test_invalid_values_are_refused(self) -> None:
        for text in (
            '[api]\nauth_strategy = none\n',
            '[consoleauth]\ntoken_ttl = 0\n',
            '[proxy]\ncontent_security_policy = img-src http://bücher.test\n',
            '[proxy]\ncontent_security_policy = img-src \x01\n',
            '[proxy]\nframe_ancestors = x.test; script-src *\n',
        ):
            wrong = self.write('wrong.conf', text)

            def read(path: str = wrong) -> object:
                conf = configuration.load(files=[path])
                return [
                    dict(conf[it]) for it in ('api', 'consoleauth', 'proxy')
                ]

            self.assertRaises(cfg.Error, read)

    def test_files_that_cannot_be_read_are_errors(self) -> None:
        (self.folder / 'latin').write_bytes(b'[api]\n# \xe9\n')
        missing = self.folder / 'missing'
        for files, directories, text in (
            ([missing], None, f'{missing}: No such file'),
            ([self.folder], None, f'{self.folder}: Is a directory'),
            ([self.folder / 'latin'], None, "can't decode byte 0xe9"),
            (None, [missing], f'{missing}: No such file'),
            (None, [self.folder / 'latin'], 'Not a directory'),
        ):
            error = self.assertRaises(
                cfg.Error,
                configuration.load,
                files=files and [str(it) for it in files],
                directories=directories and [str(it) for it in directories],
            )
            self.assertIn('cannot read ', str(error))
            self.assertIn(text, str(error))

    def test_default_files_that_cannot_be_read_are_errors(self) -> None:
        self.useFixture(
            fixtures.MockPatchObject(
                reading, 'SYSTEM_FOLDERS', (str(self.folder),)
            )
        )
        # Nothing is there.
        configuration.load()
        for name in ('console-svc.conf', 'console-svc.conf.d'):
            path = self.folder / name
            for target, reason in (
                (name, 'Too many levels of symbolic links'),
                ('nowhere', 'No such file or directory'),
            ):
                path.symlink_to(target)
                error = self.assertRaises(cfg.Error, configuration.load)
                self.assertEqual(f'cannot read {path}: {reason}', str(error))
                # Files that the caller names are read instead.
                configuration.load(files=[self.write('empty.conf', '')])
                path.unlink()

    def test_each_known_name_is_accepted(self) -> None:
        file = self.write(
            'x.conf',
            '[DEFAULT]\ndebug = true\nstate_path = /x\nlog-file = x\n'
            '[KEYSTONE_AUTHTOKEN]\nmemcached_servers = x\n'
            '[keystone_authtoken]\nauth_type = password\nusername = x\n'
            'user_domain_name = x\nmemcache_servers = x\n'
            '[nova]\nauth_type = v3applicationcredential\n'
            'application_credential_id = x\nendpoint_override = x\n'
            '[console_api]\nauth_section = shared\n'
            '[shared]\nauth_type = password\nuser-name = x\n'
            'project_name = x\n'
            '[oslo_messaging_notifications]\ndriver = x\n'
            '[oslo_policy]\npolicy_file = x\n'
            '[database]\nconnection = x\nmax_pool_size = 1\n'
            '[oslo_middleware]\nenable_proxy_headers_parsing = true\n'
            '[healthcheck]\ndetailed = true\n'
            '[cors]\nallowed_origin = x\n',
        )
        self.assertEqual([], unknown.unknown(configuration.load(files=[file])))

    def test_names_that_nothing_reads_are_listed(self) -> None:
        file = self.write(
            'x.conf',
            '[DEFAULT]\ntoken_ttl = 60\n'
            '[keystone_authtoken]\nauth_type = password\nusrname = x\n'
            '[consoleath]\ntoken_ttl = 60\n'
            '[api]\nzzz = x\n',
        )
        self.write('d/more.conf', '[static]\ninventori = x\n')
        conf = configuration.load(
            files=[file], directories=[str(self.folder / 'd')]
        )
        self.assertEqual(
            [
                '[DEFAULT] token_ttl',
                '[keystone_authtoken] usrname (username?)',
                'section [consoleath] (consoleauth?)',
                '[api] zzz',
                '[static] inventori (inventory?)',
            ],
            unknown.unknown(conf),
        )

    def test_options_of_an_unknown_plugin_are_accepted(self) -> None:
        file = self.write(
            'x.conf', '[nova]\nauth_type = of-a-vendor\nticket = x\n'
        )
        self.assertEqual([], unknown.unknown(configuration.load(files=[file])))

    def test_every_option_is_in_the_sample_with_a_help(self) -> None:
        listed = {
            (group or 'DEFAULT', option.name)
            for group, options in opts.list_opts()
            for option in options
        }
        for module in configuration.MODULES:
            for option in module.OPTIONS:
                group = module.GROUP or 'DEFAULT'
                self.assertIn((group, option.name), listed)
                self.assertTrue(option.help)
