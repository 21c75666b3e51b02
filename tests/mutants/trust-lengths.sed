# memory is taken for a length before its hash was checked
# file: journal/reader.c
# tests: fuzz/segment
s/^( *)if \(!avj_frame_header_decode\(bytes, avj_frame_place\(r->salt, offset\), h\)\)$/\1void *volatile early = malloc(avj_get_le32(bytes + 8));\n\1free(early);\n&/
