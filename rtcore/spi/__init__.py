"""The extension points: one file each, Protocols whose docstrings are contracts.

`transport`, `codec`, `compressor`, `auth`, `limiter`, `interceptor`, `broker`, `rooms`, `handler`, `ai`, `health`.
Each has a contract suite in `rtcore.testing`: subclass it, give a factory, run pytest.
"""
