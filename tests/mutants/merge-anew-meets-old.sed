# what is made anew behind a delete is merged with its predecessor
# file: replay/merge.c
# tests: unit/merge_table property/histories
s/return meet_edit_with_delete\(m, i\);.*/status = meet_edit_with_delete(m, i);/
