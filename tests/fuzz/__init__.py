"""Fuzzers: parsers in this process, servers over sockets; `make fuzz` is guided by coverage."""
