# SPDX-License-Identifier: Apache-2.0

"""Prints free ports of 127.0.0.1: python tools/port.py PORT [NUMBER].

PORT is the first of them; default:PORT is replaced by another one if it is in
use. NUMBER is how many ports to print (1).
"""

import socket
import sys


def listen(port: int) -> socket.socket:
    """Take a port; 0: a free one."""
    listener = socket.socket()
    # A port whose last connections are still closing is free.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(('127.0.0.1', port))
    return listener


def main(first: str, number: str = '1') -> None:
    """Print the ports; the first one is what the user has chosen."""
    _, is_default, text = first.rpartition('default:')
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 65536:
        sys.exit(f'PORT must be a number from 1 to 65535, not {text!r}.')
    try:
        taken = [listen(int(text))]
    except OSError as error:
        problem = f'Port {text} cannot be used: {error.strerror}.'
        if not is_default:
            sys.exit(problem)
        taken = [listen(0)]
        port = taken[0].getsockname()[1]
        print(f'{problem} Using {port} instead.', file=sys.stderr)
    taken += [listen(0) for _ in range(int(number) - 1)]
    print(*(listener.getsockname()[1] for listener in taken))


main(*sys.argv[1:])
