"""`make serve`: serve the site that `make book` built, on this machine alone."""

from __future__ import annotations

import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tools.settings import read_settings

#: The first port that is tried; others near it follow.
PORT = 8000


class Handler(SimpleHTTPRequestHandler):
    """As GitHub Pages and other hosts: a wrong address gets the site's own page.

    Args:
        site: the folder that has this page; served is ``directory``, of which it may be a part.
    """

    # Some systems call these something that a browser does not run.
    extensions_map = SimpleHTTPRequestHandler.extensions_map | {
        ".js": "text/javascript",
        ".mjs": "text/javascript",
        ".wasm": "application/wasm",
    }

    def __init__(self, *arguments: object, site: Path, **named: object) -> None:
        self.missing = site / "404.html"
        super().__init__(*arguments, **named)

    def log_message(self, *_: object) -> None:
        """Not every file that a page has."""

    def send_error(self, code: int, *more: object, **named: object) -> None:
        """The page for wrong addresses; other errors as always."""
        if code != 404 or not self.missing.is_file():
            super().send_error(code, *more, **named)
            return
        page = self.missing.read_bytes()
        self.send_response(code)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(page)


class Server(ThreadingHTTPServer):
    """Says nothing of a reader who left before a page was whole."""

    def handle_error(self, request: object, client_address: object) -> None:
        """Errors of our own are told as always."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


def server(site: Path, directory: Path | None = None, port: int = 0) -> ThreadingHTTPServer:
    """A server of a site, not yet running.

    Args:
        site: the folder of the site.
        directory: what is served; the site itself if not given.
        port: 0 takes any that is free.

    Raises:
        OSError: the port is taken.
    """
    handler = partial(Handler, site=site, directory=str(directory or site))
    return Server(("127.0.0.1", port), handler)


def free_server(site: Path, ports: range) -> ThreadingHTTPServer:
    """A server at the first free port.

    Raises:
        OSError: all are taken.
    """
    for port in ports:
        try:
            return server(site, port=port)
        except OSError:
            continue
    raise OSError(f"the ports {ports[0]} to {ports[-1]} are taken: end what serves there")


def main() -> None:
    """Serve until Ctrl-C, or say what is missing."""
    try:
        settings = read_settings(sys.argv[1:])
        site = settings.work.with_name("html")
        if not (site / "index.html").is_file():
            raise ValueError(f"there is no site in {site}: run make book first")
        running = free_server(site, range(PORT, PORT + 20))
    except (ValueError, OSError) as error:
        sys.exit(f"make serve: {error}")
    print(f"The book: http://127.0.0.1:{running.server_port}/ (Ctrl-C ends it)", flush=True)
    try:
        running.serve_forever()
    except KeyboardInterrupt:
        print()


if __name__ == "__main__":
    main()
