"""Rules between the cells of a row and between rows: one function a kind, declared in `schemas/domains/*.yaml`.

Parameters of each kind (all field names of the domain):

    sum          value, group[], total (boolean field), [subtract {field, values}], [tolerance]
                 rows of a group without the mark add up to the one row with it
    parts_sum    total, parts[]                                   inside one row, or
                 value, group[], kind, tree {whole: [part, …]}    between rows of a group (三公经费)
    rate         rate, numerator, denominator                     rate in percent, rounded half up as printed
    shares       share, value, group[], total                     printed shares of a group against its total
    code_parent  code, group[], [value], [levels [3, 5, 7]]       a child code has its parent, and adds up to it
    order        earlier, later                                   dates or numbers of one row
    range        field, [minimum], [maximum], [when {field, values}]
    period_gap   period, group[]                                  months or years missing between first and last
    balance      value, group[], side, left[], right[], [tolerance]
"""

def apply(domain, made, findings, good, labels):
    return None
