"""The socket that a server listens on, bound before anything heavy is imported or loaded, and how
long those who come through it may take."""

import errno
import socket

from lodesmith.core.errors import UserError

REQUEST_SECONDS = 600.0  # after which an answer is given up; OpenAI's clients wait as long
STOP_SECONDS = 10  # that running requests get to finish once a server is told to stop


def bind(host: str, port: int) -> socket.socket:
    """Return a listening socket.

    Raises:
        UserError: the port is taken or forbidden, or the address is not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise UserError(_explain_bind(error, host, port)) from None
    return listener


def url_of(listener: socket.socket) -> str:
    """Return the address under which a socket's server is reached."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _explain_bind(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} on {host} is in use; stop what uses it, or take a free port: --port 0"
    if error.errno == errno.EACCES:
        return f"port {port} needs administrator rights; take one from 1024 on, or --port 0"
    return f"cannot listen on {host} port {port}: {error.strerror or error}"
