#!/usr/bin/env python3
"""Goes on writing as the application would: a study with its predictions in each transaction, a line in the log, until it is stopped."""
import sqlite3
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main():
    database = sqlite3.connect(HERE / "db.sqlite3", timeout=30, isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    written = 0
    while True:
        database.execute("BEGIN IMMEDIATE")
        study = database.execute("SELECT max(id) + 1 FROM xrays_study").fetchone()[0]
        database.execute("INSERT INTO xrays_study VALUES (?, ?, ?, ?, 1)", (study, "patient-live", f"xrays/{study}.png", "2025-08-01"))
        for pathology in ("Effusion", "Pneumonia"):
            database.execute("INSERT INTO xrays_prediction (study, pathology, score) VALUES (?, ?, 0.5)", (study, pathology))
        database.execute("COMMIT")
        written += 1
        with open(HERE / "logs" / "django.log", "a", encoding="utf-8") as log:
            log.write(f"study {study}\n")
        print(study, flush=True)  # committed: a backup that begins from here on must have it
        time.sleep(0.002)


if __name__ == "__main__":
    try:
        main()
    except (KeyboardInterrupt, BrokenPipeError):
        sys.exit(0)
