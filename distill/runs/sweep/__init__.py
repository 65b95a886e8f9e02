"""Many runs from one file: `kdistill sweep`.

cases       the file: a grid and explicit cases      folders     the run directory of each case, and how far it is
runs        one case in a process of its own         index       one table of all, in the columns of KIP's kip.csv
sweep       the loop                                 forecast    what it would do, and for how long
"""
