# SPDX-License-Identifier: Apache-2.0

"""Who may do what: oslo.policy with the rules of console_svc.policies."""

import logging
import sys
import threading
import time
from typing import Final

from oslo_config import cfg
from oslo_policy import policy

from console_svc import conf as configuration
from console_svc import exception, policies
from console_svc.context import RequestContext

LOG = logging.getLogger(__name__)

#: How often policy.yaml is looked at.
REREAD_SECONDS: Final = 1


class Policy:
    """Answers with the rules in code and what policy.yaml overrides.

    :param conf: where [oslo_policy] says which file, reread when it changes
    """

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self._enforcer = policy.Enforcer(conf)
        self._enforcer.register_defaults(policies.list_rules())
        # A policy file that cannot be read must stop the start, not open
        # or close doors later.
        self._enforcer.load_rules()
        self._lock = threading.Lock()
        self._reread_at = time.monotonic() + REREAD_SECONDS
        self._enforcer.use_conf = False

    def can_see(self, context: RequestContext, project_id: str) -> bool:
        """Whether resources of a project exist for this caller.

        :param project_id: the project that owns the resource
        """
        return context.project_id == project_id or self._check(
            'context_is_admin', context, None
        )

    def authorize(
        self,
        context: RequestContext,
        rule: str,
        project_id: str | None = None,
    ) -> None:
        """Let the caller pass, or not.

        :param context: the caller
        :param rule: a rule's name
        :param project_id: the project that owns the target; None: the
            target belongs to nobody
        :raises console_svc.exception.Forbidden: policy says no
        """
        if not self._check(rule, context, project_id):
            raise exception.Forbidden(rule=rule)

    def _check(
        self, rule: str, context: RequestContext, project_id: str | None
    ) -> bool:
        if time.monotonic() >= self._reread_at:
            self._reread()
        target = {'project_id': project_id}
        try:
            return self._enforcer.authorize(rule, target, context)
        except policy.InvalidScope:
            return False

    def _reread(self) -> None:
        """Read what has changed.

        Asked to (use_conf), oslo.policy searches its folders for every check
        anew, which takes longer than the check.
        """
        with self._lock:
            if time.monotonic() < self._reread_at:
                return
            self._reread_at = time.monotonic() + REREAD_SECONDS
            try:
                self._enforcer.use_conf = True
                self._enforcer.load_rules()
            except (
                OSError,
                ValueError,
                policy.InvalidDefinitionError,
            ) as error:
                # A broken edit: oslo.policy tells it once, and has kept the
                # rules it had.
                LOG.error('The policy file is ignored until mended: %s', error)
            finally:
                self._enforcer.use_conf = False


def get_enforcer() -> policy.Enforcer:
    """The enforcer of oslo.policy's command line tools.

    They hand down no configuration, but leave their command line as it is,
    and read oslo.config's global object, which nothing else here does.
    """
    files = [
        value
        for option, value in zip(sys.argv, sys.argv[1:], strict=False)
        if option == '--config-file'
    ]
    configuration.set_library_defaults()
    configuration.register_opts(cfg.CONF)
    cfg.CONF(
        [], project=configuration.PROJECT, default_config_files=files or None
    )
    enforcer = policy.Enforcer(cfg.CONF)
    enforcer.register_defaults(policies.list_rules())
    return enforcer
