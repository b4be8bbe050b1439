"""Tests of mcast."""
