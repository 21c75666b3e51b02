# a length may be anything
# file: journal/format.c
# tests: fuzz/frame
s/h->stored_len <= AVJ_FRAME_STORED_MAX/true/
s/h->raw_len <= AVJ_FRAME_RAW_MAX/true/
