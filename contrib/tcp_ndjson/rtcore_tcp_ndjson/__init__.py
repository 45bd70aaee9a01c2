"""An rtcore transport: newline-delimited JSON over plain TCP, on a port of its own."""
