"""`python -m lodesmith.serve`: the server as a child process of `background_server`.

It takes over a socket that its parent has bound, so that the parent knows the port before the
child has loaded the model, and nobody can take the port in between.
"""

import argparse
import socket
import sys
from pathlib import Path

from lodesmith.core.errors import LodesmithError
from lodesmith.core.log import say
from lodesmith.core.process import die_with_parent
from lodesmith.infer.config import EngineConfig


def main() -> int:
    """Serve until told to stop; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m lodesmith.serve")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--name", required=True)
    parser.add_argument("--socket", type=int, required=True, help="descriptor of the socket")
    parser.add_argument("--parent", type=int, required=True, help="process id")
    parser.add_argument("--engine", required=True, help="EngineConfig as JSON")
    arguments = parser.parse_args()
    die_with_parent(arguments.parent)
    from lodesmith.serve.server import ServerSettings, serve_on

    try:
        with socket.socket(fileno=arguments.socket) as listener:
            serve_on(
                listener,
                {arguments.name: arguments.folder},
                settings=ServerSettings(engine=EngineConfig.model_validate_json(arguments.engine)),
                quiet=True,
            )
    except LodesmithError as error:
        say(f"error: {error}")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
