# rows that are looked at in another segment may go
# file: replay/history_plan.c
# tests: unit/history
s/s->segment != segment\)/s->segment == SIZE_MAX - 1)/
