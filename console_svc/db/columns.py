# SPDX-License-Identifier: Apache-2.0

"""What the tables have in common.

Times are integer seconds of the UTC epoch.
"""

from typing import Any, Final

import sqlalchemy as sa

metadata = sa.MetaData(
    naming_convention={
        'pk': 'pk_%(table_name)s',
        'ix': 'ix_%(table_name)s_%(column_0_N_name)s',
        'uq': 'uq_%(table_name)s_%(column_0_N_name)s',
    }
)

# SQLite autoincrements INTEGER columns only.
ID: Final = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')
UUID: Final = sa.String(36)
NAME: Final = sa.String(255)
ADDRESS: Final = sa.String(45)
MODE: Final = sa.String(16)

#: Options of tables: compare ids and hosts exactly on MySQL, as other engines
#: do by default.
TEXT: Final[Any] = {
    'mysql_charset': 'utf8mb4',
    'mysql_collate': 'utf8mb4_bin',
}
