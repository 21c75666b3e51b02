# what a failed sync left is not written anew
# file: journal/carry.c
# tests: crash/sim_sync_failure
s/while \(status == AVJ_OK && next_frame\(c, &info, &stored\)\)/while (false \&\& next_frame(c, \&info, \&stored))/
