# a sync that nobody saw the end of counts as if it had not been
# file: journal/witness.c
# tests: unit/verdicts crash/sim_sync_failure
s/if \(!mark->valid \|\| mark->segment_no != segment_no.*/if (mark)/
