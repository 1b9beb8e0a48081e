# SPDX-License-Identifier: Apache-2.0

"""The terms of a console token: what its user can do with it, and how long."""

import dataclasses

from oslo_config import cfg

from console_svc import addresses, exception
from console_svc.consoles import console_types
from console_svc.objects import SessionMode


class TermsRefused(exception.BadRequest):
    """The configuration does not allow these terms of a token."""


class NotViewable(exception.BadRequest):
    """Consoles of this type cannot be view-only."""

    message = (
        'Consoles of type {console_type} cannot be view-only. Use the mode '
        'control.'
    )


class NotRecordable(exception.BadRequest):
    """Sessions of this type must be recorded, and cannot be."""

    message = (
        'Sessions of this console must be recorded, and those of type '
        '{console_type} cannot be.'
    )


@dataclasses.dataclass(frozen=True, slots=True)
class Terms:
    """The terms of a console token.

    :param mode: of its sessions
    :param ttl: seconds until it expires; None: ``[consoleauth] token_ttl``
    :param max_uses: sessions that it can open; None: ``[consoleauth]
        max_uses``
    :param client_address: the only address that can use it, in its usual
        form; None: what is configured
    :param record: whether its sessions must be recorded
    """

    mode: SessionMode = SessionMode.CONTROL
    ttl: int | None = None
    max_uses: int | None = None
    client_address: str | None = None
    record: bool = False

    @property
    def are_usual(self) -> bool:
        """Whether tokens without a request for terms have these, too.

        Only sessions enforce the others.
        """
        return (
            self.mode == SessionMode.CONTROL
            and self.max_uses is None
            and self.client_address is None
            and not self.record
        )


#: The terms of a token whose request names none.
USUAL: Terms = Terms()


def check(
    conf: cfg.ConfigOpts,
    terms: Terms,
    console_type: str,
    client_address: str | None,
) -> None:
    """Check that a user may ask for a token with these terms.

    :param client_address: the address that asks for it
    :raises NotViewable: the mode is view, and the type has none
    :raises NotRecordable: sessions of the type cannot be recorded
    :raises TermsRefused: the configuration allows less
    """
    options = conf.consoleauth
    if terms.mode == SessionMode.VIEW:
        check_can_be_viewed(console_type)
    if terms.record:
        check_can_be_recorded(console_type)
    longest = max(options.token_ttl, options.max_token_ttl or 0)
    if terms.ttl is not None and terms.ttl > longest:
        raise TermsRefused(reason=f'ttl must be at most {longest} seconds.')
    if options.max_uses and (terms.max_uses or 0) > options.max_uses:
        raise TermsRefused(
            reason=f'max_uses must be at most {options.max_uses}.'
        )
    if (
        terms.client_address is not None
        and options.bind_to_client_address
        and not addresses.same(terms.client_address, client_address)
    ):
        raise TermsRefused(
            reason='client_address must be the address of this request: '
            'tokens are bound to it.'
        )


def check_can_be_viewed(console_type: str) -> None:
    """Check that sessions of a type can be view-only.

    :raises NotViewable: they cannot
    """
    if not console_types.can_be_viewed(console_type):
        raise NotViewable(console_type=console_type)


def check_can_be_recorded(console_type: str) -> None:
    """Check that sessions of a type can be recorded.

    :raises NotRecordable: they cannot
    """
    if not console_types.can_be_recorded(console_type):
        raise NotRecordable(console_type=console_type)


def max_uses(own: int | None, configured: int) -> int:
    """The number of sessions that a token can open; 0: no limit.

    :param own: that of its terms; None: it has none
    :param configured: ``[consoleauth] max_uses``, which may have been lowered
        since the token was issued
    """
    return min(filter(None, (own, configured)), default=0)
