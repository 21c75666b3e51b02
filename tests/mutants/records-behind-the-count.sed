# a payload may hold more than its records
# file: journal/payload.c
# tests: fuzz/record
s/return p == end;/return p != NULL;/
