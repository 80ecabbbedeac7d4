# Written by sdk/python/generate from docs/openapi.json: change nothing here.
__version__ = "0.1.0"
