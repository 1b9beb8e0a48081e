# SPDX-License-Identifier: Apache-2.0

"""The personas on which the other rules are based.

They follow OpenStack's secure RBAC. Reader rules also name member, as some
clouds have no implied roles. The most frequent callers come first: a check
ends with the first part that is true.
"""

from oslo_policy import policy

ADMIN = 'rule:context_is_admin'
SERVICE_OR_ADMIN = 'role:service or rule:context_is_admin'
PROJECT_READER_OR_ADMIN = 'rule:project_reader_or_admin'
PROJECT_MANAGER_OR_ADMIN = 'rule:project_manager_or_admin'
PROJECT_MEMBER_OR_ADMIN = 'rule:project_member_or_admin'
NOBODY = '!'

RULES = [
    policy.RuleDefault(
        'context_is_admin',
        'role:admin',
        'Administrators: they manage the consoles of every project.',
    ),
    policy.RuleDefault(
        'project_reader_or_admin',
        '((role:member or role:reader) and project_id:%(project_id)s) or '
        'rule:context_is_admin',
        "Readers and members of the server's project, and administrators.",
    ),
    policy.RuleDefault(
        'project_member_or_admin',
        '(role:member and project_id:%(project_id)s) or rule:context_is_admin',
        "Members of the server's project, and administrators.",
    ),
    policy.RuleDefault(
        'project_manager_or_admin',
        '(role:manager and project_id:%(project_id)s) or '
        'rule:context_is_admin',
        "Managers of the server's project, and administrators.",
    ),
]


def rule(
    name: str, check: str, description: str, *operations: tuple[str, str]
) -> policy.DocumentedRuleDefault:
    """A documented rule for project-scoped tokens.

    :param name: the rule's name in policy.yaml
    :param check: its default
    :param description: what it allows, for operators
    :param operations: the methods and paths that it guards
    """
    return policy.DocumentedRuleDefault(
        name=name,
        check_str=check,
        description=description,
        operations=[
            {'method': method, 'path': path} for method, path in operations
        ],
        scope_types=['project'],
    )
