# the server's clock is compared with ours as it is
# file: replay/merge.c
# tests: unit/merge_table integration/sync_clock property/histories
s/avj_hlc_ms\(p->hlc\) \+ m->incoming->clock_offset_ms/avj_hlc_ms(p->hlc)/
