# sequence numbers may wrap
# file: journal/format.c
# tests: fuzz/frame
s/h->first_seq > AVJ_SEQ_MAX/false/
s/first_seq <= AVJ_SEQ_MAX && count - 1 <= AVJ_SEQ_MAX - first_seq/true/
