"""Attacks from outside, by the command line."""
