import urllib.request

with urllib.request.urlopen("http://127.0.0.1:8000/health", timeout=4) as answer:
    assert answer.status == 200
