#!/usr/bin/env python3
"""Fills the sample with what an installation holds: a database in WAL mode, images, results, weights. Python's own library only."""
import random
import sqlite3
from pathlib import Path

HERE = Path(__file__).resolve().parent
RANDOM = random.Random(42)


def write(name, content):
    path = HERE / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def seed_database():
    database = sqlite3.connect(HERE / "db.sqlite3")
    database.execute("PRAGMA journal_mode = WAL")
    with database:
        database.executescript(
            """
            CREATE TABLE IF NOT EXISTS auth_user (id INTEGER PRIMARY KEY, username TEXT NOT NULL UNIQUE);
            CREATE TABLE IF NOT EXISTS xrays_study (
              id INTEGER PRIMARY KEY, patient TEXT NOT NULL, image TEXT NOT NULL, taken TEXT NOT NULL,
              uploaded_by INTEGER NOT NULL REFERENCES auth_user (id));
            CREATE TABLE IF NOT EXISTS xrays_prediction (
              id INTEGER PRIMARY KEY, study INTEGER NOT NULL REFERENCES xrays_study (id), pathology TEXT NOT NULL, score REAL NOT NULL);
            CREATE INDEX IF NOT EXISTS xrays_prediction_study ON xrays_prediction (study);
            """
        )
        database.executemany("INSERT OR IGNORE INTO auth_user VALUES (?, ?)", [(1, "admin"), (2, "radiologist")])
        for study in range(1, 501):
            database.execute(
                "INSERT OR IGNORE INTO xrays_study VALUES (?, ?, ?, ?, ?)",
                (study, f"patient-{study % 97}", f"xrays/{study:04}.png", f"2025-0{study % 9 + 1}-01", study % 2 + 1),
            )
            for index, pathology in enumerate(("Effusion", "Pneumonia", "Cardiomegaly")):
                database.execute(
                    "INSERT OR IGNORE INTO xrays_prediction VALUES (?, ?, ?, ?)",
                    (study * 10 + index, study, pathology, RANDOM.random()),
                )
    database.close()


def main():
    seed_database()
    for study in range(1, 41):
        write(f"media/xrays/{study:04}.png", b"\x89PNG\r\n\x1a\n" + RANDOM.randbytes(20_000))
    for number in range(3):
        write(f"media/results/report-{number}.json", b'{"study": %d}\n' % number)
    write("staticfiles/css/site.css", b"body { margin: 0 }\n")
    write("staticfiles/js/site.js", b"'use strict';\n")
    write("data_exports/2025-07.csv", b"study,pathology,score\n1,Effusion,0.25\n")
    write("models/densenet121.bin", RANDOM.randbytes(3_000_000))
    write("logs/django.log", b"2025-08-01 14:29:05 started\n")
    print("seeded", HERE)


if __name__ == "__main__":
    main()
