"""The CBOR codec of an rtcore server, on cbor2."""
