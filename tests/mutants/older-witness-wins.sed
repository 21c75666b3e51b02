# of two witnesses the older one counts
# file: journal/witness.c
# tests: unit/verdicts crash/damage_exhaustive unit/journal_durable
s/is_later\(&w, &state->witness\)/is_later(\&state->witness, \&w)/
