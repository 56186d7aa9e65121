"""Feeder republishes articles as feeds."""
