"""Rooms for an rtcore server: membership, options, authorisation, delivery."""
