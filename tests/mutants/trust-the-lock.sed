# whoever has held the append lock once believes that nobody has held it since
# file: journal/lock.c
# tests: unit/journal_append crash/sim_crash
s/bool own = .*/bool own = r == 0 \&\& done == SIGNATURE_LEN;/
