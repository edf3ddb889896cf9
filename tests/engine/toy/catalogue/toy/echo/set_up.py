"""Counts its runs in a volume, and keeps the words that it was given."""

import os
import time
from pathlib import Path

time.sleep(float(os.environ.get("SECONDS", "0.5")))
Path("/data/words").write_text(Path(os.environ["WORDS_FILE"]).read_text())
with Path("/data/runs").open("a") as runs:
    runs.write("run\n")
Path("/data/done").touch()
