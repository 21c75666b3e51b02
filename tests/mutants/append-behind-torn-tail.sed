# an append goes on behind a torn tail in the same segment
# file: journal/append.c
# tests: unit/verdicts unit/journal_damage
s/return j->torn \|\| full/return full/
