"""
A server that speaks S3, as its own process: `s3rver`, from npm, with a bucket in a folder.

It takes multipart uploads, answers ranges and lists pages. It knows access keys and believes
whatever they sign, and it cannot give up a multipart upload: what is left of one is looked at
as a client would, and no listing and no reading shows it.
"""

import os
import subprocess
import threading
from pathlib import Path

BUCKET = "files"
CREDENTIALS = {"access_key_id": "S3RVER", "secret_access_key": "S3RVER"}
START_S = 60.0

PROGRAM = """
const S3rver = require("s3rver");
const options = { address: "127.0.0.1", port: 0, silent: true, directory: process.argv[1] };
new S3rver({ ...options, configureBuckets: [{ name: process.argv[2] }] })
  .run()
  .then(({ port }) => console.log(port));
"""


class S3Server:
    """Serves until `close`."""

    def __init__(self, node_modules: Path, folder: Path) -> None:
        folder.mkdir()
        self._process = subprocess.Popen(
            ["node", "-e", PROGRAM, str(folder), BUCKET],
            env=os.environ | {"NODE_PATH": str(node_modules)},
            stdout=subprocess.PIPE,
            text=True,
        )
        watchdog = threading.Timer(START_S, self._process.kill)
        watchdog.start()
        assert self._process.stdout is not None
        port = self._process.stdout.readline().strip()
        watchdog.cancel()
        assert port, "the S3 server did not start"
        self.endpoint = f"http://127.0.0.1:{port}"

    def url(self, prefix: str) -> str:
        """Where files of one test are."""
        return f"s3://{BUCKET}/{prefix}?endpoint={self.endpoint}&region=us-east-1"

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
