# a segment that was replaced is read with what was known of the old file
# file: journal/fetch_segments.c
# tests: unit/journal_fetch unit/journal_rewrite
s/s->entered && memcmp\(header\.salt, s->header\.salt, 16\) == 0/s->entered/
