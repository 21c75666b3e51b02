# a good frame behind a bad one proves nothing in the boot that wrote them
# file: journal/tail.c
# tests: unit/verdicts
s/\|\| \(same_boot && frame.offset > place->offset\)//
