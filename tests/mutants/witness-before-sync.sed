# the witness is written before the sync
# file: journal/sync.c
# tests: crash/sim_crash crash/sim_sync_failure
s/^( *)write_slot\(j, AVJ_SLOT_MARK, AVJ_WITNESS_SLOTS, place\);/\1avj_bear_witness(j, state.older, place);/
