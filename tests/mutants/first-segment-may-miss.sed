# that the first segments are gone is not noticed
# file: journal/cursor.c
# tests: unit/journal_damage crash/damage_exhaustive
s/c->segment.prev_segment_no != 0/false/
