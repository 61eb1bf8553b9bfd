"""schemathesis against a service that asks for keys: what /openapi.json says is all that ever comes back.
No 5xx, no status or body that the document does not know, no route that works without a key. About two minutes,
so it belongs to .ci/run; the run's length is SECONDS."""

import os
import pathlib
import re
import subprocess
import sys

import sentences

SECONDS = int(os.environ.get("GRAFT_OPENAPI_SECONDS", "90"))
CHECKS = ("not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance",
          "response_headers_conformance", "ignored_auth", "unsupported_method", "allow_header_conformance")


def test_only_documented_answers_come_back(make_service, tmp_path):
    service = make_service("--auth", "required")
    key = re.search(r"graft_\S+", service.command("keys", "create", "acme")).group()
    client = service.client(key)
    # A queue with a job in it, a file and soon a version: lists are not all empty.
    file_id = service.upload(sentences.sentences(sentences.TOPICS, 60, seed=1), client=client)
    service.submit(file_id, "topics", client=client, epochs=1)
    config = tmp_path / "schemathesis.toml"
    config.write_text(f"""
continue-on-failure = true
[parameters]
"path.file_id" = "{file_id}"
"path.task" = "topics"
"path.version" = 1
""")
    done = subprocess.run(
        [pathlib.Path(sys.executable).with_name("schemathesis"), "--config-file", config, "run",
         f"{service.url}/openapi.json", "-H", f"Authorization: Bearer {key}", "--checks", ",".join(CHECKS),
         "--max-time", str(SECONDS), "--request-timeout", "30", "--seed", "1", "--no-shrink",
         "--generation-database", "none", "--output-truncate", "true", "--warnings", "off"],
        capture_output=True, text=True, timeout=SECONDS + 300, cwd=tmp_path)
    assert done.returncode == 0, done.stdout[-20000:] + done.stderr[-2000:]
    assert re.search(r"API Operations", done.stdout), done.stdout
