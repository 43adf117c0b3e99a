"""The part of the Hugging Face hub's HTTP interface that uploads and downloads of a model use, on this machine."""

import base64
import hashlib
import json
import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import unquote, urlsplit

TOKEN = "hf_aSecretThatNobodyMaySee"


class Hub:
    """Repositories by name, each a list of commits: files by path.

    Attributes:
        created: what was asked for by the requests that make a repository.
        tokens: of all requests.
        refused: names that only `TOKEN` may read.
    """

    def __init__(self):
        self.commits = {}
        self.created = []
        self.tokens = set()
        self.refused = set()
        handler = type("Handler", (_Handler,), {"hub": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self):
        Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()

    def ignore_errors(self):
        """Do not print what goes wrong with a request."""
        self._server.handle_error = lambda request, address: None

    def put(self, name, files):
        """Add a commit with these files; its name."""
        self.commits.setdefault(name, []).append(dict(files))
        return self.sha(name)

    def put_folder(self, name, folder):
        files = (path for path in folder.rglob("*") if path.is_file())
        return self.put(name, {p.relative_to(folder).as_posix(): p.read_bytes() for p in files})

    def files(self, name, revision="main"):
        """The files of a revision; None where there is none."""
        commits = self.commits[name]
        matching = (
            [commits[-1]] if revision == "main" else [c for c in commits if _sha(c) == revision]
        )
        return matching[0] if matching else None

    def sha(self, name):
        return _sha(self.commits[name][-1])


def _sha(files):
    content = files if isinstance(files, bytes) else repr(sorted(files.items())).encode()
    return hashlib.sha1(content).hexdigest()


class _Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def answer(self, content, status=200, **headers):
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in {"Content-Length": len(body), **headers}.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def found(self, name, revision):
        """The files of a revision, or None and an answer that says what is missing."""
        token = self.headers.get("Authorization")
        self.hub.tokens.add(token)
        if name in self.hub.refused and token != f"Bearer {TOKEN}":
            self.answer({"error": "Invalid credentials"}, 401)
        elif name not in self.hub.commits:
            self.answer({"error": "Repository not found"}, 404, X_Error_Code="RepoNotFound")
        elif (files := self.hub.files(name, revision)) is None:
            self.answer({"error": "Revision not found"}, 404, X_Error_Code="RevisionNotFound")
        else:
            return files
        return None

    def do_GET(self):
        path = unquote(urlsplit(self.path).path)
        if match := re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/(revision|tree)/([^/]+))?", path):
            name = match[1]
            kind = match[2]
            revision = match[3] or "main"
            if (files := self.found(name, revision)) is None:
                return
            listed = [
                {"type": "file", "path": p, "size": len(c), "oid": _sha(c)}
                for p, c in files.items()
            ]
            siblings = [{"rfilename": p} for p in files]
            info = {"id": name, "sha": _sha(files), "siblings": siblings, "tags": []}
            self.answer(listed if kind == "tree" else info)
        elif match := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            if (files := self.found(match[1], match[2])) is None:
                return
            commit = {"X_Repo_Commit": _sha(files)}
            if match[3] in files:
                content = files[match[3]]
                self.answer(content, ETag=f'"{_sha(content)}"', **commit)
            else:
                self.answer(b"", 404, X_Error_Code="EntryNotFound", **commit)
        else:
            self.answer({"error": f"unknown {path}"}, 404)

    do_HEAD = do_GET

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        path = unquote(urlsplit(self.path).path)
        hub = self.hub
        token = self.headers["Authorization"]
        hub.tokens.add(token)
        if path == "/api/validate-yaml":
            self.answer({"errors": [], "warnings": []})
        elif token != f"Bearer {TOKEN}":
            self.answer({"error": "Invalid credentials"}, 401)
        elif path == "/api/repos/create":
            request = json.loads(body)
            name = f"{request['organization']}/{request['name']}"
            hub.created.append(request)
            exists = name in hub.commits
            hub.commits.setdefault(name, [{}])
            self.answer({"url": f"{hub.url}/{name}", "name": name}, 409 if exists else 200)
        elif re.fullmatch(r"/api/models/(.+)/preupload/main", path):
            upload = {"uploadMode": "regular", "shouldIgnore": False}
            self.answer(
                {"files": [{"path": f["path"], **upload} for f in json.loads(body)["files"]]}
            )
        elif match := re.fullmatch(r"/api/models/(.+)/commit/main", path):
            files = dict(hub.files(match[1]))
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
                elif line["key"] == "deletedFile":
                    del files[line["value"]["path"]]
            sha = hub.put(match[1], files)
            url = f"{hub.url}/{match[1]}/commit/{sha}"
            self.answer({"success": True, "commitOid": sha, "commitUrl": url})
        else:
            self.answer({"error": f"unknown {path}"}, 404)
