"""Several processes as one: collectives, the group behind them, and its watchdog."""
