# SPDX-License-Identifier: ISC
"""A watchdog as those have it who ran the product before: is the connector linked?

Why: such scripts are to go on working.  It was written from one sentence and must stay so,
knowing nothing else of the connector and importing nothing of it:

    GET http://127.0.0.1[:port]/api/v1/status answers
    {data: {ws: {upstream: {status}, auth: {status}}, ad: {status}}},
    and what is healthy says 连接完成

    python3 watchdog.py [PORT]      exit status 0: all three; 1: with the names of those not
"""

import json
import sys
import urllib.request

HEALTHY = "连接完成"


def main(arguments):
    port = f":{arguments[0]}" if arguments else ""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1{port}/api/v1/status", timeout=10) as answer:
            data = json.load(answer)["data"]
    except OSError as error:
        print(f"no answer: {error}")
        return 1
    found = {"ws.upstream": data["ws"]["upstream"]["status"],
             "ws.auth": data["ws"]["auth"]["status"], "ad": data["ad"]["status"]}
    bad = [name for name, status in found.items() if status != HEALTHY]
    print(" ".join(bad) if bad else "healthy")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
