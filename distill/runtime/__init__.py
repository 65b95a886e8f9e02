"""The machine below a run: devices, signals, the terminal, and several processes that work as one."""
