# edits of what is gone again vanish without a trace
# file: replay/merge.c
# tests: unit/merge_table
s/else if \(incoming->acknowledged \&\& !avj_document_base\(document\)\)/else if (incoming->acknowledged > 1000)/
