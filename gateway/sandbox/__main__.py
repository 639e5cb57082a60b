"""`python -m gateway.sandbox PORT` serves the sandbox provider on 127.0.0.1 until it is ended."""

import sys

import uvicorn

from gateway.sandbox.server import create

if __name__ == "__main__":
    uvicorn.run(create(), host="127.0.0.1", port=int(sys.argv[1]), log_level="critical")
