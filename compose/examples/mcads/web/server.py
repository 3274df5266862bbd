"""The web service: lists and takes uploads and says whether its database and models are there. Standard library only."""

import json
import os
import re
import socket
from pathlib import Path
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIServer, make_server

MEDIA_ROOT = Path(os.environ["MEDIA_ROOT"])
MODEL_ROOT = Path(os.environ["MODEL_ROOT"])
DATABASE = (os.environ["DATABASE_HOST"], int(os.environ["DATABASE_PORT"]))
UPLOAD = re.compile(r"/upload/([\w][\w.-]{0,120})")


def database_answers():
    try:
        with socket.create_connection(DATABASE, timeout=2):
            return True
    except OSError:
        return False


def health():
    facts = {"database": database_answers(), "models": sorted(path.name for path in MODEL_ROOT.glob("*.weights"))}
    return ("200 OK" if facts["database"] and facts["models"] else "503 Service Unavailable"), facts


def uploads():
    files = (path for path in MEDIA_ROOT.rglob("*") if path.is_file())
    return "200 OK", {"files": sorted(str(path.relative_to(MEDIA_ROOT)) for path in files)}


def upload(name, environ):
    """Written beside and renamed, so that nobody, and no backup, sees half a file under its name."""
    folder = MEDIA_ROOT / "uploads"
    folder.mkdir(parents=True, exist_ok=True)
    left = int(environ.get("CONTENT_LENGTH") or 0)
    incoming = folder / f".{name}.incoming"
    with incoming.open("wb") as file:
        while left > 0:
            part = environ["wsgi.input"].read(min(left, 65536))
            if not part:
                incoming.unlink()
                return "400 Bad Request", {"error": "the upload ended early"}
            file.write(part)
            left -= len(part)
    incoming.rename(folder / name)
    return "201 Created", {"path": f"uploads/{name}"}


def application(environ, start_response):
    method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
    target = UPLOAD.fullmatch(path)
    if method == "GET" and path == "/health":
        status, answer = health()
    elif method == "GET" and path == "/":
        status, answer = uploads()
    elif method in ("PUT", "POST") and target:
        status, answer = upload(target.group(1), environ)
    else:
        status, answer = "404 Not Found", {"error": "no such page"}
    body = json.dumps(answer).encode()
    start_response(status, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


class ThreadingServer(ThreadingMixIn, WSGIServer):
    daemon_threads = True


if __name__ == "__main__":
    with make_server("", 8000, application, server_class=ThreadingServer) as server:
        server.serve_forever()
