# an embedded dictionary's stored bytes are not checked
# file: journal/reader.c
# tests: unit/verdicts
s/avj_hash64\(stored, room\) != header->dictionary.stored_hash/false/
