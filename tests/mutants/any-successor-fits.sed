# a segment needs not name the one before it
# file: journal/tail.c
# tests: unit/journal_damage crash/damage_exhaustive
s/return AVJ_FIT_WRONG;/return AVJ_FIT_HERE;/
