"""A rate limit for each session of an rtcore server (GCRA)."""
