"""Benchmarks of mcast, run by ``python -m benchmarks``."""
