# SPDX-License-Identifier: Apache-2.0

"""The OpenAPI document; test_api_ref compares it with the api-ref."""

from unittest import mock

import openapi_spec_validator
import testtools

from console_svc.api import microversion
from console_svc.api.openapi import document
from console_svc.tests import fixtures
from console_svc.tests.functional import api_ref, test_api_samples
from console_svc.tests.functional.api_ref import ReadyApi
from console_svc.tests.functional.openapi import Document


class DocumentTest(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.api = self.useFixture(ReadyApi())
        self.document = Document(self.api)

    def test_the_document_is_valid(self) -> None:
        openapi_spec_validator.validate(
            self.document.content,
            cls=openapi_spec_validator.OpenAPIV31SpecValidator,
        )

    def test_the_document_describes_every_sample(self) -> None:
        sections = {
            name: operation
            for operation in api_ref.read()
            for name in operation.response.samples
        }
        for name, answer in test_api_samples.answers(self.api):
            self.document.check(sections[name], answer)

    def test_links_lead_to_operations(self) -> None:
        operations = {
            operation['operationId']: (path, operation)
            for path, item in self.document.content['paths'].items()
            for operation in item.values()
        }
        self.assertEqual(len(self.document.operations()), len(operations))
        links = [
            link
            for _, operation in operations.values()
            for answer in operation['responses'].values()
            for link in answer.get('links', {}).values()
        ]
        self.assertNotEqual([], links)
        for link in links:
            path, _ = operations[link['operationId']]
            for name in link['parameters']:
                self.assertIn(f'{{{name}}}', path)

    def test_every_listed_microversion_is_accepted(self) -> None:
        parameter = self.document.parameters['microversion']
        for wanted in parameter['schema']['enum']:
            service, _, version = wanted.partition(' ')
            self.assertEqual(microversion.SERVICE_TYPE, service)
            answer = self.api.request(
                'GET', api_ref.SERVER + '/consoles', version=version
            )
            self.assertEqual(200, answer.status_int, wanted)

    def test_operations_are_a_404_outside_of_their_microversions(self) -> None:
        for section in api_ref.read():
            versions = self.document.operation(section).get('x-openstack', {})
            for version, bound in (('2.1', 'min-ver'), ('latest', 'max-ver')):
                api = self.useFixture(ReadyApi())
                answer = api.send(section, version=version)
                self.assertEqual(
                    bound in versions,
                    answer.status_int == 404,
                    f'{section} at {version}',
                )


class ServedTest(testtools.TestCase):
    def test_the_document_needs_no_token(self) -> None:
        api = self.useFixture(fixtures.Api(api={'auth_strategy': 'keystone'}))
        answer = api.request('GET', '/openapi.json', token=None)
        self.assertEqual(
            (200, 'application/json'),
            (answer.status_int, answer.content_type),
        )

    def test_similar_paths_need_a_token_and_are_a_404(self) -> None:
        api = self.useFixture(fixtures.Api())
        for path in ('/openapi', '/openapi.json/', '/v2.1/openapi.json'):
            for token, status in ((None, 401), (fixtures.ADMIN, 404)):
                answer = api.request('GET', path, token=token)
                self.assertEqual(status, answer.status_int, path)
        answer = api.request('POST', '/openapi.json', token=None)
        self.assertEqual(405, answer.status_int)
        self.assertEqual('GET, HEAD', answer.headers['Allow'])

    def test_the_document_is_made_once_when_first_requested(self) -> None:
        with mock.patch.object(
            document, 'build', wraps=document.build
        ) as build:
            api = self.useFixture(fixtures.Api())
            api.request('GET', '/v2.1')
            self.assertEqual(0, build.call_count)
            first = api.request('GET', '/openapi.json', token=None)
            again = api.request('GET', '/openapi.json', token=None)
        self.assertEqual(1, build.call_count)
        self.assertEqual(first.body, again.body)


class ConfigurationTest(testtools.TestCase):
    def test_the_document_leaves_out_extensions_that_are_off(self) -> None:
        with_them, without = (
            Document(
                self.useFixture(fixtures.Api(api={'extensions': extensions}))
            ).operations()
            for extensions in (True, False)
        )
        own = {
            (operation.method, operation.template)
            for name in (
                'sessions.inc',
                'recordings.inc',
                'console-gateway.inc',
            )
            for operation in api_ref.read_file(name)
        }
        self.assertEqual(own, with_them - without)
        self.assertEqual(set(), without - with_them)

    def test_the_document_describes_the_authentication_strategy(self) -> None:
        for strategy, words, others in (
            ('noauth2', 'USER:PROJECT', False),
            ('keystone', 'keystone', True),
        ):
            api = self.useFixture(
                fixtures.Api(api={'auth_strategy': strategy})
            )
            content = Document(api).content
            components = content['components']
            token = components['securitySchemes']['token']
            self.assertEqual('X-Auth-Token', token['name'])
            self.assertIn(words, token['description'])
            # keystonemiddleware's 401 has another form.
            self.assertEqual(
                others, 'oneOf' in components['schemas']['fault_401']
            )
            public = {
                path
                for path, item in content['paths'].items()
                for operation in item.values()
                if operation.get('security') == []
            }
            self.assertEqual({'/', '/v2.1', '/openapi.json'}, public)
