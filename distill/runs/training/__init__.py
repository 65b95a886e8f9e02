"""The outer loop, and what it keeps: checkpoints, metrics, the newest picture."""
