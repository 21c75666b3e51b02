# a frame needs not follow the one before it
# file: journal/tail.c
# tests: unit/journal_damage
s/frame->chain_before == place->chain &&//
