"""The Python client of rtcore servers."""
