# SPDX-License-Identifier: Apache-2.0

"""Tables in reStructuredText, and the rows of the table of goals."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence


@dataclasses.dataclass(frozen=True)
class Row:
    """What something costs here and in other programs.

    :param peers: name -> its cost, or the reason why it was not measured; the
        ratio is that to the first
    :param goal: the aim, in words
    :param is_saving: whether the ratio says how many times less it is
    """

    what: str
    ours: float
    unit: str = ''
    peers: Mapping[str, float | str] = dataclasses.field(default_factory=dict)
    goal: str = ''
    is_saving: bool = False

    def lines(self) -> Iterator[Sequence[str]]:
        """Return the texts of the row's cells, a line for each peer."""
        first = (self.what, self._amount(self.ours))
        last = (self._ratio(), self.goal)
        peers = [
            f'{name} {it if isinstance(it, str) else self._amount(it)}'
            for name, it in self.peers.items()
        ]
        yield *first, ', '.join(peers[:1]), *last
        for peer in peers[1:]:
            yield '', '', peer, '', ''

    def _amount(self, value: float) -> str:
        return f'{_rounded(value)} {self.unit}'.strip()

    def _ratio(self) -> str:
        first = next(iter(self.peers.values()), '')
        if isinstance(first, str) or not first or not self.ours:
            return ''
        if self.is_saving:
            return f'1/{_rounded(first / self.ours)}'
        return _rounded(self.ours / first)


def goals(rows: Sequence[Row]) -> str:
    """Return the table of goals."""
    return render(
        ('what', 'console-svc', 'beside it', 'ratio', 'goal'),
        [line for row in rows for line in row.lines()],
    )


def render(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a simple table.

    :param heads: of the columns; the first may be empty
    :param rows: one with an empty first cell continues the one above it
    """
    lines = [[heads[0] or '..', *heads[1:]], *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    border = '  '.join('=' * width for width in widths)
    texts = [
        '  '.join(
            f'{cell:{width}}' for cell, width in zip(line, widths, strict=True)
        ).rstrip()
        for line in lines
    ]
    return '\n'.join([border, texts[0], border, *texts[1:], border])


def _rounded(value: float) -> str:
    """Return a number with about three digits."""
    if value >= 100 or value == int(value):
        return f'{value:,.0f}'
    return f'{value:.1f}' if value >= 10 else f'{value:.2f}'
