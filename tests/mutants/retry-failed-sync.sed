# a sync that failed is asked for again
# file: journal/io_posix.c
# tests: unit/journal_fault crash/sim_sync_failure
s/while \(r == -EINTR\);/while (r == -EINTR || (r == -EIO \&\& (r = io->sync(io->ctx, file)) == -EINTR));/
