# SPDX-License-Identifier: Apache-2.0

"""What an engine is made of, without a server."""

import sqlalchemy as sa
import testtools
from oslo_config import cfg

from console_svc import conf as configuration
from console_svc.db.engine import Connections


class EngineTest(testtools.TestCase):
    def engine(self, url: str) -> sa.Engine:
        conf = configuration.load()
        conf.set_override('connection', url, 'database')
        return Connections(conf, 7).engine

    def test_mariadb_in_a_url_is_mysql(self) -> None:
        engines = [
            self.engine(f'{backend}+pymysql://joe:s%40@192.0.2.1/name')
            for backend in ('mysql', 'mariadb')
        ]
        first, second = (each.url for each in engines)
        self.assertEqual(first, second)
        self.assertEqual('mysql', engines[1].dialect.name)
        self.assertEqual('7', second.query['read_timeout'])
        self.assertEqual('s@', second.password)

    def test_mysql_connections_take_all_of_unicode(self) -> None:
        for query, charset in (('', 'utf8mb4'), ('?charset=a', 'a')):
            url = self.engine(f'mysql+pymysql://192.0.2.1/name{query}').url
            self.assertEqual(charset, url.query['charset'])

    def test_postgresql_gets_no_start_up_parameters(self) -> None:
        url = self.engine('postgresql+psycopg2://192.0.2.1/name').url
        self.assertEqual(
            {'connect_timeout', 'tcp_user_timeout'}, url.query.keys()
        )

    def test_requests_wait_for_a_connection_as_long_as_for_an_answer(
        self,
    ) -> None:
        pool = self.engine('mysql+pymysql://192.0.2.1/name').pool
        self.assertEqual(7, pool.timeout())

    def test_drivers_without_time_outs_are_refused(self) -> None:
        for url in (
            'mysql+mysqlconnector://joe:secret@192.0.2.1/name',
            'mariadb+mariadbconnector://joe:secret@192.0.2.1/name',
            'postgresql+pg8000://joe:secret@192.0.2.1/name',
        ):
            error = self.assertRaises(cfg.Error, self.engine, url)
            driver = sa.make_url(url).get_driver_name()
            self.assertIn(f'the driver {driver}', str(error))
            self.assertIn('mysql+mysqldb', str(error))
            self.assertNotIn('secret', str(error))

    def test_other_text_than_a_url_is_refused(self) -> None:
        for url in ('name', 'mysql+pymysql://joe:secret@[::1', 'other://a/b'):
            error = self.assertRaises(cfg.Error, self.engine, url)
            self.assertIn('not the URL', str(error))
            self.assertNotIn('secret', str(error))

    def test_an_engine_can_be_made_while_others_are_disposed_of(self) -> None:
        conf = configuration.load()
        conf.set_override('connection', 'sqlite://', 'database')
        connections = Connections(conf)
        sa.event.listen(
            connections.engine,
            'engine_disposed',
            lambda engine: connections.reader,
        )
        connections.dispose()
