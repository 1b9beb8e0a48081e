# SPDX-License-Identifier: Apache-2.0

"""console-svc as it is deployed: installed, with a WSGI server."""

import os
import pathlib
import re
import subprocess
import sysconfig
from collections.abc import Mapping
from typing import Any

import requests

from console_svc.tests import fixtures
from console_svc.tests.integration.keystone import PASSWORD, Keystone
from console_svc.tests.programs import process
from console_svc.tests.programs.service import BaseService

MODULE = 'console_svc.wsgi.api:application'

# The log line of a request, behind what Apache puts before it: time, process,
# request and status.
_REQUEST = re.compile(
    r'^(?:\[.+\] )?\S+ \S+ (\d+) INFO .*"(\S+ \S+)" status: (\d+)'
)

SAMPLES = pathlib.Path(__file__).parents[3] / 'etc/console_svc'

# Apache's modules that the sample needs. {lib}: where Debian has them.
_APACHE = """
ServerName localhost
ServerRoot {folder}
PidFile {folder}/apache.pid
Mutex file:{folder}
DefaultRuntimeDir {folder}
ErrorLog /dev/stderr
WSGISocketPrefix {folder}/wsgi
LoadModule mpm_event_module {lib}/mod_mpm_event.so
LoadModule authz_core_module {lib}/mod_authz_core.so
{module}
Include {sample}
"""


def authtoken(keystone: Keystone, **more: Any) -> dict[str, Any]:
    """Return the options of [keystone_authtoken] for a keystone."""
    return {
        'www_authenticate_uri': keystone.url,
        'auth_url': keystone.url,
        'auth_type': 'password',
        'username': 'console-svc',
        'password': PASSWORD,
        'user_domain_id': 'default',
        'project_name': 'service',
        'project_domain_id': 'default',
        'service_token_roles': 'service',
        'service_token_roles_required': 'true',
        'http_request_max_retries': 0,
        **more,
    }


def console_api(keystone: Keystone) -> dict[str, str]:
    """Return the options of [console_api] for a keystone."""
    return {
        'auth_type': 'password',
        'auth_url': keystone.url,
        'username': 'proxy',
        'password': PASSWORD,
        'user_domain_id': 'default',
        'project_name': 'service',
        'project_domain_id': 'default',
    }


def uwsgi(
    port: int, file: pathlib.Path, more: Mapping[str, str] | None = None
) -> list[str]:
    """Return a command line for uWSGI with the settings of the sample.

    :param file: the service's configuration; that of uWSGI is written beside
        it
    :param more: text of the sample -> its replacement
    """
    settings = _adapted(
        'uwsgi.ini',
        {
            '127.0.0.1:8775': f'127.0.0.1:{port}',
            '/etc/console-svc/console-svc.conf': str(file),
            **(more or {}),
        },
    )
    ini = file.with_name(f'{file.stem}-uwsgi.ini')
    ini.write_text(settings)
    return ['uwsgi', '--ini', str(ini)]


def _adapted(sample: str, replaced: Mapping[str, str]) -> str:
    """A sample of ``etc/console_svc`` for a test."""
    settings = (SAMPLES / sample).read_text()
    for text, ours in replaced.items():
        assert text in settings
        settings = settings.replace(text, ours)
    return settings


def mod_wsgi(port: int, file: pathlib.Path) -> list[str]:
    """Return a command line for Apache with the settings of the sample."""
    script = file.with_suffix('.wsgi')
    # Apache does not pass its environment on.
    script.write_text(
        'import os\n'
        f'os.environ["OS_CONSOLE_SVC_CONFIG_FILES"] = "{file}"\n'
        + (SAMPLES / 'console-svc.wsgi').read_text()
    )
    sample = file.with_name('apache.conf')
    sample.write_text(
        _adapted(
            sample.name,
            {
                '127.0.0.1:8775': f'127.0.0.1:{port}',
                '/opt/console-svc/console-svc.wsgi': str(script),
                # Not python-home: mod_wsgi asks access(2) for it, which
                # does not know of the capability below.
                'python-home=/opt/console-svc': 'python-path='
                + sysconfig.get_path('purelib'),
                'home=/var/lib/console-svc': f'home={file.parent}',
                # Another user cannot be set without root's permissions.
                ' user=console-svc group=console-svc': '',
            },
        )
    )
    module = subprocess.run(
        [process.program('mod_wsgi-express'), 'module-config'],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout
    main = file.with_name('apache-main.conf')
    main.write_text(
        _APACHE.format(
            folder=file.parent,
            lib='/usr/lib/apache2/modules',
            # The virtual environment is that of the daemon processes.
            module=module.splitlines()[0],
            sample=sample,
        )
    )
    command = ['apache2', '-D', 'FOREGROUND', '-f', str(main)]
    if os.geteuid() != 0:
        return command
    # Apache does not serve as root, but the tests' files may be root's.
    return [
        *('setpriv', '--reuid=nobody', '--regid=nogroup', '--clear-groups'),
        '--inh-caps=-all,+dac_override',
        '--ambient-caps=-all,+dac_override',
        *command,
    ]


def gunicorn(port: int, file: pathlib.Path) -> list[str]:
    """Return a command line for gunicorn."""
    return [
        'gunicorn',
        *('--bind', f'127.0.0.1:{port}', '--workers', '2', '--threads', '2'),
        *('--env', f'OS_CONSOLE_SVC_CONFIG_FILES={file}'),
        *('--graceful-timeout', '60', MODULE),
    ]


def manage(file: pathlib.Path, *arguments: str) -> str:
    """Run console-svc-manage and return its output.

    :param file: the service's configuration
    """
    return subprocess.run(
        [
            process.program('console-svc-manage'),
            *('--config-file', file, *arguments),
        ],
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ).stdout


def command_token(file: pathlib.Path, console_type: str = 'novnc') -> str:
    """Issue a console token with console-svc-manage."""
    return manage(
        file,
        *('token', 'issue', '--server', fixtures.SERVER),
        *('--type', console_type),
    ).strip()


class Service(BaseService):
    """The service and its commands.

    :param server: :func:`uwsgi` or :func:`gunicorn`
    :param projects: project of the inventory -> its id in keystone
    :param options: group -> option -> value
    """

    def __init__(
        self,
        server: Any = uwsgi,
        projects: Mapping[str, str] | None = None,
        **options: dict[str, Any],
    ) -> None:
        super().__init__(**options)
        self._server = server
        self._projects = projects or {}

    def _setUp(self) -> None:
        super()._setUp()
        document = fixtures.inventory()
        for server in document['servers']:
            project = server['project_id']
            server['project_id'] = self._projects.get(project, project)
        self.write_inventory(document)
        self.port = process.free_port()
        self.log: pathlib.Path = self.folder / 'service.log'
        self.secrets.add(PASSWORD)
        self.process = self.useFixture(
            process.Program(self._server(self.port, self.file), self.log)
        )
        # uWSGI looks once a second whether its processes have ended.
        self.addCleanup(self.process.kill)
        self.process.wait_for(self._answers, 'the service')

    def _answers(self) -> bool:
        try:
            answer = requests.get(
                f'{self.url}/healthcheck', timeout=process.PATIENCE
            )
        except requests.ConnectionError:
            return False
        return answer.status_code == 200

    def processes(
        self, request: str, status: int = 200, since: int = 0
    ) -> set[str]:
        """Return the ids of the processes that have answered a request.

        :param request: method and path
        :param status: the status of the answer
        :param since: the offset in the log from which to search
        """
        return {
            match[1]
            for match in map(
                _REQUEST.match, self.log.read_text()[since:].splitlines()
            )
            if match and match[2] == request and match[3] == str(status)
        }

    def manage(self, *arguments: str) -> str:
        """Run console-svc-manage and return its output."""
        return manage(self.file, *arguments)

    def issue(self, console_type: str = 'novnc') -> str:
        """Issue a console token."""
        token = command_token(self.file, console_type)
        self.secrets.add(token)
        return token
