"""The published tables, run again on real images.

*.toml      a sweep file a table: its cases are the rows
run         run rows, judge them by protocols, and keep what they gave as records
released    judge the sets that others published by the same code
record      what is kept of a row, JSON in `records/TABLE`
table       the tables of the README, made from the records
published   what papers report
"""
