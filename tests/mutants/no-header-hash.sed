# a segment header's hash is not checked
# file: journal/format.c
# tests: crash/damage_exhaustive
s/if \(memcmp\(hash, in \+ AVJ_SEGMENT_HASH_OFFSET, 16\) != 0\)/if (false)/
