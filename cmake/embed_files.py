#!/usr/bin/env python3
# embed_files.py OUT.cpp DIRECTORY [URL_PATH=FILE ...]
# Writes every file below DIRECTORY, and the named ones, as a C++ table for services/http/static_files.h.
# index.html is served at /. Files under assets/ have their hash in their name and never change.
import hashlib
import pathlib
import sys

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".txt": "text/plain; charset=utf-8",
    ".woff2": "font/woff2",
}


def literal(data):
    """The bytes as adjacent string literals; octal escapes always have three digits."""
    lines = []
    for start in range(0, len(data), 64):
        piece = data[start : start + 64]
        text = "".join(
            chr(b) if 32 <= b < 127 and chr(b) not in '"\\?' else f"\\{b:03o}" for b in piece
        )
        lines.append(f'    "{text}"')
    return "\n".join(lines) or '    ""'


def entry(url, path):
    data = path.read_bytes()
    etag = hashlib.sha256(data).hexdigest()[:32]
    kind = TYPES.get(path.suffix, "application/octet-stream")
    unchanging = "true" if url.startswith("/assets/") else "false"
    return (
        f'  {{"{url}", "{kind}", "\\"{etag}\\"", {unchanging},\n'
        f"   std::string_view(\n{literal(data)},\n    {len(data)})}},\n"
    )


def main():
    out, directory, *named = sys.argv[1:]
    root = pathlib.Path(directory)
    files = {}
    for path in sorted(p for p in root.rglob("*") if p.is_file()):
        name = path.relative_to(root).as_posix()
        files["/" if name == "index.html" else f"/{name}"] = path
    if "/" not in files:
        sys.exit(f"embed_files: {root}/index.html is missing")
    for item in named:
        url, _, path = item.partition("=")
        files[url] = pathlib.Path(path)
    text = (
        "// Made by cmake/embed_files.py at build time; not to be edited.\n"
        '#include "services/http/static_files.h"\n\nnamespace graft {\nnamespace {\n\n'
        "constexpr StaticFile files[] = {\n"
        + "".join(entry(url, path) for url, path in files.items())
        + "};\n\n}  // namespace\n\n"
        "std::span<const StaticFile> embedded_files() { return files; }\n\n}  // namespace graft\n"
    )
    pathlib.Path(out).write_text(text)


main()
