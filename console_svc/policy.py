# SPDX-License-Identifier: Apache-2.0

"""Authorization: oslo.policy with the rules of console_svc.policies."""

import contextlib
import logging
import os
import stat
import sys
import time
from collections.abc import Callable, Hashable, Set
from typing import Final

from oslo_config import cfg
from oslo_policy import opts, policy

from console_svc import conf as configuration
from console_svc import exception, policies
from console_svc.context import RequestContext
from console_svc.watched_file import Watched, signature_of

LOG = logging.getLogger(__name__)

# Seconds between two searches for policy files.
_SEARCH_SECONDS: Final = 1


class Policy:
    """Checks the default rules and those that the policy files override.

    Policy files are reread when they change. A change that is invalid or that
    removes a file is logged, and the rules before it stay in force.

    :param conf: [oslo_policy] names the files
    :param reloaded: called after the files were reread, with whether their
        rules are in force
    :raises ValueError: the policy files are invalid
    """

    def __init__(
        self,
        conf: cfg.ConfigOpts,
        reloaded: Callable[[bool], None] | None = None,
    ) -> None:
        # Registers the options of [oslo_policy].
        opts.set_defaults(conf)
        files = _PolicyFiles(conf)
        self._enforcer = Watched(files.load, files.signature, reloaded)
        # Invalid files must stop the start.
        self._enforcer.get()

    def is_admin(self, context: RequestContext) -> bool:
        """Whether a caller is an administrator."""
        return self.allows(context, 'context_is_admin')

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
        enforcer = self._enforcer.get()
        if project_id not in (None, context.project_id):
            return bool(_decide(enforcer, rule, context, project_id))
        # The decision depends on the caller and on the rules alone, which
        # change with the enforcer. oslo.policy inspects signatures at each
        # check, an eighth of a token look-up.
        key = rule, project_id
        decided_by, decision = context.decisions.get(key, (None, False))
        if decided_by is enforcer:
            return decision
        made = _decide(enforcer, rule, context, project_id)
        if made is not None:
            context.decisions[key] = enforcer, made
        return bool(made)

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
        :raises console_svc.exception.Forbidden: the rule does not allow it,
            or cannot be checked
        """
        if not self.allows(context, rule, project_id):
            raise exception.Forbidden(rule=rule)


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
        # The files whose rules are in force.
        self._loaded: Set[str] = frozenset()

    def signature(self) -> Hashable | None:
        """As :func:`~console_svc.watched_file.signature_of`, of all files."""
        now = time.monotonic()
        if now >= self._search_at:
            self._search_at = now + _SEARCH_SECONDS
            self._main = self._find_main()
            self._others = tuple(
                (path, signature_of(path)) for path in self._find_others()
            )
        main = signature_of(self._main)
        return None if main is None else (self._main, main, self._others)

    def load(self) -> policy.Enforcer:
        """An enforcer with the rules of the files as they are now.

        :raises ValueError: a file is invalid, or one that was loaded is gone
        """
        before = self._states()
        for path in self._loaded:
            if not before.get(path):
                raise ValueError(f'{path}: the file is missing or empty')
        for path in before:
            _check_shape(path)
        enforcer = _load(self._conf)
        # oslo.policy takes a file that it cannot read for an empty one.
        if self._states() != before:
            raise ValueError('the policy files change while they are read')
        self._loaded = {path for path, state in before.items() if state}
        return enforcer

    def _states(self) -> dict[str, tuple[int, ...]]:
        """Path -> a value that changes with the file; empty: no content.

        :raises ValueError: a path is not a file
        """
        states: dict[str, tuple[int, ...]] = {}
        for path in [self._find_main(), *self._find_others()]:
            try:
                state = os.stat(path)
            except OSError:
                continue
            if not stat.S_ISREG(state.st_mode):
                raise ValueError(f'{path} is not a file')
            found = (state.st_ino, state.st_size, state.st_mtime_ns)
            states[path] = found if state.st_size else ()
        return states

    def _find_main(self) -> str:
        name: str = self._conf.oslo_policy.policy_file
        return self._conf.find_file(name) or name

    def _find_others(self) -> list[str]:
        """The files that oslo.policy reads in the policy directories."""
        paths = []
        for name in self._conf.oslo_policy.policy_dirs:
            folder = self._conf.find_file(name)
            # It may be deleted at any moment, or not be a directory, which
            # oslo.policy reports.
            with contextlib.suppress(OSError):
                paths += [
                    entry.path
                    for entry in (os.scandir(folder) if folder else ())
                    if not entry.name.startswith('.') and not entry.is_dir()
                ]
        return sorted(paths)


def _check_shape(path: str) -> None:
    """Check that a policy file maps the names of rules to their texts.

    oslo.policy takes a rule that is false or null for one that allows
    everything, and fails with any exception on others.

    :raises ValueError: it does not
    """
    try:
        with open(path, encoding='utf-8') as file:
            document = policy.parse_file_contents(file.read())
    except (OSError, ValueError) as error:
        raise ValueError(f'{path}: {error}') from error
    if not isinstance(document, dict):
        raise ValueError(f'{path}: it is not a mapping of rules')
    for name, rule in document.items():
        if not isinstance(name, str) or not _is_rule(rule):
            raise ValueError(f'{path}: the rule {name!r} is not a text')


def _is_rule(rule: object) -> bool:
    """Whether a rule is a text, or has the older form: a list of lists."""
    parts = rule if isinstance(rule, list) else [rule]
    return all(
        isinstance(text, str)
        for part in parts
        for text in (part if isinstance(part, list) else [part])
    )


def _decide(
    enforcer: policy.Enforcer,
    rule: str,
    context: RequestContext,
    project_id: str | None,
) -> bool | None:
    """Whether a rule allows a request; None: it cannot be checked."""
    try:
        allowed: bool = enforcer.authorize(
            rule, {'project_id': project_id}, context
        )
    except policy.InvalidScope:
        return False
    except Exception as error:
        # Rules can refer to each other in a cycle, or to a server that does
        # not answer (http:).
        LOG.error(
            'Policy rule %s cannot be checked, so the request is refused: %r',
            rule,
            error,
        )
        return None
    return allowed


def _load(conf: cfg.ConfigOpts) -> policy.Enforcer:
    # A new enforcer: while oslo.policy reloads one, it refuses every check.
    enforcer = policy.Enforcer(conf)
    enforcer.register_defaults(policies.list_rules())
    try:
        enforcer.load_rules()
    except Exception as error:
        # It raises those of its parser, too.
        raise ValueError(f'the policy files are invalid: {error}') from error
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
