# SPDX-License-Identifier: Apache-2.0

import fixtures
import testtools

from console_svc.api import routes
from console_svc.api.controllers.root import RootController


class LabelsTest(testtools.TestCase):
    def test_labels_are_paths_below_the_version(self) -> None:
        labels = set(routes.labels(RootController).values())
        self.assertLess(
            {
                '/',
                '/openapi.json',
                '/v2.1',
                '/os-console-auth-tokens/{console_token}',
                '/servers/{server_id}/consoles/{console_id}',
            },
            labels,
        )

    def test_each_resource_has_a_label_of_its_own(self) -> None:
        labels = routes.labels(RootController)
        self.assertEqual(len(labels), len(set(labels.values())))

    def test_labels_do_not_depend_on_docstrings(self) -> None:
        labels = routes.labels(RootController)
        for resource in labels:
            # As under python -OO.
            self.useFixture(
                fixtures.MockPatchObject(resource, '__doc__', None)
            )
        self.assertEqual(labels, routes.labels(RootController))
