# the answer to a delete takes a row with it that was made anew
# file: replay/view_fold.c
# tests: unit/merge_table property/histories
s/if \(row \&\& !avj_value_get\(e->root, "v", \&version\)\)/if (row \&\& (avj_value_get(e->root, "v", \&version) || row))/
