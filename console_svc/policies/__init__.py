# SPDX-License-Identifier: Apache-2.0

"""The policy rules, one module for each resource."""

import itertools

from oslo_policy import policy

from console_svc.policies import (
    base,
    console_auth_tokens,
    console_gateway,
    consoles,
    recordings,
    remote_consoles,
    server_tokens,
    servers,
    sessions,
)


def list_rules() -> list[policy.RuleDefault]:
    """Every rule, for the enforcer, the generators and the docs."""
    return list(
        itertools.chain(
            base.RULES,
            servers.RULES,
            consoles.RULES,
            remote_consoles.RULES,
            console_auth_tokens.RULES,
            sessions.RULES,
            recordings.RULES,
            server_tokens.RULES,
            console_gateway.RULES,
        )
    )
