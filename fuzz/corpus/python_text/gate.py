#!/usr/bin/env python3
import sys
import time
import urllib.request

for _ in range(60):
    try:
        urllib.request.urlopen("https://ci.example.org/health", timeout=5)
        sys.exit(0)
    except OSError as error:
        print(f"not yet: {error}", file=sys.stderr)
        time.sleep(2)
sys.exit(1)
