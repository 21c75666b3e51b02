# the log is cut at the first frame that does not fit, whatever proof there is of more
# file: journal/tail.c
# tests: unit/verdicts crash/damage_exhaustive
s/if \(avj_tail_evidence\(&j->reader, &j->tail, &state.witness, same_boot\)\)/if (same_boot \&\& false)/
s/if \(knows_more\(&state.witness, &j->tail\)\)/if (knows_more(\&state.witness, \&j->tail) \&\& false)/
