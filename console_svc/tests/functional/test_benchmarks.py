# SPDX-License-Identifier: Apache-2.0

"""The parts of the benchmark; tests do not run it whole."""

import asyncio
import pathlib
import sys

import fixtures
import testtools

from benchmarks import painter
from benchmarks.routes import Route
from console_svc.tests.programs import process


class PainterTest(testtools.TestCase):
    """The VNC server that the benchmark compares routes to."""

    def test_a_route_reads_an_update(self) -> None:
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        port = process.free_port()
        program = process.Program(
            [sys.executable, '-m', 'benchmarks.painter', str(port)],
            folder / 'painter.log',
        )
        self.useFixture(program)
        program.wait_for(lambda: process.listens(port), 'painter')

        asyncio.run(self.check(Route('direct', port)))

    async def check(self, route: Route) -> None:
        async with route.connected() as stream:
            await stream.write(painter.REQUEST)
            update = await stream.read_exactly(painter.UPDATE_SIZE)
        self.assertEqual(0, update[0])
