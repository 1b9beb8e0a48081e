# SPDX-License-Identifier: Apache-2.0

"""Authorization: oslo.policy with the rules of console_svc.policies."""

import os
import sys
import time
from collections.abc import Hashable
from typing import Final

from oslo_config import cfg
from oslo_policy import opts, policy

from console_svc import conf as configuration
from console_svc import exception, policies
from console_svc.context import RequestContext
from console_svc.watched_file import Watched, signature_of

# Seconds between two searches for policy files.
_SEARCH_SECONDS: Final = 1


class Policy:
    """Checks the default rules and those that the policy files override.

    Policy files are reread when they change. A change that is invalid is
    logged, and the rules before it stay in force.

    :param conf: [oslo_policy] names the files
    :raises ValueError: the policy files are invalid
    """

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        # Registers the options of [oslo_policy].
        opts.set_defaults(conf)
        self._enforcer = Watched(
            lambda: _load(conf), _PolicyFiles(conf).signature
        )
        # Invalid files must stop the start.
        self._enforcer.get()

    def is_admin(self, context: RequestContext) -> bool:
        """Whether a caller is an administrator."""
        return self._check('context_is_admin', context, None)

    def can_see(self, context: RequestContext, project_id: str) -> bool:
        """Whether a caller may know of a project's resources.

        :param project_id: the project that owns the resource
        """
        return context.project_id == project_id or self.is_admin(context)

    def allows(
        self, context: RequestContext, rule: str, project_id: str | None = None
    ) -> bool:
        """Whether a rule allows the caller's request.

        Parameters are those of :meth:`authorize`.
        """
        return self._check(rule, context, project_id)

    def authorize(
        self,
        context: RequestContext,
        rule: str,
        project_id: str | None = None,
    ) -> None:
        """Check that a rule allows the caller's request.

        :param rule: the rule's name
        :param project_id: the project that owns the target; None: no project
            owns it
        :raises console_svc.exception.Forbidden: the rule does not allow it
        """
        if not self._check(rule, context, project_id):
            raise exception.Forbidden(rule=rule)

    def _check(
        self, rule: str, context: RequestContext, project_id: str | None
    ) -> bool:
        enforcer = self._enforcer.get()
        if project_id is not None:
            return _decide(enforcer, rule, context, project_id)
        # Without a target, the decision depends on the caller and on the
        # rules alone, which change with the enforcer. oslo.policy inspects
        # signatures at each check, an eighth of a token look-up.
        decided_by, decision = context.decisions.get(rule, (None, False))
        if decided_by is not enforcer:
            decision = _decide(enforcer, rule, context, None)
            context.decisions[rule] = enforcer, decision
        return decision


class _PolicyFiles:
    """The main policy file and those of the policy directories.

    A change of the main file is noticed at once, new files and changes of
    the others within a second.
    """

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self._conf = conf
        self._search_at = 0.0
        self._main = ''
        self._others: tuple[Hashable, ...] = ()

    def signature(self) -> Hashable | None:
        """As :func:`~console_svc.watched_file.signature_of`, of all files."""
        now = time.monotonic()
        if now >= self._search_at:
            self._search_at = now + _SEARCH_SECONDS
            self._search()
        main = signature_of(self._main)
        return None if main is None else (self._main, main, self._others)

    def _search(self) -> None:
        options = self._conf.oslo_policy
        self._main = (
            self._conf.find_file(options.policy_file) or options.policy_file
        )
        paths = []
        for name in options.policy_dirs:
            folder = self._conf.find_file(name)
            if folder:
                paths += [entry.path for entry in os.scandir(folder)]
        self._others = tuple(
            (path, signature_of(path)) for path in sorted(paths)
        )


def _decide(
    enforcer: policy.Enforcer,
    rule: str,
    context: RequestContext,
    project_id: str | None,
) -> bool:
    try:
        allowed: bool = enforcer.authorize(
            rule, {'project_id': project_id}, context
        )
    except policy.InvalidScope:
        return False
    return allowed


def _load(conf: cfg.ConfigOpts) -> policy.Enforcer:
    # A new enforcer: while oslo.policy reloads one, it refuses every check.
    enforcer = policy.Enforcer(conf)
    enforcer.register_defaults(policies.list_rules())
    try:
        enforcer.load_rules()
    except policy.InvalidDefinitionError as error:
        raise ValueError(str(error)) from error
    # Otherwise it would search for its files at each check, which takes longer
    # than the check itself.
    enforcer.use_conf = False
    return enforcer


def get_enforcer() -> policy.Enforcer:
    """The enforcer for oslo.policy's command line tools.

    They pass no configuration: it is read from their command line's
    ``--config-file``, into oslo.config's global object, which they use too.
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
