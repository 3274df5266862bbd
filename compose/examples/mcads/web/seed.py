"""Fills the volumes at the first start: the given media files, generated X-rays and static files, invented model weights."""

import hashlib
import os
import shutil
import struct
import sys
import zlib
from pathlib import Path

MEDIA, STATIC, MODELS = (Path(os.environ[name]) for name in ("MEDIA_ROOT", "STATIC_ROOT", "MODEL_ROOT"))


def noise(seed, size):
    """The same bytes for the same seed, and as hard to compress as real weights."""
    return hashlib.shake_256(seed.encode()).digest(size)


def png(seed, side=64):
    rows = noise(seed, side * side)
    raw = b"".join(b"\0" + rows[start : start + side] for start in range(0, side * side, side))

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def main(seed_folder):
    if (MODELS / "version.txt").exists():
        print("seeded before")
        return
    shutil.copytree(seed_folder, MEDIA, dirs_exist_ok=True)
    for number in range(1, 61):
        write(MEDIA / "xrays" / str(2023 + number % 3) / f"{number:06}.png", png(f"xray {number}"))
    write(MEDIA / "results" / "heat map (patient 1) ü.png", png("heat map", 256))
    os.symlink("../xrays/2024/000001.png", MEDIA / "results" / "latest.png")
    os.link(MEDIA / "xrays" / "2024" / "000001.png", MEDIA / "results" / "original.png")
    (MEDIA / "empty folder").mkdir()
    write(STATIC / "css" / "site.css", b"body { font-family: sans-serif }\n")
    write(STATIC / "js" / "site.js", b"document.title = 'MCADS';\n")
    write(MODELS / "densenet121.weights", noise("densenet121", 6_000_000))
    write(MODELS / "resnet50.weights", noise("resnet50", 3_000_000))
    (MODELS / "densenet121.weights").chmod(0o440)
    write(MODELS / "version.txt", b"2025.08\n")
    print("seeded")


if __name__ == "__main__":
    main(sys.argv[1])
