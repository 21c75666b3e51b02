# a durable append returns without a sync
# file: journal/append.c
# tests: unit/journal_durable fuzz/recovery
s/if \(status == AVJ_OK && a->durability == AVJ_DURABLE\)/if (false)/
