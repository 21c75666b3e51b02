# a segment gets its name before its bytes are durable
# file: journal/segment.c
# tests: crash/sim_crash
s/int r = avj_io_sync\(io, draft->file\);/int r = 0;/
