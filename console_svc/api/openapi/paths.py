# SPDX-License-Identifier: Apache-2.0

"""Routes as Path Item Objects of OpenAPI."""

from collections.abc import Mapping, Sequence
from typing import Any

from console_svc.api.microversion import Version
from console_svc.api.middleware.branch import PUBLIC_PATHS
from console_svc.api.openapi import faults, headers
from console_svc.api.openapi.ids import IDS
from console_svc.api.operation import Form
from console_svc.api.routes import Route


def path_item(route: Route, others: Mapping[str, Route]) -> dict[str, Any]:
    """The Path Item Object of a route.

    :param others: all routes, by operationId
    """
    operation = route.operation
    item: dict[str, Any] = {
        'operationId': route.id,
        'summary': operation.summary,
        'parameters': _parameters(route),
        'responses': {
            str(int(operation.status)): _answer(route, others),
            **faults.responses(route),
        },
    }
    if route.path in PUBLIC_PATHS:
        item['security'] = []
    item |= _versions(operation.since, operation.before)
    if operation.body:
        item['requestBody'] = {
            'required': operation.body_required,
            'content': _content(operation.body),
        }
    return {route.method.lower(): item}


def _parameters(route: Route) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {
            'name': name,
            'in': 'path',
            'required': True,
            'schema': IDS[name].schema,
        }
        for name in route.ids
    ]
    found += [
        {
            'name': name,
            'in': 'query',
            'schema': schema,
        }
        for name, schema in route.operation.query.items()
    ]
    if route.path not in PUBLIC_PATHS:
        found += [
            {'$ref': f'#/components/parameters/{key}'}
            for key in headers.PARAMETERS
        ]
    return found


def _answer(route: Route, others: Mapping[str, Route]) -> dict[str, Any]:
    operation = route.operation
    answer: dict[str, Any] = {
        'description': f'{operation.status.phrase}.',
        'headers': headers.of_answer(operation.status),
    }
    if operation.answer:
        answer['content'] = _content(operation.answer)
    links = {
        target: _link(route, others[target], ids)
        for target, ids in operation.links.items()
    }
    if links:
        answer['links'] = links
    return answer


def _link(
    route: Route, target: Route, ids: Mapping[str, str]
) -> dict[str, Any]:
    known = {**{name: f'$request.path.{name}' for name in route.ids}, **ids}
    return {
        'operationId': target.id,
        'parameters': {name: known[name] for name in target.ids},
    }


def _content(forms: Sequence[Form]) -> dict[str, Any]:
    """The Media Type Object of a body.

    Fields named x-openstack tell its forms apart, as in the documents of
    other OpenStack services.
    """
    schema: Mapping[str, Any]
    if any(form.media_type != 'application/json' for form in forms):
        return {form.media_type: {'schema': form.schema} for form in forms}
    if len(forms) == 1:
        schema = forms[0].schema
    else:
        by = 'action' if forms[0].action else 'microversion'
        schema = {
            'anyOf': [_form(form) for form in forms],
            'x-openstack': {'discriminator': by},
        }
    return {'application/json': {'schema': schema}}


def _form(form: Form) -> dict[str, Any]:
    schema = {**form.schema, **_versions(form.since, form.before)}
    if form.action:
        schema['x-openstack'] = {'action-name': form.action}
    return schema


def _versions(since: Version | None, before: Version | None) -> dict[str, Any]:
    """A range of microversions, as a description and as x-openstack."""
    machines, people = {}, []
    if since:
        machines['min-ver'] = str(since)
        people.append(f'From microversion {since} on.')
    if before:
        last = Version(before.major, before.minor - 1)
        machines['max-ver'] = str(last)
        people.append(f'Up to microversion {last}.')
    if not people:
        return {}
    return {'description': ' '.join(people), 'x-openstack': machines}
