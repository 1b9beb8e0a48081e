# SPDX-License-Identifier: Apache-2.0

"""Who may do what: oslo.policy with the rules of console_svc.policies."""

import logging
import os
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

# Seconds between two searches for policy files, in whichever folder.
_SEARCH_SECONDS: Final = 1

# A path, and what tells one version of its file from the next.
_State = tuple[str, tuple[int, int, int] | None]


class Policy:
    """Answers with the rules in code and what policy.yaml overrides.

    :param conf: where [oslo_policy] says which file, reread when it changes
    """

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self._conf = conf
        self._lock = threading.Lock()
        # A policy file that cannot be read must stop the start, not open
        # or close doors later.
        self._enforcer = _load(conf)
        self._states = _search(conf)
        self._search_at = time.monotonic() + _SEARCH_SECONDS

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
        if self._may_have_changed():
            self._reread()
        target = {'project_id': project_id}
        try:
            return self._enforcer.authorize(rule, target, context)
        except policy.InvalidScope:
            return False

    def _may_have_changed(self) -> bool:
        # Of the file that was found, each request sees a change at once.
        file = self._states[0]
        return file != _state(file[0]) or time.monotonic() >= self._search_at

    def _reread(self) -> None:
        """Read what has changed, if anything has.

        Into an enforcer of its own: others may check by this one meanwhile.
        """
        with self._lock:
            states = _search(self._conf)
            self._search_at = time.monotonic() + _SEARCH_SECONDS
            if states == self._states:
                return
            self._states = states
            try:
                self._enforcer = _load(self._conf)
            except (
                OSError,
                ValueError,
                policy.InvalidDefinitionError,
            ) as error:
                LOG.error('The policy file is ignored until mended: %s', error)


def _load(conf: cfg.ConfigOpts) -> policy.Enforcer:
    enforcer = policy.Enforcer(conf)
    enforcer.register_defaults(policies.list_rules())
    enforcer.load_rules()
    # Else it would search for its files at each check, which takes longer
    # than the check.
    enforcer.use_conf = False
    return enforcer


def _search(conf: cfg.ConfigOpts) -> list[_State]:
    """All that the rules are read from; the main file is the first."""
    options = conf.oslo_policy
    main = conf.find_file(options.policy_file) or options.policy_file
    states = [_state(main)]
    for name in options.policy_dirs:
        folder = conf.find_file(name)
        if folder:
            states += [_state(entry.path) for entry in os.scandir(folder)]
    return [states[0], *sorted(states[1:])]


def _state(path: str) -> _State:
    try:
        found = os.stat(path)
    except OSError:
        return path, None
    return path, (found.st_mtime_ns, found.st_size, found.st_ino)


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
