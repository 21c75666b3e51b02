# what a stub says became of a mutation is not believed
# file: replay/merge.c
# tests: unit/history
s/if \(is_history\(&?m\)\)/if (false \&\& is_history(m))/
