# of two states of one millisecond the last to come stays
# file: replay/merge.c
# tests: property/orders unit/merge_table
s/return theirs <= ours;/return theirs == ours;/
