# SPDX-License-Identifier: Apache-2.0

"""console-svc-status: check an installation before an upgrade."""

import sys

from oslo_config import cfg
from oslo_db import exception as db_exception
from oslo_upgradecheck import common_checks, upgradecheck

from console_svc import compute, exception
from console_svc import conf as configuration
from console_svc.cmd import start, versions
from console_svc.conf import reading, unknown
from console_svc.consoles import vault
from console_svc.context import admin_context
from console_svc.db import migration
from console_svc.db.database import Database

# A UUID that no server has: the check is whether the driver answers.
_NO_SERVER = '00000000-0000-4000-8000-000000000000'


class Checks(upgradecheck.UpgradeCommands):
    """The checks for an upgrade or a first start."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        super().__init__()
        self.conf = conf
        self._upgrade_checks = (
            ('Configuration files', Checks._names),
            ('Database schema', Checks._schema),
            ('Password keys', Checks._keys),
            ('Compute driver', Checks._driver),
            (
                'Policy file in YAML',
                (common_checks.check_policy_json, {'conf': conf}),
            ),
        )

    def _names(self) -> upgradecheck.Result:
        """The files have no section or option that nothing reads."""
        names = unknown.unknown(self.conf)
        if names:
            return upgradecheck.Result(
                upgradecheck.Code.WARNING,
                f'Nothing reads {", ".join(names)}: correct or remove them.',
            )
        return upgradecheck.Result(upgradecheck.Code.SUCCESS)

    def _schema(self) -> upgradecheck.Result:
        """The database answers and has this version's schema or a newer."""
        try:
            found = migration.version(Database(self.conf))
        except cfg.Error as error:
            return _failure(str(error))
        except db_exception.DBError as error:
            return _failure(f'The database does not answer: {error}')
        if migration.is_old(found):
            return _failure(
                f'The schema is {found or "empty"}, not {migration.head()}: '
                'run "console-svc-manage db sync".'
            )
        return upgradecheck.Result(upgradecheck.Code.SUCCESS)

    def _keys(self) -> upgradecheck.Result:
        """The key file can encrypt console passwords."""
        try:
            vault.Vault(self.conf).encrypt('')
        except exception.ServiceUnavailable as error:
            return _failure(f'{error} ({error.__cause__})')
        return upgradecheck.Result(upgradecheck.Code.SUCCESS)

    def _driver(self) -> upgradecheck.Result:
        """The compute driver answers."""
        try:
            compute.load(self.conf).get_server(admin_context(), _NO_SERVER)
        except exception.ServerNotFound:
            return upgradecheck.Result(upgradecheck.Code.SUCCESS)
        except Exception as error:
            return _failure(f'{error} ({error.__cause__})')
        return upgradecheck.Result(upgradecheck.Code.SUCCESS)


def _failure(details: str) -> upgradecheck.Result:
    return upgradecheck.Result(upgradecheck.Code.FAILURE, details)


def main() -> int:
    """Run ``upgrade check``; the exit status is oslo.upgradecheck's."""
    conf = configuration.new()
    upgradecheck.register_cli_options(conf, Checks(conf))
    try:
        reading.read(conf, sys.argv[1:], versions.text())
    except cfg.Error as error:
        start.fail(error)
    # For --json; upgradecheck.main() sets it, too.
    upgradecheck.CONF = conf
    return int(upgradecheck.run(conf))


if __name__ == '__main__':
    sys.exit(main())
