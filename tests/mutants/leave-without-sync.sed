# a segment is left for a new one without being made durable
# file: journal/sync.c
# tests: crash/sim_crash
s/outcome = sync_place\(j, file, name_durable, &j->tail, &errnum\);/outcome = SYNCED;/
