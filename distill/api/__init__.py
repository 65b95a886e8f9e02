"""What a notebook or a program calls: the same stages as the commands, from arrays and Python values.

`import kerneldistill as kd` gives all of it by name, each module loaded when it is first used.
"""
