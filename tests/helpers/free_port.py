"""A port that nobody listens at."""

import socket


def free_port() -> int:
    """Return one; another program may take it before it is used."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]
