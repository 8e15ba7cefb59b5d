"""Servers on loopback that answer the way a test needs."""
