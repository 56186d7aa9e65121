"""`python -m benchmarks.static FOLDER`: the peer of the server, Starlette's StaticFiles on the same uvicorn."""

from __future__ import annotations

import socket
import sys
from typing import Final

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

STARTED: Final = "serving at "


def main(folder: str) -> None:
    """Serve *folder* at a free port until the process is ended."""
    application = Starlette(routes=[Mount("/", StaticFiles(directory=folder))])
    listening = socket.create_server(("127.0.0.1", 0))
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    print(f"{STARTED}http://127.0.0.1:{listening.getsockname()[1]}/", flush=True)
    uvicorn.Server(uvicorn.Config(application, log_level="critical", loop="asyncio")).run(sockets=[listening])


if __name__ == "__main__":
    main(sys.argv[1])
