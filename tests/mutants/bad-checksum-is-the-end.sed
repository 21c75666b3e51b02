# the log is cut at the first frame that does not fit, whatever proof there is of more
# file: journal/tail.c
# tests: unit/verdicts crash/damage_exhaustive
s/return avj_tail_evidence\(&j->reader, &j->tail, &state.witness, same_boot\)/return false/
s/if \(state.witness.valid && state.witness.seq >= j->tail.next_seq\)/if (false)/
